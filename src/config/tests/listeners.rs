//! The tables of one listener.

use super::*;

/// One listener of HTTP at a TCP port, with these lines behind it.
fn http(lines: &str) -> String {
    format!("[[listener]]\naddress = \"tcp://127.0.0.1:1\"\nservice = \"http\"\n{lines}")
}

fn one(lines: &str) -> Listener {
    load(&http(lines)).unwrap_or_else(|error| panic!("{lines}: {error}")).listeners.remove(0)
}

/// The sentence for a mistake in the lines behind [`http`], which has three of its own.
fn check_http(lines: &str, sentence: &str) {
    check(&http(lines), &format!("t.toml:{sentence}"));
}

#[test]
fn files_begin_at_the_folder_of_the_file() {
    let listener = one("tls = { certificate = \"a.pem\", key = \"/k/a.key\", client_ca = \"../ca.pem\" }\n\
                        auth = { jwt_keys = [\"1.pem\", \"/2.pem\"], jwks = \"j\", tokens = \"t\", jwt_secret = \"s\" }");
    let tls = listener.tls.unwrap();
    assert_eq!(tls.certificates, [files("/etc/t/a.pem", "/k/a.key")]);
    assert_eq!(tls.client_ca, Some("/etc/t/../ca.pem".into()));
    let auth = listener.auth.unwrap();
    assert_eq!(auth.jwt_keys, [PathBuf::from("/etc/t/1.pem"), "/2.pem".into()]);
    assert_eq!((auth.jwks, auth.tokens), (Some("/etc/t/j".into()), Some("/etc/t/t".into())));
    assert_eq!(auth.jwt_secret, Some("/etc/t/s".into()));
}

#[test]
fn tls_in_its_short_and_in_its_long_form() {
    let certificates = |lines: &str| one(lines).tls.unwrap().certificates;
    let a = files("/a", "/b");
    assert_eq!(certificates("[listener.tls]\ncertificate = \"/a\"\nkey = \"/b\""), std::slice::from_ref(&a));
    let list =
        "certificates = [{ certificate = \"/a\", key = \"/b\" }, { certificate = \"/c\", key = \"/d\" }]";
    assert_eq!(certificates(&format!("[listener.tls]\n{list}")), [a.clone(), files("/c", "/d")]);
    let both = format!("[listener.tls]\ncertificate = \"/e\"\nkey = \"/f\"\n{list}");
    assert_eq!(certificates(&both), [files("/e", "/f"), a, files("/c", "/d")]);
    assert_eq!(one("tls.self_signed = true").tls, Some(Tls::self_signed()));
}

#[test]
fn clients_are_asked_once_there_is_somebody_to_check_them_by() {
    let client_auth =
        |lines: &str| one(&format!("[listener.tls]\nself_signed = true\n{lines}")).tls.unwrap().client_auth;
    assert_eq!(client_auth(""), ClientAuth::Off);
    assert_eq!(client_auth("client_ca = \"/ca\""), ClientAuth::Required);
    assert_eq!(client_auth("client_ca = \"/ca\"\nclient_auth = \"optional\""), ClientAuth::Optional);
}

