//! The report as people read it: the worst first, each with its reason and its command, and what is well in one line.
//!
//! It fits 100 columns. Commands are never broken, so that they can be copied.

use super::Report;
use super::finding::{Finding, Severity};

/// Columns of the whole table.
const WIDTH: usize = 100;
/// Columns of a severity.
const SEVERITY: usize = 5;
/// Columns of a name: as many as the longest has.
const NAME: usize = 31;
/// Columns of what was found.
const FOUND: usize = 33;
/// Columns of what was wanted: the rest of the line, after three gaps.
const WANTED: usize = WIDTH - SEVERITY - NAME - FOUND - 3 * GAP;
/// Columns between two others.
const GAP: usize = 2;

pub(super) fn text(report: &Report, coloured: bool) -> String {
    let mut lines = row("", "check", "found", "wanted");
    for severity in Severity::WORST_FIRST {
        let mark = if coloured { colour(severity) } else { format!("{:<SEVERITY$}", severity.name()) };
        for finding in report.findings.iter().filter(|finding| finding.severity == severity) {
            lines.extend(told(finding, &mark));
        }
    }
    lines.push(String::new());
    lines.extend(end(report));
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A finding: what is well has the rest of its line, and the others their reason and command below.
fn told(finding: &Finding, mark: &str) -> Vec<String> {
    if finding.severity == Severity::Ok {
        return rest(mark, finding.name, &finding.found);
    }
    let mut lines = row(mark, finding.name, &finding.found, &finding.wanted);
    let indent = " ".repeat(SEVERITY + GAP);
    lines.extend(wrapped(&finding.why, WIDTH - indent.len()).iter().map(|line| format!("{indent}{line}")));
    lines.extend(finding.command.iter().map(|command| format!("{indent}$ {command}")));
    lines.push(String::new());
    lines
}

/// One row, in as many lines as its longest cell needs. The mark may have colours, which take no columns.
fn row(mark: &str, name: &str, found: &str, wanted: &str) -> Vec<String> {
    let (found, wanted) = (wrapped(found, FOUND), wrapped(wanted, WANTED));
    let cell = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or_default();
    let blank = " ".repeat(SEVERITY);
    let line = |at: usize| {
        let mark = if at != 0 || mark.is_empty() { &blank } else { mark };
        let name = if at == 0 { name } else { "" };
        format!("{mark}  {name:<NAME$}  {:<FOUND$}  {}", cell(&found, at), cell(&wanted, at))
    };
    (0..found.len().max(wanted.len())).map(line).collect()
}

/// A row that wants nothing.
fn rest(mark: &str, name: &str, found: &str) -> Vec<String> {
    let indent = " ".repeat(SEVERITY + GAP + NAME + GAP);
    let mut lines = wrapped(found, FOUND + GAP + WANTED);
    for (at, line) in lines.iter_mut().enumerate() {
        *line = if at == 0 { format!("{mark}  {name:<NAME$}  {line}") } else { format!("{indent}{line}") };
    }
    lines
}

/// How many there are of each severity, and what the exit code says.
fn end(report: &Report) -> Vec<String> {
    let summary = &report.summary;
    let several = |count: usize, word: &str| {
        if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
    };
    let counts = format!(
        "{}, {}, {}, {} ok.",
        several(summary.error, "error"),
        several(summary.warn, "warning"),
        several(summary.note, "note"),
        summary.ok
    );
    let verdict = match report.verdict {
        Severity::Ok | Severity::Note => "Nothing hurts.",
        Severity::Warn => "The server starts, and something hurts (exit code 5).",
        Severity::Error => "The server would not start (exit code 3).",
    };
    let mut lines = vec![format!("{counts} {verdict}")];
    if report.verdict != Severity::Ok {
        lines.extend([
            "What changes the host needs root. tuning/tune sets most of it together, measures it, and"
                .to_owned(),
            "puts it back: tuning/README.md in the source.".to_owned(),
        ]);
    }
    lines
}

/// The severity in its colour, as ECMA-48 has it.
fn colour(severity: Severity) -> String {
    let code = match severity {
        Severity::Error => "1;31",
        Severity::Warn => "33",
        Severity::Note => "36",
        Severity::Ok => "32",
    };
    format!("\x1b[{code}m{:<SEVERITY$}\x1b[0m", severity.name())
}

/// Lines of at most so many columns, broken between words; at least one. A word that is longer has its own line, broken
/// where it must be.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for (at, piece) in letters.chunks(columns).enumerate() {
            let gap = usize::from(used != 0 && at == 0);
            if columns < used + gap + piece.len() {
                lines.push(String::new());
                used = 0;
            }
            let line = lines.last_mut().expect("there is one from the beginning");
            if used != 0 && at == 0 {
                line.push(' ');
                used += 1;
            }
            line.extend(piece);
            used += piece.len();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &'static str, severity: Severity, command: Option<&str>) -> Finding {
        Finding {
            name,
            severity,
            found: "128".to_owned(),
            wanted: "at least 4096".to_owned(),
            why: "It caps the connections that wait to be accepted; more are dropped, and their peers try again after a second."
                .to_owned(),
            command: command.map(str::to_owned),
        }
    }

    #[test]
    fn the_worst_stands_first_and_what_is_well_in_one_line() {
        let report = Report::from_findings(vec![
            finding("kernel", Severity::Ok, None),
            finding("net.core.somaxconn", Severity::Warn, Some("sysctl -w net.core.somaxconn=4096")),
            finding("ports", Severity::Error, None),
        ]);
        let expected = "       check                            found                              wanted
error  ports                            128                                at least 4096
       It caps the connections that wait to be accepted; more are dropped, and their peers try again
       after a second.

warn   net.core.somaxconn               128                                at least 4096
       It caps the connections that wait to be accepted; more are dropped, and their peers try again
       after a second.
       $ sysctl -w net.core.somaxconn=4096

ok     kernel                           128

1 error, 1 warning, 0 notes, 1 ok. The server would not start (exit code 3).
What changes the host needs root. tuning/tune sets most of it together, measures it, and
puts it back: tuning/README.md in the source.
";
        assert_eq!(text(&report, false), expected);
    }

    #[test]
    fn colours_take_no_columns() {
        let report = Report::from_findings(vec![finding("kernel", Severity::Ok, None)]);
        let (plain, coloured) = (text(&report, false), text(&report, true));
        assert!(coloured.contains("\x1b[32mok   \x1b[0m"), "{coloured:?}");
        assert_eq!(coloured.replace("\x1b[32m", "").replace("\x1b[0m", ""), plain);
        assert!(plain.ends_with("0 errors, 0 warnings, 0 notes, 1 ok. Nothing hurts.\n"), "{plain}");
    }

    #[test]
    fn text_is_broken_between_words_and_loses_none() {
        let check = |text, expected: &[&str]| assert_eq!(wrapped(text, 5), expected, "{text}");
        check("", &[""]);
        check("a bc", &["a bc"]);
        check("a bcde", &["a", "bcde"]);
        check("abcde f", &["abcde", "f"]);
        check("ab cdefghijk lm", &["ab", "cdefg", "hijk", "lm"]);
        check("größe", &["größe"]);
    }
}
