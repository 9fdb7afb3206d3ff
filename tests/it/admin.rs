//! What operators and their monitoring read: figures in the format of OpenMetrics, connections, and whether all is well.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use tidemill::tls::{ClientSettings, Trust, Versions, client_config};
use tungstenite::{Message, client};

use crate::support::http::{ADMIN, Client, PAGES, configured, fetch, from, get};
use crate::support::server::Server;
use crate::support::{eventually, has_descriptors, skip, soon, streams};

const ECHO: &str = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\n";
const SECURE_PAGES: &str =
    "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\ntls = { self_signed = true }\n";

#[track_caller]
fn json(server: &Server, path: &str) -> Value {
    json_at(server.admin_address(), path)
}

#[track_caller]
fn json_at(admin: SocketAddr, path: &str) -> Value {
    let answer = fetch(admin, path);
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")), "{path}");
    serde_json::from_slice(&answer.body).expect("it is JSON")
}

/// The connections on a page of `/connz`.
#[track_caller]
fn rows(page: &Value) -> &[Value] {
    page["connections"].as_array().expect("there is a list")
}

// --- Figures -----------------------------------------------------------------------------------------------------

/// The samples of a text in the format of OpenMetrics 1.0, by the name with its labels. Whatever that text may not have
/// is a failure: the grammar is that of the specification's section on the text format.
#[track_caller]
fn samples(text: &str) -> HashMap<String, f64> {
    let body =
        text.strip_suffix("# EOF\n").expect("it ends with # EOF and a line end, and with nothing more");
    assert!(body.ends_with('\n') && !text.contains('\r'));
    let mut families = HashSet::new();
    let mut family = ("", "");
    let mut samples = HashMap::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').expect("a descriptor has a name");
            let (name, what) = rest.split_once(' ').expect("and something to say");
            match word {
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram"].contains(&what) && is_name(name), "{line}");
                    assert!(family.0 == name && family.1.is_empty() || families.insert(name), "{line}");
                    family = (name, what);
                }
                "HELP" => assert!(!what.is_empty() && (family.0 == name || families.insert(name)), "{line}"),
                _ => panic!("no such descriptor: {line}"),
            }
            family = if word == "HELP" && family.0 != name { (name, "") } else { family };
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
            let (name, labels) =
                series.split_once('{').map_or((series, None), |(name, rest)| (name, Some(rest)));
            let suffixes = match family.1 {
                "counter" => &["_total"][..],
                "histogram" => &["_bucket", "_count", "_sum"],
                _ => &[""],
            };
            let is_expected = suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(family.0));
            assert!(is_expected && is_name(name), "{line} in {family:?}");
            assert!(labels.is_none_or(are_labels), "{line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(value.is_finite() && 0.0 <= value, "{line}");
            assert!(samples.insert(series.to_owned(), value).is_none(), "it stands there twice: {line}");
        }
    }
    samples
}

