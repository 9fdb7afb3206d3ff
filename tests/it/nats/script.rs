//! Random scripts of what several connections say, valid and not, for the differential runs.
//!
//! Each step can be said by itself and leaves the connection in order or ended: whatever a server may still wait for is
//! followed by rubbish that ends it for certain. So every step can be answered before the next one is said, and any step
//! can be left out.

use std::fmt;

use super::known;
use super::seeds::Dice;

pub(super) const CONNECTIONS: usize = 3;
/// The first token of all subjects; a run has its own, as long as this one.
pub(super) const SPACE: &str = "SPACE___";
/// How long payloads are that are long; every server takes them.
const LONG_PAYLOAD: usize = 300;

/// Whom a script is for.
#[derive(Clone, Copy)]
pub(super) struct Servers {
    /// Members of a JSON object, each set of which lets somebody in.
    pub(super) credentials: &'static [&'static str],
    /// How long payloads and lines may be.
    pub(super) max_payload: usize,
    pub(super) max_control_line: usize,
}

/// What no server takes, and so often that it fills any payload.
const RUBBISH: &[u8] = b"\r\nrubbish\r\n";
const RUBBISH_TIMES: usize = 2 + LONG_PAYLOAD / RUBBISH.len();

/// What a connection says before it is asked for a sign of life.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) connection: usize,
    /// It is opened anew for this.
    pub(super) opens: bool,
    pub(super) bytes: Vec<u8>,
    /// Where the bytes are cut.
    pub(super) cuts: Vec<usize>,
    /// How many PONGs it earns, if it is understood.
    pub(super) pings: usize,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = char::from(b'a' + u8::try_from(self.connection).expect("there are three"));
        let mut parts = Vec::new();
        let mut start = 0;
        for &cut in self.cuts.iter().chain([&self.bytes.len()]) {
            parts.push(self.bytes[start..cut].escape_ascii().to_string());
            start = cut;
        }
        let opens = if self.opens { "(opened) " } else { "" };
        let rubbish = RUBBISH.escape_ascii().to_string();
        let text = parts.join(" | ").replace(&rubbish.repeat(RUBBISH_TIMES), "(rubbish)");
        write!(formatter, "{name}> {opens}{text}")
    }
}

/// Makes scripts.
pub(super) struct Author<'a> {
    dice: &'a mut Dice,
    servers: Servers,
    next_payload: u32,
}

impl<'a> Author<'a> {
    pub(super) fn new(dice: &'a mut Dice, servers: Servers) -> Self {
        Self { dice, servers, next_payload: 0 }
    }

    /// A whole script.
    pub(super) fn script(&mut self) -> Vec<Step> {
        let mut steps: Vec<Step> = (0..CONNECTIONS).map(|connection| self.opening(connection)).collect();
        for _ in 0..10 + self.dice.below(40) {
            let connection = self.dice.below(CONNECTIONS);
            let step = if self.dice.one_in(10) { self.opening(connection) } else { self.saying(connection) };
            steps.push(step);
        }
        steps.retain(|step| !known::is_about(&step.bytes));
        steps
    }

    fn step(&mut self, connection: usize, opens: bool, bytes: Vec<u8>, pings: usize) -> Step {
        let count = if self.dice.one_in(2) { 0 } else { 1 + self.dice.below(4) };
        let mut cuts: Vec<usize> =
            (0..count).map(|_| self.dice.below(bytes.len())).filter(|cut| *cut != 0).collect();
        cuts.sort_unstable();
        cuts.dedup();
        Step { connection, opens, bytes, cuts, pings }
    }

    /// A new connection introduces itself, in most cases, and is then alive in a subject of its own.
    fn opening(&mut self, connection: usize) -> Step {
        let mut line = Vec::new();
        if !self.dice.one_in(8) || !self.servers.credentials[0].is_empty() {
            line = self.connect();
        }
        line.extend(format!("SUB {SPACE}x.alive.{connection} alive\r\n").into_bytes());
        self.step(connection, true, line, 0)
    }

    fn connect(&mut self) -> Vec<u8> {
        let mut fields = Vec::new();
        for (name, usual) in
            [("verbose", "false"), ("pedantic", "false"), ("echo", "true"), ("headers", "true")]
        {
            let other = if usual == "true" { "false" } else { "true" };
            match self.dice.below(8) {
                0 => {} // It is left to the server's default.
                1..=2 => fields.push(format!("\"{name}\":{other}")),
                _ => fields.push(format!("\"{name}\":{usual}")),
            }
        }
        if self.dice.one_in(3) {
            fields.push("\"no_responders\":true".to_owned());
        }
        if self.dice.one_in(3) {
            fields.push("\"protocol\":1".to_owned());
        }
        let credentials = *self.dice.pick(self.servers.credentials);
        if !credentials.is_empty() {
            fields.push(credentials.to_owned());
        }
        format!("CONNECT {{{}}}\r\n", fields.join(",")).into_bytes()
    }

