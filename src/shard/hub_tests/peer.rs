//! One peer of the line protocol: what it has said, what it must hear, and what it has heard.

use std::collections::{BTreeMap, VecDeque};

use crate::ring::sim::{PeerId, Random, Sim};

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    /// Reads what comes, soon.
    Healthy,
    /// Reads seldom, and may be cut for that.
    Slow,
}

/// Whether a peer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    Here,
    /// It has ended its side in order, behind all that it said.
    Ended,
    /// It went without a word.
    Gone,
}

/// Something that was published.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) subject: &'static str,
    pub(super) length: usize,
    /// When the peer began to say it.
    pub(super) step: u64,
    /// How often each queue group has heard it.
    pub(super) queues: BTreeMap<&'static str, u32>,
}

/// One subscription.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) filter: &'static str,
    pub(super) queue: Option<&'static str>,
    /// What the peer had published itself when it subscribed.
    pub(super) own_before: usize,
    /// When it read that the subscription is known everywhere.
    pub(super) known: Option<u64>,
    pub(super) ends: Option<Ends>,
    /// What was heard of each peer: the numbers, in order.
    pub(super) heard: BTreeMap<usize, Vec<usize>>,
    pub(super) count: u64,
}

/// A subscription was ended, by a line before this barrier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    most: u64,
    barrier: u64,
    /// Messages of which no more may come, from when the barrier was answered.
    last: Option<u64>,
}

/// One message as it came.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) subject: String,
    pub(super) sid: usize,
    pub(super) payload: String,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node: usize,
    pub(super) id: PeerId,
    pub(super) temper: Temper,
    pub(super) echo: bool,
    pub(super) stay: Stay,
    /// Bytes that it has yet to write.
    outgoing: VecDeque<u8>,
    /// Bytes that it has read, from an unfinished message on.
    unread: Vec<u8>,
    pub(super) said: Vec<Said>,
    /// By `sid`.
    pub(super) wishes: Vec<Wish>,
    /// Barriers that were asked for, each with how much was said, and subscribed to, before it.
    pub(super) barriers: Vec<(usize, usize)>,
    /// How many of them were answered.
    pub(super) answered: usize,
    /// Whether it was told that it is too slow.
    pub(super) farewell: bool,
}

impl Peer {
    pub(super) fn new(node: usize, id: PeerId, temper: Temper, echo: bool, pending: usize) -> Self {
        let mut peer = Self {
            node,
            id,
            temper,
            echo,
            stay: Stay::Here,
            outgoing: VecDeque::new(),
            unread: Vec::new(),
            said: Vec::new(),
            wishes: Vec::new(),
            barriers: Vec::new(),
            answered: 0,
            farewell: false,
        };
        peer.line(&format!("H {} {pending}", u8::from(echo)));
        peer
    }

    fn line(&mut self, line: &str) {
        self.outgoing.extend(line.as_bytes());
        self.outgoing.push_back(b'\n');
    }

    // --- What it says -------------------------------------------------------------------------------------------

    pub(super) fn subscribe(&mut self, filter: &'static str, queue: Option<&'static str>) {
        self.line(&format!("S {} {filter} {}", self.wishes.len(), queue.unwrap_or("-")));
        let own_before = self.said.len();
        let heard = BTreeMap::new();
        self.wishes.push(Wish { filter, queue, own_before, known: None, ends: None, heard, count: 0 });
    }

    pub(super) fn unsubscribe(&mut self, sid: usize, most: u64) {
        if self.wishes[sid].ends.is_none() {
            self.line(&format!("U {sid} {most}"));
            let barrier = self.barriers.len() as u64;
            self.wishes[sid].ends = Some(Ends { most, barrier, last: None });
        }
    }

    pub(super) fn publish(&mut self, own: usize, subject: &'static str, filler: usize, step: u64) {
        let payload = payload(own, self.said.len(), filler);
        self.said.push(Said { subject, length: payload.len(), step, queues: BTreeMap::new() });
        self.line(&format!("P {subject} {payload}"));
    }

    pub(super) fn ask(&mut self) {
        self.line(&format!("B {}", self.barriers.len()));
        self.barriers.push((self.said.len(), self.wishes.len()));
    }

    pub(super) fn write(&mut self, sim: &mut Sim, most: usize) {
        if self.stay == Stay::Here && !self.outgoing.is_empty() {
            let count = most.min(self.outgoing.len());
            let taken = sim.write(self.id, &self.outgoing.make_contiguous()[..count]);
            self.outgoing.drain(..taken);
        }
    }

    pub(super) fn leave(&mut self, sim: &mut Sim, random: &mut Random) {
        // The end of one who does not read is not seen before all is sent to it.
        let all = self.outgoing.is_empty() && self.temper == Temper::Healthy;
        match random.index(3) {
            0 if all => {
                sim.end(self.id);
                self.stay = Stay::Ended;
            }
            1 => {
                sim.reset(self.id);
                self.stay = Stay::Gone;
            }
            _ => {
                sim.close_peer(self.id);
                self.stay = Stay::Gone;
            }
        }
    }

