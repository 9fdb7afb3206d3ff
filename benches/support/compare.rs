//! Two servers, measured in turns: the machine's mood changes, a ratio within one interleaved run does not.
//!
//! Each round starts both servers afresh and connects a client to each; only one client runs at a time. The time is cut
//! into slices, A B B A A B B A …, of a fraction of a second. A slice begins and ends with both the server and the client
//! asleep, so its messages and its CPU time belong together exactly. A pair is a slice of A and the neighbouring one of
//! B, and it counts only if the two cores were equally far apart throughout (see `placement`). The ratio of a round is
//! the median of its pairs; the ratio of a run is the median of its rounds, with a bootstrap interval over the rounds.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::child::{Report, Transport};
use super::client::{self, Client, Load};
use super::placement;

/// How a comparison is run.
#[derive(Clone, clap::Args)]
pub(crate) struct Comparison {
    /// Rounds; each starts both servers afresh.
    #[arg(long, default_value_t = 10)]
    pub(crate) rounds: usize,
    /// Seconds measured of each side in each round.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Seconds of each slice.
    #[arg(long, default_value_t = 0.25)]
    pub(crate) slice: f64,
    /// Seconds of each side before the first slice of a round.
    #[arg(long, default_value_t = 0.5)]
    pub(crate) warm_up: f64,
    /// Only cases whose name contains this.
    #[arg(long)]
    pub(crate) case: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
    /// Compare with this program instead: it must serve by `--serve`, as the benchmarks do.
    #[arg(long)]
    pub(crate) against: Option<PathBuf>,
    /// Further flags for tidemill, as in "--engine-max 6.6".
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) flags: Option<String>,
    /// Write every slice and every ratio here.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// One of the two servers.
#[derive(Clone)]
pub(crate) struct Side {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    form: Form,
}

/// How a server is told what to do, and how it tells its port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// By `--serve`, and on standard output.
    Served,
    /// By `serve --listen`, and in its banner.
    Tidemill,
}

/// What clients ask for in one comparison.
#[derive(Clone, Copy, Serialize)]
struct Case {
    name: &'static str,
    transport: Transport,
    connections: u32,
    bytes: u32,
}

/// One slice's figures.
#[derive(Clone, Serialize)]
struct Slice {
    side: usize,
    round: usize,
    messages: u64,
    resent: u64,
    seconds: f64,
    server_cpu_us: f64,
    server_user_ticks: u64,
    server_kernel_ticks: u64,
    client_cpu_us: f64,
    other_cpu_share: f64,
    /// Round trip of a cache line between the two cores, before and after.
    placement_ns: [f64; 2],
}

/// What a served child told at the end of a round.
#[derive(Clone, Serialize)]
struct Life {
    side: usize,
    round: usize,
    report: Report,
}

/// A ratio B/A over all rounds.
#[derive(Clone, Copy, Serialize)]
struct Ratio {
    median: f64,
    low: f64,
    high: f64,
}

#[derive(Serialize)]
struct Outcome {
    case: Case,
    sides: [String; 2],
    throughput_ratio: Ratio,
    cpu_ratio: Ratio,
    /// Pairs left out because a core was moved between their beginning and their end.
    pairs_dropped: usize,
    slices: Vec<Slice>,
    lives: Vec<Life>,
}

impl Side {
    /// This benchmark's own binary, serving.
    pub(crate) fn this_binary<'a>(name: &str, extra: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let arguments = extra.map(str::to_owned).collect();
        Ok(Self {
            name: name.trim().to_owned(),
            program: std::env::current_exe()?,
            arguments,
            form: Form::Served,
        })
    }

    /// The side to compare with: the server that all this is about, unless another program was named.
    pub(crate) fn opponent(comparison: &Comparison) -> Self {
        if let Some(program) = comparison.against.clone() {
            let name = program.display().to_string();
            return Self { name, program, arguments: Vec::new(), form: Form::Served };
        }
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tidemill"));
        let flags = comparison.flags.as_deref().unwrap_or_default();
        let arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let name = format!("tidemill {flags}").trim_end().to_owned();
        Self { name, program, arguments, form: Form::Tidemill }
    }

    fn start(&self, transport: Transport, core: usize) -> io::Result<(Server, u16)> {
        let scheme = match transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        let mut command = Command::new(&self.program);
        match self.form {
            Form::Served => command.args(["--serve", scheme, "--port", "0", "--core", &core.to_string()]),
            Form::Tidemill => {
                let listen = format!("{scheme}://127.0.0.1:0");
                let core = core.to_string();
                command.args([
                    "serve",
                    "--listen",
                    &listen,
                    "--shards",
                    "1",
                    "--cores",
                    &core,
                    "--congestion",
                    "cubic",
                ])
            }
        };
        command.args(&self.arguments).stdin(Stdio::piped());
        match self.form {
            Form::Served => command.stdout(Stdio::piped()),
            Form::Tidemill => command.stdout(Stdio::null()).stderr(Stdio::piped()),
        };
        let mut child = command.spawn()?;
        let port = match self.form {
            Form::Served => {
                let mut line = String::new();
                let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
                let mut output = BufReader::new(output);
                output.read_line(&mut line)?;
                let server = Server { child, output: Some(output) };
                let port = line.trim().parse().map_err(|_| io::Error::other("the server printed no port"))?;
                return Ok((server, port));
            }
            Form::Tidemill => {
                let output = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
                banner_port(output, scheme)
            }
        };
        let server = Server { child, output: None };
        Ok((server, port?))
    }
}