#[test]
fn tls_that_cannot_be() {
    let tls = |lines: &str, sentence: &str| check_http(&format!("[listener.tls]\n{lines}"), sentence);
    tls(
        "",
        "4:1: listener.tls has no certificate: add certificate and key, or self_signed = true for a first try",
    );
    tls("certificate = \"a\"", "5:15: listener.tls.certificate is alone: it needs key = \"FILE\" beside it");
    tls("key = \"a\"", "5:7: listener.tls.key is alone: it needs certificate = \"FILE\" beside it");
    tls(
        "self_signed = true\ncertificate = \"a\"\nkey = \"a\"",
        "5:15: listener.tls.self_signed makes a certificate, and another one is named: leave one of the two out",
    );
    tls(
        "self_signed = true\nclient_auth = \"required\"",
        "6:15: listener.tls.client_auth is required: it needs client_ca, the authorities that certificates are checked \
         against",
    );
    tls(
        "self_signed = true\nclient_ca = \"/ca\"\nclient_auth = \"off\"",
        "7:15: listener.tls.client_auth is off, and client_ca names who signs the certificates of clients: leave one of \
         the two out",
    );
    tls(
        "client_auth = \"yes\"",
        "5:15: listener.tls.client_auth is \"yes\": it takes off, optional, required",
    );
    tls("min_version = \"1.1\"", "5:15: listener.tls.min_version is \"1.1\": it takes 1.2, 1.3");
    tls("min_version = 1.2", "5:15: listener.tls.min_version is 1.2: it takes a text in quotes");
    tls("certificate = \"\"", "5:15: listener.tls.certificate is \"\": it takes the path of a file");
    tls(
        "certificat = \"a\"",
        "5:1: listener.tls.certificat is not known (did you mean certificate?): here may stand certificate, key, \
         certificates, self_signed, client_ca, client_auth, min_version",
    );
    let wanted = "is a list of tables: write certificates = [{ certificate = \"FILE\", key = \"FILE\" }]";
    tls("certificates = \"a\"", &format!("5:16: listener.tls.certificates {wanted}"));
    tls(
        "certificates = [\"a\"]",
        "5:17: listener.tls.certificates is a list of tables: write certificates = [{ \
         certificate = \"FILE\", key = \"FILE\" }]",
    );
    tls("certificates = [{}]", &format!("5:17: listener.tls.certificates {wanted}"));
    tls(
        "certificates = [{ key = \"a\" }]",
        "5:25: listener.tls.certificates.key is alone: it needs certificate = \"FILE\" beside it",
    );
    tls(
        "certificates = [{ file = \"a\" }]",
        "5:19: listener.tls.certificates.file is not known: here may stand certificate, key",
    );
    check_http("tls = true", "4:7: listener.tls is a table: write [listener.tls]");
    let many = "{ certificate = \"a\", key = \"b\" }, ".repeat(65);
    tls(&format!("certificates = [{many}]"), "4:1: listener.tls has 65 certificates: the most is 64");
}

#[test]
fn authentication_that_cannot_be() {
    let auth = |lines: &str, sentence: &str| check_http(&format!("[listener.auth]\n{lines}"), sentence);
    auth(
        "realm = \"x\"",
        "4:1: listener.auth names nothing to check requests by: add tokens, jwt_secret, jwt_keys or jwks, each with a file",
    );
    auth(
        "tokens = \"t\"\naudience = \"a\"",
        "6:12: listener.auth.audience is for JSON Web Tokens: add jwt_secret, jwt_keys or jwks",
    );
    auth("jwks = \"t\"\nissuer = \"\"", "6:10: listener.auth.issuer is \"\": it takes 1 to 256 bytes");
    auth("tokens = \"t\"\nleeway = \"1h\"", "6:10: listener.auth.leeway is 1h: the longest is 10m");
    auth(
        "tokens = \"t\"\ncookie = \"a=b\"",
        "6:10: listener.auth.cookie is \"a=b\": it takes the name of a cookie, such as token",
    );
    auth(
        "tokens = \"t\"\nquery = \"a&b\"",
        "6:9: listener.auth.query is \"a&b\": it takes the name of a parameter, of letters, digits, -, ., _ and ~",
    );
    auth(
        "tokens = \"t\"\nrealm = \"a\\\"b\"",
        "6:9: listener.auth.realm is \"a\\\"b\": it takes a short text of ASCII letters, without quotes and backslashes",
    );
    auth("jwt_keys = \"t\"", "5:12: listener.auth.jwt_keys is \"t\": it takes a list, as in [\"...\"]");
    auth("jwt_keys = [\"t\", 1]", "5:18: listener.auth.jwt_keys is 1: it takes a text in quotes");
    check(
        "[[listener]]\naddress = \"tcp://[::1]:1\"\n[listener.auth]\ntokens = \"t\"",
        "t.toml:3:1: listener.auth is for the services http, admin and nats, and tcp://[::1]:1 serves echo",
    );
}

