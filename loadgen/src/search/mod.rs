//! The highest rate at which a server keeps its objectives.
//!
//! The rate doubles until a run misses; then the gap between the highest rate that was kept and the lowest that was
//! missed is halved until it is 2 %; then a run three times as long confirms the rate, or the rate goes down until one
//! does. A run in which the generator did not do its part says nothing of the server, and a search that ends there says
//! that too. What a run is, it does not know: it is given a function that makes one.

mod slo;
mod table;
mod verdict;

use serde::Serialize;

pub use slo::{MinOk, Slo};
pub use table::HEADER;
pub use verdict::{Verdict, judge};

use crate::report::counted;
use crate::result::RunResult;
use crate::statistics::BEYOND_MIN;

/// The name and version of the JSON's shape.
pub const SCHEMA: &str = "tidemill-loadgen-search/1";
/// Most runs of a search: doubling from one request per second to a million and back to 2 % takes 26.
pub const RUNS_MAX: usize = 40;
/// How often a rate is tried again at which the generator, and not the server, did not keep up.
const CLIENT_RETRIES: usize = 2;
/// How far apart the rate that was kept and the one that was missed may be at the end, as a share.
pub const EXACTNESS: f64 = 0.02;
/// How much longer the confirming run lasts.
pub const CONFIRM_TIMES: u32 = 3;

/// How far the rate goes down when it is not confirmed; each time twice as far, up to [`STEP_MAX`].
const STEP: f64 = EXACTNESS;
const STEP_MAX: f64 = 0.3;

/// What to search for.
#[derive(Clone, Debug, PartialEq)]
pub struct Aim {
    /// What must be kept.
    pub objectives: Vec<Slo>,
    /// The share of requests that must get a good answer.
    pub min_ok: MinOk,
    /// The first rate, in requests per second.
    pub from: f64,
    /// The highest rate.
    pub most: f64,
}

/// A run of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Requests per second.
    pub rate: f64,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a run of a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To find a rate that is missed.
    Ramp,
    /// To halve the gap.
    Bisect,
    /// To be sure; [`CONFIRM_TIMES`] as long.
    Confirm,
}

/// A run of a search, and what it showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probed {
    /// Requests per second.
    pub rate: f64,
    /// What it was for.
    pub purpose: Purpose,
    /// Whether it counts.
    pub is_kept: bool,
    /// Whether the generator, not the server, was the reason that it does not.
    pub is_client_limited: bool,
    /// Why it does not count.
    pub reason: Option<String>,
    /// Its result, without the series.
    pub result: RunResult,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The rate is what the server can keep.
    ServerLimited,
    /// The rate is what this generator could offer; the server may be able to keep more.
    ClientLimited,
    /// Not even the first rate was kept.
    NotEvenAtStart,
    /// The highest rate was kept.
    ReachedMaxRate,
    /// No rate was confirmed within the runs that a search may take.
    NotConfirmed,
    /// A signal ended it.
    Interrupted,
}

/// A search, whose JSON is the published format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Search {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The version of this program.
    pub version: &'static str,
    /// The objectives, as they were typed.
    pub objectives: Vec<String>,
    /// The share of requests that had to get a good answer.
    pub min_ok: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// The highest rate that was kept and confirmed.
    pub rate: Option<f64>,
    /// What came of it, in a sentence.
    pub sentence: String,
    /// Why it is to be read with care; empty when nothing stands against it.
    pub warnings: Vec<String>,
    /// All runs, in the order in which they were made.
    pub probes: Vec<Probed>,
}

/// Searches, with `measure` to make runs and `watch` to be told of each.
///
/// # Errors
/// Those of `measure`.
pub fn search<E>(
    aim: &Aim,
    measure: &mut dyn FnMut(Probe) -> Result<RunResult, E>,
    watch: &mut dyn FnMut(&Probed),
) -> Result<Search, E> {
    let mut seeker = Seeker { aim, measure, watch, probes: Vec::new(), kept: None, missed: None };
    let (outcome, rate) = seeker.seek()?;
    let sentence = table::sentence(aim, outcome, rate, &seeker.probes);
    Ok(Search {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        objectives: aim.objectives.iter().map(Slo::to_string).collect(),
        min_ok: aim.min_ok.rounded(),
        outcome,
        rate,
        sentence,
        warnings: warnings(aim, &seeker.probes),
        probes: seeker.probes,
    })
}

/// What stands against the last run, which is the one that confirms.
fn warnings(aim: &Aim, probes: &[Probed]) -> Vec<String> {
    let Some(last) = probes.last() else { return Vec::new() };
    let thin = |slo: &Slo| {
        let beyond = slo.samples_beyond(&last.result).filter(|beyond| *beyond < BEYOND_MIN - 1e-6)?;
        let beyond = beyond.round();
        let lie = if (beyond - 1.0).abs() < 0.5 { "lies" } else { "lie" };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "fewer than ten")]
        let samples = counted(beyond as u64, "sample");
        Some(format!(
            "only {samples} of the last run {lie} beyond {}: it is as much chance as it is the server. Try: a longer \
             --duration",
            slo.figure()
        ))
    };
    aim.objectives.iter().filter_map(thin).collect()
}

