//! What a check says: what was found, what was wanted, why it matters, and the command that helps.

use serde::Serialize;

use super::host::Unknown;

/// How much it matters; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing: it may matter to some, or could not be found out.
    Note,
    /// It costs or loses something.
    Warn,
    /// The server would not start.
    Error,
}

impl Severity {
    /// All of them, the worst first.
    pub const WORST_FIRST: [Self; 4] = [Self::Error, Self::Warn, Self::Note, Self::Ok];

    /// As it is shown, here and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check; where `tuning/knobs.tsv` has a knob for it, the knob's name.
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What the host has.
    pub found: String,
    /// What would be well.
    pub wanted: String,
    /// Why it matters.
    pub why: String,
    /// What changes it, or shows more of it.
    pub command: Option<String>,
}

impl Finding {
    /// With the command that helps.
    pub(super) fn with(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }
}

/// What a check is about, before it has looked.
#[derive(Clone)]
pub(super) struct Topic {
    name: &'static str,
    wanted: String,
    why: String,
}

impl Topic {
    pub(super) fn new(name: &'static str, wanted: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name, wanted: wanted.into(), why: why.into() }
    }

    pub(super) fn ok(self, found: impl Into<String>) -> Finding {
        self.say(Severity::Ok, found)
    }

    pub(super) fn note(self, found: impl Into<String>) -> Finding {
        self.say(Severity::Note, found)
    }

    pub(super) fn warn(self, found: impl Into<String>) -> Finding {
        self.say(Severity::Warn, found)
    }

    pub(super) fn error(self, found: impl Into<String>) -> Finding {
        self.say(Severity::Error, found)
    }

    pub(super) fn say(self, severity: Severity, found: impl Into<String>) -> Finding {
        let Self { name, wanted, why } = self;
        Finding { name, severity, found: found.into(), wanted, why, command: None }
    }

    /// With this reason instead.
    pub(super) fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// What the check finds; or, where the host does not tell, that it is unknown, because of what, and the command that
    /// would show it.
    pub(super) fn judge(self, look: impl FnOnce(Self) -> Result<Finding, Unknown>) -> Finding {
        let unasked = self.clone();
        look(self).unwrap_or_else(|unknown| Finding {
            command: unknown.command(),
            ..unasked.note(format!("unknown, because {unknown}"))
        })
    }
}
