//! One comparison: slices in turns, and what they say.

use std::io;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::servers::{Kind, Server, Site};
use super::{Options, placement, say};

/// What is asked of whom.
#[derive(Clone, Copy)]
pub(crate) struct Contest {
    pub(crate) name: &'static str,
    others: &'static [Kind],
    /// Whether it goes through TLS.
    tls: bool,
    scheme: &'static str,
    /// The path here, and there.
    paths: [&'static str; 2],
    arguments: &'static [&'static str],
}

/// 13 bytes are what nginx answers with `return 200 'hello, world\n'`.
const HTTP: [&str; 2] = ["/bytes/13", "/"];
const WS: [&str; 2] = ["/ws", "/ws"];

/// All of them.
pub(crate) const CONTESTS: &[Contest] = &[
    Contest {
        name: "http keep-alive, 13 bytes",
        others: &[Kind::Nginx],
        tls: false,
        scheme: "http",
        paths: HTTP,
        arguments: &["--connections", "64"],
    },
    Contest {
        name: "http pipelined by 16",
        others: &[Kind::Nginx],
        tls: false,
        scheme: "http",
        paths: HTTP,
        arguments: &["--connections", "64", "--depth", "16"],
    },
    Contest {
        name: "websocket echo, 64 bytes",
        others: &[Kind::Bun, Kind::Tungstenite],
        tls: false,
        scheme: "ws",
        paths: WS,
        arguments: &["--connections", "64", "--size", "64"],
    },
    Contest {
        name: "websocket echo, 1 KiB",
        others: &[Kind::Bun, Kind::Tungstenite],
        tls: false,
        scheme: "ws",
        paths: WS,
        arguments: &["--connections", "64", "--size", "1KiB"],
    },
    Contest {
        name: "websocket echo, 64 bytes, 16 in flight",
        others: &[Kind::Bun, Kind::Tungstenite],
        tls: false,
        scheme: "ws",
        paths: WS,
        arguments: &["--connections", "64", "--size", "64", "--depth", "16"],
    },
    Contest {
        name: "https keep-alive, 13 bytes, TLS 1.3",
        others: &[Kind::Nginx],
        tls: true,
        scheme: "https",
        paths: HTTP,
        arguments: &["--connections", "64"],
    },
    Contest {
        name: "full TLS 1.3 handshakes, ECDSA P-256",
        others: &[Kind::Nginx],
        tls: true,
        scheme: "https",
        paths: HTTP,
        arguments: &["--connections", "16", "--reconnect", "--tls-resumption", "off"],
    },
];

/// What one slice measured.
#[derive(Clone, Copy)]
struct Slice {
    requests: f64,
    cpu_micros: f64,
    near: [bool; 2],
}

/// A ratio over all pairs: the median, and the quartiles.
struct Ratio([f64; 3]);

/// Compares this server with each of the others, and prints a row for each.
pub(crate) fn run(options: &Options, contest: &Contest) -> io::Result<()> {
    let site = Site::new()?;
    let own = Kind::Tidemill.start(options, &site)?;
    for other in contest.others {
        let other = match other.start(options, &site) {
            Ok(server) => server,
            Err(error) => {
                say(&format!("{}: {} is left out: {error}", contest.name, other.name()));
                continue;
            }
        };
        compare(options, contest, &site, &own, &other)?;
    }
    Ok(())
}

fn compare(
    options: &Options,
    contest: &Contest,
    site: &Site,
    own: &Server,
    other: &Server,
) -> io::Result<()> {
    let (mut pairs, mut dropped) = (Vec::new(), 0);
    // The first requests of each are not like the rest.
    slice(options, contest, site, own)?;
    slice(options, contest, site, other)?;
    while pairs.len() < options.pairs && dropped < 4 * options.pairs {
        let swapped = pairs.len() % 2 == 1;
        let first = slice(options, contest, site, if swapped { other } else { own })?;
        let second = slice(options, contest, site, if swapped { own } else { other })?;
        let pair = if swapped { [second, first] } else { [first, second] };
        let near: Vec<bool> = pair.iter().flat_map(|slice| slice.near).collect();
        if near.iter().all(|near| *near) || near.iter().all(|near| !*near) {
            pairs.push(pair);
        } else {
            dropped += 1;
        }
    }
    report(options, contest, other.kind, &pairs, dropped);
    Ok(())
}

fn report(options: &Options, contest: &Contest, other: Kind, pairs: &[[Slice; 2]], dropped: usize) {
    let cpu = Ratio::of(pairs.iter().map(|[own, other]| own.cost() / other.cost()));
    let rate = Ratio::of(pairs.iter().map(|[own, other]| own.requests / other.requests));
    let median =
        |side: usize, value: fn(&Slice) -> f64| Ratio::of(pairs.iter().map(|pair| value(&pair[side]))).0[1];
    let per_second = |side| median(side, |slice| slice.requests) / options.slice;
    say(&format!("{}: tidemill / {} ({} pairs, {dropped} dropped)", contest.name, other.name(), pairs.len()));
    say(&format!(
        "  CPU per request      {cpu}   {:.2} us / {:.2} us",
        median(0, Slice::cost),
        median(1, Slice::cost)
    ));
    say(&format!("  requests per CPU s   {:.2}", 1.0 / cpu.0[1]));
    say(&format!("  throughput           {rate}   {:.0}/s / {:.0}/s", per_second(0), per_second(1)));
}

/// One run of the load generator.
fn slice(options: &Options, contest: &Contest, site: &Site, server: &Server) -> io::Result<Slice> {
    let near = || placement::round_trip_ns(options.server_core, options.client_core) < NEAR_NS;
    let (before, spent) = (near(), server.cpu_nanos());
    let requests = load(options, contest, site, server)?;
    let cpu_micros = (server.cpu_nanos() - spent) as f64 / 1e3;
    Ok(Slice { requests, cpu_micros, near: [before, near()] })
}

fn load(options: &Options, contest: &Contest, site: &Site, server: &Server) -> io::Result<f64> {
    let port = if contest.tls { server.tls } else { server.plain };
    let path = contest.paths[usize::from(server.kind != Kind::Tidemill)];
    let mut command = Command::new(&options.loadgen);
    command.args(["run", &format!("{}://127.0.0.1:{port}{path}", contest.scheme)]).args(contest.arguments);
    command.args(["--cores", &options.client_core.to_string(), "--warmup", "0s", "--quiet", "--json", "-"]);
    command.args(["--duration", &format!("{}ms", (options.slice * 1e3).round())]);
    if contest.tls {
        command.arg("--tls-ca").arg(&site.certificate);
    }
    let output = command.stderr(Stdio::piped()).output()?;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match report["counts"]["received"].as_f64() {
        Some(requests) if output.status.success() && 0.0 < requests => Ok(requests),
        _ => Err(io::Error::other(format!(
            "the load generator failed against {}: {}",
            server.kind.name(),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

impl Slice {
    fn cost(&self) -> f64 {
        self.cpu_micros / self.requests
    }
}

impl Ratio {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values.get((values.len().saturating_sub(1)) * quarter / 4).copied();
        Self([1, 2, 3].map(|quarter| at(quarter).unwrap_or(f64::NAN)))
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, median, high] = self.0;
        write!(f, "{median:.3} [{low:.3}, {high:.3}]")
    }
}

/// Below this the two cores share a cache, in nanoseconds.
const NEAR_NS: f64 = 150.0;
