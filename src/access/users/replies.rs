//! Which requests may be answered, where that is all that somebody may publish.
//!
//! One for each such connection. A request that is delivered with a reply subject opens that subject for some answers and
//! some time; asked again for the same, it is open anew.

use std::collections::HashMap;

use super::rules::Responses;
use crate::limits;
use crate::sys::clock::Time;

/// The reply subjects that are open for a connection.
#[derive(Debug, Default)]
pub struct Replies {
    open: HashMap<Box<[u8]>, Open>,
}

#[derive(Debug)]
struct Open {
    since: Time,
    answers: u32,
}

impl Replies {
    /// Notes that a message with this reply subject is delivered. When there are too many, the older half of them is
    /// forgotten.
    pub fn note(&mut self, rule: &Responses, reply: &[u8], now: Time) {
        if let Some(open) = self.open.get_mut(reply) {
            *open = Open { since: now, answers: 0 };
            return;
        }
        if self.open.len() == limits::REPLIES_OPEN_MAX {
            self.forget(rule, now);
        }
        self.open.insert(reply.into(), Open { since: now, answers: 0 });
    }

    /// Whether this subject may be answered to; that is one answer of those it may have.
    pub fn take(&mut self, rule: &Responses, subject: &[u8], now: Time) -> bool {
        let Some(open) = self.open.get_mut(subject) else { return false };
        open.answers += 1;
        let is_open = open.answers <= rule.max && now.saturating_since(open.since) <= rule.expires;
        if !is_open || open.answers == rule.max {
            self.open.remove(subject);
        }
        is_open
    }

    /// Makes room: of those whose time is over, and if there are none, of the older half.
    fn forget(&mut self, rule: &Responses, now: Time) {
        let before = self.open.len();
        self.open.retain(|_, open| now.saturating_since(open.since) <= rule.expires);
        if self.open.len() < before {
            return;
        }
        let mut times: Vec<Time> = self.open.values().map(|open| open.since).collect();
        let (_, &mut middle, _) = times.select_nth_unstable(before / 2);
        let mut most = before / 2;
        self.open.retain(|_, open| {
            let goes = open.since <= middle && most > 0;
            most -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    const fn rule(max: u32, millis: u64) -> Responses {
        Responses { max, expires: Duration::from_millis(millis) }
    }

    /// What nats-server 2.15.1 did with the same steps.
    #[test]
    fn answers_are_counted_and_timed() {
        let (once, twice) = (rule(1, 1000), rule(2, 300));
        let mut replies = Replies::default();
        assert!(!replies.take(&once, b"r.1", at(0)), "nobody has asked");
        replies.note(&once, b"r.1", at(0));
        assert!(replies.take(&once, b"r.1", at(1)));
        assert!(!replies.take(&once, b"r.1", at(2)));
        assert!(!replies.take(&once, b"r.2", at(2)));
        replies.note(&once, b"r.1", at(3));
        assert!(replies.take(&once, b"r.1", at(4)), "asked again");
        replies.note(&twice, b"r.5", at(0));
        replies.note(&twice, b"r.6", at(0));
        assert!(replies.take(&twice, b"r.6", at(10)));
        assert!(replies.take(&twice, b"r.5", at(10)));
        assert!(replies.take(&twice, b"r.5", at(300)));
        assert!(!replies.take(&twice, b"r.5", at(300)));
        assert!(!replies.take(&twice, b"r.6", at(301)), "too late");
    }

    #[test]
    fn requests_that_nobody_answers_take_bounded_memory() {
        let rule = rule(1, 1_000_000);
        let mut replies = Replies::default();
        for number in 0..100_000_u64 {
            // Ten to a millisecond, so that the middle is many at once.
            replies.note(&rule, format!("r.{number}").as_bytes(), at(number / 10));
            assert!(replies.open.len() <= limits::REPLIES_OPEN_MAX);
            assert!(replies.open.contains_key(format!("r.{number}").as_bytes()));
        }
        assert!(replies.open.len() >= limits::REPLIES_OPEN_MAX / 2);
        assert!(replies.take(&rule, b"r.99000", at(10_000)), "the newer ones are still known");
    }
}
