//! `loadgen serve` as a process: where it listens, how it waits, how it ends.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tidemill::sys::clock;

use super::DEADLINE;
use super::servers::Place;

/// A peer that runs until it is stopped.
pub(crate) struct Peer {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
    /// Where it listens, as it said.
    pub(crate) url: String,
}

impl Peer {
    /// Starts a peer, and waits until it says where it listens.
    pub(crate) fn start(url: &str, line: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.args(["serve", url]).args(line.split_whitespace()).args(["--json", "-"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let Some(Ok(first)) = stdout.next() else { panic!("{line}: {:?}", stderr.next()) };
        let url = first.strip_prefix("listening at ").unwrap().to_owned();
        Self { child, stdout, stderr, url }
    }

    /// The address and port behind the scheme.
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// A connection to it, which fails rather than to wait for ever.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Asks it to end with this signal; it must do so with 0. Returns what it counted.
    pub(crate) fn end(mut self, signal: &str) -> Value {
        self.signal(signal);
        let json = self.stdout.next().unwrap().unwrap();
        assert!(self.stdout.next().is_none(), "nothing follows the counts");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        serde_json::from_str(&json).unwrap()
    }

    /// The same, by SIGTERM.
    pub(crate) fn stop(self) -> Value {
        self.end("-TERM")
    }

    /// Waits until it says that so many messages have arrived.
    fn await_messages(&mut self, count: u64) {
        let wanted = format!("loadgen: so far {count} messages on ");
        let deadline = clock::now().saturating_add(DEADLINE);
        while clock::now() < deadline {
            self.signal("-USR1");
            if self.stderr.next().unwrap().unwrap().starts_with(&wanted) {
                return;
            }
        }
        panic!("the messages never arrived");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It has ended already, unless the test failed.
        let _ = self.child.wait();
    }
}

/// So many messages of 16 bytes, which begin with their number, from 1.
pub(crate) fn messages(count: u64) -> Vec<u8> {
    let message = |number: u64| [number.to_le_bytes(), [7; 8]].concat();
    (1..=count).flat_map(message).collect()
}

/// What comes back for these bytes when nothing more will follow.
pub(crate) fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    answers
}

#[test]
fn messages_come_back_over_every_stream() {
    let sent = messages(1000);
    let peer = Peer::start("tcp://127.0.0.1:0", "--size 16");
    assert_eq!(exchange(peer.connect(), &sent), sent);
    let counts = peer.stop();
    assert_eq!((&counts["messages"], &counts["answered"]), (&1000.into(), &1000.into()), "{counts}");
    assert_eq!((&counts["connections"], &counts["unsent"]), (&1.into(), &0.into()), "{counts}");

    let place = Place::new("peer");
    let peer = Peer::start(&place.url(), "--size 16");
    assert_eq!(peer.url, place.url());
    let mut stream = UnixStream::connect(place.path()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    assert_eq!(answers, sent);
    assert_eq!(peer.stop()["answered"], 1000);
    assert!(!std::path::Path::new(place.path()).exists(), "the socket's file goes with the peer");
}

/// Far more than fits into the buffers of the kernel: the peer waits for a client that does not read, and goes on.
#[test]
fn a_client_that_reads_late_gets_everything() {
    let peer = Peer::start("tcp://127.0.0.1:0", "--size 1MiB");
    let sent: Vec<u8> = (0..32u32 << 20).map(|place| place.to_le_bytes()[place as usize % 3]).collect();
    let mut stream = peer.connect();
    stream.write_all(&sent).unwrap();
    let mut answers = vec![0; sent.len()];
    stream.read_exact(&mut answers).unwrap();
    assert!(answers == sent);
    assert_eq!(peer.stop()["answered"], 32);
}

#[test]
fn a_client_that_goes_away_does_not_concern_the_others() {
    let mut peer = Peer::start("tcp://127.0.0.1:0", "--size 16 --law fixed:20ms");
    let mut gone = peer.connect();
    gone.write_all(&messages(3)).unwrap();
    peer.await_messages(3);
    drop(gone);
    assert_eq!(exchange(peer.connect(), &messages(5)), messages(5));
    let counts = peer.stop();
    assert_eq!((&counts["messages"], &counts["connections"]), (&8.into(), &2.into()), "{counts}");
}

/// Only that it is not early can be asked of a machine that may be slow.
#[test]
fn no_answer_leaves_before_its_time() {
    for idle in ["sleep", "hybrid", "spin"] {
        let peer = Peer::start("tcp://127.0.0.1:0", &format!("--size 16 --law fixed:50ms --idle {idle}"));
        let started = clock::now();
        assert_eq!(exchange(peer.connect(), &messages(3)), messages(3));
        let took = clock::now().saturating_since(started);
        assert!(Duration::from_millis(50) <= took, "{idle}: {took:?}");
        let counts = peer.stop();
        let late = |key: &str| counts["lateness"][key].as_f64().unwrap();
        assert!(0.0 < late("p50_us") && late("p50_us") <= late("p99_us"), "{counts}");
        assert!(late("p99_us") <= late("max_us"), "{counts}");
    }
}

#[test]
fn slow_accepts_come_one_by_one() {
    let peer = Peer::start("tcp://127.0.0.1:0", "--size 16 --slow-accept 100ms");
    let started = clock::now();
    let clients: Vec<TcpStream> = (0..3).map(|_| peer.connect()).collect();
    for client in clients {
        assert_eq!(exchange(client, &messages(1)), messages(1));
    }
    let took = clock::now().saturating_since(started);
    assert!(Duration::from_millis(200) <= took, "two pauses lie between three accepts: {took:?}");
    assert_eq!(peer.stop()["connections"], 3);
}

#[test]
fn a_signal_ends_it_and_what_still_waits_is_counted() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut peer = Peer::start("tcp://127.0.0.1:0", "--size 16 --law fixed:1h");
        let mut stream = peer.connect();
        stream.write_all(&messages(3)).unwrap();
        peer.await_messages(3);
        let counts = peer.end(signal);
        assert_eq!((&counts["answered"], &counts["unsent"]), (&0.into(), &3.into()), "{signal}: {counts}");
    }
}

