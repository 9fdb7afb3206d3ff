//! What the server costs while it is under load: its processor time, its memory, its context switches.
//!
//! The run's main thread asks the [`Sampler`] for a reading once a second, and where the measured time begins and
//! ends. A reading takes a tenth of a second at most. What goes wrong after the start is a problem that the result
//! tells, and never the end of the run.

mod fetch;
mod page;
mod process;

use std::fmt;
use std::net::SocketAddr;

use tidemill::sys::clock::Time;

use crate::result::Server;

pub use fetch::{FETCH_TIMEOUT, FetchError};

use process::ProcessReader;

/// Most readings that are kept: when there are more, every second one is given up.
const SAMPLES_MAX: usize = 8192;

/// Where the server is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A process of this host.
    Pid(u32),
    /// A page of figures, as Prometheus reads them.
    Metrics(MetricsPage),
}

/// Where a page of figures is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsPage {
    address: SocketAddr,
    path: String,
}

/// Why the server cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such process.
    #[error(
        "there is no process {0} whose figures can be read. Try: the number that pgrep shows for the server"
    )]
    NoProcess(u32),
    /// The process has ended.
    #[error("process {0} has ended")]
    Ended(u32),
    /// The text is no address of a page.
    #[error(
        "{0:?} is not where figures are: write a URL, as in http://127.0.0.1:9180/metrics; names are not looked up"
    )]
    Url(String),
    /// The page could not be fetched.
    #[error("{page} cannot be read: {cause}. Try: curl {page}")]
    Fetch {
        /// The page.
        page: String,
        /// What went wrong.
        cause: FetchError,
    },
    /// The page does not tell what is to be known.
    #[error(
        "{page} has no {name}. Try: the page of the server's admin listener, or its process with --server-pid"
    )]
    Missing {
        /// The page.
        page: String,
        /// The figure.
        name: &'static str,
    },
    /// Processor time never goes back, so this is another process.
    #[error("the server was started anew, or another process took its place")]
    Replaced,
}

/// What the server had used at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub at: Time,
    /// Processor time since some moment before, in seconds.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// Voluntary context switches since some moment before, where the source tells them.
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches since some moment before, where the source tells them.
    pub involuntary_switches: Option<u64>,
}

/// What the server used in a part of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// Resident memory at its end, in bytes.
    pub rss_bytes: u64,
    /// Voluntary context switches, where the source tells them.
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches, where the source tells them.
    pub involuntary_switches: Option<u64>,
}

/// Watches the server.
#[derive(Debug)]
pub struct Sampler {
    source: Source,
    reader: Reader,
    /// In the order of time.
    samples: Vec<Sample>,
    /// Readings that failed, and the first reason.
    failed: Option<(u64, Time, String)>,
}

#[derive(Debug)]
enum Reader {
    Process(ProcessReader),
    Page(MetricsPage),
}

impl Source {
    /// The process, if it is one of this host.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Pid(pid) => Some(*pid),
            Self::Metrics(_) => None,
        }
    }
}

impl Sampler {
    /// Begins to watch, with a first reading.
    ///
    /// # Errors
    /// When nothing can be read there: then the run should not begin.
    pub fn start(source: Source, now: Time) -> Result<Self, SourceError> {
        let mut reader = match &source {
            Source::Pid(pid) => Reader::Process(ProcessReader::open(*pid)?),
            Source::Metrics(page) => Reader::Page(page.clone()),
        };
        let samples = vec![reader.read(now)?];
        Ok(Self { source, reader, samples, failed: None })
    }

    /// Takes a reading. One that fails is counted; one day it may work again.
    pub fn sample(&mut self, now: Time) {
        let earlier = self.samples.last().map_or(0.0, |sample| sample.cpu_s);
        let read = self
            .reader
            .read(now)
            .and_then(|sample| if sample.cpu_s < earlier { Err(SourceError::Replaced) } else { Ok(sample) });
        match read {
            Ok(sample) => {
                if SAMPLES_MAX <= self.samples.len() {
                    let mut number = 0_usize;
                    self.samples.retain(|_| {
                        number += 1;
                        number % 2 == 1
                    });
                }
                self.samples.push(sample);
            }
            Err(error) => match &mut self.failed {
                Some((count, ..)) => *count += 1,
                None => self.failed = Some((1, now, error.to_string())),
            },
        }
    }

    /// All readings.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// What the server used within a part of the run: for the series. `None` where no reading covers it. What is between
    /// two readings is spread evenly.
    pub fn within(&self, from: Time, until: Time) -> Option<Usage> {
        let cpu_s = self.at(until, |sample| sample.cpu_s)? - self.at(from, |sample| sample.cpu_s)?;
        let before = self.samples.partition_point(|sample| sample.at <= until);
        let rss_bytes = self.samples[..before].last().map(|sample| sample.rss_bytes)?;
        let switches = |of: fn(&Sample) -> Option<u64>| {
            let known = self.samples.iter().all(|sample| of(sample).is_some());
            let at = |time| self.at(time, |sample| of(sample).unwrap_or_default() as f64);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a count")]
            let difference = (at(until)? - at(from)?).max(0.0).round() as u64;
            known.then_some(difference)
        };
        Some(Usage {
            cpu_s: cpu_s.max(0.0),
            rss_bytes,
            voluntary_switches: switches(|sample| sample.voluntary_switches),
            involuntary_switches: switches(|sample| sample.involuntary_switches),
        })
    }

    /// What the server cost between these moments, in which it gave so many good answers. `None` when it could not be
    /// watched for all of that time: what it cost for each answer would be wrong.
    pub fn server(&self, from: Time, until: Time, answers: u64) -> Option<Server> {
        let usage = self.within(from, until)?;
        let during = |sample: &&Sample| from <= sample.at && sample.at <= until;
        let rss_bytes = self.samples.iter().filter(during).map(|sample| sample.rss_bytes).max();
        Some(Server {
            source: self.source.to_string(),
            cpu_s: usage.cpu_s,
            cpu_us_per_request: (0 < answers).then(|| usage.cpu_s * 1e6 / answers as f64),
            rss_bytes: rss_bytes.unwrap_or(usage.rss_bytes),
            voluntary_switches: usage.voluntary_switches,
            involuntary_switches: usage.involuntary_switches,
        })
    }

    /// What went wrong after the start, in a sentence; `start` is where the measured time began.
    pub fn problem(&self, start: Time) -> Option<String> {
        let (count, at, reason) = self.failed.as_ref()?;
        let readings = if *count == 1 { "1 reading".to_owned() } else { format!("{count} readings") };
        let seconds = (at.as_nanos() as f64 - start.as_nanos() as f64) / 1e9;
        Some(format!(
            "the server could not be watched for {readings}, at {seconds:.1} s for the first time: {reason}"
        ))
    }

    /// A figure at this moment, on the line between the readings before and behind it.
    fn at(&self, time: Time, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        let behind = self.samples.partition_point(|sample| sample.at < time);
        let later = self.samples.get(behind)?;
        if later.at == time {
            return Some(figure(later));
        }
        let earlier = &self.samples[behind.checked_sub(1)?];
        let span = later.at.saturating_since(earlier.at).as_secs_f64();
        let share = time.saturating_since(earlier.at).as_secs_f64() / span;
        Some(figure(earlier) + (figure(later) - figure(earlier)) * share)
    }
}

impl Reader {
    fn read(&mut self, now: Time) -> Result<Sample, SourceError> {
        match self {
            Self::Process(process) => process.read(now),
            Self::Page(page) => page.read(now),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::Metrics(page) => page.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
