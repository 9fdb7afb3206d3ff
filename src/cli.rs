//! What was typed: commands, flags and their help, which is the manual.
//!
//! Nothing is decided here. Flags become a [`Layer`] that lies over the file; what they mean together, and whether they
//! can, is the configuration's business.

#![expect(
    rustdoc::broken_intra_doc_links,
    reason = "help shows [::1] as it is typed, without marks around it"
)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::endpoint::Endpoint;
use crate::config::layer::{Layer, Said, SaidListener};
use crate::config::units::{
    Cores, parse_connections, parse_duration, parse_number, parse_shards, parse_size,
};
use crate::config::{LogFormat, LogLevel};
use crate::limits;
use crate::tier::{Engine, RingTier};
use crate::top::{Form, Options, Sort, Target};

/// A socket server for Linux, directly on io_uring: one pinned shard per core.
///
/// Its hub passes on what is published on a subject to everybody who listens there, by NATS, WebSocket, Server-Sent Events or
/// requests.
///
/// Without flags and without a file, it serves echo over TCP and UDP at port 7000, HTTP and WebSocket at port 8080, NATS
/// clients at port 4222, and figures for operators at port 9180, each of 127.0.0.1 and [::1]. Nothing is open to other hosts
/// until an address says so.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = SHORT_END, after_long_help = LONG_END)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (this is what happens without a command).
    #[command(after_help = SHORT_END, after_long_help = LONG_END)]
    Serve(Flags),
    /// Say whether the configuration is valid and its files can be used, and open nothing.
    #[command(after_help = SHORT_END, after_long_help = LONG_END)]
    Check(Flags),
    /// Say what this host offers a server of this configuration, and what hurts; change nothing.
    ///
    /// Each line says what was found and what would be well; those that are not well, why it matters and the command that
    /// helps. It needs no privilege: what cannot be seen without one is told with the command that shows it. Run it as the
    /// server's user, with the server's options and limits, which are its own, too; while the server runs or before.
    #[command(after_help = SHORT_END, after_long_help = DOCTOR_END)]
    Doctor(DoctorFlags),
    /// Show what a server does just now, by shard and by connection, on this terminal.
    ///
    /// It asks the admin listener again and again and shows what changed in between: rates, and not sums since the beginning.
    /// Where standard output is no terminal it prints one report. Figures and connections are those of /varz and /connz.
    #[command(after_help = SHORT_END, after_long_help = TOP_END)]
    Top(TopFlags),
    /// Have a server that runs replaced by a new process of its program and configuration, and say how it went.
    ///
    /// The server is asked by SIGUSR2, as `kill -USR2 PID` does; this waits for the outcome. Nobody who connects meanwhile is
    /// refused. The old process goes on for as long as handover_drain_timeout to end what it has begun.
    #[command(after_help = SHORT_END, after_long_help = UPGRADE_END)]
    Upgrade(UpgradeFlags),
}

/// Its own flags: what the new process does is up to the old one's.
#[derive(Clone, Debug, Args)]
struct UpgradeFlags {
    /// Ask this process [default: the one server of this user, or, for root, of this host].
    #[arg(long, value_name = "PID", value_parser = parse_pid)]
    pid: Option<u32>,
}

/// A process's number, which a `pid_t` has room for.
fn parse_pid(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=i32::MAX.unsigned_abs()).contains(number));
    number.ok_or_else(|| "a process has a number, as ps shows it".to_owned())
}

/// The flags of all commands, and its own.
#[derive(Clone, Debug, Args)]
struct DoctorFlags {
    /// Write JSON: format, version, verdict, exit_code, summary and findings, each of which has name, severity, found,
    /// wanted, why and command.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

/// The flags of `top`.
#[derive(Clone, Debug, Args)]
struct TopFlags {
    /// The admin listener: HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH [default: that of the configuration, which
    /// is 127.0.0.1:9180].
    #[arg(value_name = "ADDRESS")]
    target: Option<Target>,

    /// The server's TOML file: whom to ask, which certificate to believe, and a token to show, if this user may read it.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Look again after this long.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = parse_interval, allow_hyphen_values = true)]
    interval: Duration,

    /// Which connections come first: rate, in, out, pending or age.
    #[arg(short, long, value_name = "ORDER", default_value = "rate", hide_possible_values = true)]
    sort: Sort,

