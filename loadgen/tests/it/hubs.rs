//! Small hubs of the standard library, which share no code with the generator: right ones, and ones that lose, repeat,
//! swap or spoil messages that are counted exactly. Their threads end with the test's process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a hub does with the deliveries of one subscriber, the first that subscribed; the others get everything right.
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

/// A subscription: where it goes, and under which name.
#[derive(Clone)]
struct Subscription {
    subscriber: usize,
    sid: String,
    pattern: String,
    queue: Option<String>,
}

/// All that the connections of a hub share.
#[derive(Default)]
struct Hub {
    subscriptions: Vec<Subscription>,
    writers: HashMap<usize, TcpStream>,
    /// Deliveries to the first subscriber.
    delivered: u64,
    /// A delivery that is held back until the next one has gone.
    held: Option<(usize, Vec<u8>)>,
    /// Whose turn it is in a queue.
    turn: usize,
}

/// A hub that speaks the NATS client protocol, and its URL.
pub(crate) fn nats(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let hub = Arc::new(Mutex::new(Hub::default()));
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (stream, hub) = (stream.unwrap(), Arc::clone(&hub));
            stream.set_nodelay(true).unwrap();
            hub.lock().unwrap().writers.insert(number, stream.try_clone().unwrap());
            thread::spawn(move || serve(stream, number, &hub, fault));
        }
    });
    url
}

fn serve(mut stream: TcpStream, number: usize, hub: &Mutex<Hub>, fault: Fault) {
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
            ["CONNECT", ..] => {}
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

impl Hub {
    fn subscribe(&mut self, subscriber: usize, pattern: &str, queue: Option<&str>, sid: &str) {
        let (sid, pattern, queue) = (sid.to_owned(), pattern.to_owned(), queue.map(str::to_owned));
        self.subscriptions.push(Subscription { subscriber, sid, pattern, queue });
    }

    fn publish(&mut self, subject: &str, reply: Option<&str>, payload: &[u8], fault: Fault) {
        let taking = self.subscriptions.iter().filter(|one| matches(&one.pattern, subject));
        let (members, others): (Vec<_>, Vec<_>) = taking.cloned().partition(|one| one.queue.is_some());
        self.turn += 1;
        let member = members.get(self.turn % members.len().max(1)).cloned();
        for one in others.into_iter().chain(member) {
            let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
            let head = format!("MSG {subject} {} {reply}{}\r\n", one.sid, payload.len());
            let frame = [head.as_bytes(), payload, b"\r\n"].concat();
            self.deliver(one.subscriber, frame, fault);
        }
    }

    fn deliver(&mut self, subscriber: usize, mut frame: Vec<u8>, fault: Fault) {
        if self.subscriptions[0].subscriber != subscriber {
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
                let writer = self.writers.remove(&subscriber).unwrap();
                writer.shutdown(std::net::Shutdown::Both).unwrap();
            }
            _ => {}
        }
        self.write(subscriber, &frame);
        if let Some((subscriber, frame)) = self.held.take() {
            self.write(subscriber, &frame);
        }
    }

    fn write(&mut self, subscriber: usize, bytes: &[u8]) {
        // Whoever has gone gets nothing.
        let _ = self.writers.get_mut(&subscriber).map(|writer| writer.write_all(bytes));
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
