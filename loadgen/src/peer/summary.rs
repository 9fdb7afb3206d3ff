//! What a peer says when it ends: exact counts, to compare with those of a client, and its own error.

use std::fmt;

use serde::Serialize;

use crate::report::{counted, show_count};
use crate::target::Scheme;

/// Names the form of the JSON, which changes when a field does.
pub const SCHEMA: &str = "tidemill-loadgen-serve/1";

/// Everything that a peer has to tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Where it listened.
    pub url: String,
    /// What it counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// How late its answers left, against when they were to leave.
    pub lateness: Lateness,
}

/// What a peer counts. Every message was answered, dropped, or is unsent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Messages that arrived whole.
    pub messages: u64,
    /// Answers that were handed to the kernel; one that is sent twice is one answer.
    pub answered: u64,
    /// Answers that were dropped on purpose.
    pub dropped: u64,
    /// Answers that were to be sent twice, on purpose.
    pub duplicated: u64,
    /// Answers that were changed on purpose.
    pub corrupted: u64,
    /// Connections that were closed on purpose.
    pub closed: u64,
    /// Answers that were not handed to the kernel: their connection had gone, or the peer ended before they were due.
    pub unsent: u64,
    /// Datagrams that were handed to the kernel, which did not take them.
    pub not_taken: u64,
    /// HTTP requests that were no requests.
    pub refused: u64,
    /// Connections that were cut, and datagrams that were ignored, because too much waited already.
    pub overflowed: u64,
}

/// How late answers left, in microseconds: until the kernel had taken them, its own work included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lateness {
    /// Half of them at most this.
    pub p50_us: f64,
    /// All but one in a hundred at most this.
    pub p99_us: f64,
    /// The latest.
    pub max_us: f64,
}

impl Summary {
    /// One line of JSON, without its end.
    ///
    /// # Panics
    /// Never: it holds numbers and text, which JSON can always express.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text can be written as JSON")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let is_datagrams = self.url.starts_with(Scheme::Udp.prefix());
        f.write_str(&counted(counts.messages, if is_datagrams { "datagram" } else { "message" }))?;
        if !is_datagrams {
            write!(f, " on {}", counted(counts.connections, "connection"))?;
        }
        let [answered, dropped, duplicated, corrupted, unsent] =
            [counts.answered, counts.dropped, counts.duplicated, counts.corrupted, counts.unsent].map(shown);
        write!(
            f,
            ": {answered} answered, {dropped} dropped, {duplicated} duplicated, {corrupted} corrupted, {unsent} unsent"
        )?;
        if !is_datagrams {
            write!(f, "; {} closed on purpose", counted(counts.closed, "connection"))?;
        }
        for (count, what) in [
            (counts.not_taken, "answers not taken by the kernel"),
            (counts.refused, "requests refused"),
            (counts.overflowed, "connections cut or datagrams ignored because too much waited"),
        ] {
            if count != 0 {
                write!(f, "; {} {what}", shown(count))?;
            }
        }
        if counts.answered == 0 {
            return Ok(());
        }
        let Lateness { p50_us, p99_us, max_us } = self.lateness;
        write!(f, ". Answers left late by {p50_us:.1} µs (p50), {p99_us:.1} µs (p99), {max_us:.1} µs (max)")
    }
}

fn shown(count: u64) -> String {
    show_count(count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_one_line_either_way() {
        let counts = Counts {
            messages: 5000,
            connections: 2,
            answered: 4999,
            dropped: 1,
            overflowed: 3,
            ..Counts::default()
        };
        let url = "tcp://127.0.0.1:1".to_owned();
        let summary = Summary { schema: SCHEMA, url, counts, lateness: Lateness::default() };
        let json: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
        assert_eq!((&json["messages"], &json["dropped"]), (&5000.into(), &1.into()));
        assert_eq!(json["lateness"]["p99_us"], 0.0);
        let text = summary.to_string();
        assert!(text.starts_with("5,000 messages on 2 connections: 4,999 answered, 1 dropped"), "{text}");
        assert!(text.contains("; 3 connections cut or datagrams ignored because too much waited. Answers left late by 0.0 µs (p50)"), "{text}");
        assert_eq!((summary.json().lines().count(), text.lines().count()), (1, 1));
        let (url, counts) = ("udp://127.0.0.1:1".to_owned(), Counts::default());
        assert_eq!(
            Summary { url, counts, ..summary }.to_string(),
            "0 datagrams: 0 answered, 0 dropped, 0 duplicated, 0 corrupted, 0 unsent"
        );
    }
}
