//! The published description of the result's JSON.

/// The JSON Schema (draft 2020-12) of a result.
pub const SCHEMA_TEXT: &str = include_str!("../../../schema/tidemill-loadgen-2.schema.json");