/// What all series of a name come to.
fn sum(samples: &HashMap<String, f64>, name: &str) -> f64 {
    let series =
        samples.iter().filter(|(series, _)| series.split_once('{').is_some_and(|(base, _)| base == name));
    series.map(|(_, value)| value).sum()
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// What stands behind the brace: names with quoted values, and the brace at the end. Our values need no escapes.
fn are_labels(text: &str) -> bool {
    let is_label = |label: &str| {
        let value =
            label.split_once("=\"").and_then(|(name, rest)| is_name(name).then_some(rest.strip_suffix('"')?));
        value.is_some_and(|value| !value.contains(['"', '\\', '\n', ',']))
    };
    text.strip_suffix('}').is_some_and(|labels| labels.split(',').all(is_label))
}

/// The figures are in the format of OpenMetrics, no counter ever falls, and what happens is counted.
#[test]
fn the_figures_are_openmetrics_and_grow() {
    let server = configured("", &[PAGES, ADMIN]);
    let read = || {
        let answer = fetch(server.admin_address(), "/metrics");
        let media = answer.field("content-type").expect("there is one");
        assert_eq!(media, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        samples(answer.text())
    };
    let before = read();
    assert!(60 < before.len(), "{before:#?}");
    let mut client = Client::to(server.http_address());
    let mut last = before.clone();
    for round in 1..=5_u8 {
        assert_eq!(client.get("/healthz").status, 200);
        assert_eq!(client.get("/nothing").status, 404);
        let now = read();
        for (name, value) in now.iter().filter(|(name, _)| name.contains("_total")) {
            assert!(last[name] <= *value, "{name} fell from {} to {value}", last[name]);
        }
        let grown = |name: &str| now[name] - before[name];
        let round = f64::from(round);
        assert_eq!(
            sum(&now, "tidemill_connections_accepted_total"),
            1.0 + sum(&before, "tidemill_connections_accepted_total")
        );
        assert_eq!(grown("tidemill_http_requests_total"), 2.0 * round);
        assert_eq!(grown("tidemill_http_answers_total{status=\"2xx\"}"), round);
        assert_eq!(grown("tidemill_http_answers_total{status=\"4xx\"}"), round);
        assert_eq!(sum(&now, "tidemill_connections_open"), 1.0);
        last = now;
    }
    assert!(last.contains_key("process_cpu_seconds_total"), "{last:#?}");
    assert!(0.0 < last["process_resident_memory_bytes"], "{last:#?}");
    // The public page has the same figures, of the last second or so, but for those of the process and its configuration.
    let public = samples(fetch(server.http_address(), "/metrics").text());
    let is_missing = |name: &str| {
        let is_elsewhere = ["process_", "tidemill_config_"].iter().any(|group| name.starts_with(group));
        name.contains("_min") || name.contains("_longest_") || is_elsewhere
    };
    assert!(last.keys().all(|name| public.contains_key(name) || is_missing(name)));
    drop(client);
    server.stop_clean();
}

/// The same figures for programs, with what the server is.
#[test]
fn varz_says_what_the_server_is() {
    let server = configured("", &[PAGES, ADMIN]);
    assert_eq!(fetch(server.http_address(), "/healthz").status, 200);
    eventually("it is counted", || json(&server, "/varz")["counters"]["closed"] == 1);
    let varz = json(&server, "/varz");
    assert_eq!(varz["version"], env!("CARGO_PKG_VERSION"));
    assert!(varz["process"].is_u64() && varz["uptime_seconds"].is_u64(), "{varz:#}");
    let number = |name: &str| varz[name].as_u64().unwrap_or_else(|| panic!("{name}: {varz:#}"));
    assert_eq!(number("uptime_micros") / 1_000_000, number("uptime_seconds"));
    assert!(0 < number("process_resident_bytes") && varz["process_cpu_micros"].is_u64());
    let shard = &varz["shards"][0];
    assert_eq!(shard["receive_buffers"], shard["receive_buffers_free"], "nobody sends");
    assert!(0 < shard["cpu_micros"].as_u64().expect("a number"), "{shard:#}");
    let windows =
        ["1s", "10s", "60s"].map(|seconds| shard[format!("turn_longest_{seconds}_micros")].as_u64());
    assert!(windows.is_sorted() && windows[2].is_some_and(|longest| 0 < longest), "{shard:#}");
    let engine = varz["engine"].as_str().expect("a text");
    let by = if engine.starts_with("epoll ") { "shards_epoll" } else { "shards_uring" };
    assert!(engine.starts_with("epoll ") || engine.starts_with("uring "), "{engine}");
    assert_ne!(varz["counters"][by], 0, "{varz:#}");
    assert_eq!((&varz["counters"]["accepted"], &varz["counters"]["http_requests"]), (&1.into(), &1.into()));
    let listeners: Vec<&str> =
        varz["listeners"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let expected =
        [format!("http://{}", server.http_address()), format!("admin://{}", server.admin_address())];
    assert_eq!(listeners, expected);
    server.stop_clean();
}

// --- Connections -------------------------------------------------------------------------------------------------

/// A connection behind TLS that asks for a page which takes its time.
#[track_caller]
fn secure(server: &Server) -> StreamOwned<ClientConnection, TcpStream> {
    let settings = ClientSettings {
        trust: Trust::Anybody,
        alpn: vec![b"http/1.1".to_vec()],
        versions: Versions::V1_3AndLater,
        resumption: false,
    };
    let config = client_config(&settings).expect("the settings are right");
    let name = ServerName::try_from("localhost").expect("it is a name");
    let connection = ClientConnection::new(Arc::clone(&config), name).expect("the name is right");
    let mut stream = StreamOwned::new(connection, streams::tcp(server.https_address()));
    stream.write_all(get("/healthz").as_bytes()).expect("the server reads");
    stream.read_exact(&mut [0; 15]).expect("it answers");
    stream
}

/// Each connection has a row that tells who it is, what is spoken, and how much has passed and waits.
#[test]
fn each_connection_has_its_row() {
    let server = configured("stall_timeout = \"5m\"", &[PAGES, ECHO, SECURE_PAGES, ADMIN]);
    let mut echo = from(Ipv4Addr::new(127, 0, 0, 5).into(), server.tcp_address());
    streams::ping(&mut echo, &[b'x'; 1000]);
    let url = format!("ws://{}/ws", server.http_address());
    let (mut socket, _) = client(url, streams::tcp(server.http_address())).expect("it is a WebSocket");
    socket.send(Message::text("hello")).expect("it is taken");
    assert_eq!(socket.read().expect("it comes back"), Message::text("hello"));
    let secured = secure(&server);
    let mut reads_not: Client = streams::tcp_with_buffers(server.http_address(), 32 * 1024).into();
    reads_not.send(get("/bytes/100000000"));
    server.await_paused_sending();
    let page = json(&server, "/connz");
    assert_eq!(
        (&page["total"], &page["offset"], &page["limit"], &page["count"]),
        (&4.into(), &0.into(), &100.into(), &4.into())
    );
    let row = |stream: &TcpStream| {
        let address = stream.local_addr().expect("it is connected").to_string();
        let row = rows(&page).iter().find(|row| row["address"] == address.as_str());
        let row = row.unwrap_or_else(|| panic!("{address} is missing: {page:#}"));
        let (age, idle) = (row["age_seconds"].as_f64(), row["idle_seconds"].as_f64());
        assert!(idle.expect("a number") <= age.expect("a number"), "{row:#}");
        row
    };
    let check = |row: &Value, protocol: &str, tls: Value| {
        assert_eq!(
            (&row["protocol"], &row["tls"], &row["state"]),
            (&protocol.into(), &tls, &"open".into()),
            "{row:#}"
        );
    };
    let echoed = row(&echo);
    check(echoed, "echo", Value::Null);
    assert_eq!((&echoed["bytes_received"], &echoed["bytes_sent"]), (&1000.into(), &1000.into()));
    assert_eq!(echoed["pending_bytes"], 0);
    check(row(socket.get_ref()), "websocket", Value::Null);
    check(row(&secured.sock), "http", "TLS 1.3".into());
    let stalled = row(&reads_not.stream);
    check(stalled, "http", Value::Null);
    assert!(0 < stalled["pending_bytes"].as_u64().expect("a number"), "{stalled:#}");
    let first = json(&server, "/connz?sort=pending&limit=1");
    assert_eq!((rows(&first).len(), &rows(&first)[0]["id"]), (1, &stalled["id"]));
    drop((echo, socket, secured, reads_not));
    eventually("all are gone", || json(&server, "/connz")["total"] == 0);
    server.stop_clean();
}

/// 250 connections, over two shards, come in pages that neither overlap nor leave one out, in each order.
#[test]
fn pages_of_connections_do_not_overlap() {
    if !has_descriptors(300) {
        return skip("300 connections need more descriptors than this process may have");
    }
    let server = Server::listen(&["tcp://127.0.0.1:0", "admin://127.0.0.1:0"], &["--shards", "2"]);
    let mut clients: Vec<TcpStream> = (0..250).map(|_| streams::tcp(server.tcp_address())).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        // Some are alike, for the orders' sake.
        streams::ping(client, &vec![b'x'; 1 + number % 7]);
    }
    let mine: HashSet<String> =
        clients.iter().map(|client| client.local_addr().expect("it is connected").to_string()).collect();
    eventually("all are there", || json(&server, "/connz?limit=1")["total"] == 250);
    for order in ["bytes_received", "bytes_sent", "address", "pending", "age", "pace"] {
        let mut found = Vec::new();
        for offset in (0..300).step_by(60) {
            let page = json(&server, &format!("/connz?sort={order}&limit=60&offset={offset}"));
            assert_eq!(page["total"], 250);
            assert_eq!(rows(&page).len(), 60.min(250_usize.saturating_sub(offset)), "{order} {offset}");
            found.extend(rows(&page).to_vec());
        }
        let addresses: HashSet<String> =
            found.iter().filter_map(|row| row["address"].as_str()).map(str::to_owned).collect();
        assert!(found.len() == 250 && addresses == mine, "{order}: {} different", addresses.len());
        let keys: Vec<f64> = found.iter().filter_map(|row| row[order].as_f64()).collect();
        assert!(keys.is_sorted_by(|one, other| one >= other), "{order}");
    }
    assert_eq!(rows(&json(&server, "/connz?limit=1000&offset=1000")).len(), 0);
    drop(clients);
    server.stop_clean();
}

/// The busiest is not who has most bytes since its beginning: a newcomer with few goes before it.
#[test]
fn the_busiest_connections_come_first() {
    let server = Server::listen(&["tcp://127.0.0.1:0", "admin://127.0.0.1:0"], &["--shards", "2"]);
    let [mut old, mut newcomer] = [(); 2].map(|()| streams::tcp(server.tcp_address()));
    streams::ping(&mut old, &[b'x'; 100_000]);
    streams::ping(&mut newcomer, b"hello");
    let first = |order: &str| rows(&json(&server, &format!("/connz?sort={order}&limit=1")))[0].clone();
    let address = |stream: &TcpStream| stream.local_addr().expect("it is connected").to_string();
    let look = first("pace");
    assert_eq!((&look["address"], &look["bytes_sent_per_second"]), (&address(&old).into(), &Value::Null));
    streams::ping(&mut newcomer, &[b'x'; 10_000]);
    // Once the first look is old enough to be compared with.
    let mut look = Value::Null;
    eventually("it has a pace", || {
        look = first("pace");
        !look["bytes_sent_per_second"].is_null()
    });
    assert_eq!(look["address"], address(&newcomer));
    let pace = look["bytes_sent_per_second"].as_u64().expect("it is a number");
    assert!(0 < pace && pace <= 20_000, "10,000 bytes in half a second or more: {pace}");
    assert_eq!(first("bytes_sent")["address"], address(&old));
    drop((old, newcomer));
    server.stop_clean();
}

/// A query that is not understood is answered with 400 and a sentence.
#[test]
fn a_wrong_query_is_refused() {
    let server = configured("", &[PAGES, ADMIN]);
    let mut client = Client::to(server.admin_address());
    for query in [
        "sort=size",
        "sort=",
        "sort",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=y",
        "offset=1048577",
        "offset=-1",
        "page=2",
        "%zz=1",
        "limit=%3",
        "limit=99999999999999999999",
    ] {
        let answer = client.get(&format!("/connz?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().ends_with(".\n"), "{query}: {}", answer.text());
    }
    for query in ["", "sort=age", "sort=%61ge", "limit=1000&offset=1048576", "&&"] {
        assert_eq!(client.get(&format!("/connz?{query}")).status, 200, "{query}");
    }
    drop(client);
    server.stop_clean();
}

// --- Health, and who may look ------------------------------------------------------------------------------------

/// The operators' pages, their methods, and what is not there.
#[test]
fn operators_have_their_pages() {
    let server = configured("", &[PAGES, ADMIN]);
    let mut client = Client::to(server.admin_address());
    for (path, status) in [
        ("/", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/varz", 200),
        ("/connz", 200),
        ("/ws", 404),
        ("/echo", 404),
        ("/bytes/5", 404),
        ("/delay/5", 404),
        ("/connz/", 404),
    ] {
        assert_eq!(client.get(path).status, status, "{path}");
        client.send(get(path).replace("GET", "POST"));
        let answer = client.answer();
        let expected = if status == 200 { (405, Some("GET, HEAD")) } else { (404, None) };
        assert_eq!((answer.status, answer.field("allow")), expected, "POST {path}");
    }
    assert_eq!(client.get("/healthz").text(), "ok\n");
    assert_eq!(client.get("/readyz").text(), "ready\n");
    assert!(client.get("/").text().contains("/connz?sort=pending"));
    drop(client);
    server.stop_clean();
}

/// What is for operators is not on the public port.
#[test]
fn the_public_port_has_nothing_for_operators() {
    let server = configured("", &[PAGES, ADMIN]);
    let mut client = Client::to(server.http_address());
    for path in ["/connz", "/varz", "/connz?limit=1", "//connz", "/./varz", "http://127.0.0.1:9180/connz"] {
        assert_eq!(client.get(path).status, 404, "{path}");
    }
    drop(client);
    server.stop_clean();
}

/// Operators are answered while the only shard has all it can do, and see who does that.
#[test]
fn operators_are_answered_while_the_shard_is_busy() {
    let server = configured("", &[ECHO, ADMIN]);
    let (address, admin) = (server.tcp_address(), server.admin_address());
    let floods: Vec<TcpStream> = (0..4).map(|_| streams::tcp(address)).collect();
    let (flows, looked) = std::thread::scope(|scope| {
        for flood in &floods {
            scope.spawn(move || {
                let bytes = [0x55; 64 * 1024];
                while (&mut &*flood).write_all(&bytes).is_ok() {}
            });
            scope.spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while (&mut &*flood).read(&mut buffer).is_ok_and(|count| 0 < count) {}
            });
        }
        let looks = scope.spawn(move || {
            let sent = || json_at(admin, "/varz")["counters"]["bytes_sent"].as_u64();
            let flows = soon(|| Some(8 << 20) < sent());
            for _ in 0..10 {
                assert_eq!(json_at(admin, "/connz?sort=bytes_sent")["total"], 4);
                assert_eq!(fetch(admin, "/readyz").status, 200);
            }
            flows
        });
        let looked = looks.join();
        for flood in &floods {
            flood.shutdown(Shutdown::Both).expect("it is connected");
        }
        (looked.as_ref().is_ok_and(|flows| *flows), looked.is_ok())
    });
    assert!(flows && looked);
    server.stop_clean();
}
