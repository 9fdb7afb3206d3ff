//! Datagrams that are published: a sensor needs one `send`, and no answer comes.
//!
//! A listener either has a subject, under which each datagram is published whole, or takes it from the first line of each:
//! what stands before the first LF (or CR LF) is the subject, what stands behind it the payload. A datagram without such a
//! line has an empty payload. What names no subject is dropped and counted, and so is one whose end was lost, or that comes
//! while the other shards are far behind: datagrams have nobody who could be asked to wait.

use crate::hub::{Hub, Message};
use crate::limits;
use crate::metrics::{Counters, Refused};
use crate::protocol::nats::subject;
use crate::ring::Datagram;

/// Under which subject the datagrams of a listener are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngestSubject {
    /// Each says it in its first line.
    FirstLine,
    /// All under this.
    Fixed(Box<[u8]>),
}

impl IngestSubject {
    /// Publishes a datagram, or says by its counter why not.
    pub fn publish(&self, datagram: Datagram, hub: &mut Hub, counters: &mut Counters) {
        if datagram.truncated() {
            // It is counted as truncated already.
            return;
        }
        match self.read(&datagram.into_payload()) {
            Some(_) if hub.is_congested() => counters.datagrams_dropped += 1,
            Some((subject, payload)) => {
                counters.published_datagram += 1;
                hub.publish(None, &Message { subject, payload, ..Message::default() });
            }
            None => *Refused::Subject.count(counters) += 1,
        }
    }

    /// The subject and the payload of a datagram, if it names one.
    fn read<'a>(&'a self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let line = match self {
            Self::Fixed(subject) => return Some((subject, bytes)),
            Self::FirstLine => bytes,
        };
        // A subject that is too long is none, so the rest need not be looked at.
        let looked_at = &line[..line.len().min(limits::SUBJECT_BYTES_MAX + 2)];
        let (subject, payload) = match memchr::memchr(b'\n', looked_at) {
            Some(end) => (&line[..end], &line[end + 1..]),
            None => (line, &[][..]),
        };
        let subject = subject.strip_suffix(b"\r").unwrap_or(subject);
        let fits = subject.len() <= limits::SUBJECT_BYTES_MAX;
        (fits && subject::is_literal(subject)).then_some((subject, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Option<(&str, &[u8])>) {
        let read = IngestSubject::FirstLine.read(bytes);
        assert_eq!(read, expected.map(|(subject, payload)| (subject.as_bytes(), payload)));
    }

    #[test]
    fn the_first_line_is_the_subject() {
        check(b"a.b\nhello", Some(("a.b", b"hello")));
        check(b"a.b\r\nhello\n", Some(("a.b", b"hello\n")));
        check(b"a.b\n", Some(("a.b", b"")));
        check(b"a.b", Some(("a.b", b"")));
        check(b"a\n\xff\0", Some(("a", b"\xff\0")));
        for wrong in [&b""[..], b"\nhello", b"a..b\nx", b"a.*\nx", b"a b\nx", b"a\rb\nx", b"\r\nx"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_subject_has_a_bound_and_no_byte_behind_it_is_looked_at() {
        let long = |count: usize| [&vec![b'x'; count][..], b"\r\ny"].concat();
        let subject = "x".repeat(limits::SUBJECT_BYTES_MAX);
        check(&long(limits::SUBJECT_BYTES_MAX), Some((&subject, b"y")));
        check(&long(limits::SUBJECT_BYTES_MAX + 1), None);
        check(&[b'x'; 65_507], None);
    }

    #[test]
    fn a_fixed_subject_leaves_the_datagram_whole() {
        let fixed = IngestSubject::Fixed(b"sensors"[..].into());
        assert_eq!(fixed.read(b"a\nb"), Some((&b"sensors"[..], &b"a\nb"[..])));
        assert_eq!(fixed.read(b""), Some((&b"sensors"[..], &b""[..])));
    }
}
