//! One sentence for each thing that went wrong.

use crate::plan::Plan;
use crate::record::Counts;
use crate::report::{counted, show_count};
use crate::result::Requests;

/// What went wrong in a run; nothing, if it is fine.
pub(super) fn problems(plan: &Plan, counts: &Counts, requests: Requests, fell_silent: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(mismatch) = counts.mismatch {
        problems.push(format!(
            "{} came back wrong; the first on connection {} at position {}: {:#04x} instead of {:#04x}",
            counted(counts.verification_errors.max(1), "message"),
            mismatch.connection,
            mismatch.position,
            mismatch.found,
            mismatch.expected,
        ));
    }
    if !counts.statuses.is_empty() {
        let each =
            counts.statuses.iter().map(|(status, count)| format!("{status} ({})", show_count(*count as f64)));
        let answers = counted(counts.statuses.values().sum(), "answer");
        let each = each.collect::<Vec<_>>().join(", ");
        problems.push(format!("{answers} had a status that is not 2xx: {each}"));
    }
    if let Some(first) = &counts.errors.first {
        problems.push(format!("{}; the first: {first}", counted(counts.errors.total(), "error")));
    }
    if plan.target.is_stream() && 0 < counts.given_up {
        let timeout = tidemill::config::units::show_duration(plan.timeout);
        problems.push(format!("{} got no answer within {timeout}", counted(counts.given_up, "message")));
    }
    if 0 < counts.outstanding() {
        problems.push(format!("{} got no answer", counted(counts.outstanding(), "message")));
    }
    if 0 < requests.unsent {
        let requests = counted(requests.unsent, "request");
        problems.push(format!("{requests} of the schedule could not be sent before the end"));
    }
    if fell_silent {
        problems.push("the server stopped answering before the end".to_owned());
    } else if requests.scheduled == 0 {
        problems.push(
            "no request was due in the measured time. Try: a longer --duration, or a higher --rate"
                .to_owned(),
        );
    } else if counts.received == 0 {
        problems.push("nothing came back".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::record::ErrorClass;
    use crate::traffic::verify::Mismatch;

    fn plan() -> Plan {
        let Command::Run(flags) = Cli::parse_from(["loadgen", "tcp://[::1]:9"]).into_command() else {
            unreachable!()
        };
        Plan::new(&flags.target.target, &flags.load, &[3]).unwrap()
    }

    fn fine() -> (Counts, Requests) {
        let counts = Counts { sent: 50_010, received: 50_010, ..Counts::default() };
        (counts, Requests { scheduled: 40_000, ok: 40_000, ..Requests::default() })
    }

    #[test]
    fn everything_wrong_is_said() {
        let (counts, requests) = fine();
        assert_eq!(problems(&plan(), &counts, requests, false), Vec::<String>::new());
        let check = |spoil: fn(&mut Counts, &mut Requests), words: &str| {
            let (mut counts, mut requests) = fine();
            spoil(&mut counts, &mut requests);
            let found = problems(&plan(), &counts, requests, false).join("\n");
            assert!(found.contains(words), "{words}: {found}");
        };
        check(|counts, _| counts.sent += 7, "7 messages got no answer");
        check(|counts, _| counts.received = 0, "nothing came back");
        check(|counts, _| counts.given_up = 3, "3 messages got no answer within 10s");
        check(
            |_, requests| requests.unsent = 1,
            "1 request of the schedule could not be sent before the end",
        );
        let spoil = |counts: &mut Counts, _: &mut Requests| {
            counts.statuses.extend([(404, 1200), (503, 1)]);
            counts.errors.count(ErrorClass::Status, || "the answer was 404".to_owned());
        };
        check(spoil, "1,201 answers had a status that is not 2xx: 404 (1,200), 503 (1)");
        check(spoil, "1 error; the first: the answer was 404");
        let spoil = |counts: &mut Counts, _: &mut Requests| {
            let mismatch = Mismatch { connection: 3, position: 1000, expected: 0x0a, found: 0xff };
            counts.verified(1, 1, Some(mismatch), 64);
        };
        check(spoil, "the first on connection 3 at position 1000: 0xff instead of 0x0a");
        let silent = problems(&plan(), &counts, requests, true);
        assert_eq!(silent, ["the server stopped answering before the end"]);
    }
}
