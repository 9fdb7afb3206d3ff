//! Chance against the whole: shards on the simulated kernel, and every reader of strangers' bytes.

mod corpus;
mod harness;
mod lone;
mod reader;
mod script;
mod world;
