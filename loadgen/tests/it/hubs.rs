//! Small hubs of the standard library, which share no code with the generator: right ones, and ones that lose, repeat,
//! swap or spoil messages that are counted exactly, or cut those who do not read. Their threads end with the test's process.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use tungstenite::protocol::{Role, WebSocket};

/// Connections over HTTP are numbered from here on.
const HTTP_NUMBERS: usize = 1 << 20;

/// What a hub does with the deliveries of one subscriber, its [victim](Hub::victim); the others get everything right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Leaves out every delivery whose number, counted from 1, is a multiple of this.
    Drop(u64),
    /// Sends every such delivery twice.
    Repeat(u64),
    /// Sends every such delivery behind the one that follows it.
    Swap(u64),
    /// Changes the last byte of every such delivery.
    Spoil(u64),
    /// Closes the connection instead of this delivery.
    Close(u64),
}

/// What a hub does about those who do not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It waits for them, and everybody with it.
    #[default]
    Waits,
    /// It keeps for them what they do not read.
    Keeps,
    /// It does so up to so many bytes, and then ends their connection.
    Cuts(usize),
}

/// How a subscriber is spoken to.
#[derive(Clone, Copy)]
enum Form {
    Nats,
    WebSocket,
    Events,
}

/// Where a hub listens.
pub(crate) struct Doors {
    /// NATS.
    pub(crate) nats: String,
    /// Address and port for WebSocket at `/ws/SUBJECT` and events at `/sse?subject=SUBJECT`.
    pub(crate) http: String,
}

/// A subscription: where it goes, and under which name.
#[derive(Clone)]
struct Subscription {
    form: Form,
    subscriber: usize,
    sid: String,
    pattern: String,
    queue: Option<String>,
}

/// All that the connections of a hub share.
#[derive(Default)]
struct Hub {
    patience: Patience,
    subscriptions: Vec<Subscription>,
    writers: HashMap<usize, Writer>,
    /// Deliveries to the victim.
    delivered: u64,
    /// A delivery that is held back until the next one has gone.
    held: Option<(usize, Vec<u8>)>,
    /// Whose turn it is in a queue.
    turn: usize,
}

/// The way to a connection.
enum Writer {
    /// At once.
    Direct(TcpStream),
    /// By a thread of its own, with what waits for it, in bytes.
    Queued(TcpStream, Sender<Vec<u8>>, Arc<AtomicUsize>),
}

/// A hub that speaks the NATS client protocol, and its URL.
pub(crate) fn nats(fault: Fault) -> String {
    doors(fault).nats
}

/// A hub that speaks more than that.
pub(crate) fn doors(fault: Fault) -> Doors {
    open(fault, Patience::Waits)
}

/// A right one, which does this about those who do not read.
pub(crate) fn patient(patience: Patience) -> Doors {
    open(Fault::None, patience)
}

fn open(fault: Fault, patience: Patience) -> Doors {
    let hub = Arc::new(Mutex::new(Hub { patience, ..Hub::default() }));
    let for_http = Arc::clone(&hub);
    let nats = listen(move |stream, number| serve(stream, number, &hub, fault), 0);
    let http = listen(move |stream, number| serve_http(stream, number, &for_http), HTTP_NUMBERS);
    Doors { nats: format!("nats://{nats}"), http }
}

/// Serves each connection in a thread of its own, numbered from here on. Returns the address.
fn listen(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static, from: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in (from..).zip(listener.incoming()) {
            let (stream, serve) = (stream.unwrap(), Arc::clone(&serve));
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || serve(stream, number));
        }
    });
    address
}

/// A WebSocket that publishes and hears, or events.
fn serve_http(mut stream: TcpStream, number: usize, hub: &Mutex<Hub>) {
    let mut reader = BufReader::with_capacity(1, stream.try_clone().unwrap());
    let (mut head, mut line) = (Vec::new(), String::new());
    while line != "\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the head is whole");
        head.push(line.trim().to_owned());
    }
    let target = head[0].split(' ').nth(1).unwrap();
    if let Some(subject) = target.strip_prefix("/sse?subject=") {
        let answer =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        hub.lock().unwrap().enter(number, &stream, Form::Events, subject);
        while matches!(reader.read_line(&mut line), Ok(1..)) {} // Until the generator goes.
        return;
    }
    let subject = target.strip_prefix("/ws/").unwrap().to_owned();
    let key = head.iter().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).unwrap();
    hub.lock().unwrap().enter(number, &stream, Form::WebSocket, &subject);
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    while let Ok(message) = socket.read() {
        hub.lock().unwrap().publish(&subject, None, &message.into_data(), Fault::None);
    }
}

fn serve(mut stream: TcpStream, number: usize, hub: &Mutex<Hub>, fault: Fault) {
    hub.lock().unwrap().welcome(number, &stream);
    stream.write_all(b"INFO {\"server_id\":\"test\",\"headers\":true} \r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if !matches!(reader.read_line(&mut line), Ok(1..)) {
            return; // The generator has gone.
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words {
            ["CONNECT", ..] | ["PONG"] => {}
            ["PING"] => hub.lock().unwrap().write(number, b"PONG\r\n"),
            ["SUB", pattern, sid] => hub.lock().unwrap().subscribe(number, pattern, None, sid),
            ["SUB", pattern, queue, sid] => hub.lock().unwrap().subscribe(number, pattern, Some(queue), sid),
            ["PUB", subject, bytes] => {
                let payload = payload(&mut reader, bytes);
                hub.lock().unwrap().publish(subject, None, &payload, fault);
            }
            ["PUB", subject, reply, bytes] => {
                let payload = payload(&mut reader, bytes);
                hub.lock().unwrap().publish(subject, Some(reply), &payload, fault);
            }
            _ => panic!("the generator said {line:?}"),
        }
    }
}

