//! One subscriber: its subscriptions, and what has come on each of them.

use tidemill::sys::clock::Time;

use super::input::{Delivery, Sink};
use super::ledger::Ledger;
use super::shape::Shape;
use super::stamp::{PROBE, STAMP_BYTES, Stamp, Stride};
use super::subjects::{Interest, Share};
use super::track::{Arrival, Track};

/// A subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// What its frames look like, where they are all alike.
    shape: Option<Shape>,
    share: Share,
    stride: Stride,
    /// By publisher.
    tracks: Box<[Track]>,
    /// The publisher whose message came last.
    current: usize,
}

/// A subscriber.
#[derive(Clone, Debug)]
pub struct Listener {
    subscriptions: Vec<Subscription>,
    /// The number that the first subscription has as its name.
    first_sid: u64,
    /// The subscription on which a message came last.
    last: usize,
    /// Whether everything that it asked for is known to be there.
    pub is_ready: bool,
    /// Whether its connection is there.
    pub is_open: bool,
}

/// A subscriber for the length of one read.
#[derive(Debug)]
pub struct Hearing<'a> {
    /// Who listens.
    pub listener: &'a mut Listener,
    /// Where it is written.
    pub ledger: &'a mut Ledger,
    /// When it came.
    pub now: Time,
    /// Who it is, for sentences.
    pub number: usize,
}

impl Subscription {
    /// To this, of so many publishers, with frames of this shape.
    pub fn new(interest: &Interest, publishers: u32, shape: Option<Shape>) -> Self {
        let Interest { share, is_wildcard, .. } = *interest;
        let tracks = (0..publishers).map(|publisher| Track::new(publisher, share)).collect();
        let shape = shape.filter(|_| !is_wildcard);
        Self { shape, share, stride: Stride::of(share.stride), tracks, current: 0 }
    }

    /// Takes frames from the front that are exactly those that come next; returns their bytes.
    #[inline]
    fn take_expected(&mut self, bytes: &[u8], ledger: &mut Ledger, now: Time) -> usize {
        let Some(shape) = &self.shape else { return 0 };
        let frame = shape.frame_bytes();
        let track = &mut self.tracks[self.current];
        let (first, mut expected, mut at, mut messages) = (track.next, track.expected, 0, 0);
        while let Some(found) = bytes.get(at..at + frame)
            && shape.is(found, expected)
        {
            expected = expected.plus(self.stride);
            messages += 1;
            at += frame;
        }
        if messages == 0 {
            return 0;
        }
        track.advance(messages, expected, self.share);
        ledger.tally.delivered += messages;
        // A loop of its own, so that the one above has few things in hand.
        let samples = &mut ledger.samples[self.current];
        let mut number = first;
        for _ in 0..messages {
            if samples.takes(number) {
                samples.comes(number, now, &mut ledger.latencies);
            }
            number += self.share.stride;
        }
        at
    }

    /// Takes a message that was read in full.
    fn take(&mut self, (publisher, number): (u32, u64), ledger: &mut Ledger, now: Time) {
        let Some(track) = self.tracks.get_mut(publisher as usize) else {
            ledger.tally.corrupt += 1;
            return;
        };
        self.current = publisher as usize;
        if number == track.next {
            track.advance_one(self.stride, self.share);
            ledger.tally.delivered += 1;
        } else if track.take(publisher, number, self.share, &mut ledger.tally) == Arrival::Again {
            return;
        }
        let samples = &mut ledger.samples[publisher as usize];
        if samples.takes(number) {
            samples.comes(number, now, &mut ledger.latencies);
        }
    }
}

impl Listener {
    /// A subscriber with these subscriptions, named from this number on.
    pub fn new(subscriptions: Vec<Subscription>, first_sid: u64) -> Self {
        Self { subscriptions, first_sid, last: 0, is_ready: false, is_open: true }
    }