    /// Print one report of one interval, and exit.
    #[arg(long)]
    once: bool,

    /// Print one report as JSON: format, server, total, shards and connections; what is not known is null.
    #[arg(long)]
    json: bool,

    /// Show the first token of this file, which may be the server's own [default: TIDEMILL_TOKEN of the environment].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Believe a certificate that one of these authorities has signed: a file, as PEM.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_ca: Option<PathBuf>,

    /// Believe every certificate, for a first try.
    #[arg(long, conflicts_with = "tls_ca", help_heading = "TLS")]
    insecure: bool,
}

impl TopFlags {
    fn into_action(self) -> (Action, Flags) {
        let form = match (self.json, self.once) {
            (true, _) => Form::Json,
            (false, true) => Form::Once,
            (false, false) => Form::Live,
        };
        let Self { target, config, interval, sort, token_file, tls_ca, insecure, .. } = self;
        let options = Options { target, interval, sort, form, token_file, tls_ca, insecure };
        (Action::Top(options), Flags { config, ..Flags::default() })
    }
}

/// An interval that a server can bear and a view can cover.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    let fits = (limits::TOP_INTERVAL_MIN..=limits::TOP_INTERVAL_MAX).contains(&interval);
    if fits { Ok(interval) } else { Err("an interval is from 100ms to 60s".to_owned()) }
}

/// What to do, once the default command has been filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve until a signal comes.
    Serve,
    /// Validate the configuration.
    Check,
    /// Look at the host.
    Doctor {
        /// For scripts.
        json: bool,
    },
    /// Have a server that runs replaced.
    Upgrade {
        /// Which one, if it was said.
        pid: Option<u32>,
    },
    /// Look at a server that runs.
    Top(Options),
    /// Print the configuration.
    Print,
}

/// The flags of all commands.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Read settings from this TOML file; flags go before it.
    ///
    /// Whatever neither says keeps its default. `tidemill --print-config` prints a file to begin with, in which every
    /// key is explained.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Serve at this address what its scheme says; repeat it for more.
    ///
    /// tcp://127.0.0.1:7000, udp://[::1]:7000 or unix:/run/tidemill.sock for echo, tls://ADDRESS for echo behind TLS;
    /// http://ADDRESS, https://ADDRESS or http+unix:PATH for pages and WebSocket; admin://ADDRESS or admin+unix:PATH for
    /// operators; nats://ADDRESS, nats+tls://ADDRESS or nats+unix:PATH for NATS clients; publish://ADDRESS for datagrams
    /// that are published. [::] is every address of this host, IPv4 included; port 0 is any free one. Replaces all default
    /// listeners and those of the file.
    #[arg(short, long, value_name = "ADDRESS")]
    pub listen: Vec<Endpoint>,

    /// Show this certificate at https://, tls:// and nats+tls:// addresses: a file with its chain, as PEM.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key: a file, as PEM.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub tls_key: Option<PathBuf>,

    /// Make a certificate that nobody has signed, for a first try.
    ///
    /// Without --listen and without listeners in the file, HTTP at port 8443, echo at port 7443 and NATS at port 4223,
    /// all behind TLS, are served at 127.0.0.1 and [::1] beside the default ones.
    #[arg(long, help_heading = "TLS")]
    pub tls_self_signed: bool,

    /// Run this many shards [default: one per core].
    #[arg(long, value_name = "N", value_parser = parse_shards, allow_hyphen_values = true, help_heading = "Shards")]
    pub shards: Option<u64>,

    /// Pin shards to these cores, as in 0,2-3 [default: all that this process may use].
    #[arg(long, value_name = "LIST", help_heading = "Shards")]
    pub cores: Option<Cores>,

    /// Serve by io_uring or nothing, or by epoll: uring or epoll [default: uring where the host allows it, else epoll].
    #[arg(long, value_name = "ENGINE", help_heading = "Shards")]
    pub engine: Option<Engine>,

    /// Use no abilities newer than those of io_uring in Linux 6.1, 6.6, 6.12 or 6.17 [default: all that work].
    #[arg(long, value_name = "TIER", help_heading = "Shards")]
    pub engine_max: Option<RingTier>,

    /// Do not shut the server in: it may go on to read files, make sockets and start programs as its user may.
    #[arg(long, help_heading = "Shards")]
    pub no_sandbox: bool,

    /// Use this TCP congestion control, as in cubic [default: the host's].
    #[arg(long, value_name = "NAME", help_heading = "Shards")]
    pub congestion: Option<String>,

    /// Hold at most this many connections at once; one more is closed and counted [default: 16384].
    #[arg(long, value_name = "N", value_parser = parse_connections, allow_hyphen_values = true, help_heading = "Limits")]
    pub connections: Option<u64>,

    /// Hold at most this many connections of one address at once [default: 4096].
    #[arg(long, value_name = "N", value_parser = parse_number, allow_hyphen_values = true, help_heading = "Limits")]
    pub connections_per_address: Option<u64>,

    /// Cut a connection that was silent in both directions for this long [default: 10m].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Limits")]
    pub idle_timeout: Option<Duration>,

    /// Cut a peer that took nothing of what waits for it for this long [default: 30s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Limits")]
    pub stall_timeout: Option<Duration>,

    /// Cut a peer that has not closed its side this long after we closed ours [default: 2s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Limits")]
    pub linger_timeout: Option<Duration>,

    /// Cut what is left this long after a stop was asked for [default: 10s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, help_heading = "Limits")]
    pub drain_timeout: Option<Duration>,

    /// Stop reading from a peer for whom this much waits [default: 256KiB].
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = "Limits")]
    pub high_water: Option<u64>,

    /// Read from it again when this much is left [default: 64KiB].
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true, help_heading = "Limits")]
    pub low_water: Option<u64>,

    /// Write events as human or json, to standard error [default: human].
    #[arg(long, value_name = "FORMAT", help_heading = "Logs")]
    pub log_format: Option<LogFormat>,

    /// Write events from this level on: error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL", help_heading = "Logs")]
    pub log_level: Option<LogLevel>,

    /// Print the effective configuration as TOML, every key explained, and exit.
    #[arg(long)]
    pub print_config: bool,
}

