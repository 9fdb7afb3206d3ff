//! The result on a terminal: calm, short, and the verdict first where it is not a pass.

mod latencies;
mod lines;
mod rows;

use std::ffi::OsStr;

pub use latencies::{Support, cell, is_service_response, show_interval, support};
pub use lines::{errors, interruption, is_get, load, means};
pub use rows::rows;

use crate::report::{why_not, wrapped};
use crate::result::{RunResult, Status};

/// One result, as lines that end in a line feed. Colours mark what is to be seen first, and nothing else.
pub fn table(result: &RunResult, colour: bool) -> String {
    let mut lines = Vec::new();
    lines.extend(verdict(result, colour));
    lines.extend(lines::header(result));
    lines.push(String::new());
    lines.extend(latencies::latencies(result));
    lines.push(String::new());
    lines.extend(lines::footer(result));
    lines.extend(checks(result, colour));
    lines.join("\n") + "\n"
}

/// Whether colours are welcome, from the value of the `NO_COLOR` variable: any that is not empty forbids them
/// (<https://no-color.org>).
pub fn wants_colour(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty)
}

fn verdict(result: &RunResult, colour: bool) -> Option<String> {
    let meaning = match result.verdict {
        Status::Pass => return None,
        Status::Skipped => "nothing could be checked, so nothing vouches for these figures".to_owned(),
        Status::Warn => format!("read these figures with care: {}", reasons(result)),
        Status::Fail => format!("{}: {}", why_not(std::slice::from_ref(result)), reasons(result)),
    };
    // Painted afterwards, as a colour takes no room.
    let words = wrapped(&format!("{}: {meaning}", result.verdict), 2);
    Some(words.replacen(&result.verdict.to_string(), &painted(result.verdict, colour), 1))
}

/// The sentence of the one check that led to the verdict, or the names of all that did.
fn reasons(result: &RunResult) -> String {
    let worst: Vec<_> = result.checks.iter().filter(|check| check.status == result.verdict).collect();
    match worst.as_slice() {
        [] => "no check says why".to_owned(),
        [check] => check.sentence.clone(),
        checks => {
            let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
            format!("see {} below", names.join(", "))
        }
    }
}

/// How many checks came to what, and each one that did not pass.
fn checks(result: &RunResult, colour: bool) -> Vec<String> {
    let count = |status| result.checks.iter().filter(|check| check.status == status).count();
    let counts = [
        (Status::Pass, "pass"),
        (Status::Skipped, "skipped"),
        (Status::Warn, "WARN"),
        (Status::Fail, "FAIL"),
    ];
    let counted: Vec<String> = counts
        .into_iter()
        .filter(|(status, _)| 0 < count(*status))
        .map(|(status, name)| format!("{} {name}", count(status)))
        .collect();
    if counted.is_empty() {
        return vec![lines::line("checks", "none")];
    }
    let is_bad = |status| status == Status::Warn || status == Status::Fail;
    let bad = result.checks.iter().filter(|check| is_bad(check.status));
    let bad = bad.map(|check| {
        let words = wrapped(&format!("  {} {}: {}", check.status, check.name, check.sentence), 7);
        words.replacen(&check.status.to_string(), &painted(check.status, colour), 1)
    });
    std::iter::once(lines::line("checks", &counted.join(", "))).chain(bad).collect()
}

/// A status in its colour: yellow for care, red for failure.
fn painted(status: Status, colour: bool) -> String {
    match status {
        Status::Warn if colour => format!("\x1b[1;33m{status}\x1b[0m"),
        Status::Fail if colour => format!("\x1b[1;31m{status}\x1b[0m"),
        Status::Warn | Status::Fail | Status::Pass | Status::Skipped => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Check;
    use crate::result::example::example;

    #[test]
    fn the_verdict_comes_first_unless_all_is_well() {
        let first = |result: &RunResult| verdict(result, false).unwrap().replace("\n ", "");
        let mut result = example();
        assert_eq!(
            first(&result),
            "WARN: read these figures with care: the generator paused once, for 12.0 ms at 6.4 s; \
             p99.9 and above may be its own"
        );
        let failed =
            |name: &str| Check { name: name.to_owned(), status: Status::Fail, sentence: "s".to_owned() };
        result.checks.extend([failed("cpu"), failed("conservation")]);
        result.verdict = Status::Fail;
        assert_eq!(first(&result), "FAIL: these are not the server's figures: see cpu, conservation below");
        result.checks.retain(|check| check.status != Status::Fail);
        result.checks.push(failed("sample-size"));
        assert_eq!(first(&result), "FAIL: there are no figures to believe: s");
        result.checks.push(failed("payload"));
        assert_eq!(first(&result), "FAIL: there are no figures to believe: see sample-size, payload below");
        result.verdict = Status::Pass;
        assert_eq!(verdict(&result, false), None);
        assert!(table(&result, false).starts_with("tcp://127.0.0.1:7000"));
    }

    #[test]
    fn checks_that_did_not_pass_have_lines_of_their_own() {
        let lines = checks(&example(), false);
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
            "checks 3 pass, 1 skipped, 1 WARN"
        );
        assert!(lines[1].starts_with("  WARN stalls: the generator paused once"), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn colours_are_only_where_they_are_welcome() {
        assert!(!table(&example(), false).contains('\x1b'));
        assert!(table(&example(), true).starts_with("\x1b[1;33mWARN\x1b[0m: "));
        assert!(wants_colour(None) && wants_colour(Some(OsStr::new(""))));
        assert!(!wants_colour(Some(OsStr::new("1"))) && !wants_colour(Some(OsStr::new("0"))));
    }

    #[test]
    fn a_line_fits_a_terminal() {
        let table = table(&example(), false);
        let widest = table.lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(110), "{table}");
        assert!(table.lines().count() < 25, "{table}");
    }
}
