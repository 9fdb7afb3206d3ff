//! What the host does not allow, and what a run thinks of itself in its first line and its exit code.

use std::process::Command;

use crate::peer::Peer;
use crate::run;

#[test]
fn too_few_descriptors_are_one_sentence() {
    let line = format!("ulimit -n 64 && exec {} tcp://127.0.0.1:9 -c 1000", env!("CARGO_BIN_EXE_loadgen"));
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.starts_with("loadgen: ") && said.contains("64") && said.contains("ulimit -n"), "{said}");
    assert!(output.stdout.is_empty());
}

/// A changed byte makes the check of the payload fail, on every machine.
#[test]
fn a_result_that_is_not_to_be_believed_says_so_first() {
    for (strict, code) in [("--strict", 4), ("", 1)] {
        let peer = Peer::start("tcp://127.0.0.1:0", "--corrupt 1/10");
        let run = run(&peer.url, &format!("-c 4 --rate 500 --count 100 {strict}"));
        assert_eq!(run.code, code, "{strict}: {}", run.stderr);
        let first = run.stdout.lines().next().unwrap();
        // By its name when others failed, too, and else in its own words.
        let is_named = first.contains("payload") || first.contains("10 messages came back with wrong bytes");
        assert!(first.starts_with("FAIL: ") && is_named, "{first}");
    }
}