const SHORT_END: &str = "More, with examples and exit codes: --help";

const LONG_END: &str = "\
Examples:
  tidemill                                          all services on loopback
  tidemill --tls-self-signed                        and behind TLS, for a first try
  tidemill --listen tcp://[::]:7000 --shards 2      echo, open to the world, on two cores
  tidemill --listen unix:/run/tidemill/echo.sock    for processes of this host only
  tidemill --print-config > tidemill.toml           a file to begin with
  tidemill check --config tidemill.toml             is it valid?
  tidemill doctor --config tidemill.toml            what does this host lack?
  tidemill upgrade                                  run the new program, and lose nobody
  tidemill top                                      what does the server do just now?
  tidemill --config tidemill.toml --log-format json

Signals:
  SIGTERM, SIGINT   stop: accept no more, finish answers, exit; a second one ends at once
  SIGHUP            read the file again, with certificates, keys, tokens and passwords, under the
                    same flags: all of it holds, or, if something is wrong, nothing changes; what
                    only a start can change is named in the log, and by --print-config
  SIGUSR1           write the figures to the log
  SIGUSR2           start the program anew, hand the listening sockets over when it
                    serves, then stop; if it does not come to serve, nothing changes.
                    tidemill upgrade sends it, and says how it went

Supervisors, as systemd is one:
  NOTIFY_SOCKET     is told what sd_notify(3) has: readiness, reload, stop, and while all
                    shards answer what WATCHDOG_USEC asks for
  LISTEN_FDS        sockets for listeners that have their addresses, by sd_listen_fds(3)

Exit codes:
  0            stopped as asked
  1            failed while running
  2            the command line or the configuration is wrong
  3            could not start: port, permission, io_uring, limits, or a file of
               certificates, keys or tokens
  4            stopped, but the drain time-out cut connections
  5            the doctor found something that hurts
  130,143      ended at once by a second SIGINT or SIGTERM";

const DOCTOR_END: &str = "\
Examples:
  tidemill doctor                                   for the default configuration
  tidemill doctor --config tidemill.toml            for this one
  tidemill doctor --json | jq -r '.findings[] | select(.severity == \"warn\") | .command'

Severities:
  ok      as it should be
  note    worth knowing: it may matter to some, or could not be found out
  warn    it costs or loses something
  error   the server would not start

Exit codes:
  0       nothing hurts; there may be notes
  1       the report could not be written
  2       the command line or the configuration is wrong
  3       there are errors
  5       there are warnings, and no errors";

