//! Clients that are programs of their own: each prints `ok NAME` when something is as it should be.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;

use super::tools;
use crate::support::{DEADLINE, skip};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    JavaScript,
}

/// What both do in the part `behaviours`, in this order; the second has a [`ROUND_TRIP`] more.
const BEHAVIOURS: [&str; 12] = [
    "publish and subscribe",
    "wildcards",
    "queue groups",
    "request and reply",
    "no responders",
    "headers",
    "unsubscribe after",
    "max payload",
    "no echo",
    "verbose and pedantic",
    "drain",
    "close",
];
const ROUND_TRIP: &str = "round trip";

/// What nats-core does by behaviours.mjs.
pub(super) fn behaviours(language: Language) -> Vec<&'static str> {
    let mut names = BEHAVIOURS.to_vec();
    if language == Language::JavaScript {
        names.insert(10, ROUND_TRIP);
    }
    names
}

/// A program that runs, and is killed when a test gives it up.
pub(super) struct Program {
    child: Child,
    lines: Receiver<String>,
    /// Reads what it says of its troubles.
    troubles: Option<JoinHandle<String>>,
}

impl Program {
    /// The part of a client of this language against this address; says so if this host has no such client.
    #[track_caller]
    pub(super) fn start(
        language: Language,
        url: &str,
        part: &str,
        environment: &[(&str, &str)],
    ) -> Option<Self> {
        let mut command = match language {
            Language::Python => {
                let mut command = Command::new(tools::python().inspect_err(|why| skip(why)).ok()?);
                command.arg(source("clients.py"));
                command
            }
            Language::JavaScript => {
                let modules = tools::node_modules().inspect_err(|why| skip(why)).ok()?;
                let mut command = Command::new("node");
                command.arg(source("node.mjs")).arg(modules);
                command
            }
        };
        command.args([url, part]).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it was tried before");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let troubles = std::thread::spawn(move || {
            let mut text = String::new();
            // What can be read of it is enough.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Some(Self { child, lines, troubles: Some(troubles) })
    }

    /// Waits for the next thing that is as it should be.
    #[track_caller]
    pub(super) fn await_ok(&mut self, name: &str) {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) if line == format!("ok {name}") => {}
            Ok(line) => panic!("{line} and not {name}: {}", self.give_up()),
            Err(RecvTimeoutError::Timeout) => {
                panic!("nothing comes in the place of {name}: {}", self.give_up())
            }
            Err(RecvTimeoutError::Disconnected) => panic!("it ended before {name}: {}", self.give_up()),
        }
    }

    /// Waits for all these things, in this order, and for a good end.
    #[track_caller]
    pub(super) fn await_all(mut self, names: &[&str]) {
        names.iter().for_each(|name| self.await_ok(name));
        let more = self.lines.recv_timeout(DEADLINE);
        assert_eq!(more, Err(RecvTimeoutError::Disconnected), "it says more: {}", self.give_up());
        let status = self.child.wait().expect("it is ours");
        assert!(status.success(), "{status}: {}", self.give_up());
    }

    /// What it said of its troubles.
    fn give_up(&mut self) -> String {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.troubles.take().and_then(|troubles| troubles.join().ok()).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of this folder.
pub(super) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/nats").join(name)
}
