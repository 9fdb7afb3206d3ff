//! sockperf in its mode ping-pong: how it is called, and what it prints.

use std::io;
use std::process::Command;

use super::Options;
use super::child::Transport;
use super::echo::BYTES;
use super::process::run;

/// What one run of a client says of the time to and fro, in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct RoundTrip {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) mean: f64,
    /// CPU of the whole process for each round trip.
    pub(crate) cost: f64,
}

/// Runs it against an echo. It lasts whole seconds.
pub(crate) fn measure(
    options: &Options,
    transport: Transport,
    port: u16,
    spins: bool,
) -> io::Result<RoundTrip> {
    let (port, bytes) = (port.to_string(), BYTES.to_string());
    let seconds = options.slice.ceil().max(1.0).to_string();
    let mut command = Command::new(&options.sockperf);
    command.args(["ping-pong", "-i", "127.0.0.1", "-p", &port, "-m", &bytes, "-t", &seconds, "--full-rtt"]);
    if transport == Transport::Tcp {
        command.arg("--tcp");
    }
    if spins {
        command.arg("--nonblocked");
    }
    let finished = run(&command, options.client_core, |_| {})?;
    read(&finished.output, finished.cpu_micros).ok_or_else(|| {
        io::Error::other(format!("sockperf failed: {} {}", finished.output, finished.complaint))
    })
}

fn read(output: &str, cpu_micros: f64) -> Option<RoundTrip> {
    let after = |mark: &str| {
        let rest = &output[output.find(mark)? + mark.len()..];
        rest.split(|letter: char| letter.is_whitespace() || letter == ';')
            .find(|word| !word.is_empty())?
            .parse()
            .ok()
    };
    let percentile = |name: &str| after(&format!("percentile {name} ="));
    // The first count is that of all messages, warm-up included, as the CPU time is.
    let received: f64 = after("ReceivedMessages=")?;
    Some(RoundTrip {
        p50: percentile("50.000")?,
        p99: percentile("99.000")?,
        mean: after("avg-rtt=")?,
        cost: cpu_micros / received,
    })
}
