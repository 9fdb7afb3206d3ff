//! Every protocol against Tidemill itself, with and without TLS.

use std::fs;
use std::sync::Arc;

use serde_json::Value;
use tidemill::config::{CertificateFiles, Config, Listener, ServiceName, Tls};
use tidemill::metrics::board::Board;
use tidemill::server::Server;
use tidemill::service::house::{Behind, House};
use tidemill::service::http::Settings;
use tidemill::sys::address::Listen;

use super::servers::{Habit, Place, tcp};
use super::{number, result, run};

/// A server on a free port, and what stands behind the scheme in its URL. It ends when it is dropped.
fn serve(service: ServiceName, tls: Option<Tls>) -> (Server, String) {
    let listen = "tcp://127.0.0.1:0".parse().unwrap();
    let listener = Listener { tls, ..Listener::new(listen, service) };
    let config = Config { listeners: vec![listener], shards: Some(1), ..Config::default() };
    let behind =
        if service == ServiceName::Echo { Behind::Echo } else { Behind::Http(Arc::new(Settings::default())) };
    let board = Arc::new(Board::new(1));
    let make = move |_| House::new(std::slice::from_ref(&behind), &[], Arc::clone(&board));
    let server = Server::start(&config, make).unwrap();
    let Listen::Tcp(address) = server.addresses()[0] else { panic!("it listens on TCP") };
    (server, address.to_string())
}

fn self_signed() -> Option<Tls> {
    Some(Tls { self_signed: true, ..Tls::default() })
}

/// TLS handshakes that were completed, all with TLS 1.3.
fn handshakes(json: &Value) -> u64 {
    let agreed = json["tls"]["handshakes"].as_object().unwrap();
    assert!(agreed.keys().all(|name| name.starts_with("TLS 1.3 with ")), "{json}");
    agreed.values().map(|count| count.as_u64().unwrap()).sum()
}

/// A run of `messages` comes to exactly these numbers.
fn check_exact(url: &str, line: &str, messages: u64, verified: u64) -> Value {
    let (code, json) = result(url, &format!("{line} --count {messages}"));
    let what = format!("{url} {line}: {json}");
    assert_eq!(code, 0, "{what}");
    for key in ["counts.sent", "counts.received", "throughput.answers"] {
        assert_eq!(number(&json, key), messages, "{key} of {what}");
    }
    for key in ["counts.outstanding", "counts.verification_errors", "counts.reconnects", "counts.repeated"] {
        assert_eq!(number(&json, key), 0, "{key} of {what}");
    }
    assert_eq!(number(&json, "counts.verified_bytes"), verified, "{what}");
    assert_eq!(number(&json, "latency.response.count"), messages, "{what}");
    assert!(json["counts"]["errors"].as_object().unwrap().values().all(|count| count == 0), "{what}");
    json
}

#[test]
fn every_http_answer_is_counted() {
    let (_server, host) = serve(ServiceName::Http, None);
    let url = |path: &str| format!("http://{host}{path}");
    for (line, messages) in [("-c 1", 50), ("-c 3 -d 16", 1000), ("-c 2 -d 200", 1000)] {
        let json = check_exact(&url("/bytes/13"), line, messages, 0);
        assert_eq!(
            (number(&json, "throughput.body_bytes"), json["config"]["protocol"].as_str()),
            (13, Some("http/1.1"))
        );
    }
    let json = check_exact(&url("/bytes/300000"), "-c 2 -d 3", 20, 0);
    assert_eq!(number(&json, "throughput.body_bytes"), 300_000);
    check_exact(&url("/bytes/0"), "-c 2 -d 3", 20, 0);
    check_exact(&url(""), "-c 2 -d 3", 20, 0);
}

#[test]
fn http_content_comes_back() {
    let (_server, host) = serve(ServiceName::Http, None);
    let url = format!("http://{host}/echo");
    check_exact(&url, "-c 1", 100, 100 * 64);
    check_exact(&url, "-c 3 -d 16 -s 1", 500, 500);
    check_exact(&url, "-c 3 -d 4 -s 100000", 40, 4_000_000);
    check_exact(&url, "-c 3 -d 4 -s 10 --no-verify", 40, 0);
}

#[test]
fn websocket_messages_come_back() {
    let (_server, host) = serve(ServiceName::Http, None);
    let url = format!("ws://{host}");
    let json = check_exact(&url, "-c 1", 100, 100 * 64);
    assert_eq!(
        (json["config"]["url"].as_str(), json["config"]["protocol"].as_str()),
        (Some(&*format!("{url}/ws")), Some("websocket"))
    );
    check_exact(&url, "-c 3 -d 16 -s 125", 500, 500 * 125);
    check_exact(&url, "-c 3 -d 16 -s 126", 500, 500 * 126);
    check_exact(&url, "-c 3 -d 4 -s 100000", 40, 4_000_000);
}

