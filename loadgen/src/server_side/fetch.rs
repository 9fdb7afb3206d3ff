//! One GET over a connection of its own, within a tenth of a second.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tidemill::protocol::http1::{
    Body, BodyLength, HeadLimits, Method, Persistence, Progress, RequestHead, Table, encode_request,
    parse_response,
};
use tidemill::sys::clock::{self, Time};

/// Longest time that a page may take: the main thread has a line to write and signals to hear.
pub const FETCH_TIMEOUT: Duration = Duration::from_millis(100);
/// Largest page, with its head.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Why a page could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not in time.
    #[error("it did not answer within {} ms", FETCH_TIMEOUT.as_millis())]
    TimedOut,
    /// The connection failed.
    #[error("{0}")]
    Connection(io::Error),
    /// The answer says no.
    #[error("the answer was {0}")]
    Status(u16),
    /// The answer is none.
    #[error("the answer is not HTTP: {0}")]
    Malformed(&'static str),
    /// The answer is too long.
    #[error("the page has more than {} bytes", PAGE_BYTES_MAX)]
    TooLarge,
}

/// The content of a page.
pub(super) fn fetch(address: SocketAddr, path: &str) -> Result<String, FetchError> {
    let deadline = clock::now().saturating_add(FETCH_TIMEOUT);
    let mut stream = TcpStream::connect_timeout(&address, FETCH_TIMEOUT)?;
    let mut request = Vec::new();
    let host = address.to_string();
    let head = RequestHead {
        method: Method::Get,
        target: path.as_bytes(),
        host: host.as_bytes(),
        persistence: Persistence::Close,
        body: BodyLength::None,
        headers: &[],
    };
    encode_request(&mut request, &head).map_err(|_| FetchError::Malformed("the path cannot be sent"))?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let count = stream.read(&mut chunk)?;
        answer.extend_from_slice(&chunk[..count]);
        if let Some(content) = content(&answer, count == 0)? {
            return Ok(String::from_utf8_lossy(&content).into_owned());
        }
        if PAGE_BYTES_MAX < answer.len() {
            return Err(FetchError::TooLarge);
        }
        if count == 0 {
            return Err(FetchError::Malformed("it ends too early"));
        }
    }
}

/// The content of an answer; `None` when it is not all there. `is_end` says that nothing follows.
fn content(answer: &[u8], is_end: bool) -> Result<Option<Vec<u8>>, FetchError> {
    let refused = |refusal: tidemill::protocol::http1::Refusal| FetchError::Malformed(refusal.reason());
    let (mut progress, mut table) = (Progress::new(), Table::new());
    let limits = HeadLimits::default();
    let read = parse_response(answer, &Method::Get, &mut progress, &limits, &mut table).map_err(refused)?;
    let Some(response) = read else { return Ok(None) };
    if response.status != 200 {
        return Err(FetchError::Status(response.status));
    }
    let mut body = Body::new(response.body, PAGE_BYTES_MAX as u64).map_err(refused)?;
    let mut content = Vec::new();
    let mut at = response.head_bytes;
    while at < answer.len() && !body.is_done() {
        let decoded = body.decode(&answer[at..]).map_err(refused)?;
        content.extend_from_slice(&answer[at..][decoded.data.clone()]);
        if decoded.consumed == 0 {
            break;
        }
        at += decoded.consumed;
    }
    let is_whole = body.is_done() || is_end && body.finish().is_ok();
    Ok(is_whole.then_some(content))
}

/// The time that is left, which is never zero: a socket would wait for ever.
fn left(deadline: Time) -> Result<Duration, FetchError> {
    let left = deadline.saturating_since(clock::now());
    if left.is_zero() { Err(FetchError::TimedOut) } else { Ok(left) }
}

impl From<io::Error> for FetchError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Connection(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that gives this answer, once, and then closes the connection, or waits for the other side to.
    fn serve(answer: &'static [u8], closes: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            assert!(request.starts_with(b"GET /figures HTTP/1.1\r\nHost: 127.0.0.1:"));
            stream.write_all(answer).unwrap();
            if !closes {
                let _ = stream.read(&mut [0]);
            }
        });
        address
    }

    fn check(answer: &'static [u8], closes: bool, expected: &str) {
        // The time-out is the caller's, and a busy host may reach it: then the next one is asked.
        let result = loop {
            match fetch(serve(answer, closes), "/figures") {
                Err(FetchError::TimedOut) if closes => {}
                result => break result,
            }
        };
        assert_eq!(result.unwrap_or_else(|error| error.to_string()), expected);
    }

    #[test]
    fn content_is_read_in_all_its_forms() {
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n", true, "a 1\n");
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na \r\n2\r\n1\n\r\n0\r\n\r\n",
            true,
            "a 1\n",
        );
        check(b"HTTP/1.1 200 OK\r\n\r\na 1\n", true, "a 1\n");
    }

    #[test]
    fn what_is_no_page_is_told() {
        check(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true, "the answer was 404");
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n",
            true,
            "the answer is not HTTP: it ends too early",
        );
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n", false, "it did not answer within 100 ms");
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(fetch(free, "/"), Err(FetchError::Connection(_) | FetchError::TimedOut)));
    }

    #[test]
    fn every_cut_of_an_answer_is_incomplete() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na \r\n2\r\n1\n\r\n0\r\n\r\n";
        for end in 0..answer.len() {
            assert_eq!(content(&answer[..end], false).unwrap(), None, "{end}");
        }
        assert_eq!(content(answer, false).unwrap().unwrap(), b"a 1\n");
    }
}
