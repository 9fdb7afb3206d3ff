//! The JSON commands of WebSocket clients, one for each line of the input: what they do and what they are answered,
//! compared with what `serde_json` reads in the same text and the documentation says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use tidemill::limits::{REQUEST_TIMEOUT_MAX, SEAT_NAME_BYTES_MAX, SUBJECT_BYTES_MAX};

use super::subjects::matches;
use super::town::{Door, Guest, Leave, Setup, Town};
use super::wire::{self, COMMANDS, Said, TEXT};

/// Commands that are given.
const COMMANDS_MAX: usize = 30;
/// Within this time whoever asks is answered, in milliseconds.
const ANSWERED_MS: u64 = 1500;
/// What one who is asked answers.
const ANSWER: &str = "hi";

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut world = World::new();
    for line in text.split('\n').take(COMMANDS_MAX) {
        world.give(line);
    }
    world.close();
}

// --- A command, as serde_json reads it -----------------------------------------------------------------------------

/// The members of an object, in order and as often as they stand there.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// What is to happen.
enum Wish {
    Subscribe { filter: String, sid: String, queue: Option<String> },
    Unsubscribe { sid: String },
    Publish { subject: String, reply: String, payload: Payload },
    Request { subject: String, payload: Payload, timeout_ms: Option<u64> },
}

#[derive(Clone)]
enum Payload {
    Text(String),
    Bytes(Vec<u8>),
}

impl Payload {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What a command is: its name, and what it wants, or nothing where it is wrong.
struct Reading {
    id: Option<Value>,
    wish: Option<Wish>,
}

const KNOWN: [&str; 9] = ["type", "id", "subject", "sid", "queue", "reply", "data", "base64", "timeout_ms"];

/// Reads a command; `None` where what nobody asks for is read by one reader and not by the other: an unknown member may
/// hold what is too deep or too large for a [`Value`].
fn read(text: &str) -> Option<Reading> {
    const WRONG: Reading = Reading { id: None, wish: None };
    let members = match serde_json::from_str::<Members>(text) {
        Ok(Members(members)) => members,
        Err(_) if text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() => {
            return None;
        }
        Err(_) => return Some(WRONG),
    };
    let mut known = Map::new();
    for (name, value) in members.into_iter().filter(|(name, _)| KNOWN.contains(&name.as_str())) {
        if known.insert(name, value).is_some() {
            return Some(WRONG);
        }
    }
    known.retain(|name, value| name == "type" || !value.is_null());
    let fits = known.iter().all(|(name, value)| match name.as_str() {
        "id" => value.is_number() || value.as_str().is_some_and(|id| id.len() <= SEAT_NAME_BYTES_MAX),
        "timeout_ms" => value.is_u64(),
        _ => value.is_string(),
    });
    if !fits || !known.contains_key("type") {
        return Some(WRONG);
    }
    let id = known.remove("id");
    let wish = wish(&known);
    Some(Reading { wish: wish.filter(|wish| id.is_some() || !matches!(wish, Wish::Request { .. })), id })
}

/// What the documentation says of a command.
fn wish(members: &Map<String, Value>) -> Option<Wish> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
    // Unset where it is wrong, unset within where it is left out.
    let word = |name: &str| text(name).map_or(Some(None), |word| is_word(&word).then_some(Some(word)));
    let literal = || text("subject").filter(|subject| is_literal(subject));
    match members["type"].as_str()? {
        "subscribe" => {
            let filter = text("subject").filter(|filter| is_filter(filter))?;
            let sid = word("sid")?.unwrap_or_else(|| filter.clone());
            Some(Wish::Subscribe { filter, sid, queue: word("queue")? })
        }
        "unsubscribe" => {
            let name = if members.contains_key("sid") { "sid" } else { "subject" };
            Some(Wish::Unsubscribe { sid: word(name)?? })
        }
        "publish" => {
            let reply =
                text("reply").map_or(Some(String::new()), |reply| is_literal(&reply).then_some(reply));
            Some(Wish::Publish { subject: literal()?, reply: reply?, payload: payload(members)? })
        }
        "request" => {
            let most = u64::try_from(REQUEST_TIMEOUT_MAX.as_millis()).ok()?;
            let fits = |time: &Value| time.as_u64().is_some_and(|time| (1..=most).contains(&time));
            members.get("timeout_ms").is_none_or(fits).then_some(())?;
            let timeout_ms = members.get("timeout_ms").and_then(Value::as_u64);
            Some(Wish::Request { subject: literal()?, payload: payload(members)?, timeout_ms })
        }
        _ => None,
    }
}

