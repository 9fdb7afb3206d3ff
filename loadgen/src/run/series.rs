//! The run second by second, added up over all threads while it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::record::part::{DRAIN, Part};
use crate::record::{add, new_histogram};
use crate::result::{Interval, Latency};

/// Most intervals of a result; a longer run has longer intervals.
const INTERVALS_MAX: usize = 3600;

/// Who wants to know how a run goes.
pub trait Watch {
    /// A second is over, for all threads.
    fn interval(&mut self, interval: &Interval);

    /// The run is over: what was shown meanwhile is taken away.
    fn over(&mut self) {}
}

/// Nobody.
impl Watch for () {
    fn interval(&mut self, _: &Interval) {}
}

/// What all threads have told so far.
#[derive(Debug)]
pub(super) struct Series {
    warmup: Duration,
    /// Seconds that are not yet over for all threads.
    open: BTreeMap<i64, Sum>,
    /// The last second that each thread has told.
    told: Vec<Option<i64>>,
    done: Vec<Interval>,
    /// Seconds in one interval of `done`, other than the last one.
    joined: usize,
}

/// One second of all threads.
#[derive(Debug)]
struct Sum {
    response: Histogram<u64>,
    service: Histogram<u64>,
    lag: Histogram<u64>,
    sent: u64,
    failed: u64,
    timed_out: u64,
    in_flight: u64,
    paused: u64,
}

impl Series {
    /// Of so many threads, with so much warm-up.
    pub(super) fn new(workers: usize, warmup: Duration) -> Self {
        Self { warmup, open: BTreeMap::new(), told: vec![None; workers], done: Vec::new(), joined: 1 }
    }

    /// Takes what a thread tells.
    pub(super) fn take(&mut self, worker: usize, part: &Part) {
        let sum = self.open.entry(part.second).or_insert_with(Sum::new);
        add(&mut sum.response, &part.response);
        add(&mut sum.service, &part.service);
        add(&mut sum.lag, &part.lag);
        sum.sent += part.sent;
        sum.failed += part.failed;
        sum.timed_out += part.timed_out;
        sum.in_flight += part.in_flight;
        sum.paused = sum.paused.max(part.paused);
        self.told[worker] = Some(part.second);
    }

    /// Gives the seconds that are over for all threads to the one who watches, with what `complete` knows beside. `end`
    /// is the end of the load in seconds after the start of the measured time, once it is known.
    pub(super) fn close(
        &mut self,
        end: Option<f64>,
        complete: &dyn Fn(&mut Interval),
        watch: &mut dyn Watch,
    ) {
        let Some(told) = self.told.iter().copied().min().flatten() else { return };
        while let Some(entry) = self.open.first_entry().filter(|entry| *entry.key() <= told) {
            let (second, sum) = entry.remove_entry();
            if second == DRAIN && sum.is_empty() {
                continue;
            }
            let mut interval = sum.interval(self.span(second, end));
            complete(&mut interval);
            watch.interval(&interval);
            self.keep(interval);
        }
    }

    /// All intervals.
    pub(super) fn finish(
        mut self,
        end: f64,
        complete: &dyn Fn(&mut Interval),
        watch: &mut dyn Watch,
    ) -> Vec<Interval> {
        self.told.fill(Some(DRAIN));
        self.close(Some(end), complete, watch);
        self.done
    }

    /// Start and length of a second.
    fn span(&self, second: i64, end: Option<f64>) -> (f64, f64) {
        if second == DRAIN {
            return (end.unwrap_or_default(), 0.0);
        }
        let start = (second as f64).max(-self.warmup.as_secs_f64());
        let until = end.map_or(second as f64 + 1.0, |end| end.min(second as f64 + 1.0));
        (start, (until - start).max(0.0))
    }

    fn keep(&mut self, interval: Interval) {
        match self.done.last_mut() {
            Some(last) if self.joined != 1 && last.length_s + 0.5 < self.joined as f64 => {
                *last = join(last, &interval)
            }
            _ => self.done.push(interval),
        }
        if INTERVALS_MAX < self.done.len() {
            self.joined *= 2;
            self.done = self
                .done
                .chunks(2)
                .map(|pair| pair.iter().skip(1).fold(pair[0].clone(), |one, two| join(&one, two)))
                .collect();
        }
    }
}

