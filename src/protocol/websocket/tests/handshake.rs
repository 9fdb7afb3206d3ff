//! The opening handshake: the examples of RFC 6455, 1.3, and RFC 7692, 7.1, and each rule that a request or a response
//! may break.

use crate::protocol::websocket::{
    Agreed, DeflateParameters, DeflateSettings, HostRule, Offer, OriginRule, Policy, Refused, Request,
    Unacceptable, accept,
};

const GET: Request<'static> = Request { method: b"GET", version: (1, 1) };
/// RFC 6455, 1.3.
const EXAMPLE: [(&str, &str); 7] = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Origin", "http://example.com"),
    ("Sec-WebSocket-Protocol", "chat, superchat"),
    ("Sec-WebSocket-Version", "13"),
];
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn policy() -> Policy {
    let origins = vec![OriginRule::parse("http://example.com").unwrap()];
    Policy { origins, subprotocols: vec![String::from("chat")], ..Policy::default() }
}

fn bytes<'a>(fields: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

/// The example with one field in another form; `None` leaves it out.
fn with<'a>(name: &'a str, values: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut fields = EXAMPLE.to_vec();
    fields.retain(|(known, _)| *known != name);
    fields.extend(values.iter().map(|value| (name, *value)));
    fields
}

fn check(name: &str, values: &[&str], expected: Option<Refused>) {
    let policy = policy();
    let result = accept(GET, bytes(&with(name, values)), &policy);
    assert_eq!(result.err(), expected, "{name}: {values:?}");
}

#[test]
fn the_example_is_accepted() {
    let policy = policy();
    let accepted = accept(GET, bytes(&EXAMPLE), &policy).unwrap();
    assert_eq!(accepted.accept_key, ACCEPT.as_bytes());
    let mut out = Vec::new();
    accepted.write_fields(&mut out);
    let expected = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn each_requirement_is_checked() {
    let policy = policy();
    let post = Request { method: b"POST", version: (1, 1) };
    assert_eq!(accept(post, bytes(&EXAMPLE), &policy), Err(Refused::Method));
    let old = Request { method: b"GET", version: (1, 0) };
    assert_eq!(accept(old, bytes(&EXAMPLE), &policy), Err(Refused::HttpVersion));
    check("Host", &[], Some(Refused::Host));
    check("Host", &["a", "b"], Some(Refused::Host));
    check("Upgrade", &[], Some(Refused::Upgrade));
    check("Upgrade", &["h2c"], Some(Refused::Upgrade));
    check("Upgrade", &["h2c, WebSocket"], None);
    check("Upgrade", &["h2c", "WEBSOCKET"], None);
    check("Connection", &[], Some(Refused::Connection));
    check("Connection", &["keep-alive"], Some(Refused::Connection));
    check("Connection", &["keep-alive, Upgrade"], None);
    check("Connection", &["keep-alive", "upgrade"], None);
    check("Sec-WebSocket-Version", &[], Some(Refused::Version));
    check("Sec-WebSocket-Version", &["8"], Some(Refused::Version));
    check("Sec-WebSocket-Version", &["013"], Some(Refused::Version));
    check("Sec-WebSocket-Version", &["13", "13"], Some(Refused::Version));
    check("Sec-WebSocket-Version", &[" 13\t"], None);
}

#[test]
fn a_key_is_sixteen_bytes_in_base64_once() {
    check("Sec-WebSocket-Key", &["AQIDBAUGBwgJCgsMDQ4PEA=="], None); // RFC 6455, 4.1.
    for bad in [
        "",
        "AQID",
        "AQIDBAUGBwgJCgsMDQ4PEA",
        "AQIDBAUGBwgJCgsMDQ4PEBE=",
        "AQIDBAUGBwgJCgsMDQ4P",
        "AQIDBAUGBwgJCgsMDQ4PEBES",
        "AQIDBAUGBwgJCgsMDQ4P_A==",
        "AQIDBAUGBwgJCgsMDQ4PE===",
        "AQIDBAUGBwgJ CgsMDQ4PEA=",
    ] {
        check("Sec-WebSocket-Key", &[bad], Some(Refused::Key));
    }
    check("Sec-WebSocket-Key", &[], Some(Refused::Key));
    let twice = ["AQIDBAUGBwgJCgsMDQ4PEA=="; 2];
    check("Sec-WebSocket-Key", &twice, Some(Refused::Key));
}

#[test]
fn pages_from_elsewhere_are_refused() {
    check("Origin", &[], None); // Not a browser.
    check("Origin", &["HTTP://EXAMPLE.com:80"], None);
    check("Origin", &["http://evil.example"], Some(Refused::Origin));
    check("Origin", &["null"], Some(Refused::Origin));
    check("Origin", &[""], Some(Refused::Origin));
    check("Origin", &["http://example.com", "http://example.com"], Some(Refused::Origin));
    let same = Policy::default();
    assert_eq!(accept(GET, bytes(&EXAMPLE), &same).err(), Some(Refused::Origin));
    let own = with("Origin", &["https://server.example.com"]);
    assert!(accept(GET, bytes(&own), &same).is_ok());
}

/// A page of a stranger whose name now leads here is of the same origin as what it asks for.
#[test]
fn names_that_strangers_may_have_given_are_refused() {
    let check = |host: &str, lines: &[(&str, &str)], hosts, expected: Option<Refused>| {
        let mut fields = with("Host", &[host]);
        fields.retain(|(name, _)| *name != "Origin");
        fields.extend(lines);
        let policy = Policy { hosts, ..Policy::default() };
        assert_eq!(accept(GET, bytes(&fields), &policy).err(), expected, "{host} {lines:?}");
    };
    let agent = ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)");
    for field in [("Origin", "http://rebind.test:8080"), ("Sec-Fetch-Site", "same-origin"), agent] {
        check("rebind.test:8080", &[field], HostRule::Own, Some(Refused::Name));
        check("rebind.test:8080", &[field], HostRule::Any, None);
    }
    check("rebind.test:8080", &[("User-Agent", "curl/8.14.1")], HostRule::Own, None);
    check("localhost:8080", &[("Origin", "http://localhost:8080"), agent], HostRule::Own, None);
    check("127.0.0.1:8080", &[("Origin", "http://evil.example")], HostRule::Own, Some(Refused::Origin));
}