/// A payload and its end.
fn payload(reader: &mut impl Read, bytes: &str) -> Vec<u8> {
    let mut payload = vec![0; bytes.parse::<usize>().unwrap() + 2];
    reader.read_exact(&mut payload).unwrap();
    assert!(payload.ends_with(b"\r\n"));
    payload.truncate(payload.len() - 2);
    payload
}

impl Writer {
    fn new(stream: TcpStream, patience: Patience) -> Self {
        if patience == Patience::Waits {
            return Self::Direct(stream);
        }
        let (sender, receiver) = mpsc::channel::<Vec<u8>>();
        let (waiting, mut writer) = (Arc::new(AtomicUsize::new(0)), stream.try_clone().unwrap());
        let written = Arc::clone(&waiting);
        thread::spawn(move || {
            for bytes in receiver {
                if writer.write_all(&bytes).is_err() {
                    return; // It was ended.
                }
                written.fetch_sub(bytes.len(), Ordering::Relaxed);
            }
        });
        Self::Queued(stream, sender, waiting)
    }

    /// Returns the bytes that wait.
    fn write(&mut self, bytes: &[u8]) -> usize {
        match self {
            // Whoever has gone gets nothing.
            Self::Direct(stream) => stream.write_all(bytes).map_or(0, |()| 0),
            Self::Queued(_, sender, waiting) => {
                let before = waiting.fetch_add(bytes.len(), Ordering::Relaxed);
                let _ = sender.send(bytes.to_vec());
                before + bytes.len()
            }
        }
    }

    /// Ends the connection; its threads, which end with it, close it.
    fn end(self) {
        let (Self::Direct(stream) | Self::Queued(stream, ..)) = self;
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

impl Hub {
    fn welcome(&mut self, number: usize, stream: &TcpStream) {
        let writer = Writer::new(stream.try_clone().unwrap(), self.patience);
        self.writers.insert(number, writer);
    }

    fn subscribe(&mut self, subscriber: usize, pattern: &str, queue: Option<&str>, sid: &str) {
        let (sid, pattern, queue) = (sid.to_owned(), pattern.to_owned(), queue.map(str::to_owned));
        self.subscriptions.push(Subscription { form: Form::Nats, subscriber, sid, pattern, queue });
    }

    /// A subscriber whose one subject is known from its path.
    fn enter(&mut self, number: usize, stream: &TcpStream, form: Form, subject: &str) {
        self.welcome(number, stream);
        self.subscribe(number, subject, None, "");
        self.subscriptions.last_mut().unwrap().form = form;
    }

    fn publish(&mut self, subject: &str, reply: Option<&str>, payload: &[u8], fault: Fault) {
        let taking = self.subscriptions.iter().filter(|one| matches(&one.pattern, subject));
        let (members, others): (Vec<_>, Vec<_>) = taking.cloned().partition(|one| one.queue.is_some());
        self.turn += 1;
        let member = members.get(self.turn % members.len().max(1)).cloned();
        for one in others.into_iter().chain(member) {
            let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
            let (length, last) = (payload.len(), &b"\r\n"[..]);
            let frame = match one.form {
                Form::Nats => {
                    let head = format!("MSG {subject} {} {reply}{length}\r\n", one.sid);
                    [head.as_bytes(), payload, last].concat()
                }
                // RFC 6455, 5.2: a final binary frame of less than 126 bytes.
                Form::WebSocket => [&[0x82, u8::try_from(length).unwrap()], payload].concat(),
                Form::Events => {
                    let head = format!("{:x}\r\ndata: ", length + "data: \n\n".len());
                    [head.as_bytes(), payload, b"\n\n\r\n"].concat()
                }
            };
            self.deliver(one.subscriber, frame, fault);
        }
    }

    fn deliver(&mut self, subscriber: usize, mut frame: Vec<u8>, fault: Fault) {
        if self.victim() != Some(subscriber) {
            return self.write(subscriber, &frame);
        }
        self.delivered += 1;
        let is_hit = |every: u64| self.delivered.is_multiple_of(every);
        match fault {
            Fault::Drop(every) if is_hit(every) => return,
            Fault::Repeat(every) if is_hit(every) => self.write(subscriber, &frame),
            Fault::Swap(every) if is_hit(every) => {
                self.held = Some((subscriber, frame));
                return;
            }
            Fault::Spoil(every) if is_hit(every) => {
                let last = frame.len() - 3;
                frame[last] ^= 1;
            }
            Fault::Close(at) if self.delivered == at => {
                self.writers.remove(&subscriber).unwrap().end();
            }
            _ => {}
        }
        self.write(subscriber, &frame);
        if let Some((subscriber, frame)) = self.held.take() {
            self.write(subscriber, &frame);
        }
    }

    /// The subscriber of the pattern that comes last in the alphabet, and of several the connection that came first. That is
    /// the same one in every run, while whose subscription comes first is chance.
    fn victim(&self) -> Option<usize> {
        let last = self.subscriptions.iter().max_by_key(|one| (&one.pattern, Reverse(one.subscriber)));
        last.map(|one| one.subscriber)
    }

    fn write(&mut self, subscriber: usize, bytes: &[u8]) {
        let waiting = self.writers.get_mut(&subscriber).map_or(0, |writer| writer.write(bytes));
        if matches!(self.patience, Patience::Cuts(most) if most < waiting) {
            self.writers.remove(&subscriber).unwrap().end();
        }
    }
}

fn matches(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
}
