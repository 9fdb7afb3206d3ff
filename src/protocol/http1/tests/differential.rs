//! What an independent parser says of the same bytes, and what chance finds.

use super::*;

const METHODS: &[&str] = &["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PUT", "x-y", "G{T", "", "G T"];
const TARGETS: &[&str] = &[
    "/",
    "/a/b?c=d",
    "*",
    "http://b/c",
    "b:443",
    "/%20",
    "/#x",
    "/a b",
    "",
    "//",
    "/?",
    "/|",
    "https://[::1]/?",
    "/\u{e4}",
];
const VERSIONS: &[&str] =
    &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/1", ""];
const NAMES: &[&str] = &[
    "Host",
    "host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Expect",
    "Accept",
    "x",
    "a b",
    "",
    "Host ",
    " x",
    "x\t",
    "\u{e4}",
];
const VALUES: &[&str] = &[
    "a",
    "a:80",
    "5",
    "0",
    "+5",
    "5, 5",
    "chunked",
    "gzip, chunked",
    "chunked, x",
    "close",
    "keep-alive, upgrade",
    "websocket",
    "100-continue",
    "",
    " ",
    "\t",
    "x\ty",
    "\u{e4}",
    "a\0",
    "a\rb",
    "a\nb",
    "x\r\n y",
    "text/html; q=0.5",
];
const ENDS: &[&str] = &["\r\n", "\n", "\r", "\r\r\n", "\n\r", ""];
const FIELDS: &[(&str, &str)] = &[
    ("Content-Length", "5"),
    ("Transfer-Encoding", "chunked"),
    ("Connection", "close"),
    ("connection", "x, upgrade"),
    ("Upgrade", "websocket"),
    ("Expect", "100-continue"),
    ("Accept", "text/html; q=0.5"),
    ("x", ""),
    ("x", " \ty\tz \t"),
    ("y", "\u{e4}: \u{e4}"),
    ("z", "a"),
];

/// A good choice, which comes first in its list, or in one case of twelve any.
fn mostly<'a>(random: &mut Random, good: usize, all: &[&'a str]) -> &'a str {
    if random.below(12) > 0 { all[random.below(good)] } else { random.pick(all) }
}

fn any_request(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    let mut add = |part: &str| text.push_str(part);
    add(mostly(random, 1, &["", "\r\n", "\n", "\r\n\r\n"]));
    add(mostly(random, 3, METHODS));
    add(mostly(random, 1, &[" ", "  ", "\t"]));
    add(mostly(random, 2, TARGETS));
    add(" ");
    add(mostly(random, 4, VERSIONS));
    add(mostly(random, 1, ENDS));
    add(mostly(random, 1, &["Host: a\r\n", ""]));
    for _ in 0..random.below(5) {
        let (name, value) = random.pick(FIELDS);
        add(if random.below(12) > 0 { name } else { random.pick(NAMES) });
        add(mostly(random, 4, &[":", ": ", ":\t", ":  ", " : ", ""]));
        add(if random.below(8) > 0 { value } else { random.pick(VALUES) });
        add(mostly(random, 1, ENDS));
    }
    add(mostly(random, 2, &["\r\n", "\r\nrest", "\n", ""]));
    let mut bytes = text.into_bytes();
    for _ in 0..random.below(8).saturating_sub(5) {
        mutate(random, &mut bytes);
    }
    bytes
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    let byte = if random.below(2) == 0 {
        random.pick(b"\r\n\t :,;\0/?#\x7f\xff\x0b")
    } else {
        u8::try_from(random.below(256)).expect("a byte")
    };
    match random.below(4) {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => bytes.truncate(at + 1),
        _ => drop(bytes.remove(at)),
    }
}

/// Fields of the other parser, with the space around values taken off: it leaves tabs in front.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn read_by_other(bytes: &[u8]) -> Option<(usize, String, String, u8, Fields)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else { return None };
    let fields = request.headers.iter().map(|field| (field.name.as_bytes().to_vec(), trimmed(field.value)));
    let fields = fields.collect();
    Some((length, request.method?.to_owned(), request.path?.to_owned(), request.version?, fields))
}

fn trimmed(value: &[u8]) -> Vec<u8> {
    value.trim_ascii().to_vec()
}

