//! What the main thread does while the others work: it gathers their seconds, and watches the server.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill::sys::clock::{self, Time};
use tidemill::sys::signal::{Signals, Waker, Woken};

use super::Watch;
use super::series::Series;
use super::thread::Start;
use crate::plan::Plan;
use crate::record::Window;
use crate::record::part::Feeder;
use crate::result::Interval;
use crate::server_side::Sampler;
use crate::worker::Done;

/// How often the threads' seconds are gathered.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long after the end of a second it is gathered: the threads need a moment to hand it over.
const DELAY: Duration = Duration::from_millis(15);
/// How often it is looked whether threads that are about to end have ended.
const ENDING: Duration = Duration::from_millis(10);

/// What the main thread does while the others work.
pub(super) struct Gathering {
    feeders: Vec<Feeder>,
    series: Series,
    sampler: Option<Sampler>,
    window: Window,
    /// When the next second is to be gathered.
    next: Time,
}

/// What was gathered.
pub(super) struct Gathered {
    /// The run second by second.
    pub(super) series: Vec<Interval>,
    /// What the server cost.
    pub(super) sampler: Option<Sampler>,
}

impl Gathering {
    /// Nothing yet, from these threads and of this server.
    pub(super) fn new(plan: &Plan, feeders: Vec<Feeder>, sampler: Option<Sampler>) -> Self {
        let series = Series::new(feeders.len(), plan.warmup);
        Self { feeders, series, sampler, window: Window::ALWAYS, next: Time::from_nanos(u64::MAX) }
    }

    /// The load begins.
    pub(super) fn begin(&mut self, start: Start) {
        self.window = start.window;
        self.sample();
        // Seconds are counted from the start of the measured time, also backwards.
        let warmup = start.window.from.saturating_since(start.load);
        let first = start.load.saturating_add(Duration::from_nanos(u64::from(warmup.subsec_nanos())));
        self.next = first.saturating_add(DELAY);
    }

    /// Sleeps until all threads have ended, and gathers each second meanwhile. Returns whether a signal asked to stop.
    pub(super) fn attend(
        &mut self,
        (signals, waker): (&Signals, &Waker),
        stop: &AtomicBool,
        watch: &mut dyn Watch,
        is_over: impl Fn() -> bool,
    ) -> io::Result<bool> {
        // A thread wakes this one shortly before it has ended, and where no load began it may have done so already.
        let mut is_ending = self.window == Window::ALWAYS;
        while !is_over() {
            let now = clock::now();
            if self.next <= now {
                self.next = self.next.saturating_add(INTERVAL);
                self.gather(None, watch);
                continue;
            }
            let rest = self.next.saturating_since(now);
            let rest = if is_ending { rest.min(ENDING) } else { rest };
            match signals.wait(waker, Some(rest))? {
                Woken::Stop(_) => stop.store(true, Ordering::Relaxed), // Pairs with nothing: see `Worker`.
                Woken::Waker => is_ending = true,
                // It ends by itself soon, whether its terminal is there or not.
                Woken::Reload | Woken::Upgrade | Woken::Report | Woken::TimedOut => {}
            }
        }
        Ok(stop.load(Ordering::Relaxed))
    }

    fn gather(&mut self, end: Option<f64>, watch: &mut dyn Watch) {
        self.sample();
        for (worker, feeder) in self.feeders.iter().enumerate() {
            while let Some(part) = feeder.take() {
                self.series.take(worker, &part);
                feeder.give_back(part);
            }
        }
        let complete = |interval: &mut Interval| complete(interval, self.sampler.as_ref(), self.window);
        self.series.close(end, &complete, watch);
    }

    /// All that there is, when all threads have ended.
    pub(super) fn finish(mut self, done: &[Done], measured: Duration, watch: &mut dyn Watch) -> Gathered {
        let end = measured.as_secs_f64();
        self.gather(Some(end), watch);
        for (worker, done) in done.iter().enumerate() {
            self.series.take(worker, &done.record.last_part);
        }
        let complete = |interval: &mut Interval| complete(interval, self.sampler.as_ref(), self.window);
        let series = self.series.finish(end, &complete, watch);
        watch.over();
        Gathered { series, sampler: self.sampler }
    }

    fn sample(&mut self) {
        if let Some(sampler) = &mut self.sampler {
            sampler.sample(clock::now());
        }
    }
}

/// Writes what the server cost in an interval.
fn complete(interval: &mut Interval, sampler: Option<&Sampler>, window: Window) {
    let Some(sampler) = sampler else { return };
    let from = window.at(interval.start_s);
    let until = window.at(interval.start_s + interval.length_s);
    if let Some(usage) = sampler.within(from, until) {
        interval.server_cpu_s = Some(usage.cpu_s);
        interval.server_rss_bytes = Some(usage.rss_bytes);
        let switches = usage.voluntary_switches.zip(usage.involuntary_switches);
        interval.server_switches = switches.map(|(voluntary, involuntary)| voluntary + involuntary);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Where no load began no second is gathered either, so nothing else would wake the main thread.
    #[test]
    fn an_end_is_seen_although_its_wake_up_came_too_early() {
        let (signals, waker) = (Signals::watch().unwrap(), Waker::new().unwrap());
        let mut gathering = Gathering {
            feeders: Vec::new(),
            series: Series::new(0, Duration::ZERO),
            sampler: None,
            window: Window::ALWAYS,
            next: Time::from_nanos(u64::MAX),
        };
        waker.wake();
        let looks = Cell::new(0);
        let is_over = || 4 == looks.replace(looks.get() + 1);
        let stop = AtomicBool::new(false);
        assert!(!gathering.attend((&signals, &waker), &stop, &mut (), is_over).unwrap());
        assert_eq!(looks.get(), 5);
    }
}
