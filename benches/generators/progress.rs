//! What it costs to be watched: the same load with and without the progress view.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::pairs::Pairs;
use super::process::{Tidemill, is_installed, run as run_to_the_end};
use super::{Options, head, notes, say};

/// By how much the view may lower the rate.
const BOUND: f64 = 0.02;

pub(crate) fn run(options: &Options) -> io::Result<()> {
    head(&format!("Progress view: HTTP, closed loop, {} connections", options.connections));
    let server = Tidemill::start(options)?;
    say("| progress | requests/s, with / without | | pairs |");
    say("|---|---|---|---|");
    say(&row("a line each second", &compare(options, &server, Onto::Pipe)?));
    if is_installed(Path::new("script")) {
        say(&row("a block, on a terminal", &compare(options, &server, Onto::Terminal)?));
    } else {
        say("| a block, on a terminal | left out: no terminal can be made. Try: apt install bsdutils | | |");
    }
    notes::progress();
    Ok(())
}

/// Where standard error goes to; by it loadgen chooses its view. Both of a pair have the same: who has a session of
/// its own, as on a terminal, has a share of the core of its own, too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Onto {
    Pipe,
    Terminal,
}

fn compare(options: &Options, server: &Tidemill, onto: Onto) -> io::Result<Pairs<f64>> {
    let rate = |flag| rate(options, server, onto, flag);
    Pairs::measure(options, || rate("--progress"), || rate("--quiet"))
}

fn row(name: &str, pairs: &Pairs<f64>) -> String {
    let ratio = pairs.ratio(|rate| *rate);
    let verdict = if 1.0 - ratio.median() < BOUND {
        "less than 2 % slower: met"
    } else {
        "less than 2 % slower: **missed**"
    };
    format!("| {name} | {ratio} | {verdict} | {} |", pairs.counts())
}

/// Requests per second of one run. All threads of it have one core, so that drawing is paid for where load is made.
fn rate(options: &Options, server: &Tidemill, onto: Onto, flag: &str) -> io::Result<f64> {
    let json = Scratch(env::temp_dir().join(format!("tidemill-progress-{}.json", std::process::id())));
    let (connections, core) = (options.connections.to_string(), options.client_core.to_string());
    // At least two of its lines or some blocks.
    let seconds = format!("{}ms", (options.slice.max(2.0) * 1e3).round());
    let (url, file) = (server.url(), json.0.display().to_string());
    let loadgen = options.loadgen.display().to_string();
    let mut words = vec![loadgen.as_str(), "run", &url, "--connections", &connections, "--cores", &core];
    words.extend(["--warmup", "100ms", "--duration", &seconds, "--json", &file, flag]);
    let command = match onto {
        Onto::Pipe => plain(&words),
        Onto::Terminal => on_terminal(&words),
    };
    let finished = run_to_the_end(&command, options.client_core, |_| {})?;
    let result: Value =
        serde_json::from_str(&fs::read_to_string(&json.0).unwrap_or_default()).unwrap_or_default();
    let rate = result.pointer("/throughput/requests_per_second").and_then(Value::as_f64);
    rate.ok_or_else(|| {
        io::Error::other(format!("loadgen failed: {} {}", finished.output, finished.complaint))
    })
}

fn plain(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// script(1) gives a program a terminal, and passes on what it writes there.
fn on_terminal(words: &[&str]) -> Command {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let mut command = Command::new("script");
    command.args(["-qefc", &quoted.join(" "), "/dev/null"]);
    command
}

/// A file that goes with this value.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // It may not be there.
    }
}