/// Compares with the other parser; returns whether we accept. It reads HTTP/1.0 and 1.1 only, so instead of a later
/// minor version it is shown 1.1; apart from that it must accept what we accept, and see the same in it.
fn compare(bytes: &[u8]) -> bool {
    let mut table = Table::new();
    let Ok(Some(request)) = parse_request(bytes, &mut Progress::new(), &SMALL, &mut table) else {
        return false;
    };
    let mut shown = bytes.to_vec();
    let line_end = bytes.windows(8).position(|window| window.starts_with(b"HTTP/1.")).expect("a version") + 7;
    shown[line_end] = shown[line_end].min(b'1');
    let (length, method, path, version, fields) = read_by_other(&shown).expect("the other accepts it too");
    assert_eq!(length, request.head_bytes);
    assert_eq!(method.as_bytes(), request.method.as_bytes());
    assert_eq!(path.as_bytes(), request.target.raw);
    assert_eq!(version, u8::from(request.version == Version::Http11));
    let ours: Fields = request.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    assert_eq!(ours, fields);
    true
}

#[test]
fn what_we_accept_another_parser_reads_the_same() {
    let rounds = 60_000;
    let mut accepted = 0;
    for seed in 0..rounds {
        let bytes = any_request(&mut Random(seed));
        let outcome = std::panic::catch_unwind(|| compare(&bytes));
        match outcome {
            Ok(is_accepted) => accepted += u64::from(is_accepted),
            Err(_) => panic!("seed {seed}: {}", text(&bytes)),
        }
    }
    assert!(accepted > rounds / 8, "only {accepted} of {rounds} were good: the generator misses its aim");
}

#[test]
fn any_bytes_are_read_the_same_however_they_are_cut() {
    for seed in 0..1500 {
        // The end lets each line be seen as complete: before that, a cut may only delay a refusal.
        let bytes = [any_request(&mut Random(seed)).as_slice(), b"\r\n\r\n"].concat();
        let limits = HeadLimits { head_bytes: 120, headers: 3 };
        let whole = read_request(&bytes, &mut Progress::new(), &limits);
        let mut stepwise = Progress::new();
        for cut in 0..bytes.len() {
            let mut progress = Progress::new();
            if read_request(&bytes[..cut], &mut progress, &limits) == Ok(None) {
                let second = read_request(&bytes, &mut progress, &limits);
                assert_eq!(second.is_err(), whole.is_err(), "seed {seed}, cut at {cut}: {}", text(&bytes));
                assert!(second.is_err() || second == whole, "seed {seed}, cut at {cut}: {}", text(&bytes));
            }
        }
        let steps = (0..=bytes.len()).map(|end| read_request(&bytes[..end], &mut stepwise, &limits));
        let end = steps.into_iter().find(|step| *step != Ok(None)).unwrap_or(Ok(None));
        assert_eq!(end.is_ok(), whole.is_ok(), "seed {seed}: {}", text(&bytes));
    }
}

/// Random bytes in random pieces, to everything that reads: nothing panics, and every call takes something.
#[test]
fn no_bytes_do_harm() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let alphabet = b"0123456789abcdefAF\r\n\r\n\r\n;=\"\\:, xHTTP/1.";
        let length = random.below(60);
        let bytes: Vec<u8> = (0..length).map(|_| random.pick(alphabet)).collect();
        let _ = read_request(&bytes, &mut Progress::new(), &SMALL);
        let head = [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat();
        let _ = parse_response(&head, &Method::Get, &mut Progress::new(), &SMALL, &mut Table::new());
        let _ = unescape(&bytes);
        assert!(parameters(&bytes).count() <= bytes.len());
        let mut body = Body::new(BodyLength::Chunked, 30).expect("bounded");
        let mut rest = [b"1\r\nx\r\n".as_slice(), &bytes].concat();
        while !rest.is_empty() && !body.is_done() {
            let piece = &rest[..1 + random.below(rest.len())];
            let Ok(decoded) = body.decode(piece) else { break };
            assert!(
                decoded.consumed > 0 && decoded.data.end <= decoded.consumed,
                "seed {seed}: {}",
                text(&rest)
            );
            rest.drain(..decoded.consumed);
        }
    }
}
