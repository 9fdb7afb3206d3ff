//! `loadgen calibrate`: a peer of our own, the runs against it, and the floor that they show.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, process};

use tidemill::sys::cpu;

use super::document::Document;
use super::measure::Measure;
use super::{FINE, Failure, NO_START, UNTRUE, USAGE, WRONG};
use crate::calibrate::{Calibration, HEADER, Setting, Step};
use crate::cli::{CalibrateFlags, DEFAULT_SIZE, Idle, LoadFlags, Rate, Spoken};
use crate::plan::Plan;
use crate::result::{RunResult, Status};
use crate::target::{ECHO_PATH, Target};

/// The rate of the open loops, if not told: low enough that requests do not meet.
const DEFAULT_RATE: f64 = 1000.0;
/// How long each run lasts, if not told.
const DEFAULT_DURATION: Duration = Duration::from_secs(2);
/// How long it is not measured, if not told.
const DEFAULT_WARMUP: Duration = Duration::from_millis(500);
/// What stands in front of the peer's address.
const LISTENING: &str = "listening at ";

/// Calibrates, with `measure` to make runs.
pub(super) fn calibrate(
    flags: &CalibrateFlags,
    document: &Document,
    measure: &mut Measure<'_>,
) -> Result<u8, Failure> {
    let allowed = cpu::allowed_cores();
    // Any target will do to know the cores, and to refuse flags before the peer starts.
    let plan = Plan::new(&example_of(flags.spoken), &load_at(&flags.load, Step::Closed), &allowed);
    let generator_cores = plan.map_err(|error| Failure::new(USAGE, error))?.cores;
    let peer_core = allowed.iter().copied().find(|core| !generator_cores.contains(core));
    let setting = Setting { spoken: flags.spoken.name().to_owned(), generator_cores, peer_core };
    let peer = Peer::start(flags, peer_core)?;
    let target = peer.target(flags)?;
    carry_out(flags, &target, setting, document, measure)
}

/// The runs, and what they show.
fn carry_out(
    flags: &CalibrateFlags,
    target: &Target,
    setting: Setting,
    document: &Document,
    measure: &mut Measure<'_>,
) -> Result<u8, Failure> {
    document.tell(HEADER)?;
    let mut runs: Vec<RunResult> = Vec::new();
    for step in Step::ALL {
        let run = measure(target, &load_at(&flags.load, step))?;
        if run.counts.interrupted {
            return Err(Failure::new(WRONG, "a signal ended the runs before the floor was known"));
        }
        document.tell(&step.row(&run))?;
        runs.push(run);
    }
    let is_fine = runs.iter().all(RunResult::is_fine);
    let is_untrue = runs.iter().any(|run| run.verdict == Status::Fail);
    let Some(calibration) = Calibration::of(setting, runs) else {
        return Err(Failure::new(WRONG, "the peer did not answer, so there is no floor"));
    };
    document.tell(&calibration.to_string())?;
    calibration.warnings.iter().for_each(|warning| document.say(warning));
    document.write(&calibration)?;
    Ok(match is_fine {
        _ if flags.output.strict && is_untrue => UNTRUE,
        true => FINE,
        false => WRONG,
    })
}

/// The load of a run.
fn load_at(load: &LoadFlags, step: Step) -> LoadFlags {
    let duration = load.duration.or(Some(DEFAULT_DURATION)).filter(|_| load.count.is_none());
    let warmup = load.warmup.or(Some(DEFAULT_WARMUP));
    let (rate, idle) = match step {
        Step::Closed => (None, load.idle),
        Step::Open(idle) => (load.rate.or(Some(Rate { from: DEFAULT_RATE, to: DEFAULT_RATE })), Some(idle)),
    };
    LoadFlags { duration, warmup, rate, idle, ..load.clone() }
}

/// A target of the kind that is loaded.
fn example_of(spoken: Spoken) -> Target {
    let url = match spoken {
        Spoken::Tcp => "tcp://127.0.0.1:1",
        Spoken::Udp => "udp://127.0.0.1:1",
        Spoken::Unix => "unix:/tmp/peer.sock",
        Spoken::Http => "http://127.0.0.1:1/echo",
    };
    url.parse().expect("these are targets")
}

/// A process of our own that answers at once. It ends when it is dropped.
struct Peer {
    process: Child,
    /// Where it listens, as it says.
    address: String,
    /// The file of its socket, where it has one.
    socket: Option<PathBuf>,
}