/// A search that goes on.
struct Seeker<'a, E> {
    aim: &'a Aim,
    measure: &'a mut dyn FnMut(Probe) -> Result<RunResult, E>,
    watch: &'a mut dyn FnMut(&Probed),
    probes: Vec<Probed>,
    /// The highest rate that was kept.
    kept: Option<f64>,
    /// The lowest rate that was missed, and whether that was the generator's fault.
    missed: Option<(f64, bool)>,
}

/// What a run means for the search.
enum Step {
    Kept,
    Missed,
    /// No run may follow.
    Over(Outcome),
}

impl<E> Seeker<'_, E> {
    fn seek(&mut self) -> Result<(Outcome, Option<f64>), E> {
        if let Some(outcome) = self.ramp()? {
            return Ok((outcome, None));
        }
        if let Some(outcome) = self.bisect()? {
            return Ok((outcome, None));
        }
        self.confirm()
    }

    /// Doubles the rate until it is missed, or the highest is kept.
    fn ramp(&mut self) -> Result<Option<Outcome>, E> {
        let mut rate = self.aim.from;
        loop {
            match self.probe(rate, Purpose::Ramp)? {
                Step::Over(outcome) => return Ok(Some(outcome)),
                Step::Missed if self.kept.is_none() => return Ok(Some(self.missed_at_start())),
                Step::Missed => return Ok(None),
                Step::Kept if self.aim.most <= rate => return Ok(None),
                Step::Kept => rate = (rate * 2.0).min(self.aim.most),
            }
        }
    }

    /// Halves the gap between the rates that were kept and missed.
    fn bisect(&mut self) -> Result<Option<Outcome>, E> {
        while let (Some(kept), Some((missed, _))) = (self.kept, self.missed) {
            if missed <= kept * (1.0 + EXACTNESS) {
                break;
            }
            if let Step::Over(outcome) = self.probe(f64::midpoint(kept, missed), Purpose::Bisect)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// Makes longer runs at the rate that was kept, and at lower ones until one of them is kept.
    fn confirm(&mut self) -> Result<(Outcome, Option<f64>), E> {
        let mut rate = self.kept.unwrap_or(self.aim.from);
        let mut step = STEP;
        loop {
            match self.probe(rate, Purpose::Confirm)? {
                Step::Over(outcome) => return Ok((outcome, None)),
                Step::Kept => return Ok((self.limit(), Some(rate))),
                Step::Missed if rate <= self.aim.from => return Ok((self.missed_at_start(), None)),
                Step::Missed => {
                    rate = (rate * (1.0 - step)).max(self.aim.from);
                    step = (step * 2.0).min(STEP_MAX);
                }
            }
        }
    }

    /// Runs at this rate. When the generator was the one that did not keep up, it is tried again: what disturbed it once
    /// need not be its limit.
    fn probe(&mut self, rate: f64, purpose: Purpose) -> Result<Step, E> {
        let missed_before = self.missed;
        let mut step = self.run_once(rate, purpose)?;
        for _ in 0..CLIENT_RETRIES {
            if !matches!(step, Step::Missed) || !self.missed.is_some_and(|(_, is_client)| is_client) {
                break;
            }
            step = self.run_once(rate, purpose)?;
        }
        if matches!(step, Step::Kept) {
            self.missed = missed_before;
        }
        Ok(step)
    }

    fn run_once(&mut self, rate: f64, purpose: Purpose) -> Result<Step, E> {
        if RUNS_MAX <= self.probes.len() {
            return Ok(Step::Over(Outcome::NotConfirmed));
        }
        let mut result = (self.measure)(Probe { rate, purpose })?;
        let is_interrupted = result.counts.interrupted;
        let (is_kept, is_client_limited, reason) = match judge(&result, &self.aim.objectives, self.aim.min_ok)
        {
            Verdict::Kept => (true, false, None),
            Verdict::ServerMissed(reason) => (false, false, Some(reason)),
            Verdict::ClientMissed(reason) => (false, true, Some(reason)),
        };
        // Forty series would be most of the file, and say little of the search.
        result.series.clear();
        let probed = Probed { rate, purpose, is_kept, is_client_limited, reason, result };
        (self.watch)(&probed);
        self.probes.push(probed);
        if is_interrupted {
            return Ok(Step::Over(Outcome::Interrupted));
        }
        if is_kept {
            self.kept = Some(rate);
            return Ok(Step::Kept);
        }
        self.missed = Some((rate, is_client_limited));
        Ok(Step::Missed)
    }

    fn missed_at_start(&self) -> Outcome {
        if self.missed.is_some_and(|(_, is_client)| is_client) {
            Outcome::ClientLimited
        } else {
            Outcome::NotEvenAtStart
        }
    }

    /// Why there is no higher rate.
    fn limit(&self) -> Outcome {
        match self.missed {
            None => Outcome::ReachedMaxRate,
            Some((_, true)) => Outcome::ClientLimited,
            Some((_, false)) => Outcome::ServerLimited,
        }
    }
}

#[cfg(test)]
mod tests;
