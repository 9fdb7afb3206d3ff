//! What the RFCs say of each request: which is read, and which is refused for what.

use super::*;

#[test]
fn good_requests_are_read() {
    accepted("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET Origin / host=a");
    accepted("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET Origin / host=a");
    accepted("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", "GET Origin / host=a rest=3");
    accepted("GET / HTTP/1.1\r\nHOST:a:80\r\n\r\n", "GET Origin / host=a:80");
    accepted("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET Origin / host=");
    accepted("GET / HTTP/1.1\r\nhOst:\t a \t\r\n\r\n", "GET Origin / host=a");
    accepted("get / HTTP/1.1\r\nHost: a\r\n\r\n", "get Origin / host=a");
    accepted(line("GET /a/b?c=d?e HTTP/1.1"), "GET Origin /a/b query=c=d?e host=a");
    accepted(line("GET /? HTTP/1.1"), "GET Origin / query= host=a");
    accepted(line("GET //x|y^{z}\" HTTP/1.1"), "GET Origin //x|y^{z}\\\" host=a");
    accepted(line("GET / HTTP/1.0"), "GET Origin / version=1.0 host=a close=");
    accepted("GET / HTTP/1.0\r\n\r\n", "GET Origin / version=1.0 close=");
    accepted(line("GET / HTTP/1.2"), "GET Origin / host=a");
    accepted(line("OPTIONS * HTTP/1.1"), "OPTIONS Asterisk * host=a");
    accepted(line("CONNECT b:443 HTTP/1.1"), "CONNECT Authority  authority=b:443 host=b:443");
    accepted(line("GET http://b/c?d HTTP/1.1"), "GET Absolute /c query=d authority=b host=b");
    accepted(line("GET HTTP://b:1 HTTP/1.1"), "GET Absolute / authority=b:1 host=b:1");
    accepted(line("GET http://b?d HTTP/1.1"), "GET Absolute / query=d authority=b host=b");
    accepted(line("GET http://[::1]:8/ HTTP/1.1"), "GET Absolute / authority=[::1]:8 host=[::1]:8");
    accepted(line("OPTIONS http://b HTTP/1.1"), "OPTIONS Absolute * authority=b host=b");
    accepted(
        with(b"x-a: \xff\t \xe4\r\nx-b:\r\nx-c:  "),
        "POST Origin / host=a x-a=\\xff\\t \\xe4 x-b= x-c=",
    );
    accepted(with("x-a: b: c"), "POST Origin / host=a x-a=b: c");
    accepted(with("!#$%&'*+-.^_`|~09azAZ: 1"), "POST Origin / host=a");
}

#[test]
fn framing_is_read() {
    accepted(with("Content-Length: 0"), "POST Origin / host=a body=Length(0)");
    accepted(with("Content-Length: 5"), "POST Origin / host=a body=Length(5)");
    accepted(with("content-length:\t005 "), "POST Origin / host=a body=Length(5)");
    accepted(
        with("Content-Length: 18446744073709551615"),
        "POST Origin / host=a body=Length(18446744073709551615)",
    );
    accepted(with("Transfer-Encoding: chunked"), "POST Origin / host=a body=Chunked");
    accepted(with("Transfer-Encoding:\tCHUNKED\t"), "POST Origin / host=a body=Chunked");
}

#[test]
fn the_connection_field_is_a_list_over_all_its_lines() {
    accepted(with("Connection: close"), "POST Origin / host=a close=");
    accepted(with("Connection: x, Close"), "POST Origin / host=a close=");
    accepted(with("Connection: keep-alive\r\nConnection: , close,"), "POST Origin / host=a close=");
    accepted(with("Connection: keep-alive"), "POST Origin / host=a");
    accepted(with("Connection: closed"), "POST Origin / host=a");
    accepted(with("Connection:"), "POST Origin / host=a");
    accepted("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET Origin / version=1.0");
    accepted("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET Origin / version=1.0 close=");
    refused(with("Connection: close; x"), Refusal::BadConnection);
    refused(with("Connection: \"close\""), Refusal::BadConnection);
}

