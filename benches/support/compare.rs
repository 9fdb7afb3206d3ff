//! Two servers, measured in turns: the machine's mood changes, a ratio within one interleaved run does not.
//!
//! Rounds go A B B A A B B A …; each starts a fresh server, warms it up, and then reads the client's counter and the
//! server's CPU time at both ends of a window. A pair is one round of A and the neighbouring one of B.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::child::{Report, Transport};
use super::client::{Client, Load};

/// How a comparison is run.
#[derive(Clone, clap::Args)]
pub(crate) struct Comparison {
    /// Pairs of rounds.
    #[arg(long, default_value_t = 10)]
    pub(crate) rounds: usize,
    /// Seconds measured in each round.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Seconds before the measurement of each round.
    #[arg(long, default_value_t = 0.5)]
    pub(crate) warm_up: f64,
    /// Only cases whose name contains this.
    #[arg(long)]
    pub(crate) case: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
    /// Write every round and every ratio here.
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

/// One round's figures.
#[derive(Clone, Serialize)]
struct Round {
    side: usize,
    messages: u64,
    resent: u64,
    seconds: f64,
    server_cpu_us: f64,
    server_user_ticks: u64,
    server_kernel_ticks: u64,
    client_cpu_us: f64,
    other_cpu_share: f64,
    report: Option<Report>,
}

/// A ratio B/A over all pairs.
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
    rounds: Vec<Round>,
}

impl Side {
    /// This benchmark's own binary, serving.
    pub(crate) fn this_binary<'a>(name: &str, extra: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let arguments = extra.map(str::to_owned).collect();
        Ok(Self { name: name.trim().to_owned(), program: std::env::current_exe()?, arguments, form: Form::Served })
    }

    /// The server that all this is about.
    pub(crate) fn tidemill() -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tidemill"));
        Self { name: "tidemill".to_owned(), program, arguments: Vec::new(), form: Form::Tidemill }
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
                command.args(["serve", "--listen", &listen, "--shards", "1", "--cores", &core, "--congestion", "cubic"])
            }
        };
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        if self.form == Form::Tidemill {
            command.stderr(Stdio::piped());
        }
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
    let mut rounds = Vec::new();
    for pair in 0..comparison.rounds {
        let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            rounds.push(run_round(comparison, &sides[side], side, case)?);
        }
    }
    let throughput = pairwise(&rounds, |round| round.messages as f64 / round.seconds);
    let cpu = pairwise(&rounds, |round| round.server_cpu_us / round.messages as f64);
    let outcome = Outcome {
        case,
        sides: [sides[0].name.clone(), sides[1].name.clone()],
        throughput_ratio: ratio(&throughput),
        cpu_ratio: ratio(&cpu),
        rounds,
    };
    print(&outcome);
    Ok(outcome)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures from outside of any turn")]
fn run_round(comparison: &Comparison, side: &Side, index: usize, case: Case) -> io::Result<Round> {
    let (server, port) = side.start(case.transport, comparison.server_core)?;
    let Case { transport, connections, bytes, .. } = case;
    let client = Client::start(Load { transport, port, connections, bytes, core: comparison.client_core });
    if let Err(error) = client.wait_started(Duration::from_secs(5)) {
        return Err(client.stop().err().unwrap_or(error));
    }
    thread::sleep(Duration::from_secs_f64(comparison.warm_up));
    let sample = || (Instant::now(), client.messages(), cpu(server.child.id()), client_cpu(&client), machine_ticks());
    let before = sample();
    thread::sleep(Duration::from_secs_f64(comparison.seconds));
    let after = sample();
    let resent = client.resent();
    client.stop()?;
    let report = server.finish();

    let seconds = after.0.duration_since(before.0).as_secs_f64();
    let server_cpu_us = (after.2.nanoseconds - before.2.nanoseconds) as f64 / 1e3;
    let client_cpu_us = (after.3 - before.3) as f64 / 1e3;
    let busy_us = (after.4 - before.4) as f64 * TICK_US;
    Ok(Round {
        side: index,
        messages: after.1 - before.1,
        resent,
        seconds,
        server_cpu_us,
        server_user_ticks: after.2.user_ticks - before.2.user_ticks,
        server_kernel_ticks: after.2.kernel_ticks - before.2.kernel_ticks,
        client_cpu_us,
        other_cpu_share: ((busy_us - server_cpu_us - client_cpu_us) / (seconds * 1e6)).max(0.0),
        report,
    })
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
        let ticks = |index: usize| fields.split_whitespace().nth(index).and_then(|ticks| ticks.parse().ok()).unwrap_or(0);
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

/// The ratio B/A of each pair.
fn pairwise(rounds: &[Round], value: impl Fn(&Round) -> f64) -> Vec<f64> {
    let of = |side: usize| rounds.iter().filter(move |round| round.side == side).map(&value);
    of(0).zip(of(1)).map(|(a, b)| b / a).collect()
}

/// The median, and the interval in which 95 % of the medians of resampled pairs lie.
fn ratio(ratios: &[f64]) -> Ratio {
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
    println!("{name}: {bytes} B, {connections} in a closed loop, {} pairs", outcome.rounds.len() / 2);
    println!(
        "  {:<34} {:>10} {:>8} {:>7} {:>7} {:>7} {:>7} {:>6} {:>6}",
        "", "msg/s", "µs/msg", "user", "kernel", "client", "other", "m/ent", "cqe/m"
    );
    for (side, label) in outcome.sides.iter().enumerate() {
        let rounds: Vec<&Round> = outcome.rounds.iter().filter(|round| round.side == side).collect();
        let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(|round| value(round)).collect());
        let sum = |value: &dyn Fn(&Round) -> u64| rounds.iter().map(|round| value(round)).sum::<u64>() as f64;
        let cost = of(&|round| round.server_cpu_us / round.messages as f64);
        let user = sum(&|round| round.server_user_ticks);
        let share = user / (user + sum(&|round| round.server_kernel_ticks)).max(1.0);
        let report = |value: &dyn Fn(&Report) -> u64| sum(&|round| round.report.as_ref().map_or(0, value));
        let messages = report(&|report| report.messages);
        println!(
            "  {label:<34} {:>10.0} {cost:>8.3} {:>7.3} {:>7.3} {:>6.1}% {:>6.1}% {:>6.1} {:>6.2}",
            of(&|round| round.messages as f64 / round.seconds),
            cost * share,
            cost * (1.0 - share),
            of(&|round| round.client_cpu_us / round.seconds / 1e4),
            of(&|round| round.other_cpu_share * 100.0),
            messages / report(&|report| report.enters),
            report(&|report| report.completions) / messages,
        );
        let resent = sum(&|round| round.resent);
        if resent > 0.0 {
            println!("  {label}: {resent} datagrams were lost and sent again");
        }
    }
    let line = |name: &str, ratio: Ratio| {
        println!("  {name:<22} B/A {:.4}  [{:.4}, {:.4}]", ratio.median, ratio.low, ratio.high);
    };
    line("throughput", outcome.throughput_ratio);
    line("CPU per message", outcome.cpu_ratio);
}

const CASES: [Case; 3] = [
    Case { name: "tcp-64", transport: Transport::Tcp, connections: 64, bytes: 64 },
    Case { name: "tcp-512", transport: Transport::Tcp, connections: 512, bytes: 64 },
    Case { name: "udp-64", transport: Transport::Udp, connections: 64, bytes: 64 },
];
const RESAMPLES: usize = 10_000;
/// `/proc` counts in USER_HZ, which is 100 on every Linux that we know.
const TICK_US: f64 = 10_000.0;