    /// Some lines in one step.
    fn saying(&mut self, connection: usize) -> Step {
        let mut bytes = Vec::new();
        let mut pings = 0;
        for _ in 0..1 + self.dice.below(4) {
            if self.dice.one_in(12) {
                bytes.extend(self.wrong());
                break;
            }
            let line = self.right(&mut pings);
            bytes.extend(line);
        }
        self.step(connection, false, bytes, pings)
    }

    // --- What is right, or nearly ----------------------------------------------------------------------------------

    fn right(&mut self, pings: &mut usize) -> Vec<u8> {
        let mut line = match self.dice.below(20) {
            0..=5 => self.subscribe(),
            6..=7 => self.unsubscribe(),
            8..=14 => self.publish(),
            15..=16 => self.publish_with_headers(),
            17 => {
                *pings += 1;
                self.dice
                    .pick(&["PING\r\n", "ping\r\n", "PING \r\n", "PiNg\n", "PING x\r\n"])
                    .as_bytes()
                    .to_vec()
            }
            18 => self.dice.pick(&["PONG\r\n", "pong\r\n", "+OK\r\n", "INFO {}\r\n"]).as_bytes().to_vec(),
            _ => {
                let flood = 1 + self.dice.below(5);
                *pings += flood;
                b"PING\r\n".repeat(flood)
            }
        };
        if self.dice.one_in(20) {
            let verb = line.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(0);
            line[..verb].make_ascii_lowercase();
        }
        line
    }