#[test]
fn upgrades_need_both_fields_and_http_1_1() {
    accepted(with("Connection: Upgrade\r\nUpgrade: websocket"), "POST Origin / host=a upgrade=");
    accepted(with("Upgrade: websocket\r\nConnection: keep-alive, upgrade"), "POST Origin / host=a upgrade=");
    accepted(with("Upgrade: websocket"), "POST Origin / host=a");
    accepted(with("Connection: upgrade"), "POST Origin / host=a");
    let old = "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    accepted(old, "GET Origin / version=1.0 close=");
    let bytes = with("Connection: upgrade\r\nUpgrade: h2c\r\nupgrade: x, WebSocket");
    let mut table = Table::new();
    let request =
        parse_request(&bytes, &mut Progress::new(), &SMALL, &mut table).expect("good").expect("whole");
    assert!(request.offers("websocket") && request.offers("h2c") && !request.offers("web"));
    assert_eq!(request.headers.get_all("UPGRADE").collect::<Vec<_>>(), [b"h2c".as_slice(), b"x, WebSocket"]);
    assert_eq!(request.headers.get("host"), Some(b"a".as_slice()));
    assert_eq!(request.headers.get("hos"), None);
    assert_eq!(request.headers.len(), 4);
}

#[test]
fn expectations_are_told_or_refused() {
    let content = "Content-Length: 1\r\nExpect: 100-Continue";
    accepted(with(content), "POST Origin / host=a body=Length(1) continue=");
    accepted(with("Expect: 100-continue"), "POST Origin / host=a");
    let old = format!("POST / HTTP/1.0\r\n{content}\r\n\r\n");
    accepted(old, "POST Origin / version=1.0 body=Length(1) close=");
    refused(with("Expect: 101-continue"), Refusal::UnknownExpectation);
    refused(with("Expect: 100-continue, x"), Refusal::UnknownExpectation);
    refused(with("Expect: 100-continue\r\nExpect: 100-continue"), Refusal::UnknownExpectation);
    refused(with("Expect:"), Refusal::UnknownExpectation);
}

#[test]
fn bad_first_lines_are_refused() {
    refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Refusal::Tls);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::OtherVersion);
    refused(line("GET / HTTP/3.0"), Refusal::OtherVersion);
    refused(line("GET / HTTP/0.9"), Refusal::OtherVersion);
    refused("GET /\r\n", Refusal::OtherVersion);
    for version in
        ["HTTP/1", "HTTP/1.", "HTTP/2", "HTTP/1.11", "http/1.1", "HTTP/1,1", "HTTP/+1", "HTTP/1.1 ", " "]
    {
        refused(line(format!("GET / {version}")), Refusal::BadVersion);
    }
    refused(line("GET /  HTTP/1.1"), Refusal::BadVersion);
    refused(line("GET /a b HTTP/1.1"), Refusal::BadVersion);
    refused(line("GET / XTTP/1.1"), Refusal::BadVersion);
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLf);
    refused("GET / HTTP/1.1\rHost: a\r\n\r\n", Refusal::BareCr);
    refused("GET /\nHost: a\r\n\r\n", Refusal::BareLf);
    refused("GET\n", Refusal::BareLf);
    refused("\nGET / HTTP/1.1\r\n", Refusal::BareLf);
    for start in [
        "\r\n\r\n",
        "\rG",
        "GET\r\n",
        " GET / HTTP/1.1",
        "G{T / ",
        "{\"a\":1}",
        "G\0T / ",
        "\u{e4} / ",
        "GET\t/ ",
    ] {
        refused(start, Refusal::BadMethod);
    }
    refused("M".repeat(33), Refusal::MethodTooLong);
    accepted(line(format!("{} / HTTP/1.1", "M".repeat(32))), &format!("{} Origin / host=a", "M".repeat(32)));
}

#[test]
fn bad_targets_are_refused() {
    for target in [
        "",
        "*",
        "**",
        "a",
        "a:80",
        "/#",
        "/a#b",
        "#",
        "/?#",
        "/\t",
        "/\0",
        "/\x7f",
        "/\u{e4}",
        "/?\u{e4}",
        "/?\x01",
        "?a",
        "http:/a",
        "http:a",
        "http://",
        "http:///a",
        "http://:80/",
        "http://u@a/",
        "http://u:p@a/",
        "://a/",
        "1http://a/",
        "ht tp",
        "http://a:x/",
        "http://a\\b/",
        "/\rx",
        "/\r",
    ] {
        let bytes = line(format!("GET {target} HTTP/1.1"));
        let expected = if target == "ht tp" { Refusal::BadVersion } else { Refusal::BadTarget };
        refused(bytes, expected);
    }
    refused(line("OPTIONS ** HTTP/1.1"), Refusal::BadTarget);
    for target in ["/", "b", "b:", ":1", "http://b:1/", "b:1/", "b:1?", "*"] {
        refused(line(format!("CONNECT {target} HTTP/1.1")), Refusal::BadTarget);
    }
}

