//! The hub: its table, its users, its rules, and the listeners that lead to it.

use super::*;
use crate::access::users::{Lists, Responses, Rules, UserLimits, UserSetting};

fn hub(text: &str) -> Hub {
    load(text).unwrap_or_else(|error| panic!("{text}: {error}")).hub
}

/// The sentence for a mistake in a table `[hub]`, whose first line is line 2.
fn check_hub(lines: &str, sentence: &str) {
    check(&format!("[hub]\n{lines}"), &format!("t.toml:{sentence}"));
}

/// The sentence for a mistake in a user, whose lines begin with line 3.
fn check_user(lines: &str, sentence: &str) {
    check(&format!("[[hub.user]]\nname = \"a\"\n{lines}"), &format!("t.toml:{sentence}"));
}

/// The sentence for a mistake in a listener of this address and service, whose other lines begin with line 4.
fn check_listener(address: &str, service: &str, lines: &str, sentence: &str) {
    let text = format!("[[listener]]\naddress = \"{address}\"\nservice = \"{service}\"\n{lines}");
    check(&text, &format!("t.toml:{sentence}"));
}

#[test]
fn a_hub_as_an_operator_writes_it() {
    let text = r#"
        [hub]
        payload_bytes_max = "64KiB"
        ping_interval = "30s"
        [hub.default_permissions]
        publish_allow = ["chat.>"]
        [[hub.slow]]
        subjects = ["game.>"]
        policy = "keep-latest"
        [[hub.user]]
        name = "alice"
        password_file = "alice.password"
        publish_deny = ["chat.staff"]
        subscribe_allow = ["chat.>", "jobs workers"]
        responses_max = 3
        connections = 10
        message_rate = "100/s"
        [[hub.user]]
        name = "bob"
    "#;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let alice = UserSetting {
        name: "alice".to_owned(),
        password_file: Some("/etc/t/alice.password".into()),
        rules: Some(Rules {
            publish: Lists { allow: None, deny: texts(&["chat.staff"]) },
            subscribe: Lists { allow: Some(texts(&["chat.>", "jobs workers"])), deny: Vec::new() },
            responses: Some(Responses { max: 3, expires: Duration::from_secs(120) }),
        }),
        limits: UserLimits {
            connections: Some(10),
            messages: Some("100/s".parse().unwrap()),
            ..UserLimits::default()
        },
        ..UserSetting::default()
    };
    let bob = UserSetting { name: "bob".to_owned(), ..UserSetting::default() };
    let publish = Lists { allow: Some(texts(&["chat.>"])), deny: Vec::new() };
    let expected = Hub {
        payload_bytes_max: 65_536,
        ping_interval: Duration::from_secs(30),
        default_permissions: Some(Rules { publish, ..Rules::default() }),
        slow: vec![SlowRule { subjects: texts(&["game.>"]), policy: SlowPolicy::KeepLatest }],
        users: vec![alice, bob],
        ..Hub::default()
    };
    assert_eq!(hub(text), expected);
}

/// nats-server's own: max_payload, max_control_line, max_pending, ping_interval, ping_max, auth_timeout.
#[test]
fn the_defaults_are_nats_servers() {
    let Hub { payload_bytes_max, control_line_bytes_max, pending_bytes_max, pings_out, .. } = Hub::default();
    assert_eq!((payload_bytes_max, control_line_bytes_max), (1_048_576, 4096));
    assert_eq!((pending_bytes_max, pings_out), (67_108_864, 2));
    assert_eq!(Hub::default().ping_interval, Duration::from_secs(120));
    assert_eq!(Hub::default().auth_timeout, Duration::from_secs(2));
    assert_eq!(hub("[hub]"), Hub::default());
}