fn payload(members: &Map<String, Value>) -> Option<Payload> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    match (text("data"), text("base64")) {
        (Some(_), Some(_)) => None,
        (data, None) => Some(Payload::Text(data.unwrap_or_default().to_owned())),
        (None, Some(text)) => base64(text).map(Payload::Bytes),
    }
}

/// RFC 4648, section 4, with its padding, and with zeros in bits that stand for nothing (section 3.5).
fn base64(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim_end_matches('=');
    let padding = text.len() - letters.len();
    (text.len().is_multiple_of(4) && padding <= 2).then_some(())?;
    let (mut bits, mut held, mut bytes) = (0u32, 0, Vec::new());
    for letter in letters.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, held) = (bits << 6 | u32::from(value), held + 6);
        if 8 <= held {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("eight bits"));
        }
        bits &= (1 << held) - 1;
    }
    (bits == 0 && held == 2 * padding).then_some(bytes)
}

fn is_word(word: &str) -> bool {
    let is_letter = |letter: char| !letter.is_whitespace() && !letter.is_control();
    !word.is_empty() && word.len() <= SUBJECT_BYTES_MAX && word.chars().all(is_letter)
}

fn is_filter(filter: &str) -> bool {
    let tokens: Vec<&str> = filter.split('.').collect();
    let is_token =
        |token: &&str| !token.is_empty() && !token.chars().any(|letter| letter == ' ' || letter.is_control());
    filter.len() <= SUBJECT_BYTES_MAX
        && tokens.iter().all(is_token)
        && tokens.iter().position(|token| *token == ">").is_none_or(|place| place + 1 == tokens.len())
}

fn is_literal(subject: &str) -> bool {
    is_filter(subject) && !subject.split('.').any(|token| token == "*" || token == ">")
}

// --- What comes of it ----------------------------------------------------------------------------------------------

/// One who gives commands, one who hears everything and answers whoever asks, and what is known of the first one.
struct World {
    town: Town,
    desk: Guest,
    witness: Guest,
    /// By `sid`: the filter and the queue group.
    subscriptions: BTreeMap<String, (String, Option<String>)>,
}

