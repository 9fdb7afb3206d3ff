//! What keys mean, and the orders of connections.

use std::cmp::Ordering;

use clap::ValueEnum;

use super::view::ConnectionView;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To leave.
    Leave,
    /// To hold the picture, or to go on.
    Pause,
    /// To have connections in this order.
    Order(Sort),
}

/// The order of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Most bytes per second first, in both directions together.
    #[default]
    Rate,
    /// Most bytes per second that the peer sends.
    In,
    /// Most bytes per second that the peer is sent.
    Out,
    /// Most bytes that wait for the peer.
    Pending,
    /// The oldest.
    Age,
}

impl Sort {
    pub(super) const ALL: [Self; 5] = [Self::Rate, Self::In, Self::Out, Self::Pending, Self::Age];

    pub(super) fn key(self) -> char {
        match self {
            Self::Rate => 'r',
            Self::In => 'i',
            Self::Out => 'o',
            Self::Pending => 'p',
            Self::Age => 'a',
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::In => "in",
            Self::Out => "out",
            Self::Pending => "pending",
            Self::Age => "age",
        }
    }

    /// Above the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rate => "busiest connections",
            Self::In => "connections that send most",
            Self::Out => "connections that are sent most",
            Self::Pending => "connections for which most waits",
            Self::Age => "oldest connections",
        }
    }

    /// The server's word for it (`/connz?sort=`).
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rate => "pace",
            Self::In => "pace_received",
            Self::Out => "pace_sent",
            Self::Pending => "pending",
            Self::Age => "age",
        }
    }

    /// The connections in this order, which is that of what is shown. The server had its own figures for the choice, and before
    /// the second look it had none: what is equal keeps its order.
    pub(super) fn order(self, all: &[ConnectionView]) -> Vec<&ConnectionView> {
        let mut all: Vec<&ConnectionView> = all.iter().collect();
        all.sort_by(|one, other| self.compare(other, one));
        all
    }

    fn compare(self, one: &ConnectionView, other: &ConnectionView) -> Ordering {
        let rate_in = |row: &ConnectionView| row.bytes_in_per_second.unwrap_or(-1.0);
        let rate_out = |row: &ConnectionView| row.bytes_out_per_second.unwrap_or(-1.0);
        let by = |of: &dyn Fn(&ConnectionView) -> f64| of(one).total_cmp(&of(other));
        match self {
            Self::Rate => by(&|row| rate_in(row) + rate_out(row)),
            Self::In => by(&rate_in),
            Self::Out => by(&rate_out),
            Self::Pending => one.pending_bytes.cmp(&other.pending_bytes),
            Self::Age => by(&|row| row.age_seconds),
        }
    }
}

/// What a letter asks for.
pub(super) fn wish_of(letter: char) -> Option<Wish> {
    match letter {
        'q' | 'Q' => Some(Wish::Leave),
        ' ' => Some(Wish::Pause),
        letter => Sort::ALL.into_iter().find(|sort| sort.key() == letter).map(Wish::Order),
    }
}