#[test]
fn a_hub_that_cannot_be() {
    check_hub(
        "max_payload = 1",
        "2:1: hub.max_payload is not known: here may stand payload_bytes_max, control_line_bytes_max, \
         subscriptions_per_connection, subscriptions_per_shard, pending_bytes_max, shared_bytes_per_shard, \
         ping_interval, pings_out, auth_timeout, permissions_claim, connections_per_user, \
         message_rate_per_user, byte_rate_per_user, default_permissions, slow, user",
    );
    check_hub("payload_bytes_max = \"65MiB\"", "2:21: hub.payload_bytes_max is 65MiB: the largest is 64MiB");
    check_hub("payload_bytes_max = 0", "2:21: hub.payload_bytes_max is 0: the smallest is 1");
    check_hub("control_line_bytes_max = 511", "2:26: hub.control_line_bytes_max is 511: the smallest is 512");
    check_hub(
        "control_line_bytes_max = \"1MiB\"",
        "2:26: hub.control_line_bytes_max is 1MiB: the largest is 48KiB",
    );
    check_hub(
        "subscriptions_per_connection = 0",
        "2:32: hub.subscriptions_per_connection is 0: the least is 1",
    );
    check_hub(
        "subscriptions_per_shard = 268435457",
        "2:27: hub.subscriptions_per_shard is 268435457: the most is 268435456",
    );
    check_hub("pending_bytes_max = 1", "2:21: hub.pending_bytes_max is 1: the smallest is 64KiB");
    check_hub("shared_bytes_per_shard = 1", "2:26: hub.shared_bytes_per_shard is 1: the smallest is 1MiB");
    check_hub("ping_interval = \"1ms\"", "2:17: hub.ping_interval is 1ms: the shortest is 10ms");
    check_hub("pings_out = 0", "2:13: hub.pings_out is 0: the least is 1");
    check_hub("auth_timeout = \"0s\"", "2:16: hub.auth_timeout is 0s: the shortest is 10ms");
    check_hub("permissions_claim = \"\"", "2:21: hub.permissions_claim is \"\": it takes 1 to 256 bytes");
    check_hub("connections_per_user = 0", "2:24: hub.connections_per_user is 0: the least is 1");
    check("hub = 1", "t.toml:1:7: hub is a table: write [hub]");
    check_hub("user = 1", "2:8: hub.user is a list of tables: write [[hub.user]] for each");
    check_hub("slow = [1]", "2:9: hub.slow is a list of tables: write [[hub.slow]] for each");
}

#[test]
fn users_that_cannot_be() {
    check("[[hub.user]]", "t.toml:1:1: hub.user.name is missing: write name = \"alice\", for example");
    check(
        "[[hub.user]]\nname = \"\"",
        "t.toml:2:8: hub.user.name is \"\": it takes 1 to 256 printable bytes",
    );
    check_user(
        "password = \"x\"",
        "3:1: hub.user.password is not known: here may stand name, password_file, password_bcrypt, token_file, nkey, \
         connections, subscriptions, payload_bytes_max, message_rate, byte_rate, publish_allow, publish_deny, \
         subscribe_allow, subscribe_deny, responses_max, responses_expire",
    );
    check_user("[[hub.user]]\nname = \"a\"", "4:8: hub.user.name is \"a\", as that of another user is");
    let hash = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    check_user(
        &format!("password_file = \"f\"\npassword_bcrypt = \"{hash}\""),
        "4:19: hub.user.password_bcrypt stands beside password_file: leave one of the two out",
    );
    check_user(
        "password_bcrypt = \"secret\"",
        "3:19: hub.user.password_bcrypt cannot be used: this is no bcrypt hash, which begins with $2b$ and its cost and \
         has 60 letters. Try: htpasswd -nBC 11 NAME, and take what stands behind the colon",
    );
    check_user(
        &format!("password_bcrypt = \"{}\"", hash.replace("$04$", "$15$")),
        "3:19: hub.user.password_bcrypt cannot be used: a bcrypt hash of cost 15 cannot be used: from 4 to 14 can; each \
         step takes twice the time",
    );
    check_user("password_file = \"\"", "3:17: hub.user.password_file is \"\": it takes the path of a file");
    check_user(
        "nkey = \"SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y\"",
        "3:8: hub.user.nkey cannot be used: it takes the public nkey of a user, which begins with U and has 56 letters",
    );
    let key = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK";
    check_user(
        &format!("nkey = \"{key}\"\n[[hub.user]]\nname = \"b\"\nnkey = \"{key}\""),
        "6:8: hub.user.nkey is another user's already",
    );
    check_user("connections = 0", "3:15: hub.user.connections is 0: the least is 1");
    check_user("subscriptions = 0", "3:17: hub.user.subscriptions is 0: the least is 1");
    check_user(
        "payload_bytes_max = \"65MiB\"",
        "3:21: hub.user.payload_bytes_max is 65MiB: the largest is 64MiB",
    );
    check_user(
        "message_rate = 100",
        "3:16: hub.user.message_rate is 100: it takes a rate in quotes, such as \"100/s\"",
    );
    let many: String = (0..4097).map(|number| format!("[[hub.user]]\nname = \"{number}\"\n")).collect();
    check(&many, "t.toml:1:1: hub.user has 4097 entries: the most is 4096");
}

