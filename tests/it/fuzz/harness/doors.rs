//! The doors of HTTP to the hub: whatever a stranger says there, others are served as if it were not there, and nothing is
//! left of it when it has gone.
//!
//! The first byte is the door, the second one is the seed of everything else: how many shards there are, what their
//! kernels do, how the stranger reads and leaves, and what those speak who publish and listen beside it. The rest is what
//! the stranger says: at door 0 as it is, at the others in the requests and frames that the door asks for. It says it
//! several times, cut in other places, and what it publishes is the same each time.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use tidemill::ring::sim::Random;

use super::town::{Door, Guest, Leave, Setup, Town};
use super::wire::{self, BINARY, COMMANDS, Said, TEXT};

/// Words of a stranger that are said byte by byte as well: each byte is a turn of all shards.
const CRUMBLED_BYTES_MAX: usize = 500;
/// Messages of those who behave, at most.
const PUBLICATIONS_MAX: usize = 30;
/// Bytes that may wait for somebody who reads nothing; whoever reads is never cut for it.
const PENDING_BYTES: usize = 20_000;
/// Bytes of an answer to a request.
const ANSWER_BYTES: usize = 1000;

pub(super) fn run(data: &[u8]) {
    let [door, seed, rest @ ..] = data else { return };
    let words = words(door & 7, *seed, rest);
    let visit = Visit::new(*seed, data);
    let mut random = Random::new(u64::from(*seed) + 1);
    let whole = visit.run(&[&words]);
    let published = visit.run(&pieces(&words, &mut random));
    if visit.is_deaf || mentions(&words, b"/delay/") {
        return; // What it publishes depends on when it is cut off, or on time.
    }
    assert_eq!(published, whole, "in pieces it publishes the same");
    if words.len() <= CRUMBLED_BYTES_MAX {
        let crumbs: Vec<&[u8]> = words.chunks(1).collect();
        assert_eq!(visit.run(&crumbs), whole, "byte by byte it publishes the same");
    }
}