impl Sum {
    fn new() -> Self {
        Self {
            response: new_histogram(),
            service: new_histogram(),
            lag: new_histogram(),
            sent: 0,
            failed: 0,
            timed_out: 0,
            in_flight: 0,
            paused: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.response.is_empty() && self.sent + self.failed + self.timed_out == 0
    }

    fn interval(&self, (start_s, length_s): (f64, f64)) -> Interval {
        Interval {
            start_s,
            length_s,
            sent: self.sent,
            ok: self.response.len(),
            failed: self.failed,
            timed_out: self.timed_out,
            in_flight: self.in_flight,
            response: Latency::of(&self.response),
            service: Latency::of(&self.service),
            lag: Latency::of(&self.lag),
            stalled_ms: self.paused as f64 / 1e6,
            server_cpu_s: None,
            server_rss_bytes: None,
            server_switches: None,
        }
    }
}

/// Two intervals, one behind the other, as one.
fn join(one: &Interval, two: &Interval) -> Interval {
    let joined = |of: fn(&Interval) -> &Latency| {
        // They were made here, so they can be read.
        let mut sum = of(one).histogram().unwrap_or_else(|_| new_histogram());
        add(&mut sum, &of(two).histogram().unwrap_or_else(|_| new_histogram()));
        Latency::of(&sum)
    };
    let cpu = [one.server_cpu_s, two.server_cpu_s];
    let switches = [one.server_switches, two.server_switches];
    Interval {
        start_s: one.start_s,
        length_s: one.length_s + two.length_s,
        sent: one.sent + two.sent,
        ok: one.ok + two.ok,
        failed: one.failed + two.failed,
        timed_out: one.timed_out + two.timed_out,
        in_flight: two.in_flight,
        response: joined(|interval| &interval.response),
        service: joined(|interval| &interval.service),
        lag: joined(|interval| &interval.lag),
        stalled_ms: one.stalled_ms + two.stalled_ms,
        server_cpu_s: cpu.iter().any(Option::is_some).then(|| cpu.iter().flatten().sum()),
        server_rss_bytes: two.server_rss_bytes.or(one.server_rss_bytes),
        server_switches: switches.iter().any(Option::is_some).then(|| switches.iter().flatten().sum()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::part::part_of;

    #[derive(Default)]
    struct Seen(Vec<(f64, u64)>);

    impl Watch for Seen {
        fn interval(&mut self, interval: &Interval) {
            self.0.push((interval.start_s, interval.ok));
        }
    }

    #[test]
    fn a_second_is_told_when_all_threads_have() {
        let mut series = Series::new(2, Duration::from_millis(500));
        let mut seen = Seen::default();
        series.take(0, &part_of(-1, 3));
        series.take(0, &part_of(0, 5));
        series.close(None, &|_| (), &mut seen);
        assert_eq!(seen.0, []);
        series.take(1, &part_of(-1, 4));
        series.close(None, &|_| (), &mut seen);
        assert_eq!(seen.0, [(-0.5, 7)]);
        series.take(1, &part_of(0, 6));
        series.take(1, &part_of(DRAIN, 1));
        let intervals = series.finish(0.25, &|_| (), &mut seen);
        assert_eq!(seen.0, [(-0.5, 7), (0.0, 11), (0.25, 1)]);
        let lengths: Vec<f64> = intervals.iter().map(|interval| interval.length_s).collect();
        assert_eq!(lengths, [0.5, 0.25, 0.0]);
        assert_eq!(intervals[1].response.histogram().unwrap().len(), 11);
    }

    #[test]
    fn a_long_run_has_longer_intervals_and_loses_nothing() {
        let mut series = Series::new(1, Duration::ZERO);
        let seconds = 3 * i64::try_from(INTERVALS_MAX).unwrap() + 7;
        for second in 0..seconds {
            series.take(0, &part_of(second, 1));
            series.close(None, &|_| (), &mut ());
        }
        let intervals = series.finish(seconds as f64, &|_| (), &mut ());
        assert!(intervals.len() <= INTERVALS_MAX, "{}", intervals.len());
        let all = |of: fn(&Interval) -> u64| intervals.iter().map(of).sum::<u64>();
        assert_eq!(all(|interval| interval.ok), seconds.unsigned_abs());
        assert_eq!(all(|interval| interval.response.count), seconds.unsigned_abs());
        let is_even = |pair: &[Interval]| (pair[0].start_s + pair[0].length_s - pair[1].start_s).abs() < 1e-9;
        assert!(intervals.windows(2).all(is_even));
        assert!((intervals[0].length_s - 4.0).abs() < 1e-9);
    }
}