#[test]
fn networks_are_read_and_refused() {
    let listener = one("allow = [\"10.0.0.0/8\", \"::1\"]\ndeny = [\"10.1.2.3\"]");
    let shown = |networks: &[ipnet::IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&listener.allow), ["10.0.0.0/8", "::1/128"]);
    assert_eq!(shown(&listener.deny), ["10.1.2.3/32"]);
    check_http(
        "allow = [\"::1\", \"10.1.2.3/8\"]",
        "4:17: listener.allow is \"10.1.2.3/8\": the network is 10.0.0.0/8, and the address alone is 10.1.2.3",
    );
    check_http("deny = \"::1\"", "4:8: listener.deny is \"::1\": it takes a list, as in [\"...\"]");
    check_http(
        "deny = [\"localhost\"]",
        "4:9: listener.deny is \"localhost\": a network is an address and its bits, such as 10.0.0.0/8 or \
         2001:db8::/32, or one address",
    );
    let many = "\"::1\", ".repeat(4097);
    check_http(
        "allow = []",
        "4:9: listener.allow is empty: name the networks that may come, or leave it out where all may",
    );
    check_http(&format!("allow = [{many}]"), "4:9: listener.allow has 4097 entries: the most is 4096");
    let unix = "[[listener]]\naddress = \"unix:/t\"\nallow = [\"::1\"]\n";
    check(
        unix,
        "t.toml:3:9: listener.allow is for peers with an address, which those of unix:/t do not have without \
         proxy_protocol",
    );
    assert!(load(&format!("{unix}proxy_protocol = true")).is_ok());
}

#[test]
fn web_settings_that_cannot_be() {
    let wanted = "an origin is written as browsers send it, such as https://example.org or http://localhost:3000, in \
                  lower case, without a path and without the scheme's own port; or same-origin, or *";
    check_http(
        "origins = [\"*\", \"example.org\"]",
        &format!("4:11: listener.origins names \"example.org\": {wanted}"),
    );
    check_http("origins = [\"*\", \"*\"]", "4:11: listener.origins names \"*\" twice");
    check_http(
        "subprotocols = [\"a b\"]",
        "4:16: listener.subprotocols names \"a b\": a subprotocol is a token, such as chat or v2.example.org",
    );
    check_http("subprotocols = [\"a\", \"b\", \"a\"]", "4:16: listener.subprotocols names \"a\" twice");
    assert!(one("origins = []").origins.is_empty());
    assert_eq!(one("").origins, ["same-origin"]);
    let admin = "[[listener]]\naddress = \"unix:/t\"\nservice = \"admin\"\n";
    for (line, column) in [("origins = [\"*\"]", 11), ("subprotocols = [\"a\"]", 16), ("deflate = true", 11)]
    {
        let key = line.split(' ').next().unwrap();
        let sentence =
            format!("t.toml:4:{column}: listener.{key} is for the service http, and unix:/t serves admin");
        check(&format!("{admin}{line}"), &sentence);
    }
    assert!(load(admin).unwrap().listeners[0].origins.is_empty());
    check_http(
        "deflate_context = true",
        "4:19: listener.deflate_context is true, and nothing is compressed: write deflate = true",
    );
}

#[test]
fn datagrams_have_no_streams_services() {
    let udp = |line: &str, sentence: &str| {
        let text = format!("[[listener]]\naddress = \"udp://[::1]:1\"\n{line}");
        check(
            &text,
            &format!("t.toml:{sentence} for tcp:// and unix: addresses, and this one is udp://[::1]:1"),
        );
    };
    udp("service = \"http\"", "3:11: listener.service is http, which is");
    udp("service = \"admin\"", "3:11: listener.service is admin, which is");
    udp("tls.self_signed = true", "3:1: listener.tls is");
    udp("proxy_protocol = true", "3:18: listener.proxy_protocol is");
}

