//! The generators for HTTP: how each is called, and what it prints.

use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::pairs::Quartiles;
use super::process::{Finished, is_installed, run};
use super::{Options, say};

/// A generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Loadgen,
    Wrk,
    H2load,
    Oha,
}

/// What one run says of itself; what it does not say is not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Answers over the whole life of the process.
    pub(crate) requests: f64,
    /// As it prints it.
    pub(crate) per_second: f64,
    /// Of the whole process, as the kernel counts it.
    pub(crate) cpu_micros: f64,
    /// Latencies in microseconds, as it prints them.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) mean: f64,
    pub(crate) max: f64,
    /// What it says that a request cost it, in microseconds.
    pub(crate) claim: f64,
    /// The p99 of its own lateness, in microseconds.
    pub(crate) lag: f64,
}

/// What a run of the shortest kind costs: starting, connecting, printing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartUp {
    requests: f64,
    cpu_micros: f64,
}

impl StartUp {
    /// Microseconds of CPU without the requests that are in it, at this cost each.
    pub(crate) fn without_requests(self, cost: f64) -> f64 {
        self.cpu_micros - self.requests * cost
    }
}

impl Run {
    /// Microseconds of CPU for each request behind the start.
    pub(crate) fn cost(&self, start: StartUp) -> f64 {
        (self.cpu_micros - start.cpu_micros) / (self.requests - start.requests)
    }
}

impl Tool {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loadgen => "loadgen",
            Self::Wrk => "wrk",
            Self::H2load => "h2load",
            Self::Oha => "oha",
        }
    }

    /// Whether it is there. If not, says how to get it.
    pub(crate) fn is_there(self, options: &Options) -> bool {
        let (program, advice) = match self {
            Self::Loadgen => (&options.loadgen, "cargo build --release --workspace"),
            Self::Wrk => (&options.wrk, "apt install wrk"),
            Self::H2load => (&options.h2load, "apt install nghttp2-client"),
            Self::Oha => (&options.oha, "cargo install oha --locked, then --oha PATH"),
        };
        let is_there = is_installed(program);
        if !is_there {
            say(&format!("{} is left out: it is not installed. Try: {advice}\n", self.name()));
        }
        is_there
    }

    /// Asks for `url` as fast as answers come.
    pub(crate) fn load(self, options: &Options, url: &str) -> io::Result<Run> {
        let connections = options.connections.to_string();
        let connections = connections.as_str();
        let milliseconds = format!("{}ms", (options.slice * 1e3).round());
        let whole = format!("{}s", options.slice.ceil().max(1.0));
        match self {
            Self::Loadgen => loadgen(options, url, &["--duration", &milliseconds]),
            Self::Wrk => self.run(
                options,
                &options.wrk,
                &["-t1", "-c", connections, "-d", &whole, "--latency", url],
                |_| {},
            ),
            Self::H2load => self.run(
                options,
                &options.h2load,
                &["--h1", "-t1", "-c", connections, "-D", &milliseconds, url],
                |_| {},
            ),
            Self::Oha => oha(options, url, &["-z", &milliseconds]),
        }
    }

    /// The median of a few runs that are as short as they can be.
    pub(crate) fn start_up(self, options: &Options, url: &str) -> io::Result<StartUp> {
        let runs: Vec<Run> = (0..5).map(|_| self.least(options, url)).collect::<io::Result<_>>()?;
        let median = |value: fn(&Run) -> f64| Quartiles::of(runs.iter().map(value)).median();
        Ok(StartUp { requests: median(|run| run.requests), cpu_micros: median(|run| run.cpu_micros) })
    }

    fn least(self, options: &Options, url: &str) -> io::Result<Run> {
        let connections = options.connections.to_string();
        let connections = connections.as_str();
        match self {
            Self::Loadgen => loadgen(options, url, &["--count", connections]),
            Self::Wrk => self.least_of_wrk(options, url),
            Self::H2load => self.run(
                options,
                &options.h2load,
                &["--h1", "-t1", "-c", connections, "-n", connections, url],
                |_| {},
            ),
            Self::Oha => oha(options, url, &["-n", connections]),
        }
    }

    /// wrk lasts a second at least, unless it is interrupted: then it prints what it has. Until it is ready for that
    /// an interrupt ends it without a word.
    fn least_of_wrk(self, options: &Options, url: &str) -> io::Result<Run> {
        let connections = options.connections.to_string();
        let interrupt = |after: u64| {
            move |process: u32| {
                thread::sleep(Duration::from_millis(after));
                let process = i32::try_from(process).ok().and_then(Pid::from_raw);
                let _ = process.map(|process| kill_process(process, Signal::INT)); // It may have ended.
            }
        };
        let arguments = ["-t1", "-c", &connections, "-d", "10s", "--latency", url];
        [100, 200, 400, 800]
            .into_iter()
            .map(|after| self.run(options, &options.wrk, &arguments, interrupt(after)))
            .reduce(Result::or)
            .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    fn run(
        self,
        options: &Options,
        program: &Path,
        arguments: &[&str],
        meanwhile: impl FnOnce(u32),
    ) -> io::Result<Run> {
        let finished = run(Command::new(program).args(arguments), options.client_core, meanwhile)?;
        let read = match self {
            Self::Loadgen => read_loadgen(&finished.output),
            Self::Wrk => read_wrk(&finished.output),
            Self::H2load => read_h2load(&finished.output),
            Self::Oha => read_oha(&finished.output),
        };
        self.checked(read, &finished)
    }

    fn checked(self, read: Option<Run>, finished: &Finished) -> io::Result<Run> {
        match read {
            Some(run) if 0.0 < run.requests => Ok(Run { cpu_micros: finished.cpu_micros, ..run }),
            _ => Err(io::Error::other(format!("{} failed: {}", self.name(), finished.complaint))),
        }
    }
}

