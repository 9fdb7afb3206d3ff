//! One run of the load generator, and figures over several.

use std::fmt;
use std::io;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Options;
use super::servers::Server;

/// What one run said.
pub(crate) struct Said(Value);

/// A figure over all rounds: the median, and the quartiles.
pub(crate) struct Spread([f64; 3]);

/// Loads a server for so many seconds, after as many of warm-up, as these words say.
///
/// # Errors
/// When the generator found a fault, or could not begin.
pub(crate) fn load(
    options: &Options,
    server: &Server,
    words: &str,
    (warmup, seconds): (f64, f64),
) -> io::Result<Said> {
    let mut command = Command::new(&options.loadgen);
    command.args(["pubsub", &server.url()]).args(words.split_whitespace());
    command.args(["--core", &options.client_core.to_string(), "--server-pid", &server.pid().to_string()]);
    command.args(["--warmup", &milliseconds(warmup), "--json", "-", "--duration", &milliseconds(seconds)]);
    let output = command.stderr(Stdio::piped()).output()?;
    if output.status.success()
        && let Ok(json) = serde_json::from_slice(&output.stdout)
    {
        return Ok(Said(json));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or("it said nothing"); // The last line is what went wrong.
    Err(io::Error::other(format!("the load generator failed against {}: {said}", server.kind.name())))
}

/// How such a load is had, but for where the server is.
pub(crate) fn command(words: &str, (warmup, seconds): (f64, f64)) -> String {
    let (warmup, seconds) = (milliseconds(warmup), milliseconds(seconds));
    format!("loadgen pubsub URL {words} --warmup {warmup} --duration {seconds}")
}

fn milliseconds(seconds: f64) -> String {
    format!("{}ms", (seconds * 1e3).round())
}

impl Said {
    /// A figure; none where there was nothing to measure.
    pub(crate) fn figure(&self, path: &str) -> f64 {
        self.0.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values.get((values.len().saturating_sub(1)) * quarter / 4).copied();
        Self([1, 2, 3].map(|quarter| at(quarter).unwrap_or(f64::NAN)))
    }

    pub(crate) fn median(&self) -> f64 {
        self.0[1]
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, median, high] = self.0;
        write!(f, "{median:.3} [{low:.3}, {high:.3}]")
    }
}