#[test]
fn the_words_of_a_flag_are_told_in_the_files_own() {
    let address = |word: &str, sentence: &str| {
        let text = format!("[[listener]]\naddress = \"{word}\"");
        check(
            &text,
            &format!(
                "t.toml:2:11: listener.address is \"{word}\": that is for --listen; here, write {sentence}"
            ),
        );
    };
    address("http://[::]:80", "address = \"tcp://[::]:80\", service = \"http\"");
    address("tls://[::]:1", "address = \"tcp://[::]:1\", service = \"echo\" and a table [listener.tls]");
    address("admin+unix:/t", "address = \"unix:/t\", service = \"admin\"");
    check(
        "[[listener]]\naddress = \"ws://[::]:80\"",
        "t.toml:2:11: listener.address is \"ws://[::]:80\": an address begins with tcp://, udp:// or unix:, as in \
         tcp://127.0.0.1:7000",
    );
}

#[test]
fn an_admin_service_is_not_open_to_other_hosts() {
    let admin = |address: &str, more: &str| {
        format!("[[listener]]\naddress = \"{address}\"\nservice = \"admin\"\n{more}")
    };
    for address in ["tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://192.0.2.1:1"] {
        check(
            &admin(address, ""),
            &format!(
                "t.toml:2:11: listener.address is {address}, where other hosts could read what is for operators: add \
                 [listener.auth] in a file, or listen at 127.0.0.1, [::1] or a Unix socket"
            ),
        );
        assert!(load(&admin(address, "auth.tokens = \"t\"")).is_ok());
    }
    for address in ["tcp://127.0.0.1:1", "tcp://127.9.9.9:1", "tcp://[::1]:1", "unix:/t"] {
        assert!(load(&admin(address, "")).is_ok(), "{address}");
    }
}

/// What the grammar of the file refuses, a program cannot say either.
#[test]
fn fields_of_listeners_that_cannot_be() {
    let check = |change: fn(&mut Listener), sentence: &str| {
        let mut listener = unusual_https();
        change(&mut listener);
        let config = Config { listeners: vec![listener], ..Config::default() };
        assert_eq!(config.validate_on(&CORES).unwrap_err().to_string(), sentence);
    };
    check(
        |one| one.allow = vec!["10.1.2.3/8".parse().unwrap()],
        "listener.allow names 10.1.2.3/8: the network is 10.0.0.0/8, and the address alone is 10.1.2.3",
    );
    check(
        |one| one.tls = Some(Tls::default()),
        "listener.tls has no certificate: add certificate and key, or self_signed = true for a first try",
    );
    check(
        |one| one.auth = Some(Auth::default()),
        "listener.auth names nothing to check requests by: add tokens, jwt_secret, jwt_keys or jwks, each with a file",
    );
    check(
        |one| one.tls.as_mut().unwrap().client_ca = Some(PathBuf::new()),
        "listener.tls.client_ca is \"\": it takes the path of a file",
    );
    check(
        |one| {
            let name = std::os::unix::ffi::OsStringExt::from_vec(b"/\xff".to_vec());
            one.auth.as_mut().unwrap().jwks = Some(std::ffi::OsString::into(name));
        },
        "listener.auth.jwks is \"/\\xFF\", which is not UTF-8: a configuration can only name files that are",
    );
    check(
        |one| one.service = ServiceName::Echo,
        "listener.auth is for the services http, admin and nats, and tcp://[::]:443 serves echo",
    );
    check(
        |one| one.mode = Some(0o600),
        "listener.mode is for Unix sockets only, and the address is tcp://[::]:443",
    );
}