/// What the stranger says at this door.
fn words(door: u8, seed: u8, rest: &[u8]) -> Vec<u8> {
    let mut lines = rest.splitn(2, |byte| *byte == b'\n');
    let (first, behind) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let first = String::from_utf8_lossy(first);
    let messages = |opcode: u8, text: &[u8]| -> Vec<u8> {
        text.split(|byte| *byte == b'\n').flat_map(|line| wire::frame(opcode, line)).collect()
    };
    let post = |place: &str| {
        let head =
            format!("POST /{place}/{first} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", behind.len());
        [head.as_bytes(), behind].concat()
    };
    match door {
        0 => rest.to_vec(),
        // A WebSocket on a subject: a message for each line.
        1 => [wire::upgrade(&format!("/ws/{first}"), ""), messages(TEXT, behind)].concat(),
        // The same, with frames as they are.
        2 => [&wire::upgrade(&format!("/ws/{first}"), "")[..], behind].concat(),
        // JSON commands: one for each line.
        3 => [wire::upgrade("/ws", COMMANDS), messages(TEXT, rest)].concat(),
        // NATS: a stream, in frames of one length.
        4 => {
            let frames = rest.chunks([1, 20, 100, 5000][usize::from(seed % 4)]);
            let frames = frames.flat_map(|piece| wire::frame(BINARY, piece));
            wire::upgrade("/nats", "").into_iter().chain(frames).collect()
        }
        5 => [post("publish"), post("publish")].concat(),
        6 => [post("request"), post("request")].concat(),
        _ => [format!("GET /sse?{first} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), behind].concat(),
    }
}

/// Cuts it at some places.
fn pieces<'a>(words: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let longest = [3, 40, 1000][random.index(3)];
    let (mut rest, mut pieces) = (words, Vec::new());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(1 + random.index(longest)));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

fn mentions(words: &[u8], name: &[u8]) -> bool {
    words.windows(name.len()).any(|window| window == name)
}

/// What those speak who behave.
#[derive(Clone, Copy, Debug)]
enum Tongue {
    Nats,
    WebSocket,
    Commands,
    /// `POST` for one who publishes, events for one who listens.
    Http,
}

/// What a visit is like, apart from what the stranger says.
struct Visit {
    setup: Setup,
    /// Whether the stranger reads nothing.
    is_deaf: bool,
    /// How it leaves; unset, it is there when the server stops.
    leaves: Option<Leave>,
    publisher: (usize, Tongue),
    listener: (usize, Tongue),
    /// The shard of one who listens to everything.
    witness: usize,
    /// A word that the stranger does not know: it follows from all that it says.
    mark: String,
}

impl Visit {
    fn new(seed: u8, data: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        let mut random = Random::new(seed.into());
        let shards = 1 + random.index(2);
        let tongues = [Tongue::Nats, Tongue::WebSocket, Tongue::Commands, Tongue::Http];
        let is_deaf = random.chance(250);
        let mut somebody = || (random.index(shards), tongues[random.index(4)]);
        let (publisher, listener, (witness, _)) = (somebody(), somebody(), somebody());
        // The end of one who reads nothing is not seen before all is sent to it.
        let ways = [Some(Leave::Close), Some(Leave::Reset), None, Some(Leave::End)];
        Self {
            is_deaf,
            leaves: ways[random.index(if is_deaf { 3 } else { 4 })],
            publisher,
            listener,
            witness,
            mark: format!("{:016x}", hasher.finish()),
            setup: Setup {
                shards,
                seed: seed.into(),
                wild: random.chance(500),
                pending_bytes: if is_deaf { PENDING_BYTES } else { usize::MAX },
            },
        }
    }

    /// Lets the stranger say this, piece by piece; returns what it has published, in order.
    fn run(&self, pieces: &[&[u8]]) -> Vec<Said> {
        let mut town = Town::new(&self.setup);
        let mut witness = Witness::enter(&mut town, self.witness);
        let listener = self.listens(&mut town);
        let publisher = self.publishes(&mut town);
        town.settle();
        let before = town.sizes();
        let mut said = 0;
        self.publish(publisher, &mut said, &mut town);
        let stranger = town.enter(0, Door::Strangers, b"");
        if self.is_deaf {
            town.deafen(stranger);
            town.watch(PENDING_BYTES);
        }
        for (number, piece) in pieces.iter().enumerate() {
            town.say(stranger, piece);
            witness.answer(&mut town);
            if number % (1 + pieces.len() / PUBLICATIONS_MAX) == 0 {
                self.publish(publisher, &mut said, &mut town);
            }
        }
        witness.answer_all(&mut town);
        self.publish(publisher, &mut said, &mut town);
        if let Some(how) = self.leaves {
            town.leave(stranger, how);
            town.settle();
            assert_eq!(town.sizes(), before, "nothing is left of who has gone");
        }
        self.publish(publisher, &mut said, &mut town);
        witness.answer_all(&mut town);
        let numbers = self.numbers(town.heard(listener));
        assert_eq!(numbers, (1..=said).collect::<Vec<_>>(), "who behaves is heard by who behaves, in order");
        assert!(!town.is_gone(listener) && !town.is_gone(publisher) && !town.is_gone(witness.guest));
        for guest in [listener, publisher, witness.guest] {
            town.leave(guest, Leave::End);
        }
        if self.leaves.is_some() {
            town.settle();
            assert_eq!(town.sizes(), Default::default(), "nothing is left of anybody");
        }
        town.stop();
        witness.published(self.mark.as_bytes())
    }

    fn subject(&self) -> String {
        format!("good.{}", self.mark)
    }

    /// Somebody listens to what the publisher says.
    fn listens(&self, town: &mut Town) -> Guest {
        let (node, tongue) = self.listener;
        let subject = self.subject();
        match tongue {
            Tongue::Nats => town.enter(
                node,
                Door::Nats,
                format!("CONNECT {{}}\r\nSUB {subject} 1\r\nPING\r\n").as_bytes(),
            ),
            Tongue::WebSocket => town.enter(node, Door::Http, &wire::upgrade(&format!("/ws/{subject}"), "")),
            Tongue::Commands => {
                let wish = format!(r#"{{"type":"subscribe","subject":"{subject}","id":1}}"#);
                let wish = wire::frame(TEXT, wish.as_bytes());
                town.enter(node, Door::Http, &[wire::upgrade("/ws", COMMANDS), wish].concat())
            }
            Tongue::Http => {
                let head = format!("GET /sse?subject={subject} HTTP/1.1\r\nHost: a\r\n\r\n");
                town.enter(node, Door::Http, head.as_bytes())
            }
        }
    }

    /// Somebody who is going to say something.
    fn publishes(&self, town: &mut Town) -> Guest {
        let (node, tongue) = self.publisher;
        match tongue {
            Tongue::Nats => town.enter(node, Door::Nats, b"CONNECT {\"echo\":false}\r\n"),
            Tongue::WebSocket => {
                let target = format!("/ws/{}?echo=false", self.subject());
                town.enter(node, Door::Http, &wire::upgrade(&target, ""))
            }
            Tongue::Commands => town.enter(node, Door::Http, &wire::upgrade("/ws", COMMANDS)),
            Tongue::Http => town.enter(node, Door::Http, b""),
        }
    }

    /// Says the next number.
    fn publish(&self, publisher: Guest, said: &mut usize, town: &mut Town) {
        *said += 1;
        let (subject, payload) = (self.subject(), format!("{}:{said};", self.mark));
        let length = payload.len();
        let words = match self.publisher.1 {
            Tongue::Nats => format!("PUB {subject} {length}\r\n{payload}\r\n").into_bytes(),
            Tongue::WebSocket => wire::frame(TEXT, payload.as_bytes()),
            Tongue::Commands => {
                let text = format!(r#"{{"type":"publish","subject":"{subject}","data":"{payload}"}}"#);
                wire::frame(TEXT, text.as_bytes())
            }
            Tongue::Http => {
                let head = format!("POST /publish/{subject} HTTP/1.1\r\nHost: a\r\n");
                format!("{head}Content-Length: {length}\r\n\r\n{payload}").into_bytes()
            }
        };
        town.say(publisher, &words);
    }

    /// The numbers that were heard: whatever is spoken, the mark and the number stand in it as they were said.
    fn numbers(&self, heard: &[u8]) -> Vec<usize> {
        let (text, mark) = (String::from_utf8_lossy(heard), format!("{}:", self.mark));
        let after = text.split(&mark).skip(1).map(|rest| rest.split_once(';'));
        after.map(|number| number.and_then(|(number, _)| number.parse().ok()).unwrap_or_default()).collect()
    }
}

/// One who listens to everything, and answers whoever asks.
struct Witness {
    guest: Guest,
    heard: Vec<Said>,
}

impl Witness {
    fn enter(town: &mut Town, node: usize) -> Self {
        let words = b"CONNECT {\"echo\":false,\"headers\":true}\r\nSUB > 1\r\nPING\r\n";
        Self { guest: town.enter(node, Door::Nats, words), heard: Vec::new() }
    }

    /// Answers what it has been asked since. Returns whether it was.
    fn answer(&mut self, town: &mut Town) -> bool {
        let new = wire::take_said(town.heard(self.guest));
        // A name that the server has given; others are for the stranger to play with.
        let asked = new.iter().filter(|said| said.reply.starts_with(b"_INBOX.") && said.reply.len() < 100);
        let answer = |said: &Said| {
            let line = format!(" {ANSWER_BYTES}\r\n{:ANSWER_BYTES$}\r\n", "hi");
            [&b"PUB "[..], &said.reply, line.as_bytes()].concat()
        };
        let answers: Vec<u8> = asked.flat_map(answer).collect();
        self.heard.extend(new);
        town.say(self.guest, &answers);
        !answers.is_empty()
    }

    /// The same, until nobody asks any more.
    fn answer_all(&mut self, town: &mut Town) {
        town.settle();
        while self.answer(town) {
            town.settle();
        }
    }

    /// What it has heard, but for what those say who behave; of a name that the server gave only that it is one.
    fn published(self, mark: &[u8]) -> Vec<Said> {
        let strange = self.heard.into_iter().filter(|said| !said.subject.ends_with(mark));
        let nameless = |mut said: Said| {
            if said.reply.starts_with(b"_INBOX.") {
                said.reply.truncate(b"_INBOX.".len());
            }
            said
        };
        strange.map(nameless).collect()
    }
}
