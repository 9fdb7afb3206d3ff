//! Processes that end by themselves: those that print something, and those that cannot start.

use std::process::{Command, Output, Stdio};
use std::sync::mpsc::sync_channel;

use rustix::process::{Pid, Signal, kill_process};

use super::DEADLINE;
pub(crate) use super::install::can_run;

/// The binary that is tested.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tidemill");

/// The server with these arguments, not yet started.
pub(crate) fn tidemill(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments);
    command
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the server speaks UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Runs a process that is to end by itself.
#[track_caller]
pub(crate) fn run(command: Command) -> Ended {
    run_from(command, Stdio::null())
}

/// The same, with a standard input.
#[track_caller]
pub(crate) fn run_from(mut command: Command, input: Stdio) -> Ended {
    let command = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the process can be started");
    let pid = Pid::from_child(&child);
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(DEADLINE) else {
        // It has not been waited for, so its number is still its own.
        let _ = kill_process(pid, Signal::KILL);
        panic!("it did not end in {DEADLINE:?}: {:?}", receiver.recv());
    };
    output.expect("its output can be read").into()
}

/// Checks that a start is refused with this exit code and one sentence that has these words.
#[track_caller]
pub(crate) fn check_refused(command: Command, code: i32, words: &str) {
    let ended = run(command);
    check_sentence(&ended, code, words);
    assert_eq!(ended.stdout, "", "standard output is for data");
}

/// Checks the exit code and the one sentence on standard error.
#[track_caller]
pub(crate) fn check_sentence(ended: &Ended, code: i32, words: &str) {
    let Ended { stderr, .. } = ended;
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    assert_eq!(stderr.lines().count(), 1, "one sentence: {stderr}");
    assert!(stderr.starts_with("tidemill: ") && stderr.contains(words), "{words}: {stderr}");
    check_calm(stderr);
}

/// Checks that nothing fell over.
#[track_caller]
pub(crate) fn check_calm(stderr: &str) {
    for word in ["panicked", "backtrace", "BACKTRACE"] {
        assert!(!stderr.contains(word), "{stderr}");
    }
}
