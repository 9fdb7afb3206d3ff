//! The real binary against small servers of the standard library, which share no code with it, and against Tidemill.

#![forbid(unsafe_code)]

mod compare;
mod exits;
mod faults;
mod files;
mod http_liars;
mod hubs;
/// Installs what a test needs, as for the tests of the server.
#[path = "../../../tests/it/support/install.rs"]
mod install;
mod loads;
mod peer;
mod peer_faults;
mod peer_http;
mod protocols;
mod pubsub;
mod pubsub_tidemill;
mod servers;
mod several;
mod truth;
mod watching;
mod websocket_liars;

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tidemill::sys::clock;

/// Longest time that any run here may take, with much room for a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a run came to.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
    took: Duration,
}

/// Runs the binary with these words.
fn run(url: &str, line: &str) -> Run {
    let started = clock::now();
    let words = std::iter::once(url).chain(line.split_whitespace());
    let output: Output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(words).output().unwrap();
    let took = clock::now().saturating_since(started);
    assert!(took < DEADLINE, "{url} {line} took {took:?}");
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        took,
    }
}

/// Runs the binary, and reads its result from standard output.
fn result(url: &str, line: &str) -> (i32, Value) {
    let run = run(url, &format!("{line} --json -"));
    let json = serde_json::from_str(&run.stdout);
    let json =
        json.unwrap_or_else(|error| panic!("{url} {line}: {error} in {:?}; {}", run.stdout, run.stderr));
    (run.code, json)
}

/// The number at this path, as in `counts.sent`.
fn number(json: &Value, path: &str) -> u64 {
    let found = path.split('.').fold(json, |json, key| &json[key]);
    found.as_u64().unwrap_or_else(|| panic!("{path} in {json}"))
}
