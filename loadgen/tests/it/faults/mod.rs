//! Faults, each of which must be told as whose it is: loadgen's own as its own, the server's as the server's.

mod connections;
mod killed;
mod limits;
mod lossy;
mod small;
mod stopped;

use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use loadgen::result::RunResult;
use tidemill::sys::clock;

use super::DEADLINE;

/// A run that is under way, and shows its progress.
struct Ongoing {
    child: Child,
    stdout: ChildStdout,
    progress: Lines<BufReader<ChildStderr>>,
}

impl Ongoing {
    /// Starts a run.
    fn start(url: &str, line: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.arg(url).args(line.split_whitespace()).args(["--progress", "--json", "-"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let progress = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stdout, progress }
    }

    /// Waits until it has shown a second of its measured time.
    fn await_progress(&mut self) {
        let line = self.progress.next().expect("it shows its progress").unwrap();
        assert!(line.contains("/s"), "{line}");
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for its end: the code, the result, and the time from now to there.
    fn end(&mut self) -> (i32, RunResult, Duration) {
        let started = clock::now();
        let mut json = String::new();
        self.stdout.read_to_string(&mut json).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        let took = clock::now().saturating_since(started);
        assert!(took < DEADLINE, "it took {took:?}");
        (code, serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} in {json:?}")), took)
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It has ended already, unless the test failed.
        let _ = self.child.wait();
    }
}

/// Lets this time pass, where it is the time itself that is needed.
fn pass(time: Duration) {
    let (_silent, nothing) = channel::<()>();
    assert!(nothing.recv_timeout(time).is_err());
}