#[test]
fn bad_lines_are_refused() {
    refused(with("a: b\r\n c"), Refusal::FoldedLine);
    refused(with("a: b\r\n\tc: d"), Refusal::FoldedLine);
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::FoldedLine);
    refused("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", Refusal::FoldedLine);
    refused(with("a : b"), Refusal::SpaceBeforeColon);
    refused(with("a\t: b"), Refusal::SpaceBeforeColon);
    refused(with("a b"), Refusal::SpaceBeforeColon);
    refused(with(": b"), Refusal::BadHeaderName);
    refused(with("a"), Refusal::BadHeaderName);
    refused(with("a[]: b"), Refusal::BadHeaderName);
    refused(with("\u{e4}: b"), Refusal::BadHeaderName);
    refused(with("a\0: b"), Refusal::BadHeaderName);
    refused(with("\x0ba: b"), Refusal::BadHeaderName);
    refused(with("a\x0b: b"), Refusal::BadHeaderName);
    refused(with("a: b\nc: d"), Refusal::BareLf);
    refused(with("a: b\n\nc: d"), Refusal::BareLf);
    refused(with("a\nc: d"), Refusal::BareLf);
    refused(with("\nc: d"), Refusal::BareLf);
    refused(with("a: b\rc: d"), Refusal::BareCr);
    refused(with("a: b\r\r\nc: d"), Refusal::BareCr);
    refused(with("a\rb: d"), Refusal::BareCr);
    refused(with("\rb: d"), Refusal::BareCr);
    for control in (0..=0x1f).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        refused(with([b"a: b".as_slice(), &[control], b"c"].concat()), Refusal::ControlByte);
    }
}

