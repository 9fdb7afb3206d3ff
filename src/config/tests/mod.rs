//! The configuration from the outside: a text goes in, a `Config` or one sentence comes out.

mod change;
mod files;
mod flags;
mod hub;
mod listeners;
mod unusual;

use std::fs;
use std::path::PathBuf;

use self::unusual::{files, unusual, unusual_https};
use super::layer::{Layer, Said, SaidListener};
use super::*;

const CORES: [usize; 4] = [0, 1, 2, 3];

fn load(text: &str) -> Result<Config, ConfigError> {
    settle::settle(file::parse("t.toml", Path::new("/etc/t"), text)?, &CORES)
}

fn check(text: &str, sentence: &str) {
    match load(text) {
        Ok(config) => panic!("{text:?} was taken: {config:?}"),
        Err(error) => assert_eq!(error.to_string(), sentence, "{text}"),
    }
}

fn check_flags(flags: Layer, sentence: &str) {
    assert_eq!(settle::settle(flags, &CORES).unwrap_err().to_string(), sentence);
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(load("").unwrap(), Config::default());
    let shown: Vec<String> = Config::default().listeners.iter().map(|one| one.listen.to_string()).collect();
    assert_eq!(
        shown,
        [
            "tcp://127.0.0.1:7000",
            "udp://127.0.0.1:7000",
            "tcp://[::1]:7000",
            "udp://[::1]:7000",
            "tcp://127.0.0.1:8080",
            "tcp://[::1]:8080",
            "tcp://127.0.0.1:9180",
            "tcp://[::1]:9180",
            "tcp://127.0.0.1:4222",
            "tcp://[::1]:4222"
        ]
    );
    let optional: Vec<bool> = Config::default().listeners.iter().map(|one| one.optional).collect();
    assert_eq!(optional, [false, false, true, true, false, true, false, true, false, true]);
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    for config in [Config::default(), unusual()] {
        let text = config.to_toml();
        assert_eq!(load(&text).unwrap_or_else(|error| panic!("{error}\n{text}")), config, "{text}");
    }
}

#[test]
fn every_key_is_printed_and_explained() {
    for config in [Config::default(), unusual()] {
        let text = config.to_toml();
        let names = keys::KEYS.iter().map(|key| (key.name, key.about));
        let names = names.chain(keys::LISTENER_KEYS.iter().map(|key| (key.name, key.about)));
        let names = names.chain(keys::HUB_KEYS.iter().map(|key| (key.name, key.about)));
        let names = names.chain(keys::PERMISSION_KEYS.iter().map(|key| (key.name, key.about)));
        let names = names.chain(keys::SLOW_KEYS.iter().map(|key| (key.name, key.about)));
        let names = names.chain(keys::USER_KEYS.iter().map(|key| (key.name, key.about)));
        let names = names.chain(keys::TLS_KEYS.iter().map(|key| (key.name, key.about)));
        for (name, about) in names.chain(keys::AUTH_KEYS.iter().map(|key| (key.name, key.about))) {
            let is_key = |line: &&str| line.trim_start_matches('#').starts_with(&format!("{name} = "));
            assert!(text.lines().any(|line| is_key(&line)), "{name} is missing:\n{text}");
            let first: Vec<&str> = about.split_whitespace().take(3).collect();
            assert!(text.contains(&first.join(" ")), "{name} is not explained");
        }
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    }
}

#[test]
fn the_examples_of_unset_keys_can_be_switched_on() {
    let text = Config::default().to_toml();
    let unset = keys::KEYS.iter().filter(|key| (key.show)(&Config::default()).is_none()).map(|key| key.name);
    let of_hub = keys::HUB_KEYS.iter().filter(|key| (key.show)(&Hub::default()).is_none());
    for name in unset.chain(of_hub.map(|key| key.name)) {
        let (off, on) = (format!("#{name} = "), format!("{name} = "));
        assert!(text.contains(&off), "{name}");
        assert_ne!(load(&text.replacen(&off, &on, 1)).unwrap(), Config::default(), "{name}");
    }
}

