//! PROTOCOL.md is true: its conversations are held with the server, line by line, and its stream of events is asked for.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::doors_kit::{Events, Socket, publish};
use crate::support::server::Server;

/// The blocks of text in the document, line by line.
fn blocks() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md");
    let text = fs::read_to_string(path).expect("it is in the tree");
    let blocks = text.split("```text\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().expect("a split has a first part"));
    blocks.map(|block| block.lines().map(str::to_owned).collect()).collect()
}

/// One shard, as the document has it: nothing has to cross.
#[track_caller]
fn serve() -> Server {
    Server::listen(&["http://127.0.0.1:0"], &["--shards", "1"])
}

/// What is said in the conversations, in their order and on one connection. Where an answer is expected is a name of the
/// server's, another each time.
#[test]
fn the_conversations_of_the_document_are_held() {
    let server = serve();
    let mut socket = Socket::command(server.http_address(), "/ws");
    let mut places: HashMap<String, String> = HashMap::new();
    let mut held = 0;
    for line in blocks().concat() {
        if let Some(command) = line.strip_prefix("→ ") {
            let said =
                places.iter().fold(command.to_owned(), |said, (name, place)| said.replace(name, place));
            socket.send(said);
        } else if let Some(answer) = line.strip_prefix("← ") {
            let expected: Value =
                serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {line}"));
            let mut came = socket.json();
            if let (Some(name), Some(place)) = (expected["reply"].as_str(), came["reply"].as_str()) {
                places.insert(name.to_owned(), place.to_owned());
                came["reply"] = name.into();
            }
            assert_eq!(came, expected, "{line}");
            held += 1;
        }
    }
    assert_eq!(held, 15, "so many answers stand there");
    drop(socket);
    server.stop_clean();
}

/// The stream begins as the document has it, and its event is that of the message in it.
#[test]
fn the_stream_of_the_document_comes() {
    let server = serve();
    let address = server.http_address();
    let lines = blocks().into_iter().find(|block| block[0].starts_with("retry: ")).expect("it stands there");
    let payload = lines.iter().find_map(|line| line.strip_prefix("data: ")).expect("it has an event");
    let mut events = Events::begin(address, "subject=scores.final", "");
    for (place, expected) in lines.iter().enumerate() {
        if expected.starts_with("id: ") {
            publish(address, "scores.final", payload);
        }
        let came = events.line().expect("it goes on");
        assert_eq!(without_numbers(&came), without_numbers(expected), "line {place}");
    }
    drop(events);
    server.stop_clean();
}

/// The line without a number that is another each time.
#[track_caller]
fn without_numbers(line: &str) -> String {
    match line.split_once(": ") {
        Some((name @ ("retry" | "id"), number)) => {
            assert!(number.parse::<u64>().is_ok(), "{line}");
            format!("{name}: N")
        }
        _ => line.to_owned(),
    }
}
