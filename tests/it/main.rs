//! Every integration test, linked once.

mod support;
mod tidy;
mod tiers;
