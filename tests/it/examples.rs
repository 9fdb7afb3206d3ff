//! The examples, started as whoever reads them would, and spoken to by clients of the standard library.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{skip, streams};

/// An example that runs, until it is dropped; with its standard output, into which it may say more.
struct Example(Child, #[expect(dead_code, reason = "it is kept open")] Lines<BufReader<ChildStdout>>);

impl Example {
    /// Starts it on a port that the system chooses, and returns where it says that it listens.
    fn start(name: &str) -> Option<(Self, SocketAddr)> {
        let test = std::env::current_exe().expect("a test runs from a file");
        // Cargo puts examples beside the folder of the tests.
        let profile = test.parent().and_then(std::path::Path::parent).expect("target/<profile>/deps/it");
        let path = profile.join("examples").join(name);
        if !path.exists() {
            // Cargo builds them for `cargo test`, not for `cargo test --test it`.
            skip("the examples were not built");
            return None;
        }
        let mut command = Command::new(path);
        command.arg("0").stdout(Stdio::piped());
        let mut child = command.spawn().expect("it can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("it speaks UTF-8");
            line.strip_prefix("listening on ").map(|address| address.parse().expect("an address"))
        });
        let example = Self(child, lines);
        Some((example, address.expect("it says where it listens")))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn check(client: &mut TcpStream, message: &[u8]) {
    let mut answer = vec![0; 4 + message.len()];
    client.read_exact(&mut answer).expect("each message is answered");
    assert_eq!(answer[..4], u32::try_from(message.len()).expect("a short message").to_be_bytes());
    assert!(answer[4..].iter().eq(message.iter().rev()), "it is turned round");
}

#[test]
fn the_custom_protocol_answers_messages_however_they_are_cut() {
    let Some((_example, address)) = Example::start("custom_protocol") else { return };
    let mut client = streams::tcp(address);
    client.write_all(b"\0\0\0\x05hello\0\0\0\0\0\0\0").expect("it reads");
    check(&mut client, b"hello");
    check(&mut client, b"");
    client.write_all(b"\x03ab").expect("it reads");
    client.write_all(b"c").expect("it reads");
    check(&mut client, b"abc");
}

#[test]
fn the_custom_protocol_waits_for_those_who_read_late() {
    let Some((_example, address)) = Example::start("custom_protocol") else { return };
    let client = streams::tcp(address);
    let mut reader = client.try_clone().expect("a descriptor is free");
    let message = vec![7; 16 * 1024];
    let frame = [&16_384_u32.to_be_bytes()[..], &message].concat();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..1000).for_each(|_| (&client).write_all(&frame).expect("it reads in time")));
        (0..1000).for_each(|_| check(&mut reader, &message));
    });
}

#[test]
fn the_custom_protocol_refuses_a_length_beyond_its_bound() {
    let Some((_example, address)) = Example::start("custom_protocol") else { return };
    let mut client = streams::tcp(address);
    client.write_all(b"\0\0\0\x01a\0\0\x40\x01").expect("it reads");
    check(&mut client, b"a");
    streams::check_ended(&mut client);
}
