//! `tidemill doctor`: what this host offers a server of this configuration, and what hurts.
//!
//! [`Needs`] says what a start would ask, [`Host`] what the host has; the checks compare the two, each a pure function, and
//! what they find is a table for people or JSON for scripts. Nothing is changed and nothing is opened, and no privilege is
//! needed: what cannot be seen without one is told with the command that shows it.

mod checks;
#[cfg(test)]
mod fake;
mod finding;
mod host;
mod process;
mod table;

use serde::Serialize;

use self::checks::CHECKS;
pub use self::finding::{Finding, Severity};
pub use self::host::Host;
use crate::config::Config;
use crate::error::exit;
use crate::server::Needs;
use crate::sys::address::Listen;

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table for people, in colours or without.
    Table {
        /// Whether the severities are coloured.
        coloured: bool,
    },
    /// JSON for scripts.
    Json,
}

/// Looks at this host and at what a start of this configuration would ask of it; returns the report and the exit code.
pub fn examine(config: &Config, form: Form) -> (String, u8) {
    let needs = Needs::of(config);
    let report = Report::of(&Sight { host: &Host::this(), config, needs: &needs });
    let text = match form {
        Form::Table { coloured } => table::text(&report, coloured),
        Form::Json => report.to_json(),
    };
    (text, report.exit_code)
}

/// What checks look at.
struct Sight<'a> {
    host: &'a Host,
    config: &'a Config,
    needs: &'a Needs,
}

impl Sight<'_> {
    /// Whether there are listeners that take connections.
    fn has_streams(&self) -> bool {
        self.config.listeners.iter().any(|listener| listener.listen.is_stream())
    }

    fn has_tcp(&self) -> bool {
        self.config.listeners.iter().any(|listener| matches!(listener.listen, Listen::Tcp(_)))
    }

    /// Whether other hosts can come.
    fn is_open(&self) -> bool {
        let addresses = self.config.listeners.iter().filter_map(|listener| listener.listen.ip());
        addresses.into_iter().any(|address| !address.ip().to_canonical().is_loopback())
    }
}

/// What all checks found; its fields are those of the JSON, which only ever get more.
#[derive(Serialize)]
struct Report {
    /// The form of the JSON.
    format: &'static str,
    /// Tidemill's.
    version: &'static str,
    /// The worst that was found.
    verdict: Severity,
    exit_code: u8,
    summary: Summary,
    /// One for each check, always in the same order.
    findings: Vec<Finding>,
}

/// How many findings there are of each severity.
#[derive(Serialize)]
struct Summary {
    error: usize,
    warn: usize,
    note: usize,
    ok: usize,
}

impl Report {
    fn of(sight: &Sight<'_>) -> Self {
        Self::from_findings(CHECKS.iter().map(|(_, look)| look(sight)).collect())
    }

    fn from_findings(findings: Vec<Finding>) -> Self {
        let verdict = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let summary = Summary {
            error: count(Severity::Error),
            warn: count(Severity::Warn),
            note: count(Severity::Note),
            ok: count(Severity::Ok),
        };
        let (format, version) = ("tidemill-doctor/1", env!("CARGO_PKG_VERSION"));
        Self { format, version, verdict, exit_code: exit_code(verdict), summary, findings }
    }

    fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers are always JSON") + "\n"
    }
}

/// A warning is none of the codes of a server; what keeps a server from starting has the code of a server that did not.
fn exit_code(verdict: Severity) -> u8 {
    match verdict {
        Severity::Ok | Severity::Note => exit::CLEAN,
        Severity::Warn => exit::HURTS,
        Severity::Error => exit::NOT_STARTED,
    }
}

#[cfg(test)]
mod tests;