#[test]
fn everything_works_behind_tls() {
    let (_echo, echo) = serve(ServiceName::Echo, self_signed());
    let (_http, http) = serve(ServiceName::Http, self_signed());
    for (url, verified) in [
        (format!("tls://{echo}"), 200 * 64),
        (format!("https://{http}/bytes/20000"), 0),
        (format!("https://{http}/echo"), 200 * 64),
        (format!("wss://{http}"), 200 * 64),
    ] {
        let json = check_exact(&url, "-c 3 -d 5 --insecure", 200, verified);
        let tls = &json["tls"];
        assert_eq!((tls["insecure"].as_bool(), handshakes(&json)), (Some(true), 3));
        assert_eq!(number(tls, "resumed"), 0, "{json}");
        assert_eq!(number(&json, "latency.handshake.count"), 3, "{json}");
    }
    check_exact(&format!("tls://{echo}"), "-c 2 -d 2 --insecure -s 100000", 40, 4_000_000);
    check_exact(&format!("wss://{http}"), "-c 2 -d 2 --insecure -s 100000", 40, 4_000_000);
}

#[test]
fn each_message_may_have_a_connection_of_its_own() {
    let plain = |service| serve(service, None);
    let secure = |service| serve(service, self_signed());
    let (echo, http) = (plain(ServiceName::Echo), plain(ServiceName::Http));
    let (tls, https) = (secure(ServiceName::Echo), secure(ServiceName::Http));
    for (url, verified, line) in [
        (format!("tcp://{}", echo.1), 64, ""),
        (format!("http://{}/bytes/5", http.1), 0, ""),
        (format!("http://{}/echo", http.1), 64, ""),
        (format!("ws://{}", http.1), 64, ""),
        (format!("tls://{}", tls.1), 64, "--insecure"),
        (format!("https://{}/echo", https.1), 64, "--insecure"),
        (format!("wss://{}", https.1), 64, "--insecure"),
    ] {
        let json = check_exact(&url, &format!("-c 4 --reconnect {line}"), 100, 100 * verified);
        assert_eq!(number(&json, "counts.dialed"), 100, "{json}");
        assert_eq!(json["throughput"]["connections_per_second"], json["throughput"]["requests_per_second"]);
        if !line.is_empty() {
            assert_eq!((handshakes(&json), number(&json["tls"], "resumed")), (100, 0));
        }
    }
}

#[test]
fn sessions_are_resumed_when_it_is_asked_for() {
    let (_server, host) = serve(ServiceName::Http, self_signed());
    let url = format!("https://{host}/bytes/5");
    let json = check_exact(&url, "-c 1 --reconnect --insecure --tls-resumption on", 20, 0);
    assert_eq!((handshakes(&json), number(&json["tls"], "resumed")), (20, 19), "{json}");
}

#[test]
fn the_server_s_certificate_is_checked() {
    let places = (Place::new("cert.pem"), Place::new("key.pem"), Place::new("other.pem"));
    let make = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (own, other) = (make(), make());
    fs::write(places.0.path(), own.cert.pem()).unwrap();
    fs::write(places.1.path(), own.signing_key.serialize_pem()).unwrap();
    fs::write(places.2.path(), other.cert.pem()).unwrap();
    let files = CertificateFiles { certificate: places.0.path().into(), key: places.1.path().into() };
    let (_server, host) = serve(ServiceName::Echo, Some(Tls { certificates: vec![files], ..Tls::default() }));
    let url = format!("tls://{host}");

    let json = check_exact(&url, &format!("-c 2 --tls-ca {}", places.0.path()), 20, 20 * 64);
    assert_eq!(json["tls"]["insecure"], false);
    let distrusting = run(&url, &format!("-c 2 --count 1 --tls-ca {}", places.2.path()));
    assert_eq!((distrusting.code, distrusting.stdout.as_str()), (3, ""), "{}", distrusting.stderr);
    assert!(
        distrusting.stderr.starts_with(&format!("loadgen: {url}: connection ")),
        "{}",
        distrusting.stderr
    );
    assert!(distrusting.stderr.contains("TLS: "), "{}", distrusting.stderr);
    let missing = run(&url, "-c 2 --count 1 --tls-ca /nowhere/ca.pem");
    assert_eq!((missing.code, missing.stdout.as_str()), (3, ""));
    assert_eq!(missing.stderr, "loadgen: /nowhere/ca.pem does not exist: check the path\n");
}

#[test]
fn a_server_without_tls_is_told_apart() {
    let url = tcp(Habit::Echo).replace("tcp://", "tls://");
    let keeping = run(&url, "-c 2 --count 10 --insecure");
    assert_eq!((keeping.code, keeping.stdout.as_str()), (3, ""), "{}", keeping.stderr);
    assert!(keeping.stderr.contains("TLS: "), "{}", keeping.stderr);
    assert!(keeping.stderr.contains("Does it speak TLS there? Try: "), "{}", keeping.stderr);
    let (code, json) = result(&url, "-c 2 --count 10 --insecure --reconnect");
    assert_eq!((code, number(&json["counts"]["errors"], "tls")), (1, 2), "{json}");
}

#[test]
fn the_table_names_protocol_and_tls() {
    let (_server, host) = serve(ServiceName::Http, self_signed());
    let run = run(&format!("https://{host}/bytes/13"), "-c 2 -d 8 --count 100 --insecure");
    assert_eq!(run.code, 0, "{}", run.stderr);
    for words in [
        "\n2 connections, pipeline 8, GET of 13 B each, ",
        "\nTLS           TLS 1.3 with TLS13_AES_",
        ": 2 handshakes, 0 resumed, any certificate taken (--insecure)\n",
    ] {
        assert!(run.stdout.contains(words), "{words} is missing in\n{}", run.stdout);
    }
}