impl World {
    fn new() -> Self {
        let mut town = Town::new(&Setup { shards: 1, seed: 1, wild: false, pending_bytes: usize::MAX });
        let witness = b"CONNECT {\"echo\":false,\"headers\":true}\r\nSUB > 1\r\n";
        let witness = town.enter(0, Door::Nats, witness);
        town.settle();
        town.heard(witness).clear();
        let desk = town.enter(0, Door::Strangers, &wire::upgrade("/ws", COMMANDS));
        town.settle();
        let head = wire::take_head(town.heard(desk)).expect("it is answered");
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("tidemill.v1"), "{head}");
        Self { town, desk, witness, subscriptions: BTreeMap::new() }
    }

    /// Gives a command, and compares all that comes of it.
    fn give(&mut self, line: &str) {
        let Some(Reading { id, wish }) = read(line) else { return };
        self.town.say(self.desk, &wire::frame(TEXT, line.as_bytes()));
        self.town.settle();
        let said = wire::take_said(self.town.heard(self.witness));
        let (mut answers, mut queued) = (Vec::new(), Vec::new());
        match wish {
            None => answers.extend([answer("error", id.as_ref())]),
            Some(Wish::Subscribe { filter, sid, queue }) => {
                let is_new = !self.subscriptions.contains_key(&sid);
                if is_new {
                    self.subscriptions.insert(sid, (filter, queue));
                }
                let kind = if is_new { "ok" } else { "error" };
                answers.extend((!is_new || id.is_some()).then(|| answer(kind, id.as_ref())));
                assert!(said.is_empty(), "{said:?}");
            }
            Some(Wish::Unsubscribe { sid }) => {
                let was = self.subscriptions.remove(&sid).is_some();
                let kind = if was { "ok" } else { "error" };
                answers.extend((!was || id.is_some()).then(|| answer(kind, id.as_ref())));
                assert!(said.is_empty(), "{said:?}");
            }
            Some(Wish::Publish { subject, reply, payload }) => {
                self.check_said(&said, &subject, &reply, &payload);
                let heard = self.hear(&subject, &reply, &payload, &mut answers, &mut queued);
                if let Some(id) = &id {
                    answers.push(json!({"type": "ok", "id": id, "delivered": 1 + heard, "shards": 0}));
                }
            }
            Some(Wish::Request { subject, payload, timeout_ms }) => {
                let reply = said.first().map(|said| String::from_utf8(said.reply.clone()).expect("ours"));
                let reply = reply.filter(|reply| reply.starts_with("_INBOX.")).expect("a request is heard");
                self.check_said(&said, &subject, &reply, &payload);
                self.hear(&subject, &reply, &payload, &mut answers, &mut queued);
                let words = format!("PUB {reply} {}\r\n{ANSWER}\r\n", ANSWER.len());
                self.town.say(self.witness, words.as_bytes());
                self.town.settle();
                self.hear(&reply, "", &Payload::Text(ANSWER.to_owned()), &mut answers, &mut queued);
                let reply = json!({"type": "reply", "id": id, "data": ANSWER});
                if timeout_ms.is_some_and(|time| time < ANSWERED_MS) {
                    // It may be told that nobody has answered in time.
                    queued.push([text(&reply), text(&answer("error", id.as_ref()))].into());
                } else {
                    answers.push(reply);
                }
            }
        }
        self.check_heard(answers, queued, line);
    }

    /// The witness has heard this, once.
    fn check_said(&self, said: &[Said], subject: &str, reply: &str, payload: &Payload) {
        let expected = Said {
            subject: subject.into(),
            sid: b"1".to_vec(),
            reply: reply.into(),
            content: payload.bytes().to_vec(),
        };
        assert_eq!(said, [expected]);
    }

    /// What the desk itself hears of a message: for each of its plain subscriptions, and for one of each queue group, of
    /// which the names are noted. Returns how many they are.
    fn hear(
        &self,
        subject: &str,
        reply: &str,
        payload: &Payload,
        answers: &mut Vec<Value>,
        queued: &mut Vec<BTreeSet<String>>,
    ) -> usize {
        let fits = |(filter, _): &&(String, Option<String>)| matches(filter.as_bytes(), subject.as_bytes());
        let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut heard = 0;
        for (sid, (_, queue)) in self.subscriptions.iter().filter(|(_, wish)| fits(wish)) {
            let message = message(sid, subject, reply, payload);
            match queue {
                Some(queue) => drop(groups.entry(queue).or_default().insert(text(&message))),
                None => {
                    answers.push(message);
                    heard += 1;
                }
            }
        }
        heard += groups.len();
        queued.extend(groups.into_values());
        heard
    }

    /// The desk has heard these, in any order, and one of each of those.
    fn check_heard(&mut self, answers: Vec<Value>, queued: Vec<BTreeSet<String>>, line: &str) {
        let mut heard = Vec::new();
        while let Some((opcode, payload)) = wire::take_frame(self.town.heard(self.desk)) {
            assert_eq!(opcode, TEXT, "{line}: {}", String::from_utf8_lossy(&payload));
            let mut value: Value = serde_json::from_slice(&payload).expect("it is JSON");
            if let Some(error) = value.get_mut("error") {
                let sentence = error.take();
                assert!(sentence.as_str().is_some_and(|text| text.ends_with('.')), "{line}: {sentence}");
            }
            heard.push(text(&value));
        }
        for one in queued {
            let place = heard.iter().position(|heard| one.contains(heard));
            drop(
                heard.remove(place.unwrap_or_else(|| panic!("{line}: one of {one:?} is missing: {heard:?}"))),
            );
        }
        let mut expected: Vec<String> = answers.iter().map(text).collect();
        expected.sort();
        heard.sort();
        assert_eq!(heard, expected, "{line}");
    }

    fn close(mut self) {
        for guest in [self.desk, self.witness] {
            assert!(!self.town.is_gone(guest), "no command ends a connection");
            self.town.leave(guest, Leave::End);
        }
        self.town.settle();
        assert_eq!(self.town.sizes(), Default::default(), "nothing is left of anybody");
        self.town.stop();
    }
}

/// An object with its members in the order of the alphabet.
fn text(value: &Value) -> String {
    let members: BTreeMap<_, _> = value.as_object().into_iter().flatten().collect();
    format!("{members:?}")
}

/// An answer without figures; the sentence of an error is judged apart.
fn answer(kind: &str, id: Option<&Value>) -> Value {
    let mut answer = json!({ "type": kind });
    if let Some(id) = id {
        answer["id"] = id.clone();
    }
    if kind == "error" {
        answer["error"] = Value::Null;
    }
    answer
}

fn message(sid: &str, subject: &str, reply: &str, payload: &Payload) -> Value {
    let mut message = json!({"type": "message", "sid": sid, "subject": subject});
    if !reply.is_empty() {
        message["reply"] = reply.into();
    }
    match payload {
        Payload::Text(text) => message["data"] = text.as_str().into(),
        Payload::Bytes(bytes) => message["base64"] = encoded(bytes).into(),
    }
    message
}

/// RFC 4648, section 4.
fn encoded(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letters = [18, 12, 6, 0].map(|shift| char::from(LETTERS[(bits >> shift & 63) as usize]));
        text.extend(&letters[..=three.len()]);
        (three.len()..3).for_each(|_| text.push('='));
    }
    text
}
