//! Fuzzes `hub_commands` of the harness that the ordinary tests run, too.
#![no_main]

#[path = "../../it/fuzz/harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::run("hub_commands", data));