    fn space(&mut self) -> &'static str {
        let gap: &'static str = self.dice.pick::<&'static str>(&["  ", "\t", " \t "]);
        if self.dice.one_in(20) { gap } else { " " }
    }

    /// A number, with its group if it is of one: what is in a group shows in the number.
    fn sid(&mut self) -> (String, Option<&'static str>) {
        let number = self.dice.below(6);
        match self.dice.below(4) {
            0 => {
                let group = *self.dice.pick(&["red", "blue"]);
                (format!("q{group}{number}"), Some(group))
            }
            _ => (number.to_string(), None),
        }
    }

    fn subscribe(&mut self) -> Vec<u8> {
        let ((sid, group), gap) = (self.sid(), self.space());
        let tail = self
            .dice
            .pick(&["a", "b", "a.b", "*", "*.b", "a.*", ">", "a.>", "*.*", "a*", "**", "x>", "a.b.c"]);
        let invalid = self.dice.pick(&["a..b", "a.", ".a", ">.a", "a.>.b", "."]);
        let tail = if self.dice.one_in(10) { invalid } else { tail };
        let group = group.map(|group| format!("{group}{gap}")).unwrap_or_default();
        format!("SUB{gap}{SPACE}.{tail} {group}{sid}\r\n").into_bytes()
    }

    fn unsubscribe(&mut self) -> Vec<u8> {
        let ((sid, group), gap) = (self.sid(), self.space());
        // Which member of a group has had how many is chance.
        let most = match self.dice.below(3) {
            0 if group.is_none() => format!(" {}", self.dice.below(6)),
            _ => String::new(),
        };
        format!("UNSUB{gap}{sid}{most}\r\n").into_bytes()
    }

    fn subject(&mut self) -> Vec<u8> {
        let usual: &[&[u8]] = &[b"a", b"b", b"a.b", b"a.c", b"c.b", b"a.b.c", b"nobody"];
        let odd: &[&[u8]] =
            &[b"a.*", b">", b"*", b"a.>", b"a..b", b"a.", b".a", b"a\x00b", b"\xc3\xa4", b"\xff", b"a*"];
        let tails = if self.dice.one_in(8) { odd } else { usual };
        let tail = *self.dice.pick(tails);
        [SPACE.as_bytes(), b".", tail].concat()
    }

    fn reply(&mut self) -> Vec<u8> {
        if self.dice.one_in(3) { [b" ".to_vec(), self.subject()].concat() } else { Vec::new() }
    }

    /// No two are alike.
    fn payload(&mut self) -> Vec<u8> {
        self.next_payload += 1;
        let mut payload = format!("m{}", self.next_payload).into_bytes();
        let filling: &[&[u8]] = &[b"", b"", b"hello", b"\r\nPING\r\n", b"\x00\xff\x80", b"\r\n\r\n"];
        payload.extend(*self.dice.pick(filling));
        if self.dice.one_in(10) {
            payload.resize(LONG_PAYLOAD - self.dice.below(3), b'x');
        }
        payload
    }

    fn publish(&mut self) -> Vec<u8> {
        let (subject, reply, payload, gap) = (self.subject(), self.reply(), self.payload(), self.space());
        let size = format!("{gap}{}\r\n", payload.len());
        [b"PUB", gap.as_bytes(), &subject, &reply, size.as_bytes(), &payload, b"\r\n"].concat()
    }

    fn publish_with_headers(&mut self) -> Vec<u8> {
        let blocks: &[&[u8]] = &[
            b"NATS/1.0\r\n\r\n",
            b"NATS/1.0\r\nA: b\r\n\r\n",
            b"NATS/1.0\r\nA: b\r\na:c\r\nEmpty:\r\n\r\n",
            b"NATS/1.0 503\r\n\r\n",
            b"rubbish",
            b"",
        ];
        let (subject, reply) = (self.subject(), self.reply());
        let (headers, mut payload) = (*self.dice.pick(blocks), self.payload());
        payload.truncate(LONG_PAYLOAD - headers.len());
        let sizes = format!(" {} {}\r\n", headers.len(), headers.len() + payload.len());
        [b"HPUB ", &subject[..], &reply, sizes.as_bytes(), headers, &payload, b"\r\n"].concat()
    }

    // --- What is wrong -------------------------------------------------------------------------------------------

    /// Something that ends the connection; if a server does not find so, the rubbish behind it does.
    fn wrong(&mut self) -> Vec<u8> {
        let mut bytes = match self.dice.below(8) {
            0 => self.wrong_size(),
            1 => self.too_much(),
            2 => self.connect(),
            _ => self.wrong_line(),
        };
        bytes.extend(RUBBISH.repeat(RUBBISH_TIMES));
        bytes
    }

    fn wrong_line(&mut self) -> Vec<u8> {
        let lines: &[&[u8]] = &[
            b"\r\n",
            b"HELLO\r\n",
            b" PING\r\n",
            b"\x00\r\n",
            b"\xff\xfe\r\n",
            b"PUB\r\n",
            b"PUB \r\n",
            b"PUB a\r\n",
            b"PUB a b c 1\r\nx\r\n",
            b"PUB a -1\r\n",
            b"PUB a 1x\r\nx\r\n",
            b"PUB a 99999999999999999999\r\n",
            b"PUB a 4294967297\r\nx\r\n",
            b"PUB a b c d e f\r\n",
            b"HPUB a 5\r\nhello\r\n",
            b"HPUB a 12 5\r\nhello\r\n",
            b"HPUB a -1 5\r\nhello\r\n",
            b"HPUB\r\n",
            b"HPUX a 1 1\r\nx\r\n",
            b"SUB\r\n",
            b"SUB \r\n",
            b"SUB a\r\n",
            b"SUB a b c d\r\n",
            b"SUX a 1\r\n",
            b"UNSUB\r\n",
            b"UNSUB \r\n",
            b"UNSUB 1 2 3\r\n",
            b"UNSUX 1\r\n",
            b"CONNECT\r\n",
            b"CONNECT {\r\n",
            b"CONNECT []\r\n",
            b"CONNECT {\"verbose\":1}\r\n",
            b"CONNECT {\"protocol\":2}\r\n",
            b"CONNECT {\"no_responders\":true,\"headers\":false}\r\n",
            b"MSG a 1 1\r\nx\r\n",
            b"HMSG a 1 1 1\r\nx\r\n",
            b"-ERR 'no'\r\n",
            b"+OKAY\r\n",
            b"PI\r\n",
            b"PONGPING\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ];
        self.dice.pick(lines).to_vec()
    }

    /// A payload that is shorter or longer than its line says.
    fn wrong_size(&mut self) -> Vec<u8> {
        let (subject, payload) = (self.subject(), self.payload());
        let size =
            if self.dice.one_in(2) { payload.len() + 1 + self.dice.below(9) } else { payload.len() / 2 };
        [b"PUB ", &subject[..], format!(" {size}\r\n").as_bytes(), &payload, b"\r\n"].concat()
    }

    fn too_much(&mut self) -> Vec<u8> {
        let (subject, Servers { max_payload, max_control_line, .. }) = (self.subject(), self.servers);
        let payload = vec![b'x'; max_payload + 1];
        match self.dice.below(4) {
            0 => [b"PUB ", &subject[..], format!(" {}\r\n", payload.len()).as_bytes(), &payload, b"\r\n"]
                .concat(),
            1 => {
                let sizes = format!(" 12 {}\r\nNATS/1.0\r\n\r\n", payload.len());
                [b"HPUB ", &subject[..], sizes.as_bytes(), &payload[12..], b"\r\n"].concat()
            }
            2 => [&b"SUB "[..], &vec![b's'; max_control_line], b" 1\r\n"].concat(),
            _ => [&b"PUB "[..], &vec![b's'; 3 * max_control_line]].concat(),
        }
    }
}