#[test]
fn the_server_prefers_among_the_offered_subprotocols() {
    let choose = |ours: &[&str], offered: &[&str]| {
        let ours = ours.iter().map(|name| String::from(*name)).collect();
        let policy = Policy { subprotocols: ours, ..policy() };
        let fields = with("Sec-WebSocket-Protocol", offered);
        accept(GET, bytes(&fields), &policy).map(|accepted| accepted.subprotocol.map(str::to_owned))
    };
    let some = |name: &str| Ok(Some(name.to_owned()));
    assert_eq!(choose(&["a", "b"], &["b, a"]), some("a"));
    assert_eq!(choose(&["a", "b"], &["b", "c", "a"]), some("a"));
    assert_eq!(choose(&["a", "b"], &["c,b"]), some("b"));
    assert_eq!(choose(&["a"], &["A"]), Ok(None));
    assert_eq!(choose(&["a"], &["c"]), Ok(None));
    assert_eq!(choose(&["a"], &[]), Ok(None));
    assert_eq!(choose(&[], &["a"]), Ok(None));
    assert_eq!(choose(&["a"], &["a, b c"]), Err(Refused::Subprotocol));
    assert_eq!(choose(&["a"], &["a;b"]), Err(Refused::Subprotocol));
}

#[test]
fn refusals_have_a_status_and_its_field() {
    assert_eq!(
        (Refused::Version.status(), Refused::Version.field()),
        (426, Some(("Sec-WebSocket-Version", "13")))
    );
    assert_eq!((Refused::Upgrade.status(), Refused::Upgrade.field()), (426, Some(("Upgrade", "websocket"))));
    assert_eq!((Refused::Method.status(), Refused::Method.field()), (405, Some(("Allow", "GET"))));
    assert_eq!((Refused::Origin.status(), Refused::Origin.field()), (403, None));
    assert_eq!((Refused::Key.status(), Refused::Key.field()), (400, None));
}

/// With both take-overs, which are not ours by default.
const TAKING: DeflateSettings = DeflateSettings {
    server_context_takeover: true,
    client_context_takeover: true,
    window_bits_max: 15,
    level: 1,
    bytes_min: 0,
};

fn answer(settings: DeflateSettings, offers: &[&str]) -> Result<String, Refused> {
    let policy = Policy { deflate: Some(settings), ..policy() };
    let fields = with("Sec-WebSocket-Extensions", offers);
    let accepted = accept(GET, bytes(&fields), &policy)?;
    let mut out = Vec::new();
    accepted.write_fields(&mut out);
    let lines = String::from_utf8(out).unwrap();
    let line = lines.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    Ok(line.unwrap_or("none").to_owned())
}

