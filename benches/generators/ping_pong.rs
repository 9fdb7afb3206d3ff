//! One message of 64 bytes to and fro: loadgen and sockperf against the same blocking echo.

use std::io;
use std::process::Command;

use serde_json::Value;

use super::child::Transport;
use super::echo::{self, BYTES};
use super::pairs::Pairs;
use super::process::{is_installed, run as run_to_the_end};
use super::sockperf::{self, RoundTrip};
use super::{Options, head, notes, say};

pub(crate) fn run(options: &Options) -> io::Result<()> {
    head("Ping-pong: one message of 64 bytes to and fro, one connection");
    if !is_installed(&options.sockperf) {
        say("sockperf is left out: it is not installed. Try: apt install sockperf");
        return Ok(());
    }
    say(
        "| | loadgen p50 | sockperf p50 | p50, loadgen / sockperf | p99, loadgen / sockperf | mean, loadgen / sockperf | CPU, loadgen / sockperf | pairs |",
    );
    say("|---|---|---|---|---|---|---|---|");
    for (transport, name) in [(Transport::Tcp, "TCP"), (Transport::Udp, "UDP")] {
        let (_ours, our_port) = echo::start(options, transport, false)?;
        let (_theirs, their_port) = echo::start(options, transport, true)?;
        for (spins, how) in [(false, "sleep / blocking"), (true, "spin / non-blocking")] {
            let pairs = Pairs::measure(
                options,
                || loadgen(options, transport, our_port, spins),
                || sockperf::measure(options, transport, their_port, spins),
            )?;
            say(&row(&format!("{name}, {how}"), &pairs));
        }
    }
    notes::ping_pong();
    Ok(())
}

fn row(name: &str, pairs: &Pairs<RoundTrip>) -> String {
    format!(
        "| {name} | {:.1} µs | {:.1} µs | {} | {} | {} | {:.1} / {:.1} µs | {} |",
        pairs.of(0, |side| side.p50).median(),
        pairs.of(1, |side| side.p50).median(),
        pairs.ratio(|side| side.p50),
        pairs.ratio(|side| side.p99),
        pairs.ratio(|side| side.mean),
        pairs.of(0, |side| side.cost).median(),
        pairs.of(1, |side| side.cost).median(),
        pairs.counts(),
    )
}

fn loadgen(options: &Options, transport: Transport, port: u16, spins: bool) -> io::Result<RoundTrip> {
    let scheme = match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let (url, bytes) = (format!("{scheme}://127.0.0.1:{port}"), BYTES.to_string());
    let (core, seconds) = (options.client_core.to_string(), options.slice.ceil().max(1.0));
    let mut command = Command::new(&options.loadgen);
    command.args(["run", &url, "--connections", "1", "--size", &bytes, "--cores", &core, "--quiet"]);
    command.args(["--warmup", "100ms", "--duration", &format!("{seconds}s"), "--json", "-"]);
    command.args(["--idle", if spins { "spin" } else { "sleep" }]);
    let finished = run_to_the_end(&command, options.client_core, |_| {})?;
    let result: Value = serde_json::from_str(&finished.output).unwrap_or_default();
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64);
    let latency = |name: &str| number(&format!("/latency/response/{name}")).unwrap_or(f64::NAN);
    match number("/counts/received") {
        Some(received) if 0.0 < received => Ok(RoundTrip {
            p50: latency("p50_us"),
            p99: latency("p99_us"),
            mean: latency("mean_us"),
            cost: finished.cpu_micros / received,
        }),
        _ => Err(io::Error::other(format!("loadgen failed: {}", finished.complaint))),
    }
}
