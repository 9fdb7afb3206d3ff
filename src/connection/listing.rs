//! Connections as operators see them: one line each, the most interesting first.

use std::time::Duration;

use super::{Pace, State};
use crate::sys::address::Peer;
use crate::sys::clock::Time;

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its shard.
    pub shard: usize,
    /// Its place in the shard's table; it is used again after the connection has gone.
    pub slot: u32,
    /// The number of the listener it came through.
    pub listener: u16,
    /// Who its peer is.
    pub peer: Peer,
    /// When it was accepted: by this, and not by its age, it is compared with those of other shards, whose `now` is
    /// another.
    pub since: Time,
    /// When the last byte went in either direction.
    pub last_active: Time,
    /// How long ago it was accepted.
    pub age: Duration,
    /// How long ago the last byte went in either direction.
    pub idle: Duration,
    /// Where in its life it is.
    pub state: &'static str,
    /// What is spoken on it.
    pub protocol: &'static str,
    /// The version of TLS, where there is TLS.
    pub tls: Option<&'static str>,
    /// Bytes that the peer has sent.
    pub bytes_received: u64,
    /// Bytes that the peer was sent.
    pub bytes_sent: u64,
    /// Bytes that wait for the peer.
    pub pending_bytes: u64,
    /// How fast it goes, where the order asks for it and somebody has asked before.
    pub pace: Option<Pace>,
    /// What the peer says of itself.
    pub about: Option<About>,
    /// What it does in the hub, if it takes part.
    pub interest: Option<Interest>,
}

/// What a peer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What it calls itself.
    pub name: String,
    /// The language of its library.
    pub lang: String,
    /// The version of its library.
    pub version: String,
    /// As whom it was let in.
    pub user: String,
}

/// What a connection does in the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// How many subscriptions it has.
    pub subscriptions: usize,
    /// The filters of some of them, with their queue groups.
    pub filters: Vec<(String, Option<String>)>,
    /// Messages that it was sent.
    pub messages_sent: u64,
    /// Messages that were left out because it did not keep up.
    pub messages_dropped: u64,
    /// Bytes that are held back for it, beside those that wait.
    pub held_bytes: usize,
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finishing => "finishing",
            Self::Lingering => "lingering",
            Self::Closing => "closing",
        }
    }
}

/// What comes first in a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The oldest connection.
    #[default]
    Age,
    /// The one that was silent for longest.
    Idle,
    /// The one that sent most.
    BytesReceived,
    /// The one that was sent most.
    BytesSent,
    /// The one for which most waits.
    Pending,
    /// The lowest address.
    Address,
    /// The one that goes fastest in both directions together.
    Pace,
    /// The one that sends fastest.
    PaceReceived,
    /// The one that is sent fastest.
    PaceSent,
}

/// What an order by pace compares: bytes per second, then bytes since the beginning, for a first look knows no paces.
type Speed = (u64, u64);