impl Peer {
    /// Starts it, and waits until it listens.
    fn start(flags: &CalibrateFlags, core: Option<usize>) -> Result<Self, Failure> {
        let failed = |cause: &dyn std::fmt::Display| {
            Failure::new(NO_START, format!("the peer could not be started: {cause}"))
        };
        let socket = env::temp_dir().join(format!("loadgen-calibrate-{}.sock", process::id()));
        let socket = (flags.spoken == Spoken::Unix).then_some(socket);
        let url = match (flags.spoken, &socket) {
            (Spoken::Unix, Some(path)) => format!("unix:{}", path.display()),
            (spoken, _) => format!("{}://127.0.0.1:0", spoken.name()),
        };
        let program = env::current_exe().map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command.args(["serve", &url, "--law", "none", "--quiet"]);
        if let Some(core) = core {
            // A core of its own may be spent on being quick.
            command.args(["--core", &core.to_string(), "--idle", Idle::Spin.name()]);
        }
        if matches!(flags.spoken, Spoken::Tcp | Spoken::Unix) {
            command.args(["--size", &flags.load.size.unwrap_or(DEFAULT_SIZE).to_string()]);
        }
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut peer =
            Self { process: spawned.map_err(|error| failed(&error))?, address: String::new(), socket };
        let mut line = String::new();
        let output = peer.process.stdout.take().ok_or_else(|| failed(&"it has no output"))?;
        BufReader::new(output).read_line(&mut line).map_err(|error| failed(&error))?;
        let address = line.trim_end().strip_prefix(LISTENING);
        // What stands in its way it has said itself.
        peer.address = address.ok_or_else(|| failed(&"it ended before it listened"))?.to_owned();
        Ok(peer)
    }

    /// What is loaded: for HTTP, content comes back from one path only.
    fn target(&self, flags: &CalibrateFlags) -> Result<Target, Failure> {
        let is_post = flags.spoken == Spoken::Http && flags.load.size.is_some();
        let path = if is_post { ECHO_PATH } else { "" };
        format!("{}{path}", self.address.trim_end_matches('/'))
            .parse()
            .map_err(|error| Failure::new(NO_START, error))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing to lose, and one that has ended already cannot be ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(path) = &self.socket {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command as Cmd};
    use crate::command::document::tests::silent;
    use crate::result::example::example;

    fn flags(line: &str) -> CalibrateFlags {
        let words = ["loadgen", "calibrate"].into_iter().chain(line.split_whitespace());
        let Cmd::Calibrate(flags) = Cli::try_parse_from(words).unwrap().into_command() else {
            panic!("{line}")
        };
        flags
    }

    fn calibrated(line: &str, change: impl Fn(&mut RunResult)) -> (Result<u8, Failure>, Vec<LoadFlags>) {
        let mut loads = Vec::new();
        let flags = flags(line);
        let setting = Setting { spoken: "tcp".to_owned(), generator_cores: vec![1], peer_core: Some(0) };
        let code = carry_out(&flags, &example_of(flags.spoken), setting, &silent(), &mut |_, load| {
            loads.push(load.clone());
            let mut run = example();
            change(&mut run);
            Ok(run)
        });
        (code, loads)
    }

    #[test]
    fn each_way_to_wait_is_tried_after_a_closed_loop() {
        let (code, loads) = calibrated("udp -c 5 --idle hybrid", |_| ());
        assert_eq!(code, Ok(FINE));
        let seen: Vec<_> = loads.iter().map(|load| (load.rate.map(|rate| rate.from), load.idle)).collect();
        let open = |idle| (Some(1000.0), Some(idle));
        assert_eq!(
            seen,
            [(None, Some(Idle::Hybrid)), open(Idle::Sleep), open(Idle::Hybrid), open(Idle::Spin)]
        );
        assert!(loads.iter().all(|load| load.connections == 5 && load.duration == Some(DEFAULT_DURATION)));
        let (_, loads) = calibrated("--rate 50 --count 7 --queue 3", |_| ());
        assert_eq!((loads[1].rate.map(|rate| rate.from), loads[1].duration), (Some(50.0), None));
    }

    #[test]
    fn what_goes_wrong_is_in_the_exit_code() {
        assert_eq!(calibrated("", |run| run.problems.push("lost".to_owned())).0, Ok(WRONG));
        let untrue = |run: &mut RunResult| run.verdict = Status::Fail;
        assert_eq!((calibrated("", untrue).0, calibrated("--strict", untrue).0), (Ok(FINE), Ok(UNTRUE)));
        assert_eq!(calibrated("", |run| run.counts.interrupted = true).0.unwrap_err().code, WRONG);
        assert_eq!(calibrated("", |run| run.latency = Default::default()).0.unwrap_err().code, WRONG);
    }
}
