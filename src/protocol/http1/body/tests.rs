//! Content on the wire, cut in every way: literal bytes, with the verdict that RFC 9112, section 7.1, gives them.

use super::*;

const BYTES_MAX: u64 = 1000;

/// All content, and how much of the input is left behind its end; `None` if the end has not come.
type Outcome = Result<(Vec<u8>, Option<usize>), Refusal>;

fn decode(length: BodyLength, pieces: &[&[u8]]) -> Outcome {
    let mut body = Body::new(length, BYTES_MAX)?;
    let mut content = Vec::new();
    let mut rest = 0;
    for piece in pieces {
        let mut input = *piece;
        while !input.is_empty() && !body.is_done() {
            let decoded = body.decode(input).inspect_err(|refusal| {
                assert_eq!(body.decode(b"0\r\n\r\n"), Err(*refusal), "a refusal stays");
                assert_eq!(body.finish(), Err(*refusal));
            })?;
            assert!(decoded.consumed > 0 && decoded.data.end <= decoded.consumed, "{decoded:?}");
            assert_eq!(decoded.done, body.is_done());
            content.extend_from_slice(&input[decoded.data]);
            input = &input[decoded.consumed..];
        }
        rest += input.len();
    }
    Ok((content, body.is_done().then_some(rest)))
}

#[track_caller]
fn check(length: BodyLength, input: &[u8], expected: Outcome) {
    let shown = input.escape_ascii();
    assert_eq!(decode(length, &[input]), expected, "whole: {shown}");
    for cut in 0..=input.len() {
        let (head, tail) = input.split_at(cut);
        assert_eq!(decode(length, &[head, tail]), expected, "cut at {cut}: {shown}");
    }
    let pieces: Vec<_> = input.chunks(1).collect();
    assert_eq!(decode(length, &pieces), expected, "byte by byte: {shown}");
}

#[track_caller]
fn chunked(input: impl AsRef<[u8]>, content: &str, rest: usize) {
    check(BodyLength::Chunked, input.as_ref(), Ok((content.as_bytes().to_vec(), Some(rest))));
}

#[track_caller]
fn refused(input: impl AsRef<[u8]>, refusal: Refusal) {
    check(BodyLength::Chunked, input.as_ref(), Err(refusal));
}

#[test]
fn content_ends_where_its_length_says() {
    check(BodyLength::None, b"next", Ok((b"".to_vec(), Some(4))));
    check(BodyLength::Length(0), b"next", Ok((b"".to_vec(), Some(4))));
    check(BodyLength::Length(5), b"hello", Ok((b"hello".to_vec(), Some(0))));
    check(BodyLength::Length(5), b"hellonext", Ok((b"hello".to_vec(), Some(4))));
    check(BodyLength::Length(5), b"hell", Ok((b"hell".to_vec(), None)));
    check(BodyLength::UntilClose, b"hello", Ok((b"hello".to_vec(), None)));
}

#[test]
fn chunks_are_joined() {
    chunked("0\r\n\r\n", "", 0);
    chunked("5\r\nhello\r\n0\r\n\r\n", "hello", 0);
    chunked("5\r\nhello\r\n0\r\n\r\nnext", "hello", 4);
    chunked("1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n00\r\n\r\n", "abcdef", 0);
    chunked("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", 0);
    chunked("0000000000000002\r\n\r\n\r\n0000000000000000\r\n\r\n", "\r\n", 0);
    check(BodyLength::Chunked, b"5\r\nhello\r\n0\r\n", Ok((b"hello".to_vec(), None)));
}

#[test]
fn good_extensions_are_read_over() {
    chunked("1;a\r\nx\r\n0;b\r\n\r\n", "x", 0);
    chunked("1;a=b;c=d;e\r\nx\r\n0\r\n\r\n", "x", 0);
    chunked("1;a=\"b;\\\"\\\\ c\td\"\r\nx\r\n0\r\n\r\n", "x", 0);
    chunked("1;a=\"\";b=\"\"\r\nx\r\n0\r\n\r\n", "x", 0);
    chunked([b"1;a=\"\xe4\"\r\nx\r\n0\r\n\r\n".as_slice()].concat(), "x", 0);
    chunked(format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(255)), "x", 0);
}

