//! What nats-server 2.15.1 answered to some lines, byte for byte: the server under test says the same.
//!
//! The cases and the answers are in `recorded.txt`, which tells its own format. `TIDEMILL_RECORD=1` asks a real
//! nats-server again and writes that file anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::known;
use super::peer::{Hub, Permission, Settings, User};
use super::raw::Raw;

const FILE: &str = "tests/it/nats/recorded.txt";

/// One conversation.
#[derive(Debug)]
struct Case {
    name: String,
    /// The name of the settings of its server.
    server: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq)]
enum Line {
    /// A connection says these bytes.
    Sent(char, Vec<u8>),
    /// It hears these, and then the next line follows.
    Heard(char, Vec<u8>),
    /// The server has ended it.
    Closed(char),
}

/// The server under test answers as nats-server did.
#[test]
fn answers_are_those_of_nats_server() {
    let text = fs::read_to_string(file()).expect("it is in the tree");
    if std::env::var_os("TIDEMILL_RECORD").is_some() {
        return record(&text);
    }
    let cases = parse(&text);
    assert!(80 <= cases.len(), "only {} cases are left", cases.len());
    let mut failures = Vec::new();
    for (name, settings) in servers() {
        let Some(hub) = Hub::start(&settings) else { return };
        let is_meant = |case: &&Case| case.server == name && known::reason(&case.name).is_none();
        for case in cases.iter().filter(is_meant) {
            let heard = replay(&hub, case);
            if heard != case.lines {
                let (expected, heard) = (show(&case.lines), show(&heard));
                failures.push(format!("{}\n expected\n{expected} heard\n{heard}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Every reason for a difference belongs to a case that is there.
#[test]
fn known_differences_are_of_known_cases() {
    let text = fs::read_to_string(file()).expect("it is in the tree");
    let cases = parse(&text);
    for known in known::KNOWN {
        for name in known.cases {
            assert!(cases.iter().any(|case| case.name == *name), "no case is called {name}: {}", known.what);
        }
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)
}

/// The servers that the cases are about.
fn servers() -> Vec<(&'static str, Settings)> {
    let limits = Settings {
        max_payload: Some(64),
        max_control_line: Some(512),
        max_subscriptions: Some(2),
        ..Settings::default()
    };
    let alice = User {
        name: "alice",
        password: "wonderland",
        publish: Permission { allow: &["open.>", "ask"], deny: &["open.not"] },
        subscribe: Permission {
            allow: &["open.>", "inbox.*", "work red"],
            deny: &["open.secret", "open.private.*"],
        },
        ..User::default()
    };
    let responder = User {
        name: "bob",
        password: "builder",
        publish: Permission { allow: &["only.this"], deny: &[] },
        allow_responses: true,
        ..User::default()
    };
    let users = Settings { users: vec![alice, responder], ..Settings::default() };
    let token = Settings { token: Some("s3cret-s3cret-s3cret"), ..Settings::default() };
    vec![("plain", Settings::default()), ("limits", limits), ("users", users), ("token", token)]
}

// --- Conversations -------------------------------------------------------------------------------------------------

/// Says what is to be said, and returns what was said and heard: as many bytes as the case has, and then the end or
/// nothing but the answer to one more PING.
fn replay(hub: &Hub, case: &Case) -> Vec<Line> {
    let mut connections = BTreeMap::new();
    let mut lines = Vec::new();
    for line in &case.lines {
        match line {
            Line::Sent(name, bytes) => {
                connections.entry(*name).or_insert_with(|| Raw::open(hub.address())).send(bytes);
                lines.push(line.clone());
            }
            Line::Heard(name, expected) => {
                let connection = connections.get_mut(name).expect("it has said something");
                lines.push(Line::Heard(*name, connection.hear(expected.len())));
            }
            Line::Closed(name) => {
                let connection = connections.remove(name).expect("it has said something");
                end(*name, connection, &mut lines);
            }
        }
    }
    connections.into_iter().for_each(|(name, connection)| end(name, connection, &mut lines));
    hub.await_forgotten();
    lines
}

/// Hears whether a connection is open, and that nothing more came.
fn end(name: char, mut connection: Raw, lines: &mut Vec<Line>) {
    connection.send("PING\r\n");
    let rest = connection.until("PONG\r\n");
    if !rest.is_empty() {
        lines.push(Line::Heard(name, rest.iter().flat_map(|said| said.bytes().to_vec()).collect()));
    }
    if connection.is_over {
        lines.push(Line::Closed(name));
    }
}

/// Asks a nats-server, and writes its answers in the place of those that are there.
fn record(text: &str) {
    let mut recorded = text
        .lines()
        .take_while(|line| !line.starts_with("case "))
        .fold(String::new(), |all, line| all + line + "\n");
    let hubs: Option<BTreeMap<_, _>> =
        servers().into_iter().map(|(name, settings)| Some((name, Hub::nats_server(&settings)?))).collect();
    let Some(hubs) = hubs else { return };
    for case in parse(text) {
        let lines = listen(&hubs[case.server.as_str()], &case);
        write!(recorded, "case {} {}\n{}\n", case.name, case.server, show(&lines))
            .expect("a string takes all");
    }
    fs::write(file(), recorded.trim_end().to_owned() + "\n").expect("the tree can be written to");
}

/// Says what is to be said, and after each line listens on every connection until nothing more comes.
fn listen(hub: &Hub, case: &Case) -> Vec<Line> {
    let mut connections: BTreeMap<char, Raw> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in &case.lines {
        let Line::Sent(name, bytes) = line else { continue };
        let connection = connections.entry(*name).or_insert_with(|| Raw::open(hub.address()));
        connection.set_patience(Duration::from_millis(150));
        connection.send(bytes);
        lines.push(line.clone());
        for (name, connection) in &mut connections {
            let heard = connection.hear_for_a_while();
            if !heard.is_empty() {
                lines.push(Line::Heard(*name, heard));
            }
        }
        let over = connections
            .iter()
            .filter(|(_, connection)| connection.is_over)
            .map(|(name, _)| Line::Closed(*name));
        lines.extend(over);
        connections.retain(|_, connection| !connection.is_over);
    }
    lines
}

// --- The file ------------------------------------------------------------------------------------------------------

/// Reads `case NAME SERVER`, `a> BYTES`, `a< BYTES` and `a closed`; bytes are written as Rust has them.
fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(names) = line.strip_prefix("case ") {
            let (name, server) = names.split_once(' ').expect("a case has a name and a server");
            cases.push(Case { name: name.to_owned(), server: server.to_owned(), lines: Vec::new() });
            continue;
        }
        let name = line.chars().next().expect("it is not empty");
        let line = match &line[1..] {
            " closed" => Line::Closed(name),
            rest => match rest.split_at(2) {
                ("> ", bytes) => Line::Sent(name, bytes_of(bytes)),
                ("< ", bytes) => Line::Heard(name, bytes_of(bytes)),
                _ => panic!("what is this line? {line}"),
            },
        };
        cases.last_mut().expect("a case comes first").lines.push(line);
    }
    cases
}

fn show(lines: &[Line]) -> String {
    let show = |line: &Line| match line {
        Line::Sent(name, bytes) => format!("{name}> {}\n", text_of(bytes)),
        Line::Heard(name, bytes) => format!("{name}< {}\n", text_of(bytes)),
        Line::Closed(name) => format!("{name} closed\n"),
    };
    lines.iter().map(show).collect()
}

/// As Rust writes bytes, but quotes as they are, and long repetitions by their number: `{100*x}`.
fn text_of(bytes: &[u8]) -> String {
    let mut runs = bytes.chunk_by(|one, other| one == other).peekable();
    let mut text = String::new();
    while let Some(run) = runs.next() {
        let is_before_digit = runs.peek().is_some_and(|next| next[0].is_ascii_digit());
        match run {
            [b'{', ..] if is_before_digit => text.push_str(&"\\x7b".repeat(run.len())),
            [quote @ (b'"' | b'\''), ..] => text.extend(std::iter::repeat_n(char::from(*quote), run.len())),
            [byte, ..] if 20 < run.len() => {
                write!(text, "{{{}*{}}}", run.len(), [*byte].escape_ascii()).expect("a string takes all");
            }
            _ => text.push_str(&run.escape_ascii().to_string()),
        }
    }
    text
}

/// The reverse of [`text_of`].
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((count, tail)) = rest.strip_prefix('{').and_then(|tail| tail.split_once('*'))
            && let Ok(count) = count.parse()
        {
            let (unit, tail) = tail.split_once('}').expect("a repetition ends");
            bytes.extend(bytes_of(unit).repeat(count));
            rest = tail;
            continue;
        }
        let (byte, length) = match rest.get(..2) {
            Some("\\r") => (b'\r', 2),
            Some("\\n") => (b'\n', 2),
            Some("\\t") => (b'\t', 2),
            Some("\\\\") => (b'\\', 2),
            Some("\\x") => (u8::from_str_radix(&rest[2..4], 16).expect("two digits follow"), 4),
            _ => (u8::try_from(first).expect("the file is ASCII"), 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

/// Bytes of every kind are read back as they were written.
#[test]
fn bytes_are_written_so_that_they_can_be_read() {
    let every: Vec<u8> = (0..=255).collect();
    for bytes in [&every[..], &[b'x'; 100], b"{1*", b"\\r\r\n\0", &[0; 50], b"{\"a\":1}"] {
        assert_eq!(bytes_of(&text_of(bytes)), bytes);
    }
}