#[test]
fn compression_is_negotiated_by_the_server() {
    let check = |offers: &str, expected: &str| {
        assert_eq!(answer(TAKING, &[offers]).as_deref(), Ok(expected), "{offers}");
    };
    // RFC 7692, 7.1 and 7.1.3.
    check("permessage-deflate", "permessage-deflate");
    check(
        "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10",
    );
    check(
        "permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
         permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=10",
    );
    check("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover");
    check("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover");
    check("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15");
    check("permessage-deflate; client_max_window_bits=9", "permessage-deflate; client_max_window_bits=9");
    check("permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8");
    // What cannot be kept to is declined, and the next offer is looked at.
    check("permessage-deflate; server_max_window_bits=8", "none");
    check("permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate");
    check("permessage-deflate; unknown, permessage-deflate", "permessage-deflate");
    check("permessage-deflate; server_max_window_bits", "none");
    check("permessage-deflate; server_max_window_bits=16", "none");
    check("permessage-deflate; server_no_context_takeover=1", "none");
    check("permessage-deflate; client_no_context_takeover; client_no_context_takeover", "none");
    check("x-webkit-deflate-frame, permessage-bzip2; level=9", "none");
    check("permessage-foo, permessage-deflate", "permessage-deflate");
    assert_eq!(answer(TAKING, &["x", "permessage-deflate"]).as_deref(), Ok("permessage-deflate"));
    assert_eq!(answer(TAKING, &["permessage-deflate;"]), Err(Refused::Extensions));
    assert_eq!(answer(TAKING, &["permessage-deflate", "\""]), Err(Refused::Extensions));
    assert_eq!(answer(TAKING, &[]).as_deref(), Ok("none"));
}

#[test]
fn the_servers_own_settings_are_part_of_its_answer() {
    let check = |settings: DeflateSettings, offers: &str, expected: &str| {
        assert_eq!(answer(settings, &[offers]).as_deref(), Ok(expected), "{offers}");
    };
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    check(DeflateSettings::default(), "permessage-deflate; client_max_window_bits", both);
    let small = DeflateSettings { window_bits_max: 11, ..TAKING };
    check(small, "permessage-deflate", "none"); // It would not let us limit the client.
    check(
        small,
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=11; client_max_window_bits=11",
    );
    check(
        small,
        "permessage-deflate; client_max_window_bits=15; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
    );
    check(
        small,
        "permessage-deflate; client_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=11; client_max_window_bits=9",
    );
    let policy = policy();
    let fields = with("Sec-WebSocket-Extensions", &["permessage-deflate"]);
    assert_eq!(accept(GET, bytes(&fields), &policy).unwrap().deflate, None);
}

const OFFER: Offer<'static> =
    Offer { nonce: *b"the sample nonce", subprotocols: &["chat", "superchat"], deflate: None };
const RESPONSE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", ACCEPT),
    ("Sec-WebSocket-Protocol", "chat"),
];