/// Finds the listener's port in a banner, and keeps reading behind it, so that the server never waits for us.
fn banner_port(output: impl Read + Send + 'static, scheme: &str) -> io::Result<u16> {
    let mark = format!("{scheme}://127.0.0.1:");
    let mut lines = BufReader::new(output).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let rest = &line[line.find(&mark)? + mark.len()..];
        let digits = rest.find(|other: char| !other.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    });
    thread::spawn(move || lines.for_each(drop));
    port.ok_or_else(|| io::Error::other("the server ended without naming its listener"))
}

/// A served child. It is ended with this value, whatever happens.
struct Server {
    child: Child,
    output: Option<BufReader<std::process::ChildStdout>>,
}

impl Server {
    /// Closes its standard input and reads what it reports.
    fn finish(mut self) -> Option<Report> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.output.take()?.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
    }
}

/// Runs every case and prints a table for each.
pub(crate) fn run(comparison: &Comparison, sides: &[Side; 2]) -> io::Result<()> {
    let mut outcomes = Vec::new();
    for case in CASES {
        if comparison.case.as_ref().is_none_or(|wanted| case.name.contains(wanted.as_str())) {
            outcomes.push(run_case(comparison, sides, case)?);
        }
    }
    if let Some(path) = &comparison.json {
        fs::write(path, serde_json::to_string_pretty(&outcomes)?)?;
    }
    Ok(())
}

fn run_case(comparison: &Comparison, sides: &[Side; 2], case: Case) -> io::Result<Outcome> {
    let (mut slices, mut lives, mut pairs_dropped) = (Vec::new(), Vec::new(), 0);
    for round in 0..comparison.rounds {
        pairs_dropped += run_round(comparison, sides, case, round, &mut slices, &mut lives)?;
    }
    let outcome = Outcome {
        case,
        sides: [sides[0].name.clone(), sides[1].name.clone()],
        throughput_ratio: ratio(&per_round(&slices, Slice::rate)),
        cpu_ratio: ratio(&per_round(&slices, Slice::cost)),
        pairs_dropped,
        slices,
        lives,
    };
    print(&outcome);
    Ok(outcome)
}

/// Runs one round and returns how many pairs had to be left out.
fn run_round(
    comparison: &Comparison,
    sides: &[Side; 2],
    case: Case,
    round: usize,
    slices: &mut Vec<Slice>,
    lives: &mut Vec<Life>,
) -> io::Result<usize> {
    let duels = [duel(comparison, &sides[0], case)?, duel(comparison, &sides[1], case)?];
    for duel in &duels {
        duel.client.resume();
        thread::sleep(Duration::from_secs_f64(comparison.warm_up));
        if !duel.client.pause() {
            return Err(client::silent());
        }
    }
    let (mut measured, mut kept, mut dropped) = (0.0, 0usize, 0usize);
    while measured < comparison.seconds && dropped <= DROPPED_MAX {
        let order = if (kept + dropped + round).is_multiple_of(2) { [0, 1] } else { [1, 0] };
        let mut pair = Vec::with_capacity(2);
        for side in order {
            pair.push(Slice { side, round, ..duels[side].slice(comparison)? });
        }
        if steady(&pair) {
            slices.append(&mut pair);
            measured += comparison.slice;
            kept += 1;
        } else {
            dropped += 1;
        }
    }
    for (side, duel) in duels.into_iter().enumerate() {
        duel.client.stop()?;
        if let Some(report) = duel.server.finish() {
            lives.push(Life { side, round, report });
        }
    }
    Ok(dropped)
}