/// The listener that is printed as a comment needs nothing but to be switched on.
#[test]
fn the_example_of_a_listener_can_be_switched_on() {
    let text = Config::default().to_toml();
    let (before, example) = text.split_once("#[[listener]]").unwrap();
    let (example, after) = example.split_once("\n[limits]").unwrap();
    let on: String = example
        .lines()
        .map(|line| {
            format!("{}\n", line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        })
        .collect();
    let config = load(&format!("{before}[[listener]]{on}\n[limits]{after}")).unwrap();
    let listener = config.listeners.last().unwrap();
    assert_eq!(config.listeners.len(), Config::default().listeners.len() + 1);
    let (tls, auth) = (listener.tls.as_ref().unwrap(), listener.auth.as_ref().unwrap());
    assert_eq!(
        tls.certificates,
        [
            files("/etc/t/example.org.pem", "/etc/t/example.org.key"),
            files("/etc/t/example.com.pem", "/etc/t/example.com.key")
        ]
    );
    assert_eq!(auth.tokens, Some("/etc/t/tokens".into()));
    assert_eq!(auth.leeway, Duration::from_secs(30));
}

#[test]
fn flags_lie_over_the_file() {
    let file = file::parse(
        "t.toml",
        Path::new("/etc/t"),
        "[server]\nconnections = 5\nshards = 2\n[[listener]]\naddress = \"tcp://[::]:1\"",
    )
    .unwrap();
    let listen = SaidListener::by_flag(Listener::echo("tcp://[::]:2".parse().unwrap()), false);
    let flags = Layer {
        connections: Some(Said::by_flag("--connections", 6)),
        listeners: Some(Said::by_flag("--listen", vec![listen])),
        ..Layer::default()
    };
    let config = settle::settle(flags.over(file), &CORES).unwrap();
    assert_eq!((config.connections, config.shards), (6, Some(2)));
    assert_eq!(config.listeners, [Listener::echo("tcp://[::]:2".parse().unwrap())]);
}

#[test]
fn toml_that_is_none() {
    check(
        "[server]\nshards = \n",
        "t.toml:2:10: this is not TOML: string values must be quoted, expected literal string",
    );
    check("[server", "t.toml:1:8: this is not TOML: unclosed table, expected `]`");
    check("[log]\n[log]", "t.toml:2:2: this is not TOML: duplicate key");
}

#[test]
fn unknown_keys() {
    check(
        "[limits]\nidle_timeout = \"1s\"\nidle_timeut = \"1s\"",
        "t.toml:3:1: limits.idle_timeut is not known (did you mean idle_timeout?): here may stand idle_timeout, \
         stall_timeout, linger_timeout, drain_timeout, drain_spread, handover_drain_timeout, handover_drain_spread, \
         high_water, low_water, outbox_per_shard, connections_per_address, accept_rate, accept_rate_per_address, request_rate, request_rate_per_address, \
         message_rate, message_rate_per_address, byte_rate, byte_rate_per_address, handshake_timeout, header_timeout, \
         keep_alive_timeout, body_rate_min, head_bytes, headers, body_bytes, message_bytes, ping_interval",
    );
    check(
        "[[listener]]\n  threads = 1",
        "t.toml:2:3: listener.threads is not known: here may stand address, service, mode, optional, \
         proxy_protocol, allow, deny, origins, subprotocols, deflate, deflate_context, tls_mode, \
         no_auth_user, slow, subject, tls, auth",
    );
    check("[tls]", "t.toml:1:2: tls is not known: here may stand server, listener, limits, log, hub");
    check(
        "[logs]",
        "t.toml:1:2: logs is not known (did you mean log?): here may stand server, listener, limits, log, hub",
    );
    check("zz = 1\naa = 1", "t.toml:1:1: zz is not known: here may stand server, listener, limits, log, hub");
}

#[test]
fn values_of_the_wrong_kind() {
    check("server = 1", "t.toml:1:10: server is a table: write [server]");
    check("listener = 1", "t.toml:1:12: listener is a list of tables: write [[listener]] for each");
    check("listener = [1]", "t.toml:1:13: listener is a list of tables: write [[listener]] for each");
    check("[listener]", "t.toml:1:1: listener is a list of tables: write [[listener]] for each");
    check(
        "[server]\nshards = \"2\"",
        "t.toml:2:10: server.shards is \"2\": it takes a whole number from 1 to 1024, without quotes",
    );
    check(
        "[server]\nshards = -1",
        "t.toml:2:10: server.shards is -1: it takes a whole number from 1 to 1024, without quotes",
    );
    check(
        "[server]\nshards = 1.5",
        "t.toml:2:10: server.shards is 1.5: it takes a whole number from 1 to 1024, without quotes",
    );
    check(
        "[server]\nshards = 99999999999999999999",
        "t.toml:2:10: server.shards is 99999999999999999999: it takes a whole number from 1 to 1024, without quotes",
    );
    check(
        "[server]\nconnections = -5",
        "t.toml:2:15: server.connections is -5: it takes a whole number from 1 to 524288 for each shard, without quotes",
    );
    check(
        "[server]\nengine = \"io_uring\"",
        "t.toml:2:10: server.engine is \"io_uring\": an engine is uring or epoll; leave it out for uring where the host \
         allows it, and epoll elsewhere",
    );
    check("[server]\nengine_max = 6.1", "t.toml:2:14: server.engine_max is 6.1: it takes a text in quotes");
    check(
        "[server]\nengine_max = \"6.2\"",
        "t.toml:2:14: server.engine_max is \"6.2\": a tier is 6.1, 6.6, 6.12 or 6.17",
    );
    check(
        "[limits]\nidle_timeout = 10",
        "t.toml:2:16: limits.idle_timeout is 10: it takes a duration in quotes, such as \"10m\"",
    );
    check(
        "[limits]\nidle_timeout = \"10\"",
        "t.toml:2:16: limits.idle_timeout is \"10\": a duration is a number with its unit, such as 250ms, 30s or 10m",
    );
    check(
        "[limits]\nhigh_water = \"1MB\"",
        "t.toml:2:14: limits.high_water is \"1MB\": a size is a number of bytes, KiB, MiB or GiB, such as 256KiB",
    );
    check(
        "[log]\nlevel = \"loud\"",
        "t.toml:2:9: log.level is \"loud\": it takes error, warn, info, debug, trace",
    );
    check("[log]\nformat = \"xml\"", "t.toml:2:10: log.format is \"xml\": it takes human, json");
    check(
        "[log]\nformat = \"\"\"\nx\n\"\"\"",
        "t.toml:2:10: log.format is something longer: it takes human, json",
    );
}

#[test]
fn values_out_of_bounds() {
    check(
        "\n  [limits]\n  idle_timeout = \"5ms\"",
        "t.toml:3:18: limits.idle_timeout is 5ms: the shortest is 10ms",
    );
    check(
        "[limits]\ndrain_spread = \"10s\"",
        "t.toml:2:16: limits.drain_spread is 10s: it must be shorter than limits.drain_timeout, which is 10s",
    );
    check(
        "[limits]\nhandover_drain_timeout = \"9s\"",
        "t.toml:2:26: limits.handover_drain_timeout is 9s: it must be longer than limits.handover_drain_spread, which is 10s",
    );
    check(
        "[limits]\ndrain_timeout = \"8s\"\ndrain_spread = \"8001ms\"",
        "t.toml:3:16: limits.drain_spread is 8s 1ms: it must be shorter than limits.drain_timeout, which is 8s",
    );
    check(
        "[limits]\ndrain_timeout = \"8d\"",
        "t.toml:2:17: limits.drain_timeout is 8days: the longest is 7days",
    );
    check("[server]\nshards = 0", "t.toml:2:10: server.shards is 0: the least is 1");
    check("[server]\nshards = 1025", "t.toml:2:10: server.shards is 1025: the most is 1024");
    check("[server]\nconnections = 0", "t.toml:2:15: server.connections is 0: the least is 1");
    check(
        "[server]\nshards = 1\nconnections = 600000",
        "t.toml:3:15: server.connections is 600000: the most is 524288",
    );
    check("[server]\nsandbox = \"off\"", "t.toml:2:11: server.sandbox is \"off\": it takes true or false");
    check(
        "[server]\ncongestion = \"\"",
        "t.toml:2:14: server.congestion is \"\": it takes a name such as cubic or bbr, of at most 15 letters",
    );
    check("[limits]\nhigh_water = 1", "t.toml:2:14: limits.high_water is 1: the smallest is 32KiB");
    check("[limits]\nhigh_water = \"8GiB\"", "t.toml:2:14: limits.high_water is 8GiB: the largest is 1GiB");
    check("[limits]\nlow_water = 0", "t.toml:2:13: limits.low_water is 0: the smallest is 1");
}

#[test]
fn limits_of_the_web_out_of_bounds() {
    let wrong = |key: &str, value: &str, sentence: &str| {
        let column = key.len() + 4;
        check(
            &format!("[limits]\n{key} = {value}"),
            &format!("t.toml:2:{column}: limits.{key} is {sentence}"),
        );
    };
    wrong("connections_per_address", "0", "0: the least is 1");
    wrong("connections_per_address", "\"9\"", "\"9\": it takes a whole number, without quotes");
    wrong("connections_per_address", "536870913", "536870913: the most is 536870912");
    wrong("handshake_timeout", "\"1ms\"", "1ms: the shortest is 10ms");
    wrong("header_timeout", "\"8d\"", "8days: the longest is 7days");
    wrong("keep_alive_timeout", "\"0s\"", "0s: the shortest is 10ms");
    wrong("ping_interval", "\"0s\"", "0s: the shortest is 10ms");
    wrong("head_bytes", "\"64KiB\"", "64KiB: the largest is 48KiB");
    wrong("head_bytes", "1023", "1023: the smallest is 1KiB");
    wrong("headers", "0", "0: the least is 1");
    wrong("headers", "1001", "1001: the most is 1000");
    wrong("body_bytes", "\"2GiB\"", "2GiB: the largest is 1GiB");
    wrong("body_bytes", "0", "0: the smallest is 1");
    wrong("message_bytes", "\"2GiB\"", "2GiB: the largest is 1GiB");
    wrong("body_rate_min", "\"0/s\"", "0/s: the slowest is 1/s");
    wrong("body_rate_min", "\"1GiB/s\"", "1GiB/s: the fastest is 1MiB/s");
    wrong("body_rate_min", "\"1KiB\"", "\"1KiB\": a speed is a size in each second, such as 1KiB/s");
    wrong("accept_rate", "100", "100: it takes a rate in quotes, such as \"100/s\"");
    wrong(
        "request_rate",
        "\"100\"",
        "\"100\": a rate is a count and its time, such as 100/s, 6000/m or 100/s burst 200",
    );
    wrong(
        "byte_rate_per_address",
        "\"100\"",
        "\"100\": a rate of bytes is a size and its time, such as 1MiB/s or 1MiB/s burst 4MiB",
    );
    wrong(
        "message_rate",
        "\"0/s\"",
        "\"0/s\": a rate of nothing lets nothing pass: leave the setting out where there is no limit",
    );
}

#[test]
fn values_against_each_other() {
    check(
        "[limits]\nhigh_water = \"64KiB\"",
        "t.toml:2:14: limits.high_water is 64KiB: it must be above limits.low_water, which is 64KiB",
    );
    check(
        "[limits]\nlow_water = \"1MiB\"",
        "t.toml:2:13: limits.low_water is 1MiB: it must be below limits.high_water, which is 256KiB",
    );
    check(
        "[limits]\noutbox_per_shard = \"128KiB\"",
        "t.toml:2:20: limits.outbox_per_shard is 128KiB: it must be at least limits.high_water, which is 256KiB",
    );
    check(
        "[server]\ncores = \"0-1\"\nshards = 3",
        "t.toml:3:10: server.shards is 3: server.cores names 2 only",
    );
    check(
        "[server]\ncores = \"2-9\"",
        "t.toml:2:9: server.cores is 2-9: core 4 may not be used by this process, which has 0-3",
    );
}

#[test]
fn listeners_that_cannot_be() {
    let listener = |keys: &str| format!("[[listener]]\n{keys}");
    check("listener = []", "t.toml:1:12: listener is empty: a server needs at least one");
    check(
        "[[listener]]",
        "t.toml:1:1: listener.address is missing: write address = \"tcp://127.0.0.1:7000\", for example",
    );
    check(
        &listener("address = \"tcp://localhost:7000\""),
        "t.toml:2:11: listener.address is \"tcp://localhost:7000\": \"localhost\" is not an IP address, and names are \
         not looked up: write 127.0.0.1 or [::1], for example",
    );
    check(
        &listener("address = \"tcp://[::]:1\"\nmode = \"660\""),
        "t.toml:3:8: listener.mode is for Unix sockets only, and the address is tcp://[::]:1",
    );
    check(
        &listener("address = \"unix:/t\"\nmode = 660"),
        "t.toml:3:8: listener.mode is 660: it takes a text in quotes",
    );
    check(
        &listener("address = \"unix:/t\"\noptional = \"yes\""),
        "t.toml:3:12: listener.optional is \"yes\": it takes true or false",
    );
    let two = |one: &str, other: &str| {
        listener(&format!("address = \"{one}\"\n[[listener]]\naddress = \"{other}\""))
    };
    check(
        &two("tcp://127.0.0.1:1", "tcp://[::]:1"),
        "t.toml:4:11: listener.address is tcp://[::]:1, which cannot be open beside tcp://127.0.0.1:1",
    );
    assert_eq!(load(&two("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")).unwrap().listeners.len(), 2);
    let many: String =
        (1..=65).map(|port| format!("[[listener]]\naddress = \"tcp://[::]:{port}\"\n")).collect();
    check(&many, "t.toml:1:1: listener has 65 entries: the most is 64");
}

#[test]
fn flags_are_named_by_their_name() {
    let idle = Some(Said::by_flag("--idle-timeout", Duration::from_millis(5)));
    check_flags(
        Layer { idle_timeout: idle, ..Layer::default() },
        "--idle-timeout is 5ms: the shortest is 10ms",
    );
    let high = Some(Said::by_flag("--high-water", 65_536));
    check_flags(
        Layer { high_water: high, ..Layer::default() },
        "--high-water is 64KiB: it must be above limits.low_water, which is 64KiB",
    );
    let (high, low) = (Said::by_flag("--high-water", 65_536), Said::by_flag("--low-water", 65_537));
    check_flags(
        Layer { high_water: Some(high), low_water: Some(low), ..Layer::default() },
        "--low-water is 65537: it must be below --high-water, which is 64KiB",
    );
    let cores = Some(Said::by_flag("--cores", units::Cores(vec![1, 2])));
    let shards = Some(Said::by_flag("--shards", 3));
    check_flags(Layer { shards, cores, ..Layer::default() }, "--shards is 3: --cores names 2 only");
}

/// A program fills the public fields as it likes; what no operator could say, it may not say either.
#[test]
fn fields_that_cannot_be() {
    let check = |change: fn(&mut Config), sentence: &str| {
        let mut config = Config::default();
        change(&mut config);
        assert_eq!(config.validate_on(&CORES).unwrap_err().to_string(), sentence);
    };
    check(|config| config.listeners.clear(), "listener is empty: a server needs at least one");
    check(
        |config| config.listeners = vec![Listener::echo("tcp://[::1]:1".parse().unwrap()); 2],
        "listener.address is tcp://[::1]:1, which another listener has already",
    );
    check(
        |config| config.listeners[0].mode = Some(0o660),
        "listener.mode is for Unix sockets only, and the address is tcp://127.0.0.1:7000",
    );
    check(
        |config| {
            let unix = Listener::echo("unix:/run/t.sock".parse().unwrap());
            config.listeners = vec![Listener { mode: Some(0o1660), ..unix }];
        },
        "listener.mode is 1660, at unix:/run/t.sock: the most is 777",
    );
    check(|config| config.shards = Some(0), "server.shards is 0: the least is 1");
    check(|config| config.shards = Some(100_000), "server.shards is 100000: the most is 1024");
    check(|config| config.cores = Some(vec![]), "server.cores is empty: a shard needs a core");
    check(|config| config.cores = Some(vec![2, 1, 2]), "server.cores names core 2 twice");
    check(
        |config| config.cores = Some(vec![9]),
        "server.cores is 9: core 9 may not be used by this process, which has 0-3",
    );
    check(
        |config| (config.cores, config.shards) = (Some(vec![1]), Some(2)),
        "server.shards is 2: server.cores names 1 only",
    );
    check(|config| config.connections = 0, "server.connections is 0: the least is 1");
    check(
        |config| config.congestion = Some(String::new()),
        "server.congestion is \"\": it takes a name such as cubic or bbr, of at most 15 letters",
    );
    check(|config| config.idle_timeout = Duration::ZERO, "limits.idle_timeout is 0s: the shortest is 10ms");
    check(
        |config| config.drain_timeout = Duration::from_secs(8 * 86_400),
        "limits.drain_timeout is 8days: the longest is 7days",
    );
    check(
        |config| config.outbox_low_water_bytes = config.outbox_high_water_bytes,
        "limits.high_water is 256KiB: it must be above limits.low_water, which is 256KiB",
    );
    check(|config| config.outbox_bytes_per_shard = 0, "limits.outbox_per_shard is 0: the smallest is 1");
    assert!(Config::default().validate_on(&CORES).is_ok());
    assert!(unusual().validate_on(&CORES).is_ok());
    assert!(Config::default().validate().is_ok());
}

#[test]
fn files_that_cannot_be_read() {
    let folder = std::env::temp_dir().join(format!("tidemill-config-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let shown = folder.display();
    let check = |name: &str, sentence: String| {
        assert_eq!(file::read(&folder.join(name)).unwrap_err().to_string(), sentence);
    };
    fs::write(folder.join("latin1"), b"# a\n# caf\xe9").unwrap();
    fs::write(folder.join("huge"), vec![b'\n'; 1_048_577]).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    check("latin1", format!("{shown}/latin1:2:6: the file is not UTF-8 from here on"));
    check(
        "huge",
        format!("{shown}/huge is longer than 1048576 bytes, so it is not taken for a configuration"),
    );
    check("", format!("{shown}/ is a directory; --config takes a file"));
    check("file/x", format!("{shown}/file/x cannot be read: Not a directory (os error 20)"));
    check(
        "none",
        format!("{shown}/none does not exist. Try: tidemill --print-config, which prints one to begin with"),
    );
    let _listener = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    check("socket", format!("{shown}/socket is not a regular file; --config takes one"));
    fs::remove_dir_all(&folder).unwrap();
}