const UPGRADE_END: &str = "\
Examples:
  tidemill upgrade                                  when there is one server
  tidemill upgrade --pid 4100                       when there are several
  sudo tidemill upgrade                             when it is another user's, as a service is

In a container, run it there, as in docker exec NAME tidemill upgrade: numbers of processes mean something else outside.
A server that is its first process is not replaced, since a container ends with that one: start another container.

Exit codes:
  0       another process serves now, and the old one drains
  1       no other process has come to serve: the old one serves on, unless it is said that it ended
  2       the command line is wrong
  3       nobody was asked: there is no server, there are several, it is another user's, or it is
          being replaced or stopped already";

const TOP_END: &str = "\
Examples:
  tidemill top                                      the server of this host, every second
  tidemill top --config tidemill.toml               the one that this file configures
  tidemill top [2001:db8::7]:9180 --interval 5s     another one
  tidemill top unix:/run/tidemill/admin.sock
  tidemill top --once --sort pending | head -30     for whom does most wait?
  tidemill top --json --interval 10s | jq .total

Keys:
  q, Esc, Ctrl-C    leave
  space             hold the picture; again, go on
  r, i, o, p, a     connections by rate, by what they send, by what they are sent, by what
                    waits for them, by age

Columns of a shard:
  messages          published there, and delivered there, per second
  busy              its thread's share of a core, in the kernel and outside it
  longest turn      how long one turn of its loop kept everybody else waiting, at most,
                    since the last look (and up to a second longer)
  pending           memory of what waits for its peers
  free buffers      receive buffers that hold nothing, of all; the rest wait with slow readers

Columns of a connection:
  bytes             that it sends and is sent, per second, as TLS leaves them
  pending           bytes that wait for it or are held back for it
  subs, missed      its subscriptions, and messages that it has missed
  name              its user, what it calls itself, and its library

Environment:
  TIDEMILL_TOKEN    the token to show, without --token-file
  NO_COLOR          no colours

Exit codes:
  0       left, or printed
  1       the terminal or standard output cannot be used
  2       the command line or the configuration is wrong
  3       the server does not answer at the beginning, or is none; later it is waited for
  130,143 left by SIGINT or SIGTERM";

impl Cli {
    /// What to do, and with which flags.
    pub fn into_action(self) -> (Action, Flags) {
        let (action, flags) = match self.command {
            None => (Action::Serve, self.flags),
            Some(Command::Serve(flags)) => (Action::Serve, flags),
            Some(Command::Check(flags)) => (Action::Check, flags),
            Some(Command::Doctor(DoctorFlags { json, flags })) => (Action::Doctor { json }, flags),
            Some(Command::Upgrade(UpgradeFlags { pid })) => (Action::Upgrade { pid }, Flags::default()),
            Some(Command::Top(flags)) => flags.into_action(),
        };
        if flags.print_config { (Action::Print, flags) } else { (action, flags) }
    }
}

impl Flags {
    /// What the flags say, as a layer over the file.
    pub fn into_layer(self) -> Layer {
        let listener = |endpoint: Endpoint| {
            let tls = endpoint.tls;
            SaidListener::by_flag(endpoint.listener(), tls)
        };
        let listeners: Vec<SaidListener> = self.listen.into_iter().map(listener).collect();
        Layer {
            listeners: (!listeners.is_empty()).then(|| Said::by_flag("--listen", listeners)),
            shards: said("--shards", self.shards),
            cores: said("--cores", self.cores),
            connections: said("--connections", self.connections),
            engine: said("--engine", self.engine),
            engine_max: said("--engine-max", self.engine_max),
            sandbox: said("--no-sandbox", self.no_sandbox.then_some(false)),
            congestion: said("--congestion", self.congestion),
            idle_timeout: said("--idle-timeout", self.idle_timeout),
            stall_timeout: said("--stall-timeout", self.stall_timeout),
            linger_timeout: said("--linger-timeout", self.linger_timeout),
            drain_timeout: said("--drain-timeout", self.drain_timeout),
            high_water: said("--high-water", self.high_water),
            low_water: said("--low-water", self.low_water),
            connections_per_address: said("--connections-per-address", self.connections_per_address),
            log_format: said("--log-format", self.log_format),
            log_level: said("--log-level", self.log_level),
            tls_certificate: said("--tls-cert", self.tls_cert),
            tls_key: said("--tls-key", self.tls_key),
            tls_self_signed: said("--tls-self-signed", self.tls_self_signed.then_some(())),
            ..Layer::default()
        }
    }
}