    /// Subscriptions that it has.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// How far a subscription is behind a publisher.
    pub fn lag(&self, subscription: usize, publisher: usize, published: u64) -> u64 {
        self.subscriptions[subscription].tracks[publisher].lag(published)
    }

    /// What was published up to now is not waited for any more.
    pub fn forgive(&mut self, published: &[u64]) {
        for subscription in &mut self.subscriptions {
            let tracks = subscription.tracks.iter_mut().zip(published);
            tracks.for_each(|(track, published)| track.forgive(*published));
        }
    }

    /// Messages that were published behind the last ones that came.
    pub fn tail(&self, published: &[u64]) -> u64 {
        let of = |subscription: &Subscription| {
            let tracks = subscription.tracks.iter().zip(published);
            tracks.map(|(track, published)| track.tail(*published, subscription.share)).sum::<u64>()
        };
        self.subscriptions.iter().map(of).sum()
    }

    /// The subscription that is meant, by its name or because there is no other.
    fn subscription(&self, sid: Option<&[u8]>) -> Option<usize> {
        let Some(sid) = sid else { return (self.subscriptions.len() == 1).then_some(0) };
        let number: u64 = std::str::from_utf8(sid).ok()?.parse().ok()?;
        let at = usize::try_from(number.checked_sub(self.first_sid)?).ok()?;
        (at < self.subscriptions.len()).then_some(at)
    }
}

