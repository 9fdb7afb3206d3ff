//! Responses on the wire, and what RFC 9112, section 6.3, says of their content.

use super::*;

const LIMITS: HeadLimits = HeadLimits { head_bytes: 2000, headers: 4 };

/// Status, reason, content and persistence.
type Found = (u16, String, BodyLength, bool);

fn read(method: &Method<'_>, bytes: &[u8], progress: &mut Progress) -> Result<Option<Found>, Refusal> {
    let mut table = Table::new();
    let response = parse_response(bytes, method, progress, &LIMITS, &mut table)?;
    Ok(response.map(|response| {
        assert_eq!(response.head_bytes, bytes.len());
        let reason = response.reason.escape_ascii().to_string();
        (response.status, reason, response.body, response.keep_alive)
    }))
}

/// Reads whole, in two pieces cut at every byte, and byte by byte.
#[track_caller]
fn check(method: &Method<'_>, text: &str, expected: Result<(u16, &str, BodyLength, bool), Refusal>) {
    let bytes = text.as_bytes();
    let expected =
        expected.map(|(status, reason, body, keeps)| Some((status, reason.to_owned(), body, keeps)));
    let mut stepwise = Progress::new();
    let mut is_refused = false;
    for cut in 0..=bytes.len() {
        let mut progress = Progress::new();
        let first = read(method, &bytes[..cut], &mut progress);
        if first == Ok(None) {
            assert_eq!(read(method, bytes, &mut progress), expected, "cut at {cut}: {text:?}");
        } else {
            assert_eq!(first, expected, "the first {cut}: {text:?}");
        }
        if !is_refused {
            let step = read(method, &bytes[..cut], &mut stepwise);
            assert!(step == Ok(None) || step == expected, "byte by byte: {step:?} at {cut}: {text:?}");
            is_refused = step.is_err();
            assert!(cut < bytes.len() || step == expected, "byte by byte: {step:?}: {text:?}");
        }
    }
}

#[track_caller]
fn accepted(text: &str, status: u16, reason: &str, body: BodyLength, keeps: bool) {
    check(&Method::Get, text, Ok((status, reason, body, keeps)));
}

#[track_caller]
fn refused(text: &str, refusal: Refusal) {
    check(&Method::Get, text, Err(refusal));
}

#[test]
fn status_lines_are_read() {
    let body = BodyLength::Length(0);
    let end = "\r\nContent-Length: 0\r\n\r\n";
    accepted(&format!("HTTP/1.1 200 OK{end}"), 200, "OK", body, true);
    accepted(&format!("HTTP/1.1 200 {end}"), 200, "", body, true);
    accepted(&format!("HTTP/1.1 200{end}"), 200, "", body, true);
    accepted(&format!("HTTP/1.0 200 OK{end}"), 200, "OK", body, false);
    accepted(&format!("HTTP/1.7 404 Not\tFound{end}"), 404, "Not\\tFound", body, true);
    accepted(&format!("HTTP/1.1 999 {}{end}", "a".repeat(497)), 999, &"a".repeat(497), body, true);
    refused(&format!("HTTP/1.1 999 {}{end}", "a".repeat(498)), Refusal::HeadTooLong);
}

#[test]
fn bad_status_lines_are_refused() {
    for start in
        ["HTTP/1.1  200", "HTTP/1.1 20 ", "HTTP/1.1 2000", "HTTP/1.1 099", "HTTP/1.1 +20", "HTTP/1.1 2x0"]
    {
        refused(&format!("{start} OK\r\n\r\n"), Refusal::BadStatusLine);
    }
    refused("HTTP/1.1\r\n\r\n", Refusal::BadStatusLine);
    refused("HTTP/1.1\t200 OK\r\n\r\n", Refusal::BadStatusLine);
    refused("HTTP/2.0 200 OK\r\n\r\n", Refusal::OtherVersion);
    refused("HTTP/1 200 OK\r\n\r\n", Refusal::BadVersion);
    refused("ICY 200 OK\r\n\r\n", Refusal::BadVersion);
    refused("\r\nHTTP/1.1 200 OK\r\n\r\n", Refusal::BadVersion);
    refused("HTTP/1.1 200 OK\n\n", Refusal::BareLf);
    refused("HTTP/1.1 200\n\n", Refusal::BareLf);
    refused("HTTP/1.1 200 OK\rX: y\r\n\r\n", Refusal::BareCr);
    refused("HTTP/1.1 200 O\0K\r\n\r\n", Refusal::ControlByte);
}

#[test]
fn the_end_of_content_follows_from_method_status_and_fields() {
    let text = |status: u16, fields: &str| format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
    let length = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    accepted(&text(200, length), 200, "x", BodyLength::Length(5), true);
    accepted(&text(200, chunked), 200, "x", BodyLength::Chunked, true);
    accepted(&text(200, ""), 200, "x", BodyLength::UntilClose, false);
    accepted(
        &text(200, "Connection: close\r\nContent-Length: 5\r\n"),
        200,
        "x",
        BodyLength::Length(5),
        false,
    );
    for status in [100, 101, 103, 199, 204, 304] {
        for fields in [length, ""] {
            accepted(&text(status, fields), status, "x", BodyLength::None, true);
        }
    }
    check(&Method::Head, &text(200, length), Ok((200, "x", BodyLength::None, true)));
    check(&Method::Head, &text(200, chunked), Ok((200, "x", BodyLength::None, true)));
    check(&Method::Connect, &text(200, length), Ok((200, "x", BodyLength::None, true)));
    check(&Method::Connect, &text(299, ""), Ok((299, "x", BodyLength::None, true)));
    check(&Method::Connect, &text(403, length), Ok((403, "x", BodyLength::Length(5), true)));
    check(&Method::Other(b"head"), &text(200, length), Ok((200, "x", BodyLength::Length(5), true)));
}

#[test]
fn responses_with_two_ends_are_refused() {
    let refused = |fields: &str, refusal| refused(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"), refusal);
    refused("Content-Length: 5\r\nTransfer-Encoding: chunked", Refusal::LengthAndCoding);
    refused("Content-Length: 5\r\nContent-Length: 5", Refusal::RepeatedContentLength);
    refused("Content-Length: 5, 5", Refusal::BadContentLength);
    refused("Content-Length: +5", Refusal::BadContentLength);
    refused("Transfer-Encoding: gzip", Refusal::BadTransferEncoding);
    refused("Transfer-Encoding: gzip, chunked", Refusal::UnknownCoding);
    refused("Transfer-Encoding : chunked", Refusal::SpaceBeforeColon);
    refused("a: b\r\n c", Refusal::FoldedLine);
    refused("a: b\nc: d", Refusal::BareLf);
    refused("a: 1\r\na: 2\r\na: 3\r\na: 4\r\na: 5", Refusal::TooManyHeaders);
    check(
        &Method::Get,
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        Err(Refusal::CodingInOldVersion),
    );
}