#[test]
fn a_connection_that_brings_too_much_is_cut() {
    let peer = Peer::start("tcp://127.0.0.1:0", "--size 1 --law fixed:1h");
    let mut greedy = peer.connect();
    let bytes = vec![0; 1 << 20];
    // The second million is more than may wait; when the peer has closed, writing fails.
    let written = (0..64).try_for_each(|_| greedy.write_all(&bytes));
    assert!(written.is_err());
    assert_eq!(peer.stop()["overflowed"], 1);
}

/// Runs the command to its end; returns its code and what it said.
fn refused(words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    let output = command.arg("serve").args(words).output().unwrap();
    assert!(output.stdout.is_empty(), "{words:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_command_line_that_cannot_be_is_refused_with_a_sentence() {
    for (words, sentence) in [
        ("ws://127.0.0.1:0", "serve speaks tcp://, unix:, udp:// and http://"),
        ("tcp://localhost:0", "names are not looked up"),
        ("--law slow", "a law is none, fixed:10ms, mix:99%@100us,1%@10ms"),
        ("--law fixed:10", "\"10\" is not a delay: write a number with its unit"),
        ("--law mix:50%@1ms", "the shares of a mix are 100 % together, and these are 50.000000 %"),
        ("--drop 2/3", "write a percentage, as in 1% by chance, or 1/100"),
        ("--size 0", "--size is from 1 byte to 16MiB"),
        ("udp://127.0.0.1:0 --close-after 3", "--close-after is for connections, and udp:// has none"),
    ] {
        let (code, said) = refused(&words.split_whitespace().collect::<Vec<_>>());
        assert_eq!(code, 2, "{words}: {said}");
        assert!(said.lines().next().unwrap().contains(sentence), "{words}: {said}");
    }
}

#[test]
fn where_it_cannot_listen_one_sentence_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", taken.local_addr().unwrap());
    let (code, said) = refused(&[&url]);
    assert_eq!((code, said.lines().count()), (3, 1), "{said}");
    assert!(said.starts_with(&format!("loadgen: {url} is taken by another process")), "{said}");
    let (code, said) = refused(&["tcp://127.0.0.1:0", "--core", "1023"]);
    assert_eq!(code, 3);
    assert!(said.contains("core 1023 may not be used"), "{said}");
}
