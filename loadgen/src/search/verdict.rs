//! Whether a run at some rate counts, and whose fault it is if it does not.

use super::slo::{MinOk, Slo};
use crate::report::{show_nanos, show_share};
use crate::result::{Check, RunResult, Status};

/// The checks that tell whether the generator did its part.
const CLIENT_CHECKS: [&str; 4] = [SCHEDULE_FIDELITY, OFFERED_RATE, "own-cpu", "connections"];
/// The one of them that says how late it was.
const SCHEDULE_FIDELITY: &str = "schedule-fidelity";
/// The one of them that fails too where requests wait for connections that the server keeps busy.
const OFFERED_RATE: &str = "offered-rate";

/// What a run at some rate shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All objectives are kept, and the generator did its part.
    Kept,
    /// The server misses an objective, which this says.
    ServerMissed(String),
    /// The generator did not do its part, which this says; the server may have been able to do more.
    ClientMissed(String),
}

/// Judges a run.
pub fn judge(run: &RunResult, objectives: &[Slo], min_ok: MinOk) -> Verdict {
    if let Some(sentence) = client_fault(run) {
        return Verdict::ClientMissed(sentence);
    }
    let share = MinOk::measured(run);
    if share < min_ok.0 {
        return Verdict::ServerMissed(format!("{:.3} % ok", share * 100.0));
    }
    let miss = |slo: &Slo| match slo.measured_us(run) {
        None => Some("no answers".to_owned()),
        Some(measured) if slo.is_kept_by(measured) => None,
        Some(measured) => Some(format!("{} {}", slo.figure(), show_nanos(measured * 1000.0))),
    };
    objectives.iter().find_map(miss).map_or(Verdict::Kept, Verdict::ServerMissed)
}

/// Which check says that the generator did not do its part.
///
/// A rate that was not offered is the generator's fault only if the generator itself was late. An open loop sends on a
/// limited number of connections: when the server keeps all of them busy, requests wait, and the rate is missed because
/// of the server.
fn client_fault(run: &RunResult) -> Option<String> {
    let is_busy_server = run.latency.generator_lag.p99_us < run.latency.queue_wait.p99_us;
    let is_ours = |name: &str| CLIENT_CHECKS.contains(&name) && !(name == OFFERED_RATE && is_busy_server);
    let mut failed = run.checks.iter().filter(|check| check.status == Status::Fail);
    failed.find(|check| is_ours(&check.name)).map(|check| in_short(run, check))
}

/// A check that failed, with its figure where it is one number. The check's own sentence has its bounds and advice for a
/// single run, which do not fit a search, in which rates that are too high belong to the plan.
fn in_short(run: &RunResult, check: &Check) -> String {
    let name = &check.name;
    let requests = &run.requests;
    match name.as_str() {
        SCHEDULE_FIDELITY => {
            format!("{name}: {} late at p99", show_nanos(run.latency.generator_lag.p99_us * 1000.0))
        }
        OFFERED_RATE => {
            format!(
                "{name}: {} sent",
                show_share(requests.scheduled.saturating_sub(requests.unsent), requests.scheduled)
            )
        }
        _ => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated;
    use crate::result::Latency;

    fn run(p99_us: f64) -> RunResult {
        let mut run = simulated::run(1000.0);
        run.latency.response = Latency { count: 10_000, p99_us, ..Latency::default() };
        run
    }

    fn verdict(run: &RunResult) -> Verdict {
        judge(run, &["p50<1s".parse().unwrap(), "p99<2ms".parse().unwrap()], MinOk(0.999))
    }

    fn fail(run: &mut RunResult, name: &str) {
        let check = run.checks.iter_mut().find(|check| check.name == name).unwrap();
        (check.status, check.sentence) = (Status::Fail, "so it is".to_owned());
    }

    #[test]
    fn a_run_counts_when_all_is_kept() {
        assert_eq!(verdict(&run(1999.0)), Verdict::Kept);
        assert_eq!(verdict(&run(2100.0)), Verdict::ServerMissed("p99 2.10 ms".to_owned()));
        let mut lossy = run(1000.0);
        lossy.requests.ok = lossy.requests.scheduled * 99 / 100;
        assert_eq!(verdict(&lossy), Verdict::ServerMissed("99.000 % ok".to_owned()));
        let mut silent = run(1000.0);
        silent.latency.response = Latency::default();
        assert_eq!(verdict(&silent), Verdict::ServerMissed("no answers".to_owned()));
    }

    /// Where the generator did not do its part, nothing is said of the server, however well or badly it looks.
    #[test]
    fn a_generator_that_falls_behind_is_named() {
        for name in CLIENT_CHECKS {
            for p99_us in [1000.0, 9000.0] {
                let mut run = run(p99_us);
                fail(&mut run, name);
                let Verdict::ClientMissed(reason) = verdict(&run) else { panic!("{name} was not seen") };
                assert!(reason.starts_with(name) && !reason.contains("so it is"), "{reason}");
            }
        }
        let mut other = run(1000.0);
        other.checks[0] = Check { status: Status::Fail, ..simulated::passed("stationarity") };
        assert_eq!(verdict(&other), Verdict::Kept, "not one of the generator's own checks");
    }

    /// The name and the figure, and neither bounds nor advice for single runs.
    #[test]
    fn a_check_is_said_in_short() {
        let mut late = run(1000.0);
        fail(&mut late, SCHEDULE_FIDELITY);
        late.latency.generator_lag = Latency { count: 9000, p99_us: 82_100.0, ..Latency::default() };
        assert_eq!(
            verdict(&late),
            Verdict::ClientMissed("schedule-fidelity: 82.1 ms late at p99".to_owned())
        );
        let mut held_back = run(1000.0);
        fail(&mut held_back, OFFERED_RATE);
        held_back.requests.unsent = held_back.requests.scheduled / 4;
        assert_eq!(verdict(&held_back), Verdict::ClientMissed("offered-rate: 75.00 % sent".to_owned()));
    }

    #[test]
    fn a_server_that_keeps_all_connections_busy_is_the_limit() {
        let mut run = run(50_000.0);
        fail(&mut run, OFFERED_RATE);
        run.latency.queue_wait = Latency { count: 9000, p99_us: 40_000.0, ..Latency::default() };
        run.latency.generator_lag = Latency { count: 9000, p99_us: 20.0, ..Latency::default() };
        assert_eq!(verdict(&run), Verdict::ServerMissed("p99 50.0 ms".to_owned()));
        fail(&mut run, "own-cpu");
        assert!(matches!(verdict(&run), Verdict::ClientMissed(_)));
    }
}
