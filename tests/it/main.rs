//! Every integration test, linked once.

mod tidy;