#[test]
fn permissions_that_cannot_be() {
    let wanted = "it takes subjects such as chat.room or chat.*, with > as the last token where all that follows is \
                  meant, of at most 1024 bytes";
    check_user(
        "publish_allow = [\"a..b\"]",
        &format!("3:17: hub.user.publish_allow names \"a..b\": {wanted}"),
    );
    check_user("publish_deny = [\"a q\"]", &format!("3:16: hub.user.publish_deny names \"a q\": {wanted}"));
    check_user(
        "subscribe_deny = [\"a.>.b\"]",
        &format!(
            "3:18: hub.user.subscribe_deny names \"a.>.b\": {wanted}, with a queue group behind a space where it is about one"
        ),
    );
    check_user(
        "subscribe_allow = []",
        "3:19: hub.user.subscribe_allow is empty: name what is allowed, or write subscribe_deny = [\">\"] where nothing is",
    );
    check_user("responses_max = 0", "3:17: hub.user.responses_max is 0: the least is 1");
    check_user("responses_expire = \"1ms\"", "3:20: hub.user.responses_expire is 1ms: the shortest is 10ms");
    check(
        "[hub.default_permissions]\npublish_allow = []",
        "t.toml:2:17: hub.default_permissions.publish_allow is empty: name what is allowed, or write publish_deny = \
         [\">\"] where nothing is",
    );
    check(
        "[hub.default_permissions]\nallow = []",
        "t.toml:2:1: hub.default_permissions.allow is not known: here may stand publish_allow, publish_deny, \
         subscribe_allow, subscribe_deny, responses_max, responses_expire",
    );
}

#[test]
fn rules_for_slow_consumers_that_cannot_be() {
    let slow =
        |lines: &str, sentence: &str| check(&format!("[[hub.slow]]\n{lines}"), &format!("t.toml:{sentence}"));
    slow(
        "subjects = [\"a\"]",
        "1:1: hub.slow.policy is missing: write policy = \"drop-oldest\", for example",
    );
    slow("policy = \"drop\"", "2:10: hub.slow.policy is \"drop\": it takes cut, drop-oldest, keep-latest");
    slow(
        "policy = \"cut\"",
        "1:1: hub.slow.subjects is empty: name the subjects that the policy is for, as in [\"game.>\"]",
    );
    slow(
        "policy = \"cut\"\nsubjects = [\"a.\"]",
        "3:12: hub.slow.subjects names \"a.\": it takes subjects such as game.score or game.*, with > as the last token \
         where all that follows is meant",
    );
}

#[test]
fn listeners_of_the_hub() {
    let text = "[[hub.user]]\nname = \"guest\"\n[[listener]]\naddress = \"tcp://127.0.0.1:1\"\nservice = \"nats\"\n\
                tls = { self_signed = true }\ntls_mode = \"first\"\nno_auth_user = \"guest\"\nslow = \"drop-oldest\"\n\
                [listener.auth]\ntokens = \"/t\"\n\
                [[listener]]\naddress = \"udp://127.0.0.1:1\"\nservice = \"publish\"\nsubject = \"a.b\"\n\
                no_auth_user = \"guest\"";
    let listeners = load(text).unwrap().listeners;
    assert_eq!(listeners[0].service, ServiceName::Nats);
    assert_eq!((listeners[0].tls_mode, listeners[0].slow), (TlsMode::First, SlowPolicy::DropOldest));
    assert_eq!(listeners[0].no_auth_user.as_deref(), Some("guest"));
    assert!(listeners[0].origins.is_empty());
    assert_eq!(listeners[1].subject.as_deref(), Some("a.b"));
}