#[test]
fn good_trailers_are_read_over() {
    chunked("0\r\na: b\r\n\r\n", "", 0);
    chunked("0\r\na:\r\nB-c:\td \t\r\nContent-Length: 7\r\n\r\nnext", "", 4);
    chunked([b"0\r\na: \xe4\xff\r\n\r\n".as_slice()].concat(), "", 0);
    chunked(format!("0\r\n{}\r\n", "a:b\r\n".repeat(32)), "", 0);
}

#[test]
fn bad_chunk_sizes_are_refused() {
    for size in [
        "",
        " 5",
        "5 ",
        "\t5",
        "5\t",
        "+5",
        "-5",
        "-0",
        "0x5",
        "5h",
        "5_0",
        "5,5",
        "5.",
        "\"5\"",
        "x",
        "\0",
        "5\0",
        "5\x0b",
        "\u{663}",
        "\r\n",
        "00000000000000005",
        "fffffffffffffffff",
        "ffffffffffffffff0",
        "5 ;a",
        "5:",
    ] {
        refused(format!("{size}\r\nhello\r\n0\r\n\r\n"), Refusal::BadChunkSize);
    }
    refused("5\nhello\r\n0\r\n\r\n", Refusal::BareLf);
    refused("\nhello", Refusal::BareLf);
    refused("5\rhello\r\n0\r\n\r\n", Refusal::BareCr);
    refused("5\r\r\nhello\r\n0\r\n\r\n", Refusal::BareCr);
}

#[test]
fn chunks_that_do_not_end_in_cr_lf_are_refused() {
    refused("5\r\nhello\n0\r\n\r\n", Refusal::BadChunkEnd);
    refused("5\r\nhello\r0\r\n\r\n", Refusal::BadChunkEnd);
    refused("5\r\nhello0\r\n\r\n", Refusal::BadChunkEnd);
    refused("5\r\nhello!\r\n0\r\n\r\n", Refusal::BadChunkEnd);
    refused("5\r\nhello \r\n0\r\n\r\n", Refusal::BadChunkEnd);
    refused("5\r\nhelloXX0\r\n\r\n", Refusal::BadChunkEnd);
    refused("4\r\nhello\r\n0\r\n\r\n", Refusal::BadChunkEnd);
    refused("6\r\nhello\r\n0\r\n\r\n", Refusal::BadChunkEnd);
    refused("5\r\nhello\r\n\r\n0\r\n\r\n", Refusal::BadChunkSize);
}

#[test]
fn bad_extensions_are_refused() {
    for extension in [
        ";",
        ";;",
        ";a;",
        "; a",
        ";a ",
        ";a =b",
        ";a= b",
        ";a=",
        ";=b",
        ";a=b c",
        ";a=b=c",
        ";a=\"b\"c",
        ";a=b\"c\"",
        ";\"a\"",
        ";a=\"\x01\"",
        ";a=\"\\\x01\"",
        ";a=\"\r",
        ";\0",
        ";a\0",
        ";a,b",
        ";a=\u{e4}",
        ";a=\"\x7f\"",
    ] {
        refused(format!("1{extension}\r\nx\r\n0\r\n\r\n"), Refusal::BadChunkExtension);
    }
    refused("1;a\nx\r\n0\r\n\r\n", Refusal::BareLf);
    refused("1;a=\"\n\"\r\nx\r\n0\r\n\r\n", Refusal::BareLf);
    refused("1;a\rX\r\nx\r\n0\r\n\r\n", Refusal::BareCr);
    refused(format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(256)), Refusal::ChunkExtensionTooLong);
    let many = format!("1;{}\r\nx\r\n", "a".repeat(255)).repeat(65);
    assert_eq!(decode(BodyLength::Chunked, &[many.as_bytes()]), Err(Refusal::ChunkExtensionTooLong));
}