impl Sink for Hearing<'_> {
    #[inline]
    fn expected(&mut self, bytes: &[u8]) -> usize {
        let Listener { subscriptions, last, .. } = &mut *self.listener;
        let mut at = subscriptions[*last].take_expected(bytes, self.ledger, self.now);
        // Subjects are published in turns, so the next message is most likely the next subscription's.
        while 1 < subscriptions.len() {
            let next = if *last + 1 == subscriptions.len() { 0 } else { *last + 1 };
            let taken = subscriptions[next].take_expected(&bytes[at..], self.ledger, self.now);
            if taken == 0 {
                break;
            }
            *last = next;
            at += taken;
        }
        at
    }

    fn message(&mut self, delivery: Delivery<'_>) {
        let Delivery { sid, subject, payload, .. } = delivery;
        let stamp = Stamp::read(payload);
        if matches!(stamp, Some((PROBE, _))) {
            self.listener.is_ready = true;
            return;
        }
        let ledger = &mut *self.ledger;
        let found = self.listener.subscription(sid).zip(stamp).filter(|(at, (publisher, number))| {
            let subscription = &self.listener.subscriptions[*at];
            let published = ledger.published.get(*publisher as usize);
            let name = ledger.subjects.name(ledger.subjects.of(*number));
            subscription.share.has(*number)
                && published.is_some_and(|published| *number < *published)
                && subject.is_none_or(|subject| subject == name)
                && payload.len() == STAMP_BYTES + ledger.fill.len()
                && ledger.is_ours(payload)
        });
        let Some((at, stamp)) = found else {
            ledger.tally.corrupt += 1;
            let number = self.number;
            ledger.error("corrupt", || {
                format!("subscriber {number} got a message that was never published for it")
            });
            return;
        };
        self.listener.last = at;
        self.listener.subscriptions[at].take(stamp, ledger, self.now);
    }

    fn ready(&mut self) {
        self.listener.is_ready = true;
    }

    fn error(&mut self, words: &str) {
        let number = self.number;
        self.ledger.error("server", || format!("the server said to subscriber {number}: {words}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::Samples;
    use super::super::subjects::{Audience, Subjects};
    use super::super::track::Tally;
    use super::*;

    /// A subscriber of one subject with one publisher that has published ten messages of 18 bytes.
    fn hearing(test: impl FnOnce(&mut Hearing<'_>)) -> (Listener, Ledger) {
        let subjects = Subjects::new("a", 1);
        let interest = subjects.interests(Audience { subscribers: 1, wildcards: 0 }, 0).remove(0);
        let shape = Shape::new(b"MSG a 1 18\r\n", b"ab\r\n");
        let mut listener = Listener::new(vec![Subscription::new(&interest, 1, Some(shape))], 1);
        let mut ledger = Ledger::new(subjects, vec![1], 18, vec![Samples::new(16, 0)]);
        ledger.published = vec![10];
        let now = Time::from_nanos(5000);
        (0..10).for_each(|number| ledger.samples[0].leaves(number, Time::from_nanos(1000), 1, true));
        test(&mut Hearing { listener: &mut listener, ledger: &mut ledger, now, number: 0 });
        (listener, ledger)
    }

    fn frame(number: u64) -> Vec<u8> {
        [&b"MSG a 1 18\r\n"[..], &Stamp::new(0, number).bytes(), b"ab\r\n"].concat()
    }

    fn delivery(number: u64) -> Vec<u8> {
        [&Stamp::new(0, number).bytes()[..], b"ab"].concat()
    }

    /// What is compared at once and what is read in full are counted alike.
    #[test]
    fn frames_are_taken_as_long_as_they_are_expected() {
        let (_, ledger) = hearing(|hearing| {
            let bytes = [frame(0), frame(1), frame(3), frame(4)].concat();
            assert_eq!(hearing.expected(&bytes), 2 * frame(0).len());
            let payload = delivery(3);
            hearing.message(Delivery {
                sid: Some(b"1"),
                subject: Some(b"a"),
                reply: None,
                headers: b"",
                payload: &payload,
            });
            assert_eq!(hearing.expected(&frame(4)), frame(4).len());
            assert_eq!(hearing.expected(&frame(5)[1..]), 0);
        });
        assert_eq!(ledger.tally, Tally { delivered: 4, lost: 1, ..Tally::default() });
        assert_eq!((ledger.latencies.every.len(), ledger.latencies.every.max() / 1000), (4, 4));
    }

    #[test]
    fn what_was_never_published_is_corrupt() {
        let good = delivery(0);
        let check = |sid: &[u8], subject: &[u8], payload: &[u8], corrupt: u64| {
            let (_, ledger) = hearing(|hearing| {
                hearing.message(Delivery {
                    sid: Some(sid),
                    subject: Some(subject),
                    reply: None,
                    headers: b"",
                    payload,
                });
            });
            assert_eq!(ledger.tally, Tally { corrupt, delivered: 1 - corrupt, ..Tally::default() });
        };
        check(b"1", b"a", &good, 0);
        check(b"2", b"a", &good, 1);
        check(b"x", b"a", &good, 1);
        check(b"1", b"b", &good, 1);
        check(b"1", b"a", &good[..17], 1);
        check(b"1", b"a", &[&good[..], b"c"].concat(), 1);
        check(b"1", b"a", &[&good[..17], b"c"].concat(), 1);
        check(b"1", b"a", &delivery(10), 1);
        check(b"1", b"a", &[&Stamp::new(1, 0).bytes()[..], b"ab"].concat(), 1);
        check(b"1", b"a", b"0123456789abcdefab", 1);
    }

    #[test]
    fn a_probe_is_a_sign_and_no_delivery() {
        let (listener, ledger) = hearing(|hearing| {
            let payload = [&Stamp::new(PROBE, 0).bytes()[..], b"ab"].concat();
            hearing.message(Delivery {
                sid: None,
                subject: None,
                reply: None,
                headers: b"",
                payload: &payload,
            });
        });
        assert!(listener.is_ready && ledger.tally == Tally::default());
    }

    #[test]
    fn what_has_not_come_at_the_end_is_the_tail() {
        let (listener, ledger) = hearing(|hearing| assert_eq!(hearing.expected(&frame(0)), frame(0).len()));
        assert_eq!((listener.tail(&ledger.published), listener.lag(0, 0, 10)), (9, 9));
    }
}
