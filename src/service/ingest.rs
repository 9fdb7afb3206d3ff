//! Datagrams that are published: a sensor needs one `send`, and no answer comes.
//!
//! A listener either has a subject, under which each datagram is published whole, or takes it from the first line of each:
//! what stands before the first LF (or CR LF) is the subject, what stands behind it the payload. A datagram without such a
//! line has an empty payload.
//!
//! Who sends a datagram cannot show who it is, so all of them are the listener's user for those who show nothing, and what
//! that user may publish, how long it may be and how often holds for all of them together. What is not taken is counted, and
//! so is what comes while the other shards are far behind: datagrams have nobody who could be asked to wait.

use std::sync::Arc;

use super::DatagramContext;
use crate::access::users::{Grant, Seat};
use crate::hub::Message;
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::nats::subject;
use crate::ring::Datagram;
use crate::sys::clock::Time;

/// What becomes of the datagrams of a listener that publishes them, on all shards.
#[derive(Clone, Debug)]
pub struct Ingest {
    subject: IngestSubject,
    /// Bytes of a payload.
    payload_bytes: usize,
    /// Whose they are; without anybody, none is taken.
    speaker: Option<Arc<Speaker>>,
}

/// Under which subject the datagrams of a listener are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngestSubject {
    /// Each says it in its first line.
    FirstLine,
    /// All under this.
    Fixed(Box<[u8]>),
}

/// Whose datagrams they are.
#[derive(Debug)]
struct Speaker {
    grant: Grant,
    seat: Seat,
}

impl Ingest {
    /// Datagrams of somebody who was granted this, or of nobody; payloads of so many bytes at most.
    pub fn new(subject: IngestSubject, payload_bytes: usize, grant: Option<Grant>) -> Self {
        let speaker = |grant: Grant| {
            // No connection begins, so no moment counts.
            let seat = grant.stand(Time::ZERO);
            Arc::new(Speaker { grant, seat })
        };
        Self { subject, payload_bytes, speaker: grant.map(speaker) }
    }

    /// Publishes a datagram, or says why not.
    pub(super) fn publish(
        &self,
        datagram: Datagram,
        context: &mut DatagramContext<'_>,
    ) -> Result<(), Refused> {
        if datagram.truncated() {
            // It is counted as truncated already.
            return Ok(());
        }
        let bytes = datagram.into_payload();
        let (subject, payload) = self.subject.read(&bytes).ok_or(Refused::Subject)?;
        self.admit(subject, payload.len(), context.now)?;
        if context.hub.is_congested() {
            context.counters.datagrams_dropped += 1;
            return Ok(());
        }
        context.counters.published_datagram += 1;
        context.hub.publish(None, &Message { subject, payload, ..Message::default() });
        Ok(())
    }

    /// Whether so much may be said there, now.
    fn admit(&self, subject: &[u8], bytes: usize, now: Time) -> Result<(), Refused> {
        let Speaker { grant, seat } = self.speaker.as_deref().ok_or(Refused::CredentialMissing)?;
        let own = grant.limits.payload_bytes.map_or(usize::MAX, |own| own as usize);
        if self.payload_bytes.min(own) < bytes {
            return Err(Refused::TooLarge);
        }
        if !grant.may_publish(subject) {
            return Err(Refused::Permission);
        }
        let bytes = (subject.len() + bytes) as u64;
        seat.take_message(bytes, now).map_err(|_| Refused::UserRate)
    }
}

impl IngestSubject {
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
        let fits = subject.len() <= limits::SUBJECT_BYTES_MAX && str::from_utf8(subject).is_ok();
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
        for wrong in
            [&b""[..], b"\nhello", b"a..b\nx", b"a.*\nx", b"a b\nx", b"a\rb\nx", b"\r\nx", b"a.\xff\nx"]
        {
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
