//! A comparison for a person: one line for each figure, and what they mean below.

use std::fmt;

use super::{Comparison, Line, Word};
use crate::report::wrapped;

/// Said below every table.
const MEANING: &str = "A difference is called better or worse when its whole interval of 95 % lies on one side of 0. Where \
                       nothing differs, one line in twenty says otherwise by chance.";

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A: {}", sources(&self.a))?;
        writeln!(f, "B: {}", sources(&self.b))?;
        for warning in &self.warnings {
            writeln!(f, "WARNING: {warning}")?;
        }
        writeln!(f)?;
        writeln!(f, "{:<29} {:>10} {:>10} {:>11}  95 % interval", "", "A", "B", "difference")?;
        // A figure that neither side has says nothing.
        let has_any = |line: &&Line| line.a_runs.iter().chain(&line.b_runs).any(Option::is_some);
        let lines: Vec<&Line> = self.metrics.iter().filter(has_any).collect();
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        not_compared(&lines).iter().try_for_each(|words| writeln!(f, "{}", wrapped(words, 2)))?;
        writeln!(f, "\n{}\n{}", wrapped(&self.method, 0), wrapped(MEANING, 0))?;
        self.regressions.iter().try_for_each(|regression| writeln!(f, "{}.", regression.sentence))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: Option<f64>| value.map_or("-".to_owned(), |value| self.metric.show(value));
        let share = |share: f64| {
            let (digits, unit) = if self.in_points { (3, "pt") } else { (1, "%") };
            let scale = 10_f64.powi(digits + 2);
            // Adding 0 makes of -0 a 0.
            let percent = (share * scale).round() / scale * 100.0 + 0.0;
            format!("{percent:+.*} {unit}", digits.unsigned_abs() as usize)
        };
        let interval = self.low.zip(self.high);
        write!(
            f,
            "{:<29} {:>10} {:>10} {:>11}  {:<24} {}",
            self.metric.label(),
            value(self.a),
            value(self.b),
            self.difference.map_or("-".to_owned(), share),
            interval.map_or("-".to_owned(), |(low, high)| format!("{} .. {}", share(low), share(high))),
            self.word,
        )
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoDifference => "no difference shown",
            Self::NotCompared => "not compared",
        })
    }
}

/// Which figures were not compared, and why; those with the same reason together.
fn not_compared(lines: &[&Line]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (line, reason) in lines.iter().filter_map(|line| Some((line, line.reason.as_deref()?))) {
        match groups.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, names)) => names.push(line.metric.name()),
            None => groups.push((reason, vec![line.metric.name()])),
        }
    }
    let words = |(reason, names): (&str, Vec<&str>)| format!("Not compared: {}: {reason}.", names.join(", "));
    groups.into_iter().map(words).collect()
}

/// Where runs come from; the same place is named once.
fn sources(all: &[String]) -> String {
    let mut named: Vec<&str> = all.iter().map(String::as_str).collect();
    named.dedup();
    let runs = if all.len() == 1 { String::new() } else { format!(" ({} runs)", all.len()) };
    format!("{}{runs}", named.join(", "))
}