#[test]
fn listeners_of_the_hub_that_cannot_be() {
    let tcp = "tcp://127.0.0.1:1";
    let udp = "udp://127.0.0.1:1";
    check_listener(
        udp,
        "nats",
        "",
        "3:11: listener.service is nats, which is for tcp:// and unix: addresses, and this one is udp://127.0.0.1:1",
    );
    check_listener(
        tcp,
        "publish",
        "",
        "3:11: listener.service is publish, which is for udp:// addresses, and this one is tcp://127.0.0.1:1",
    );
    check_listener(
        tcp,
        "nats",
        "tls_mode = \"auto\"",
        "4:12: listener.tls_mode is auto, and there is no TLS: add a table [listener.tls]",
    );
    check_listener(
        tcp,
        "http",
        "tls_mode = \"auto\"",
        "4:12: listener.tls_mode is for the service nats, and tcp://127.0.0.1:1 serves http",
    );
    check_listener(
        tcp,
        "echo",
        "no_auth_user = \"a\"",
        "4:16: listener.no_auth_user is for the services nats, http and publish, and tcp://127.0.0.1:1 serves echo",
    );
    check_listener(
        tcp,
        "nats",
        "no_auth_user = \"a\"",
        "4:16: listener.no_auth_user is \"a\", who is no user: add a table [[hub.user]] with that name",
    );
}

/// A datagram shows nothing, so where there are users it has to be said whose it is, and that user has to be able to publish.
#[test]
fn datagrams_are_somebodys() {
    let check_ingest = |more: &str, expected: &str| {
        let text = format!(
            "[[listener]]\naddress = \"udp://127.0.0.1:1\"\nservice = \"publish\"\n{more}\n\
             [[hub.user]]\nname = \"sensor\"\npublish_allow = [\"plant.>\"]\n"
        );
        check(&text, &format!("t.toml:{expected}"));
    };
    check_ingest(
        "",
        "3:11: listener.service is publish, and a datagram cannot show which user of the hub it is from: say whose those of \
         udp://127.0.0.1:1 are, as in no_auth_user = \"sensor\"",
    );
    check_ingest(
        "no_auth_user = \"sensor\"\nsubject = \"admin.reset\"",
        "5:11: listener.subject is \"admin.reset\", where the user of this listener may not publish",
    );
    let open = "[[listener]]\naddress = \"udp://127.0.0.1:1\"\nservice = \"publish\"\nsubject = \"a\"\n";
    check(
        &format!("{open}[hub.default_permissions]\npublish_deny = [\"a\"]\n"),
        "t.toml:4:11: listener.subject is \"a\", where the user of this listener may not publish",
    );
    assert!(load(open).is_ok());
}

#[test]
fn settings_of_the_hub_stand_where_they_are_looked_at() {
    let tcp = "tcp://127.0.0.1:1";
    let udp = "udp://127.0.0.1:1";
    check_listener(
        tcp,
        "admin",
        "slow = \"drop-oldest\"",
        "4:8: listener.slow is for the services nats and http, and tcp://127.0.0.1:1 serves admin",
    );
    check_listener(
        tcp,
        "nats",
        "slow = \"drop\"",
        "4:8: listener.slow is \"drop\": it takes cut, drop-oldest, keep-latest",
    );
    check_listener(
        tcp,
        "nats",
        "subject = \"a\"",
        "4:11: listener.subject is for the service publish, and tcp://127.0.0.1:1 serves nats",
    );
    check_listener(
        udp,
        "publish",
        "subject = \"a.*\"",
        "4:11: listener.subject is \"a.*\": it takes one subject, such as sensors.roof, without wildcards",
    );
    check_listener(
        tcp,
        "nats",
        "origins = [\"*\"]",
        "4:11: listener.origins is for the service http, and tcp://127.0.0.1:1 serves nats",
    );
    check_listener(
        udp,
        "publish",
        "auth = { tokens = \"/t\" }",
        "4:8: listener.auth is for the services http, admin and nats, and udp://127.0.0.1:1 serves publish",
    );
}

/// The example tables that are printed as comments need nothing but to be switched on, but for what excludes another.
#[test]
fn the_examples_of_the_hub_can_be_switched_on() {
    let text = Config::default().to_toml();
    let (before, example) = text.split_once("#[hub.default_permissions]").unwrap();
    let on: String = format!("#[hub.default_permissions]{example}")
        .lines()
        .filter(|line| !line.starts_with("#password_file"))
        .map(|line| {
            format!("{}\n", line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        })
        .collect();
    let hub = hub(&format!("{before}{on}"));
    assert_eq!((hub.users.len(), hub.slow.len()), (1, 1));
    assert_eq!(hub.users[0].token_file, Some("/etc/t/alice.token".into()));
    assert_eq!(hub.default_permissions.unwrap().subscribe.allow.unwrap().len(), 3);
}