/// A run of loadgen. It warms up for a moment, since it reads its own CPU time from then on.
pub(crate) fn loadgen(options: &Options, url: &str, arguments: &[&str]) -> io::Result<Run> {
    let (connections, core) = (options.connections.to_string(), options.client_core.to_string());
    let mut all = vec!["run", url, "--connections", &connections, "--cores", &core];
    all.extend(["--quiet", "--json", "-"]);
    if arguments.first() != Some(&"--count") {
        all.extend(["--warmup", "100ms"]);
    }
    all.extend(arguments);
    Tool::Loadgen.run(options, &options.loadgen, &all, |_| {})
}

fn oha(options: &Options, url: &str, arguments: &[&str]) -> io::Result<Run> {
    let connections = options.connections.to_string();
    let mut all = vec!["--no-tui", "--output-format", "json", "-c", &connections];
    all.extend(arguments);
    all.push(url);
    Tool::Oha.run(options, &options.oha, &all, |_| {})
}

const SILENT: Run = Run {
    requests: f64::NAN,
    per_second: f64::NAN,
    cpu_micros: f64::NAN,
    p50: f64::NAN,
    p99: f64::NAN,
    mean: f64::NAN,
    max: f64::NAN,
    claim: f64::NAN,
    lag: f64::NAN,
};

fn read_loadgen(output: &str) -> Option<Run> {
    let result: Value = serde_json::from_str(output).ok()?;
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    // Without a sample its percentiles are zero.
    let is_measured = 0.0 < number("/latency/response/count");
    let latency = |name: &str| {
        if is_measured { number(&format!("/latency/response/{name}")) } else { f64::NAN }
    };
    Some(Run {
        requests: number("/counts/received"),
        per_second: number("/throughput/requests_per_second"),
        p50: latency("p50_us"),
        p99: latency("p99_us"),
        mean: latency("mean_us"),
        max: latency("max_us"),
        claim: number("/generator/cpu_us_per_request"),
        lag: number("/latency/generator_lag/p99_us"),
        ..SILENT
    })
}

fn read_wrk(output: &str) -> Option<Run> {
    let words = |mark: &str| {
        let line = output.lines().map(str::trim).find(|line| line.starts_with(mark))?;
        Some(line[mark.len()..].split_whitespace().collect::<Vec<_>>())
    };
    let total = output.lines().find(|line| line.contains(" requests in "))?;
    let latency = words("Latency ")?;
    Some(Run {
        requests: total.split_whitespace().next()?.parse().ok()?,
        per_second: words("Requests/sec:")?.first()?.parse().ok()?,
        p50: micros(words("50%")?.first()?)?,
        p99: micros(words("99%")?.first()?)?,
        mean: micros(latency.first()?)?,
        max: micros(latency.get(2)?)?,
        ..SILENT
    })
}

fn read_h2load(output: &str) -> Option<Run> {
    let line = |mark: &str| output.lines().find_map(|line| line.strip_prefix(mark));
    let times: Vec<&str> = line("time for request:")?.split_whitespace().collect();
    let done = line("requests:")?.split(',').find_map(|part| part.strip_suffix(" done"))?;
    let rate = line("finished in ")?.split(", ").find_map(|part| part.strip_suffix(" req/s"))?;
    Some(Run {
        requests: done.trim().parse().ok()?,
        per_second: rate.parse().ok()?,
        max: micros(times.get(1)?)?,
        mean: micros(times.get(2)?)?,
        ..SILENT
    })
}

fn read_oha(output: &str) -> Option<Run> {
    let result: Value = serde_json::from_str(output).ok()?;
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    Some(Run {
        requests: number("/statusCodeDistribution/200"),
        per_second: number("/summary/requestsPerSec"),
        p50: number("/latencyPercentiles/p50") * 1e6,
        p99: number("/latencyPercentiles/p99") * 1e6,
        mean: number("/summary/average") * 1e6,
        max: number("/summary/slowest") * 1e6,
        ..SILENT
    })
}

/// A time as wrk and h2load write it: `182us`, `48.31ms`, `1.02s`.
fn micros(text: &str) -> Option<f64> {
    let at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}