#[test]
fn bad_trailers_are_refused() {
    for trailer in
        [": b", "a", "a b: c", "a : b", " a: b", "\ta: b", "a: b\r\n c", "a: \0", "a: \x7f", "\u{e4}: b"]
    {
        refused(format!("0\r\n{trailer}\r\n\r\n"), Refusal::BadTrailer);
    }
    refused("0\r\n\n", Refusal::BareLf);
    refused("0\r\na: b\n\r\n", Refusal::BareLf);
    refused("0\r\n\rx", Refusal::BareCr);
    refused("0\r\na: b\rc: d\r\n\r\n", Refusal::BareCr);
    refused("0\n\r\n", Refusal::BareLf);
    refused(format!("0\r\n{}\r\n", "a:b\r\n".repeat(33)), Refusal::TrailersTooLong);
    let long = format!("0\r\na:{}\r\n\r\n", "b".repeat(4096));
    assert_eq!(decode(BodyLength::Chunked, &[long.as_bytes()]), Err(Refusal::TrailersTooLong));
}

#[test]
fn content_beyond_its_bound_is_refused() {
    let new = |length| Body::new(length, 10).map(|_| ());
    assert_eq!(new(BodyLength::Length(10)), Ok(()));
    assert_eq!(new(BodyLength::Length(11)), Err(Refusal::BodyTooLong));
    assert_eq!(new(BodyLength::Length(u64::MAX)), Err(Refusal::BodyTooLong));
    let start = |length, input: &[u8]| Body::new(length, 10).expect("bounded").decode(input).map(|_| ());
    assert_eq!(start(BodyLength::Chunked, b"a\r\n"), Ok(()));
    assert_eq!(start(BodyLength::Chunked, b"b\r"), Err(Refusal::BodyTooLong));
    assert_eq!(start(BodyLength::Chunked, b"ffffffffffffffff\r"), Err(Refusal::BodyTooLong));
    assert_eq!(start(BodyLength::UntilClose, &[0; 10]), Ok(()));
    assert_eq!(start(BodyLength::UntilClose, &[0; 11]), Err(Refusal::BodyTooLong));
    check(BodyLength::Chunked, b"3e8\r\n", Ok((Vec::new(), None))); // 1000.
    refused("3e9\r\n", Refusal::BodyTooLong);
    let most = format!("3e7\r\n{}\r\n1\r\nx\r\n", "x".repeat(999));
    assert_eq!(decode(BodyLength::Chunked, &[most.as_bytes()]), Ok((vec![b'x'; 1000], None)));
    let more = format!("{most}1\r\n");
    assert_eq!(decode(BodyLength::Chunked, &[more.as_bytes()]), Err(Refusal::BodyTooLong));
}

#[test]
fn an_end_of_the_connection_ends_only_what_has_no_other_end() {
    let finish = |length, input: &[u8]| {
        let mut body = Body::new(length, BYTES_MAX).expect("bounded");
        body.decode(input).expect("good");
        body.finish()
    };
    assert_eq!(finish(BodyLength::UntilClose, b"x"), Ok(()));
    assert_eq!(finish(BodyLength::None, b""), Ok(()));
    assert_eq!(finish(BodyLength::Length(1), b"x"), Ok(()));
    assert_eq!(finish(BodyLength::Length(2), b"x"), Err(Refusal::Truncated));
    assert_eq!(finish(BodyLength::Chunked, b"1\r\nx\r\n0\r\n"), Err(Refusal::Truncated));
    assert_eq!(finish(BodyLength::Chunked, b"1\r\nx\r\n0\r\n\r\n"), Ok(()));
}

/// One call for one chunk: the work of a flood of chunks grows with its bytes.
#[test]
fn a_flood_of_small_chunks_takes_one_call_for_each() {
    let count = 900;
    let input = ["1\r\nx\r\n".repeat(count), "0\r\n\r\n".to_owned()].concat();
    let mut body = Body::new(BodyLength::Chunked, BYTES_MAX).expect("bounded");
    let (mut at, mut calls) = (0, 0);
    while !body.is_done() {
        at += body.decode(&input.as_bytes()[at..]).expect("good").consumed;
        calls += 1;
    }
    assert_eq!((at, calls), (input.len(), count));
}
