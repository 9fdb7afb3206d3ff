//! What a run shows while it runs: one line on a terminal, rewritten each second; lines one below the other elsewhere.
//!
//! It is drawn by the main thread from seconds that the workers have handed over, so that they never wait for it.

use std::io::{self, Write};

use super::{counted, show_count, show_nanos};
use crate::result::Interval;
use crate::run::Watch;

/// The line about the last second.
#[derive(Debug)]
pub struct Line<W> {
    to: W,
    /// Whether it can be rewritten.
    is_terminal: bool,
    is_dirty: bool,
}

impl<W: Write> Line<W> {
    /// A line to be written here.
    pub fn new(to: W, is_terminal: bool) -> Self {
        Self { to, is_terminal, is_dirty: false }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal {
            // Back to the start, clear to the end (ECMA-48, CR and EL).
            write!(self.to, "\r{text}\x1b[K")?;
        } else {
            writeln!(self.to, "{text}")?;
        }
        self.to.flush()
    }
}

impl<W: Write> Watch for Line<W> {
    fn interval(&mut self, interval: &Interval) {
        let _ = self.write(&text(interval)); // What cannot be written is not important.
        self.is_dirty = true;
    }

    /// Takes the line away, so that the result stands alone.
    fn over(&mut self) {
        if self.is_dirty && self.is_terminal {
            let _ = write!(self.to, "\r\x1b[K");
            let _ = self.to.flush();
        }
    }
}

fn text(interval: &Interval) -> String {
    let end = interval.start_s + interval.length_s;
    let when = if interval.start_s < 0.0 { "warm-up".to_owned() } else { format!("{end:>5.0} s") };
    if interval.response.count == 0 {
        return format!("{when}  no answers");
    }
    // What came after the end has no length, and so no rate.
    if interval.length_s <= 0.0 {
        return format!("after the end  {}", counted(interval.ok, "answer"));
    }
    let rate = interval.ok as f64 / interval.length_s.max(1e-3);
    let [p50, p99, max] = [interval.response.p50_us, interval.response.p99_us, interval.response.max_us]
        .map(|micros| show_nanos(micros * 1e3));
    let mut text = format!(
        "{when}  {}/s  p50 {p50}  p99 {p99}  max {max}  {} in flight",
        show_count(rate),
        show_count(interval.in_flight as f64)
    );
    let wrong = [(interval.failed, "failed"), (interval.timed_out, "timed out")];
    for (count, what) in wrong.into_iter().filter(|(count, _)| *count != 0) {
        text += &format!("  {} {what}", show_count(count as f64));
    }
    if 0.0 < interval.stalled_ms {
        text += &format!("  generator paused {}", show_nanos(interval.stalled_ms * 1e6));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::new_histogram;
    use crate::result::Latency;

    fn interval() -> Interval {
        let mut response = new_histogram();
        response.record_n(15_000, 2000).unwrap();
        let response = Latency::of(&response);
        Interval { start_s: 2.0, length_s: 0.5, ok: 2000, in_flight: 64, response, ..Interval::default() }
    }

    #[test]
    fn a_second_is_one_line() {
        assert_eq!(
            text(&interval()),
            "    2 s  4,000/s  p50 15.0 µs  p99 15.0 µs  max 15.0 µs  64 in flight"
        );
        let bad = Interval { failed: 3, timed_out: 1200, stalled_ms: 200.0, ..interval() };
        assert!(text(&bad).ends_with("64 in flight  3 failed  1,200 timed out  generator paused 200 ms"));
        let none = Interval { start_s: -1.0, length_s: 1.0, ..Interval::default() };
        assert_eq!(text(&none), "warm-up  no answers");
        let drain = Interval { length_s: 0.0, ..interval() };
        assert_eq!(text(&drain), "after the end  2,000 answers");
    }

    #[test]
    fn a_terminal_has_one_line_and_a_file_has_many() {
        let written = |is_terminal| {
            let mut bytes = Vec::new();
            let mut line = Line::new(&mut bytes, is_terminal);
            line.interval(&interval());
            line.interval(&interval());
            line.over();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(written(false).lines().count(), 2);
        assert_eq!((written(true).matches('\n').count(), written(true).matches("\x1b[K").count()), (0, 3));
        assert!(written(true).ends_with("\r\x1b[K"));
    }
}
