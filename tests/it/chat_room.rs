//! The example of a chat room: what one says all hear, and who comes and goes is told.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tungstenite::{Message, WebSocket};

use crate::support::skip;

/// The room, which ends with the test.
struct Room {
    process: Child,
    address: SocketAddr,
}

impl Room {
    fn open() -> Self {
        let mut process = Command::new(example("chat_room"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo builds examples with the tests");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("it says where");
        let address = line.split(['/', ';']).nth(2).and_then(|address| address.parse().ok());
        Self { process, address: address.unwrap_or_else(|| panic!("an address stands in {line:?}")) }
    }

    fn enter(&self) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("the room is open");
        let (socket, _) =
            tungstenite::client(format!("ws://{}/chat", self.address), stream).expect("it lets in");
        socket
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An example's program: cargo puts it beside the folder of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    test.ancestors().nth(2).expect("it is in target/debug/deps").join("examples").join(name)
}

fn heard(socket: &mut WebSocket<TcpStream>) -> String {
    match socket.read().expect("the room speaks") {
        Message::Text(text) => text.to_string(),
        other => panic!("{other:?} is no text"),
    }
}

#[test]
fn what_one_says_all_hear_in_order() {
    if !example("chat_room").exists() {
        return skip("the examples are not built; cargo test --workspace builds them");
    }
    let room = Room::open();
    let mut first = room.enter();
    let name = first.get_ref().local_addr().expect("it is connected").to_string();
    let mut second = room.enter();
    let other = second.get_ref().local_addr().expect("it is connected").to_string();
    assert_eq!(heard(&mut first), format!("* {other} has come"));
    for number in 0..100 {
        first.send(Message::text(format!("line {number}"))).expect("it is taken");
    }
    for number in 0..100 {
        let said = format!("{name}: line {number}");
        assert_eq!(heard(&mut first), said);
        assert_eq!(heard(&mut second), said);
    }
    second.close(None).expect("it may go");
    assert!(second.read().is_ok_and(|message| message.is_close()), "its farewell is answered");
    assert_eq!(heard(&mut first), format!("* {other} has gone"));
}