fn judge(offer: Offer<'static>, name: &str, values: &[&str]) -> Result<Agreed<'static>, Unacceptable> {
    let mut fields = RESPONSE.to_vec();
    fields.retain(|(known, _)| *known != name);
    fields.extend(values.iter().map(|value| (name, *value)));
    offer.verify(101, bytes(&fields))
}

#[test]
fn a_client_asks_as_in_the_example() {
    let mut out = Vec::new();
    OFFER.write_fields(&mut out);
    let expected = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_client_checks_the_response() {
    let check = |name: &str, values: &[&str], expected: Option<Unacceptable>| {
        assert_eq!(judge(OFFER, name, values).err(), expected, "{name}: {values:?}");
    };
    let agreed = OFFER.verify(101, bytes(&RESPONSE));
    assert_eq!(agreed, Ok(Agreed { subprotocol: Some("chat"), deflate: None }));
    assert_eq!(OFFER.verify(200, bytes(&RESPONSE)), Err(Unacceptable::Status(200)));
    check("Upgrade", &[], Some(Unacceptable::Upgrade));
    check("Upgrade", &["h2c"], Some(Unacceptable::Upgrade));
    check("Upgrade", &["WebSocket"], None);
    check("Connection", &["close"], Some(Unacceptable::Connection));
    check("Connection", &["upgrade"], None);
    check("Sec-WebSocket-Accept", &[], Some(Unacceptable::AcceptKey));
    check("Sec-WebSocket-Accept", &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo"], Some(Unacceptable::AcceptKey));
    check("Sec-WebSocket-Accept", &["S3pPLMBiTxaQ9kYGzzhZRbK+xOo="], Some(Unacceptable::AcceptKey));
    check("Sec-WebSocket-Accept", &[" s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "], None);
    check("Sec-WebSocket-Protocol", &[], None);
    check("Sec-WebSocket-Protocol", &["superchat"], None);
    check("Sec-WebSocket-Protocol", &["other"], Some(Unacceptable::Subprotocol));
    check("Sec-WebSocket-Protocol", &["chat", "chat"], Some(Unacceptable::Subprotocol));
    check("Sec-WebSocket-Extensions", &["permessage-deflate"], Some(Unacceptable::Extension));
    check("Sec-WebSocket-Extensions", &["foo"], Some(Unacceptable::Extension));
}

#[test]
fn a_client_checks_what_was_agreed_about_compression() {
    let small = DeflateSettings { window_bits_max: 11, server_context_takeover: false, ..TAKING };
    let check = |settings: DeflateSettings, value: &str, expected: Option<DeflateParameters>| {
        let offer = Offer { deflate: Some(settings), ..OFFER };
        let result = judge(offer, "Sec-WebSocket-Extensions", &[value]);
        let expected = expected.ok_or(Unacceptable::Extension);
        assert_eq!(result.map(|agreed| agreed.deflate.unwrap()), expected, "{value}");
    };
    let parameters = |server_forgets, client_forgets, server_bits, client_bits| {
        Some(DeflateParameters {
            server_no_context_takeover: server_forgets,
            client_no_context_takeover: client_forgets,
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits,
        })
    };
    check(TAKING, "permessage-deflate", parameters(false, false, None, None));
    check(TAKING, "permessage-deflate; server_no_context_takeover", parameters(true, false, None, None));
    check(TAKING, "permessage-deflate; client_no_context_takeover", parameters(false, true, None, None));
    check(TAKING, "permessage-deflate; client_max_window_bits=10", parameters(false, false, None, Some(10)));
    check(TAKING, "permessage-deflate; server_max_window_bits=8", parameters(false, false, Some(8), None));
    check(TAKING, "permessage-deflate; client_max_window_bits", None);
    check(TAKING, "permessage-deflate; unknown", None);
    check(TAKING, "permessage-deflate, permessage-deflate", None);
    check(TAKING, "permessage-deflate;", None);
    let answered = "permessage-deflate; server_no_context_takeover; server_max_window_bits=11";
    check(small, answered, parameters(true, false, Some(11), Some(11)));
    check(small, "permessage-deflate; server_max_window_bits=11", None); // We asked to have the window forgotten.
    check(small, "permessage-deflate; server_no_context_takeover", None); // We asked for a smaller one.
    check(small, "permessage-deflate; server_no_context_takeover; server_max_window_bits=12", None);
}

#[test]
fn our_two_halves_understand_each_other() {
    for window_bits_max in 8..=16 {
        for takeovers in 0..4 {
            let settings = DeflateSettings {
                server_context_takeover: takeovers & 1 != 0,
                client_context_takeover: takeovers & 2 != 0,
                window_bits_max,
                ..TAKING
            };
            let offer = Offer { deflate: Some(settings), ..OFFER };
            let mut out = Vec::new();
            offer.write_fields(&mut out);
            let request = String::from_utf8(out).unwrap() + "Host: here\r\n";
            let fields: Vec<_> = request.lines().map(|line| line.split_once(": ").unwrap()).collect();
            let policy = Policy { deflate: Some(settings), ..policy() };
            let accepted = accept(GET, bytes(&fields), &policy).unwrap();
            let mut out = Vec::new();
            accepted.write_fields(&mut out);
            let response = String::from_utf8(out).unwrap();
            let fields: Vec<_> = response.lines().map(|line| line.split_once(": ").unwrap()).collect();
            let agreed = offer.verify(101, bytes(&fields)).unwrap();
            assert_eq!(agreed.subprotocol, Some("chat"));
            assert_eq!(agreed.deflate, accepted.deflate);
            assert!(agreed.deflate.is_some());
        }
    }
}
