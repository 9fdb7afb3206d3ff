//! Text (RFC 6455, 8.1): the sequences of Autobahn's section 6, whole, in fragments, and as early as they can be
//! refused.

use super::support::{CLIENT, SERVER, Said, check, masked, plain, text};

const VALID: &[&[u8]] = &[
    b"",
    b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    b"\x00",
    b"\xc2\x80",
    b"\xe0\xa0\x80",
    b"\xf0\x90\x80\x80",
    b"\x7f",
    b"\xdf\xbf",
    b"\xef\xbf\xbf",
    b"\xf4\x8f\xbf\xbf",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xf0\x9f\xbf\xbe",
    b"\xf0\x9f\xbf\xbf",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x8f\xbf\xbe",
];

/// What can never be UTF-8.
const INVALID: &[&[u8]] = &[
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\xbf",
    b"\x80\xbf",
    b"\x80\xbf\x80\xbf\x80\xbf",
    b"\xc0 \xc1 \xc2 \xc3 ",
    b"\xe0 \xe1 \xef ",
    b"\xf0 \xf1 \xf4 ",
    b"\xf8 \xfb ",
    b"\xfc \xfd ",
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x80\x80\x80\xaf",
    b"\xfc\x80\x80\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xaf\xbf",
    b"\xed\xb0\x80",
    b"\xed\xbe\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xbf\xbf",
];

/// What is cut within a character: more could have made it valid.
const UNFINISHED: &[&[u8]] = &[
    b"\xc2",
    b"\xdf",
    b"\xe0\xa0",
    b"\xef\xbf",
    b"\xf0\x90\x80",
    b"\xf4\x8f\xbf",
    b"\xf4\x8f",
    b"\xf4",
    b"\xce\xba\xe1\xbd",
    b"a long enough text for vectors, of more than sixty-four bytes, all of one byte each, then \xe2\x82",
];

/// In one frame, and in two for every place to cut.
fn in_frames(payload: &[u8], expected: &Said) {
    check(&SERVER, &masked(0x81, payload), std::slice::from_ref(expected));
    check(&CLIENT, &plain(0x81, payload), std::slice::from_ref(expected));
    for cut in 0..=payload.len() {
        let (head, tail) = payload.split_at(cut);
        let frames = [masked(0x01, head), masked(0x00, b""), masked(0x80, tail)].concat();
        check(&SERVER, &frames, std::slice::from_ref(expected));
    }
}

#[test]
fn valid_text_arrives() {
    for payload in VALID {
        in_frames(payload, &text(payload));
    }
}

#[test]
fn invalid_text_fails_the_connection() {
    for payload in INVALID {
        in_frames(payload, &Said::Failed(1007));
    }
    for payload in UNFINISHED {
        in_frames(payload, &Said::Failed(1007));
    }
}

#[test]
fn invalid_text_is_refused_at_its_first_impossible_byte() {
    // Where it is, another implementation says: the standard library.
    for payload in INVALID {
        let possible = |end: &usize| match str::from_utf8(&payload[..*end]) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        };
        let first = (1..=payload.len()).find(|end| !possible(end)).unwrap();
        // A frame that announces far more than what is sent of it.
        let announced = [payload, &[b' '; 100][..]].concat();
        let bytes = masked(0x01, &announced);
        let header = bytes.len() - announced.len();
        assert_eq!(SERVER.hear(bytes[..header + first - 1].chunks(1)), [], "{payload:x?}");
        assert_eq!(SERVER.hear([&bytes[..header + first - 1]]), [], "{payload:x?}");
        assert_eq!(SERVER.hear(bytes[..header + first].chunks(1)), [Said::Failed(1007)], "{payload:x?}");
        assert_eq!(SERVER.hear([&bytes[..header + first]]), [Said::Failed(1007)], "{payload:x?}");
    }
}

#[test]
fn bytes_are_not_checked() {
    for payload in INVALID {
        check(&SERVER, &masked(0x82, payload), &[super::support::binary(payload)]);
    }
}
