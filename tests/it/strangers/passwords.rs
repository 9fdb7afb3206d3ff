//! Passwords that are kept as bcrypt hashes: to check one takes long, and some try thousands.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use super::host;
use crate::support::http::{configured, from};
use crate::support::server::Server;
use crate::support::{Folder, eventually, text};

/// Of "wonderland", at a cost of some 50 ms, by crypt(3) with a salt that anybody may know.
const BCRYPT: &str = "$2b$10$abcdefghijklmnopqrstuuwmjOOgyx/jknFqeF8sHrF2cGgSECl/q";

/// A server of one shard, so that one password is checked at a time.
#[track_caller]
fn serve() -> Server {
    let listener = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n";
    let user = format!("[[hub.user]]\nname = \"alice\"\npassword_bcrypt = \"{BCRYPT}\"\n");
    configured("", &[listener, &user])
}

/// A NATS client from this address of the loopback that says who it is.
#[track_caller]
fn log_in(server: &Server, last: u8, password: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(from(host(last), server.addresses("nats://")[0]));
    let mut info = String::new();
    stream.read_line(&mut info).expect("the server speaks first");
    let words =
        format!("CONNECT {{\"verbose\":false,\"user\":\"alice\",\"pass\":\"{password}\"}}\r\nPING\r\n");
    stream.get_mut().write_all(words.as_bytes()).expect("the server reads");
    stream
}

#[track_caller]
fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("the server answers");
    line.trim_end().to_owned()
}

/// Whether it was told anything.
fn has_answer(stream: &BufReader<TcpStream>) -> bool {
    stream.get_ref().set_nonblocking(true).expect("the kernel can");
    !matches!(stream.get_ref().peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// A hundred wrong passwords of one address take seconds. A right one of another address comes in behind a few of them, and
/// so does a right one behind all of those that have given up.
#[test]
fn a_flood_of_wrong_passwords_makes_its_own_address_wait() {
    let server = serve();
    let flood: Vec<_> = (0..100).map(|number| log_in(&server, 2, &format!("wrong {number}"))).collect();
    let mut alice = log_in(&server, 3, "wonderland");
    assert_eq!(line(&mut alice), "PONG");
    let answered = flood.iter().filter(|stream| has_answer(stream)).count();
    assert!(answered < 50, "{answered} of the others came first");
    drop(flood);
    let mut neighbour = log_in(&server, 2, "underland");
    assert_eq!(line(&mut neighbour), "-ERR 'Authorization Violation'");
    drop((alice, neighbour));
    server.stop_clean();
}

/// There are no more threads for passwords than shards, nor than four, and they leave the processor to the shards.
#[test]
fn passwords_are_checked_beside_the_shards() {
    let folder = Folder::new();
    let toml = format!(
        "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n\
         [[hub.user]]\nname = \"alice\"\npassword_bcrypt = \"{BCRYPT}\"\n"
    );
    let file = folder.write("t.toml", &toml);
    for (shards, expected) in [("1", 1), ("2", 2), ("5", 4)] {
        let server = Server::start(&["--config", text(&file), "--shards", shards]);
        let own = server.niceness("shard 0")[0];
        eventually("they have stepped back", || {
            server.niceness("passwords") == vec![(own + 10).min(19); expected]
        });
        server.stop_clean();
    }
    let server = Server::tcp(&[]);
    assert_eq!(server.niceness("passwords"), [0; 0], "nobody has a password");
    server.stop_clean();
}

/// A stop does not wait for passwords that are being checked.
#[test]
fn a_stop_does_not_wait_for_passwords() {
    let server = serve();
    let mut flood: Vec<_> = (0..50).map(|number| log_in(&server, 2, &format!("wrong {number}"))).collect();
    assert_eq!(line(&mut flood[0]), "-ERR 'Authorization Violation'");
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    let mut rest = Vec::new();
    let last = flood.last_mut().expect("there are some");
    last.read_to_end(&mut rest).expect("it is ended, and not reset");
}