fn said<T>(flag: &'static str, value: Option<T>) -> Option<Said<T>> {
    value.map(|value| Said::by_flag(flag, value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;
    use crate::config::Config;

    fn parse(line: &str) -> Result<(Action, Flags), clap::Error> {
        let words = std::iter::once("tidemill").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(Cli::into_action)
    }

    fn check_action(line: &str, action: Action) {
        assert_eq!(parse(line).unwrap().0, action, "{line}");
    }

    fn check_refused(line: &str, reason: &str) {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(reason), "{line}: {error}");
    }

    #[test]
    fn the_table_of_flags_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_command() {
        check_action("", Action::Serve);
        check_action("serve", Action::Serve);
        check_action("--shards 2", Action::Serve);
        check_action("serve --shards 2", Action::Serve);
        check_action("check --shards 2", Action::Check);
        check_action("check --print-config", Action::Print);
        check_action("doctor", Action::Doctor { json: false });
        check_action("doctor --shards 2 --json", Action::Doctor { json: true });
        check_action("--print-config", Action::Print);
        check_action("upgrade", Action::Upgrade { pid: None });
        check_action("upgrade --pid 4100", Action::Upgrade { pid: Some(4100) });
    }

    #[test]
    fn top_has_flags_of_its_own() {
        let plain = Options {
            target: None,
            interval: Duration::from_secs(1),
            sort: Sort::Rate,
            form: Form::Live,
            token_file: None,
            tls_ca: None,
            insecure: false,
        };
        check_action("top", Action::Top(plain.clone()));
        let named = Options {
            target: Some("[::1]:9180".parse().unwrap()),
            interval: Duration::from_millis(2500),
            sort: Sort::Pending,
            form: Form::Once,
            token_file: Some("t".into()),
            tls_ca: Some("ca".into()),
            insecure: false,
        };
        let line = "top http://[::1]:9180 --interval 2500ms --sort pending --once --token-file t --tls-ca ca";
        check_action(line, Action::Top(named));
        check_action("top --json --once", Action::Top(Options { form: Form::Json, ..plain.clone() }));
        check_action("top --insecure", Action::Top(Options { insecure: true, ..plain }));
        assert_eq!(parse("top -c file").unwrap().1.config, Some(PathBuf::from("file")));
        check_refused("top --interval 99ms", "an interval is from 100ms to 60s");
        check_refused("top --interval 61s", "an interval is from 100ms to 60s");
        check_refused("top --interval 5", "a duration is a number with its unit");
        check_refused("top --sort size", "size");
        check_refused("top ::1:9180", "stands in brackets");
        check_refused("top --shards 2", "--shards");
        check_refused("top --insecure --tls-ca ca", "--insecure");
    }

    #[test]
    fn every_flag_reaches_the_layer() {
        let line = "serve -l tcp://[::1]:1 --listen unix:/t --listen https://[::1]:2 --tls-cert a --tls-key b --tls-self-signed \
                    --connections-per-address 6 --shards 2 --cores 0,2-3 --engine epoll --engine-max 6.6 --no-sandbox --congestion reno \
                    --connections 5 --idle-timeout 1m --stall-timeout 2s --linger-timeout 3s --drain-timeout 4s \
                    --high-water 1MiB --low-water 7 --log-format json --log-level warn";
        let layer = parse(line).unwrap().1.into_layer();
        let listeners = layer.listeners.unwrap().value;
        let shown: Vec<String> = listeners.iter().map(|said| said.value.listen.to_string()).collect();
        assert_eq!(shown, ["tcp://[::1]:1", "unix:/t", "tcp://[::1]:2"]);
        assert_eq!(listeners.iter().map(|said| said.takes_tls).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(layer.tls_certificate.unwrap().value, PathBuf::from("a"));
        assert_eq!(layer.tls_key.unwrap().value, PathBuf::from("b"));
        assert!(layer.tls_self_signed.is_some());
        assert_eq!(layer.connections_per_address.unwrap().value, 6);
        assert_eq!(layer.shards.unwrap().value, 2);
        assert_eq!(layer.cores.unwrap().value.0, [0, 2, 3]);
        assert_eq!(layer.engine.unwrap().value, Engine::Epoll);
        assert_eq!(layer.engine_max.unwrap().value, RingTier::V6_6);
        assert!(!layer.sandbox.unwrap().value);
        assert_eq!(layer.congestion.unwrap().value, "reno");
        assert_eq!(layer.connections.unwrap().value, 5);
        assert_eq!(layer.idle_timeout.unwrap().value, Duration::from_secs(60));
        assert_eq!(layer.stall_timeout.unwrap().value, Duration::from_secs(2));
        assert_eq!(layer.linger_timeout.unwrap().value, Duration::from_secs(3));
        assert_eq!(layer.drain_timeout.unwrap().value, Duration::from_secs(4));
        assert_eq!(layer.high_water.unwrap().value, 1_048_576);
        assert_eq!(layer.low_water.unwrap().value, 7);
        assert_eq!(layer.log_format.unwrap().value, LogFormat::Json);
        assert_eq!(layer.log_level.unwrap().value, LogLevel::Warn);
    }

    #[test]
    fn mistakes_are_usage_errors() {
        check_refused("--listen localhost", "an address begins with tcp://, udp:// or unix:");
        check_refused("--listen ws://127.0.0.1:1", "http://, https:// or http+unix: for pages and WebSocket");
        check_refused("--connections-per-address -1", "it takes a whole number");
        check_refused("--idle-timeout 10", "a duration is a number with its unit");
        check_refused("--high-water 1MB", "a size is a number of bytes");
        check_refused("--cores 1,1", "each core once");
        check_refused("--engine io_uring", "an engine is uring or epoll");
        check_refused("--engine-max 5.4", "a tier is 6.1, 6.6, 6.12 or 6.17");
        check_refused("--log-level loud", "error, warn, info, debug, trace");
        check_refused(
            "--shards -1",
            "invalid value '-1' for '--shards <N>': it takes a whole number from 1 to 1024",
        );
        check_refused("--shards 1.5", "invalid value '1.5' for '--shards <N>': it takes a whole number");
        check_refused(
            "--connections -5",
            "invalid value '-5' for '--connections <N>': it takes a whole number",
        );
        check_refused("--idle-timeout -5s", "invalid value '-5s' for '--idle-timeout <TIME>': a duration is");
        check_refused("--high-water -1", "invalid value '-1' for '--high-water <SIZE>': a size is");
        check_refused("--shards", "a value is required for '--shards <N>'");
        check_refused("serve now", "now");
        check_refused("doctor now", "now");
        check_refused("serve --json", "--json");
        for number in ["0", "x", "4294967296", "-1"] {
            let said =
                format!("invalid value '{number}' for '--pid <PID>': a process has a number, as ps shows it");
            check_refused(&format!("upgrade --pid={number}"), &said);
        }
        check_refused("upgrade --shards 2", "--shards");
        assert_eq!(parse("--version").unwrap_err().kind(), ErrorKind::DisplayVersion);
    }

    /// It said nothing of NATS clients.
    #[test]
    fn the_help_names_each_port_that_is_served_without_flags() {
        let help = Cli::command().render_long_help().to_string();
        for listener in Config::default().listeners {
            let address = listener.listen.to_string();
            let (_, port) = address.rsplit_once(':').unwrap();
            assert!(help.contains(&format!("port {port}")), "{address}");
        }
        assert!(help.contains("hub"));
    }

    #[test]
    fn the_defaults_in_the_help_are_those_of_the_configuration() {
        let help =
            Cli::command().render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let config = Config::default().to_toml();
        for (flag, key) in [
            ("connections", "connections"),
            ("connections-per-address", "connections_per_address"),
            ("idle-timeout", "idle_timeout"),
            ("stall-timeout", "stall_timeout"),
            ("linger-timeout", "linger_timeout"),
            ("drain-timeout", "drain_timeout"),
            ("high-water", "high_water"),
            ("low-water", "low_water"),
            ("log-format", "format"),
            ("log-level", "level"),
        ] {
            let prefix = format!("{key} = ");
            let value = config.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().replace('"', "");
            let (_, after) = help.split_once(&format!("--{flag} <")).unwrap();
            let (_, default) = after.split_once("[default: ").unwrap();
            assert!(default.starts_with(&format!("{value}]")), "--{flag}: {value} is not {default:.20}");
        }
    }
}
