//! What is counted over a whole run, besides latencies.

use std::collections::BTreeMap;

use super::{ErrorClass, Errors};
use crate::traffic::verify::Mismatch;

/// What is counted. Unless it says otherwise, over the whole run, with warm-up and grace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages given to the kernel.
    pub sent: u64,
    /// Messages that came back, right or wrong.
    pub received: u64,
    /// Good ones that came back within the measured time.
    pub measured: u64,
    /// Requests that were lost with their connection.
    pub gone: u64,
    /// Bytes that were compared and as they were sent.
    pub verified_bytes: u64,
    /// Messages with a byte that was not.
    pub verification_errors: u64,
    /// The first such byte.
    pub mismatch: Option<Mismatch>,
    /// Requests that got no answer in time, and were given up; of datagrams, the lost ones.
    pub given_up: u64,
    /// Of these, the ones that came back after all.
    pub late: u64,
    /// Datagrams that came back once more.
    pub duplicated: u64,
    /// Datagrams that came back after one that was sent later.
    pub reordered: u64,
    /// Datagrams that the socket did not take at once, and that were sent again.
    pub delayed: u64,
    /// Answers by status, for those that say that the request failed.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of content that each answer had.
    pub content_bytes: Option<u64>,
    /// Connections that were opened anew because the server had ended one in order.
    pub reconnects: u64,
    /// Requests that were sent again because of that.
    pub repeated: u64,
    /// Connections that were opened after the start.
    pub dialed: u64,
    /// TLS handshakes that were completed, by version and cipher.
    pub handshakes: BTreeMap<(&'static str, &'static str), u64>,
    /// Of these, the ones that went on from an earlier session.
    pub resumed: u64,
    /// What failed.
    pub errors: Errors,
}

impl Counts {
    /// Messages that were sent, and neither answered nor given up nor lost with their connection.
    pub fn outstanding(&self) -> u64 {
        self.sent.saturating_sub(self.received + self.given_up + self.gone)
    }

    /// Counts messages of `size` bytes that were looked at, of which so many were wrong.
    pub fn verified(&mut self, messages: u64, wrong: u64, mismatch: Option<Mismatch>, size: usize) {
        self.verified_bytes += messages.saturating_sub(wrong) * size as u64;
        self.verification_errors += wrong;
        self.mismatch = self.mismatch.or(mismatch);
    }

    /// Adds those of another worker.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.measured += other.measured;
        self.gone += other.gone;
        self.verified_bytes += other.verified_bytes;
        self.verification_errors += other.verification_errors;
        self.mismatch = self.mismatch.or(other.mismatch);
        self.given_up += other.given_up;
        self.late += other.late;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.delayed += other.delayed;
        self.reconnects += other.reconnects;
        self.repeated += other.repeated;
        self.dialed += other.dialed;
        self.resumed += other.resumed;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (agreed, count) in other.handshakes {
            *self.handshakes.entry(agreed).or_default() += count;
        }
        if let (Some(one), Some(two)) = (self.content_bytes, other.content_bytes)
            && one != two
        {
            let sentence = || format!("answers to one thread had {one} bytes of content, to another {two}");
            self.errors.count(ErrorClass::Length, sentence);
        }
        self.content_bytes = self.content_bytes.or(other.content_bytes);
        self.errors.add(other.errors);
    }
}