#[test]
fn bad_hosts_are_refused() {
    refused("GET / HTTP/1.1\r\n\r\n", Refusal::MissingHost);
    refused("GET http://a/ HTTP/1.1\r\n\r\n", Refusal::MissingHost);
    refused(with("Host: a"), Refusal::RepeatedHost);
    refused(with("host: b"), Refusal::RepeatedHost);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Refusal::RepeatedHost);
    for host in ["a b", "a, b", "a/b", "u@a", "a:x", "http://a", "a:1:2", "[::1", "a#", "a?", ":80", "\u{e4}"]
    {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Refusal::BadHost);
        refused(format!("GET http://b/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), Refusal::BadHost);
        refused(format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"), Refusal::BadHost);
    }
}

// What follows has been used to make two readers see two different ends of a request (RFC 9112, sections 11.1, 11.2).

#[test]
fn lengths_that_two_readers_may_read_differently_are_refused() {
    for length in [
        "",
        "+5",
        "-5",
        " +5",
        "5 5",
        "5,5",
        "5, 5",
        "5,",
        ",5",
        "0x5",
        "0b1",
        "5.0",
        "5e1",
        "5;",
        "five",
        "\"5\"",
        "5_0",
        "18446744073709551616",
        "99999999999999999999999",
        "5\t5",
        "\u{663}",
    ] {
        refused(with(format!("Content-Length: {length}")), Refusal::BadContentLength);
    }
}

#[test]
fn two_ways_to_tell_the_length_are_refused() {
    let twice = "Content-Length: 5\r\n";
    refused(with(format!("{twice}Content-Length: 5")), Refusal::RepeatedContentLength);
    refused(with(format!("{twice}content-length: 6")), Refusal::RepeatedContentLength);
    refused(with(format!("{twice}Transfer-Encoding: chunked")), Refusal::LengthAndCoding);
    refused(with(format!("Transfer-Encoding: chunked\r\n{twice}x: y")), Refusal::LengthAndCoding);
    refused(with(format!("{twice}Transfer-Encoding: identity")), Refusal::LengthAndCoding);
    refused(with(format!("{twice}Transfer-Encoding:")), Refusal::LengthAndCoding);
    refused(with("Transfer-Encoding: chunked\r\nContent-Length:"), Refusal::LengthAndCoding);
    refused(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x"), Refusal::RepeatedTransferEncoding);
    refused(with("Transfer-Encoding: x\r\nTransfer-encoding: chunked"), Refusal::RepeatedTransferEncoding);
    refused(
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        Refusal::RepeatedTransferEncoding,
    );
}

#[test]
fn codings_but_chunked_alone_are_refused() {
    for coding in [
        "",
        "xchunked",
        "chunkedx",
        "identity",
        "gzip",
        "chunked, identity",
        "chunked, gzip",
        "chunked, chunked",
        "gzip, chunked, chunked",
        "chunked,",
        ",chunked",
        ", chunked",
        "gzip,,chunked",
        "\"chunked\"",
        "chunked;q=1",
        "chunked; a=b",
        "x y, chunked",
        "'chunked'",
        "chunked chunked",
        "chun ked",
        "chunk\u{212a}ed",
        "\u{a0}chunked",
        "cow, gzip",
        "gzip;q=1, chunked",
    ] {
        refused(with(format!("Transfer-Encoding: {coding}")), Refusal::BadTransferEncoding);
    }
    refused(with("Transfer-Encoding: gzip, chunked"), Refusal::UnknownCoding);
    refused(with("Transfer-Encoding: identity, chunked"), Refusal::UnknownCoding);
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::CodingInOldVersion);
}

#[test]
fn lines_that_hide_a_field_are_refused() {
    refused(with("Transfer-Encoding : chunked"), Refusal::SpaceBeforeColon);
    refused(with("Transfer-Encoding\t: chunked"), Refusal::SpaceBeforeColon);
    refused(with(" Transfer-Encoding: chunked"), Refusal::FoldedLine);
    refused(with("Transfer-Encoding\r\n : chunked"), Refusal::BadHeaderName);
    refused(with("Transfer-Encoding:\r\n chunked"), Refusal::FoldedLine);
    refused(with("x: y\r\n Transfer-Encoding: chunked"), Refusal::FoldedLine);
    refused(with("Transfer-Encoding: \x0bchunked"), Refusal::ControlByte);
    refused(with("Transfer-Encoding: chunked\x0c"), Refusal::ControlByte);
    refused(with("Transfer-Encoding: chunked\0"), Refusal::ControlByte);
    refused(with("Transfer-Encoding\x0b: chunked"), Refusal::BadHeaderName);
    refused(with("x: y\nTransfer-Encoding: chunked"), Refusal::BareLf);
    refused(with("x: y\rTransfer-Encoding: chunked"), Refusal::BareCr);
    refused(with("x: y\n\rTransfer-Encoding: chunked"), Refusal::BareLf);
    refused(with("Content-Length : 5"), Refusal::SpaceBeforeColon);
    refused(with("Content\u{ad}-Length: 5"), Refusal::BadHeaderName);
    // A name that only resembles the field says nothing of the length, to any reader of tokens.
    accepted(with("Transfer_Encoding: chunked"), "POST Origin / host=a");
    accepted(with("Content-Length-: 5"), "POST Origin / host=a");
    accepted(with("x-a: Content-Length: 5"), "POST Origin / host=a x-a=Content-Length: 5");
}

#[test]
fn heads_beyond_their_bounds_are_refused() {
    let fields = |count: usize| "x: y\r\n".repeat(count);
    let limits = HeadLimits { head_bytes: 100, headers: 3 };
    let check = |bytes: String, expected: Result<(), Refusal>| {
        let found = read_all_ways(bytes.as_bytes(), &limits);
        assert_eq!(found.map(|_| ()), expected, "{bytes}");
    };
    let start = "GET / HTTP/1.0\r\n";
    check(format!("{start}{}\r\n", fields(3)), Ok(()));
    check(format!("{start}{}\r\n", fields(4)), Err(Refusal::TooManyHeaders));
    let filler = |bytes: usize| format!("{start}x: {}\r\n\r\n", "y".repeat(bytes - start.len() - 7));
    check(filler(100), Ok(()));
    check(filler(101), Err(Refusal::HeadTooLong));
    check(format!("{}rest", filler(100)), Ok(()));
    let open = read_request(&filler(200).as_bytes()[..100], &mut Progress::new(), &limits);
    assert_eq!(open, Err(Refusal::HeadTooLong), "it cannot end any more");
}

#[test]
fn targets_beyond_their_bound_are_refused() {
    let limits = HeadLimits::default();
    let target = |bytes: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(bytes - 1));
    let most = limits::HTTP_TARGET_BYTES_MAX;
    let read =
        |text: &str| read_request(text.as_bytes(), &mut Progress::new(), &limits).map(|head| head.is_some());
    assert_eq!(read(&target(most)), Ok(true));
    assert_eq!(read(&target(most + 1)), Err(Refusal::TargetTooLong));
    assert_eq!(read(&target(most + 1)[..most + 5]), Err(Refusal::TargetTooLong));
    assert_eq!(read(&format!("GET /?{}", "a".repeat(most))), Err(Refusal::TargetTooLong));
    let mut progress = Progress::new();
    let endless = target(100_000);
    let mut stop = (1..).map(|end| (end, read_request(&endless.as_bytes()[..end], &mut progress, &limits)));
    let (end, found) = stop.find(|(_, found)| *found != Ok(None)).expect("it stops");
    assert_eq!(found, Err(Refusal::TargetTooLong));
    assert!(end <= most + 64, "byte by byte, it is refused at {end}");
}