impl Order {
    /// All of them, with their names in a query.
    pub const ALL: [(&'static str, Self); 9] = [
        ("age", Self::Age),
        ("idle", Self::Idle),
        ("bytes_received", Self::BytesReceived),
        ("bytes_sent", Self::BytesSent),
        ("pending", Self::Pending),
        ("address", Self::Address),
        ("pace", Self::Pace),
        ("pace_received", Self::PaceReceived),
        ("pace_sent", Self::PaceSent),
    ];

    /// Whether it compares how fast connections go.
    pub fn needs_paces(self) -> bool {
        matches!(self, Self::Pace | Self::PaceReceived | Self::PaceSent)
    }

    /// Brings the first `count` connections to the front, in order, and forgets the rest.
    pub fn first(self, mut listed: Vec<Listed>, count: usize) -> Vec<Listed> {
        if 0 < count && count < listed.len() {
            listed.select_nth_unstable_by(count - 1, |one, other| self.compare(one, other));
        }
        listed.truncate(count);
        listed.sort_by(|one, other| self.compare(one, other));
        listed
    }

    fn compare(self, one: &Listed, other: &Listed) -> std::cmp::Ordering {
        let order = match self {
            Self::Age => one.since.cmp(&other.since),
            Self::Idle => one.last_active.cmp(&other.last_active),
            Self::BytesReceived => other.bytes_received.cmp(&one.bytes_received),
            Self::BytesSent => other.bytes_sent.cmp(&one.bytes_sent),
            Self::Pending => other.pending_bytes.cmp(&one.pending_bytes),
            Self::Address => one.peer.cmp(&other.peer),
            Self::Pace | Self::PaceReceived | Self::PaceSent => self.speed(other).cmp(&self.speed(one)),
        };
        // What is equal keeps one order, so that pages do not overlap.
        order.then((one.shard, one.slot).cmp(&(other.shard, other.slot)))
    }

    fn speed(self, listed: &Listed) -> Speed {
        let Pace { received, sent } = listed.pace.unwrap_or_default();
        match self {
            Self::PaceReceived => (received, listed.bytes_received),
            Self::PaceSent => (sent, listed.bytes_sent),
            _ => (received.saturating_add(sent), listed.bytes_received.saturating_add(listed.bytes_sent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(slot: u32, age: u64, pending_bytes: u64) -> Listed {
        let ago = |seconds: u64| Time::from_nanos((100 - seconds) * 1_000_000_000);
        Listed {
            since: ago(age),
            last_active: ago(0),
            shard: 0,
            slot,
            listener: 0,
            peer: Peer::Unix,
            age: Duration::from_secs(age),
            idle: Duration::ZERO,
            state: "open",
            protocol: "echo",
            tls: None,
            bytes_received: 0,
            bytes_sent: 0,
            pending_bytes,
            pace: None,
            about: None,
            interest: None,
        }
    }

    fn check(order: Order, count: usize, expected: &[u32]) {
        let all = vec![listed(0, 5, 1), listed(1, 7, 9), listed(2, 5, 9), listed(3, 1, 0)];
        let slots: Vec<u32> = order.first(all, count).iter().map(|listed| listed.slot).collect();
        assert_eq!(slots, expected);
    }

    #[test]
    fn the_most_interesting_come_first_and_what_is_equal_keeps_its_order() {
        check(Order::Age, 9, &[1, 0, 2, 3]);
        check(Order::Age, 2, &[1, 0]);
        check(Order::Pending, 3, &[1, 2, 0]);
        check(Order::Address, 4, &[0, 1, 2, 3]);
        check(Order::Idle, 0, &[]);
    }

    #[test]
    fn the_fastest_come_first_and_before_anybody_has_a_pace_those_with_most_bytes() {
        let row = |slot, pace: Option<(u64, u64)>, bytes_received, bytes_sent| Listed {
            pace: pace.map(|(received, sent)| Pace { received, sent }),
            bytes_received,
            bytes_sent,
            ..listed(slot, 0, 0)
        };
        let check = |order: Order, all: &[Listed], expected: [u32; 3]| {
            let slots: Vec<u32> = order.first(all.to_vec(), 3).iter().map(|listed| listed.slot).collect();
            assert_eq!(slots, expected, "{order:?}");
        };
        let known =
            [row(0, Some((5, 5)), 900, 900), row(1, Some((9, 0)), 9, 0), row(2, Some((0, 20)), 0, 20)];
        check(Order::Pace, &known, [2, 0, 1]);
        check(Order::PaceReceived, &known, [1, 0, 2]);
        check(Order::PaceSent, &known, [2, 0, 1]);
        let unknown = [row(0, None, 1, 5), row(1, None, 9, 0), row(2, None, 4, 4)];
        check(Order::Pace, &unknown, [1, 2, 0]);
        check(Order::PaceReceived, &unknown, [1, 2, 0]);
        check(Order::PaceSent, &unknown, [0, 2, 1]);
        for (name, order) in Order::ALL {
            assert_eq!(order.needs_paces(), name.starts_with("pace"), "{name}");
        }
    }
}