fn duel(comparison: &Comparison, side: &Side, case: Case) -> io::Result<Duel> {
    let (server, port) = side.start(case.transport, comparison.server_core)?;
    let Case { transport, connections, bytes, .. } = case;
    let client = Client::start(Load { transport, port, connections, bytes, core: comparison.client_core })?;
    Ok(Duel { client, server })
}

/// A server and the client that is connected to it. The client is dropped first.
struct Duel {
    client: Client,
    server: Server,
}

impl Duel {
    /// Lets the client run for one slice.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures from outside of any turn")]
    fn slice(&self, comparison: &Comparison) -> io::Result<Slice> {
        let distance = || placement::round_trip_ns(comparison.server_core, comparison.client_core);
        let sample = || {
            (self.client.messages(), cpu(self.server.child.id()), client_cpu(&self.client), machine_ticks())
        };
        let (near_before, before, start) = (distance(), sample(), Instant::now());
        let resent = self.client.resent();
        self.client.resume();
        thread::sleep(Duration::from_secs_f64(comparison.slice));
        if !self.client.pause() {
            return Err(client::silent());
        }
        let (seconds, after) = (start.elapsed().as_secs_f64(), sample());

        let server_cpu_us = (after.1.nanoseconds - before.1.nanoseconds) as f64 / 1e3;
        let client_cpu_us = (after.2 - before.2) as f64 / 1e3;
        let busy_us = (after.3 - before.3) as f64 * TICK_US;
        Ok(Slice {
            side: 0,
            round: 0,
            messages: after.0 - before.0,
            resent: self.client.resent() - resent,
            seconds,
            server_cpu_us,
            server_user_ticks: after.1.user_ticks - before.1.user_ticks,
            server_kernel_ticks: after.1.kernel_ticks - before.1.kernel_ticks,
            client_cpu_us,
            other_cpu_share: ((busy_us - server_cpu_us - client_cpu_us) / (seconds * 1e6)).max(0.0),
            placement_ns: [near_before, distance()],
        })
    }
}

impl Slice {
    fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// Server CPU microseconds per message.
    fn cost(&self) -> f64 {
        self.server_cpu_us / self.messages as f64
    }

    fn is_near(&self) -> bool {
        self.placement_ns[0] < NEAR_NS
    }
}

/// Whether the two cores were equally far apart in all of these slices.
fn steady(slices: &[Slice]) -> bool {
    let distances = || slices.iter().flat_map(|slice| slice.placement_ns);
    distances().all(|distance| distance < NEAR_NS) || distances().all(|distance| distance >= NEAR_NS)
}

/// CPU time of a process so far.
#[derive(Clone, Copy, Default)]
struct Cpu {
    nanoseconds: u64,
    user_ticks: u64,
    kernel_ticks: u64,
}

/// The exact sum over all threads, and the two parts as the tick sampled them.
fn cpu(process: u32) -> Cpu {
    let mut cpu = Cpu::default();
    for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        cpu.nanoseconds += schedstat(&task.path().join("schedstat"));
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The name, in brackets, may hold spaces; user and kernel time are the 12th and 13th field after it.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = |index: usize| {
            fields.split_whitespace().nth(index).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
        };
        cpu.user_ticks += ticks(11);
        cpu.kernel_ticks += ticks(12);
    }
    cpu
}

fn client_cpu(client: &Client) -> u64 {
    schedstat(&PathBuf::from(format!("/proc/self/task/{}/schedstat", client.thread_id())))
}

/// Nanoseconds on a CPU, the first field.
fn schedstat(path: &std::path::Path) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// Ticks in which any CPU was busy.
fn machine_ticks() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or("");
    let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let idle = fields.iter().skip(3).take(2).sum::<u64>();
    fields.iter().take(8).sum::<u64>() - idle
}

/// The ratio B/A of each round: the median over its pairs.
fn per_round(slices: &[Slice], value: impl Fn(&Slice) -> f64) -> Vec<f64> {
    let rounds = slices.iter().map(|slice| slice.round + 1).max().unwrap_or(0);
    let of = |round: usize, side: usize| {
        slices.iter().filter(move |slice| slice.round == round && slice.side == side).map(&value)
    };
    (0..rounds)
        .map(|round| of(round, 0).zip(of(round, 1)).map(|(a, b)| b / a).collect::<Vec<_>>())
        .filter(|pairs| !pairs.is_empty())
        .map(median)
        .collect()
}