    pub(super) fn has_written_all(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// How much of what it said is sure to have been taken, when nothing moves any more.
    pub(super) fn sure(&self) -> usize {
        match (self.stay, self.temper) {
            (Stay::Here | Stay::Ended, Temper::Healthy) => self.said.len(),
            _ => self.answered.checked_sub(1).map_or(0, |last| self.barriers[last].0),
        }
    }

    // --- What it hears ------------------------------------------------------------------------------------------

    /// Reads some bytes; returns the messages among them. What came before an answer is judged when that comes.
    pub(super) fn read(&mut self, own: usize, sim: &mut Sim, most: usize, step: u64) -> Vec<Heard> {
        self.unread.extend(sim.read(self.id, most));
        let mut all = Vec::new();
        while let Some((line, behind)) = take_line(&self.unread) {
            let words: Vec<&str> = line.split(' ').collect();
            let used = match words[..] {
                ["MSG", subject, sid, size] => {
                    let size: usize = size.parse().expect("a size is a number");
                    if self.unread.len() < behind + size + 2 {
                        break;
                    }
                    let (payload, rest) = self.unread[behind..].split_at(size);
                    assert!(rest.starts_with(b"\r\n"), "a payload ends with CRLF: {:?}", &rest[..2]);
                    let payload = String::from_utf8(payload.to_vec()).expect("it was text");
                    let heard = Heard { subject: subject.into(), sid: sid.parse().unwrap(), payload };
                    self.hear(&heard);
                    all.push(heard);
                    behind + size + 2
                }
                ["DONE", number] => {
                    assert_eq!(number.parse(), Ok(self.answered), "answers come in order");
                    self.hear_answer(own, step);
                    behind
                }
                ["-ERR", "'Slow", "Consumer'"] => {
                    assert_eq!(self.temper, Temper::Slow, "who reads is not too slow");
                    self.farewell = true;
                    assert_eq!(self.unread.len(), behind, "nothing comes behind the last words");
                    behind
                }
                _ => panic!("no message begins with {line:?}: a frame was cut"),
            };
            self.unread.drain(..used);
        }
        all
    }

    /// Whether what was read ends with a whole message.
    pub(super) fn is_whole(&self) -> bool {
        self.unread.is_empty()
    }

    fn hear(&mut self, heard: &Heard) {
        let (publisher, number) = origin(&heard.payload);
        let wish = self.wishes.get_mut(heard.sid).expect("it has subscribed to that");
        wish.count += 1;
        let last = wish.ends.and_then(|ends| ends.last);
        assert!(last.is_none_or(|last| wish.count <= last), "a subscription is over when that was answered");
        assert!(matches(wish.filter, &heard.subject), "{heard:?} is not for {:?}", wish.filter);
        wish.heard.entry(publisher).or_default().push(number);
    }

    /// All that was said before a barrier is in force: it has heard itself, and others will be heard.
    fn hear_answer(&mut self, own: usize, step: u64) {
        let (said, before) = self.barriers[self.answered];
        let number = self.answered as u64;
        self.answered += 1;
        for wish in &mut self.wishes {
            if let Some(ends) = &mut wish.ends
                && ends.barrier <= number
                && ends.last.is_none()
            {
                ends.last = Some(ends.most.max(wish.count));
            }
        }
        for wish in &mut self.wishes[..before] {
            wish.known.get_or_insert(step);
            if !self.echo || wish.queue.is_some() || wish.ends.is_some() {
                continue;
            }
            let own_said = (wish.own_before..said).rev();
            let last = own_said.into_iter().find(|number| matches(wish.filter, self.said[*number].subject));
            let heard = wish.heard.get(&own).and_then(|heard| heard.last().copied());
            assert!(last <= heard, "an answer overtook what came before it: {last:?}, heard {heard:?}");
        }
    }
}

fn take_line(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), end + 2))
}

/// What a message carries: whose it is, its number, and a filler that depends on both.
pub(super) fn payload(publisher: usize, number: usize, filler: usize) -> String {
    let letter = char::from(b'a' + u8::try_from((publisher * 7 + number) % 26).unwrap());
    let filler: String = std::iter::repeat_n(letter, filler).collect();
    format!("{publisher}:{number}:{filler}")
}

/// Whose a message is, and its number.
pub(super) fn origin(payload: &str) -> (usize, usize) {
    let mut words = payload.split(':');
    let mut next = || words.next().unwrap().parse().unwrap();
    (next(), next())
}

/// The documented rules, token by token.
pub(super) fn matches(filter: &str, subject: &str) -> bool {
    let (filter, subject): (Vec<_>, Vec<_>) = (filter.split('.').collect(), subject.split('.').collect());
    for (index, token) in filter.iter().enumerate() {
        match *token {
            ">" => return index < subject.len(),
            "*" if index < subject.len() => {}
            token if subject.get(index) == Some(&token) => {}
            _ => return false,
        }
    }
    filter.len() == subject.len()
}
