//! Wire bytes against the codec: what the RFCs say of each, what an independent parser says, and how much work it is.

mod differential;
mod requests;
mod work;

use std::fmt::Write as _;

use super::*;
use crate::limits;

const SMALL: HeadLimits = HeadLimits { head_bytes: 512, headers: 8 };

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn read_request(
    bytes: &[u8],
    progress: &mut Progress,
    limits: &HeadLimits,
) -> Result<Option<String>, Refusal> {
    let mut table = Table::new();
    let Some(request) = parse_request(bytes, progress, limits, &mut table)? else { return Ok(None) };
    let target = request.target;
    let mut line = format!("{} {:?} {}", text(request.method.as_bytes()), target.form, text(target.path));
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(line, " {word}={value}").expect("a string takes all");
        }
    };
    add("query", target.query.map(text));
    add("authority", target.authority.map(text));
    add("version", (request.version == Version::Http10).then(|| "1.0".to_owned()));
    add("host", request.host.map(text));
    add("body", (request.body != BodyLength::None).then(|| format!("{:?}", request.body)));
    add("close", (!request.keep_alive).then(String::new));
    add("continue", request.expects_continue.then(String::new));
    add("upgrade", request.upgrade.then(String::new));
    for (name, value) in request.headers.iter().filter(|(name, _)| name.starts_with(b"x-")) {
        add(&text(name), Some(text(value)));
    }
    add("rest", Some(bytes.len() - request.head_bytes).filter(|rest| *rest > 0).map(|rest| rest.to_string()));
    Ok(Some(line))
}

/// Reads whole, in two pieces cut at every byte, and byte by byte: the answer must be the same, and no piece before
/// the end of the head may give another.
fn read_all_ways(bytes: &[u8], limits: &HeadLimits) -> Result<Option<String>, Refusal> {
    let whole = read_request(bytes, &mut Progress::new(), limits);
    let head =
        (0..=bytes.len()).find(|end| read_request(&bytes[..*end], &mut Progress::new(), limits) != Ok(None));
    let head = head.unwrap_or(bytes.len());
    let mut stepwise = Progress::new();
    for cut in 0..=bytes.len() {
        let mut progress = Progress::new();
        let first = read_request(&bytes[..cut], &mut progress, limits);
        if cut < head {
            assert_eq!(first, Ok(None), "the first {cut} of {}", text(bytes));
            let second = read_request(bytes, &mut progress, limits);
            assert_eq!(second, whole, "cut at {cut}: {}", text(bytes));
            let step = read_request(&bytes[..cut], &mut stepwise, limits);
            assert!(
                step == Ok(None) || (step == whole && whole.is_err()),
                "{step:?} at {cut}: {}",
                text(bytes)
            );
            if step.is_err() {
                return whole;
            }
        }
    }
    assert_eq!(read_request(bytes, &mut stepwise, limits), whole, "byte by byte: {}", text(bytes));
    whole
}

#[track_caller]
fn accepted(bytes: impl AsRef<[u8]>, expected: &str) {
    let found = read_all_ways(bytes.as_ref(), &SMALL);
    assert_eq!(found, Ok(Some(expected.to_owned())), "{}", text(bytes.as_ref()));
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, expected: Refusal) {
    let found = read_all_ways(bytes.as_ref(), &SMALL);
    assert_eq!(found, Err(expected), "{}", text(bytes.as_ref()));
}

/// A good request with this header text.
fn with(fields: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\n".as_slice(), fields.as_ref(), b"\r\n\r\n"].concat()
}

fn line(first: impl AsRef<[u8]>) -> Vec<u8> {
    [first.as_ref(), b"\r\nHost: a\r\n\r\n".as_slice()].concat()
}

/// A generator of numbers that one seed repeats (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}