/// The median, and the interval in which 95 % of the medians of resampled rounds lie.
fn ratio(ratios: &[f64]) -> Ratio {
    if ratios.is_empty() {
        return Ratio { median: f64::NAN, low: f64::NAN, high: f64::NAN };
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).expect("below a length")
    };
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| median((0..ratios.len()).map(|_| ratios[next(ratios.len())]).collect()))
        .collect();
    medians.sort_by(f64::total_cmp);
    let tail = medians.len() / 40;
    Ratio { median: median(ratios.to_vec()), low: medians[tail], high: medians[medians.len() - 1 - tail] }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn print(outcome: &Outcome) {
    let Case { name, connections, bytes, .. } = outcome.case;
    let (pairs, dropped) = (outcome.slices.len() / 2, outcome.pairs_dropped);
    println!("{name}: {bytes} B, {connections} in a closed loop, {pairs} pairs, {dropped} left out");
    println!(
        "  {:<34} {:>5} {:>5} {:>9} {:>7} {:>7} {:>7} {:>7} {:>6}",
        "", "cores", "n", "msg/s", "µs/msg", "user", "kernel", "client", "other"
    );
    for (side, label) in outcome.sides.iter().enumerate() {
        for near in [true, false] {
            let matching = |slice: &&Slice| slice.side == side && slice.is_near() == near;
            let slices: Vec<&Slice> = outcome.slices.iter().filter(matching).collect();
            if !slices.is_empty() {
                println!("  {label:<34} {:>5} {}", if near { "near" } else { "far" }, row(&slices));
            }
        }
        let sum = |value: &dyn Fn(&Report) -> u64| {
            let lives = outcome.lives.iter().filter(|life| life.side == side);
            lives.map(|life| value(&life.report)).sum::<u64>() as f64
        };
        let (messages, enters) = (sum(&|report| report.messages), sum(&|report| report.enters));
        if enters > 0.0 {
            let completions = sum(&|report| report.completions);
            let outside = sum(&|report| report.outside_ns);
            print!(
                "  {:<34} {:.1} messages and {:.1} completions per enter",
                "",
                messages / enters,
                completions / enters
            );
            println!(
                "{}",
                if outside > 0.0 {
                    format!(", {:.1} ns/msg outside", outside / messages)
                } else {
                    String::new()
                }
            );
        }
    }
    let resent: u64 = outcome.slices.iter().map(|slice| slice.resent).sum();
    if resent > 0 {
        println!("  {resent} datagrams were lost and sent again");
    }
    let line = |name: &str, ratio: Ratio| {
        println!("  {name:<22} B/A {:.4}  [{:.4}, {:.4}]", ratio.median, ratio.low, ratio.high);
    };
    line("throughput", outcome.throughput_ratio);
    line("CPU per message", outcome.cpu_ratio);
}

/// The medians of some slices; the split into user and kernel time is the sum over all of them.
fn row(slices: &[&Slice]) -> String {
    let of = |value: &dyn Fn(&Slice) -> f64| median(slices.iter().map(|slice| value(slice)).collect());
    let sum = |value: &dyn Fn(&Slice) -> u64| slices.iter().map(|slice| value(slice)).sum::<u64>() as f64;
    let (user, kernel) = (sum(&|slice| slice.server_user_ticks), sum(&|slice| slice.server_kernel_ticks));
    let (cost, share) = (of(&Slice::cost), user / (user + kernel).max(1.0));
    format!(
        "{:>5} {:>9.0} {cost:>7.3} {:>7.3} {:>7.3} {:>6.1}% {:>5.1}%",
        slices.len(),
        of(&Slice::rate),
        cost * share,
        cost * (1.0 - share),
        of(&|slice| slice.client_cpu_us / slice.seconds / 1e4),
        of(&|slice| slice.other_cpu_share * 100.0),
    )
}

const CASES: [Case; 3] = [
    Case { name: "tcp-64", transport: Transport::Tcp, connections: 64, bytes: 64 },
    Case { name: "tcp-512", transport: Transport::Tcp, connections: 512, bytes: 64 },
    Case { name: "udp-64", transport: Transport::Udp, connections: 64, bytes: 64 },
];
/// Pairs of one round that may be left out before the round is over.
const DROPPED_MAX: usize = 30;
const RESAMPLES: usize = 10_000;
/// Below this round trip of a cache line two cores share a cache; 50 ns and 345 ns were seen, and nothing between.
const NEAR_NS: f64 = 150.0;
/// `/proc` counts in USER_HZ, which is 100 on every Linux that we know.
const TICK_US: f64 = 10_000.0;
