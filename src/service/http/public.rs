//! The pages that everyone may see: what this server is, whether it is well, and a few that help to measure.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::site::{Answer, Ask, Content, HTML, Page, Site, TEXT};
use super::subjects::{Enquiry, Errand, Names, Publication, Seat, kind_of};
use super::talk::Talk;
use crate::hub::Told;
use crate::limits;
use crate::metrics::board::Board;
use crate::metrics::process::Process;
use crate::metrics::reloads::Reloads;
use crate::metrics::{Refused, Tally, prometheus};
use crate::protocol::http1::{Method, Request};
use crate::protocol::websocket::Kind;

/// The public pages.
#[derive(Debug)]
pub struct Public {
    board: Arc<Board>,
    /// Names for places where answers from the hub arrive.
    names: Names,
}

/// Where a request leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page that tells what this is.
    Home,
    /// Whether the process is well.
    Health,
    /// Whether it takes new work.
    Ready,
    /// The figures.
    Metrics,
    /// Sends the content back.
    Echo,
    /// So many bytes.
    Bytes(u64),
    /// An answer that takes its time.
    Delay(Duration),
    /// The hub.
    Hub(Box<Errand>),
    /// NATS within WebSocket.
    Nats,
    /// The server as a whole (`OPTIONS *`).
    Server,
    /// There is nothing.
    Missing,
    /// It is there, and not for this method.
    WrongMethod(&'static str),
    /// The number in the path is none, or too large.
    BadNumber(&'static str),
}

impl Public {
    /// Pages with the figures of this board.
    pub fn new(board: Arc<Board>) -> Self {
        Self { board, names: Names::default() }
    }
}

impl Site for Public {
    type Route = Route;
    type Seat = Seat;

    fn route(&mut self, request: &Request<'_>, credential: Option<&str>) -> Route {
        let path = request.target.path;
        let route = by_path(path);
        let reads = matches!(request.method, Method::Get | Method::Head);
        match (route, request.method) {
            (_, Method::Options) if path == b"*" => Route::Server,
            (Route::Missing, method) => Errand::read(method, path, request.target.query, credential)
                .map_or(Route::Missing, |errand| Route::Hub(Box::new(errand))),
            (Route::Echo, Method::Post | Method::Put) => Route::Echo,
            (Route::Echo, _) => Route::WrongMethod("POST, PUT"),
            (Route::Nats, Method::Get) => Route::Nats,
            (Route::Nats, _) => Route::WrongMethod("GET"),
            (route, _) if reads => route,
            (_, _) => Route::WrongMethod("GET, HEAD"),
        }
    }

    fn content(&self, route: &Route) -> Content {
        match route {
            Route::Echo => Content::Keep,
            Route::Hub(errand) if errand.has_content() => Content::Keep,
            _ => Content::Discard,
        }
    }

    fn is_open(&self, route: &Route) -> bool {
        match route {
            // Who speaks NATS may say who it is in CONNECT.
            Route::Health | Route::Ready | Route::Nats => true,
            // Whoever asks whether he may ask shows no credential.
            Route::Hub(errand) => matches!(**errand, Errand::Preflight(_)),
            _ => false,
        }
    }

    fn is_shared(&self, route: &Route) -> bool {
        // A WebSocket has rules of its own for this, which are the same.
        matches!(route, Route::Hub(errand) if !matches!(**errand, Errand::Talk(_)))
    }

    fn acts(&self, route: &Route) -> bool {
        matches!(route, Route::Hub(errand) if errand.has_content())
    }

    fn is_for_operators(&self, route: &Route) -> bool {
        matches!(route, Route::Metrics)
    }

    fn leads_to_hub(&self, route: &Route) -> bool {
        matches!(route, Route::Hub(errand) if !matches!(**errand, Errand::Preflight(_)))
    }

    fn answer(&mut self, route: Route, ask: Ask) -> Answer<Seat> {
        Answer::Page(match route {
            Route::Home => home(),
            Route::Health => Page::ok(TEXT, &b"ok\n"[..]),
            Route::Ready if ask.ready => Page::ok(TEXT, &b"ready\n"[..]),
            Route::Ready => Page::sentence(503, "The server is stopping."),
            Route::Metrics => prometheus_page(&self.board.read(), None, None),
            Route::Echo => echo(ask),
            Route::Bytes(count) => return Answer::Zeros(count),
            Route::Delay(delay) => return Answer::Later(delay, Page::ok(TEXT, &b"ok\n"[..])),
            Route::Hub(errand) => return run(*errand, ask),
            Route::Nats => return Answer::Nats,
            Route::Server => Page { status: 204, ..Page::ok(TEXT, &b""[..]) },
            Route::Missing => Page::sentence(404, "There is nothing at this path."),
            Route::WrongMethod(allowed) => Page::wrong_method(allowed),
            Route::BadNumber(wanted) => Page::sentence(400, wanted),
        })
    }

    fn joined(&mut self, seat: &mut Seat, subprotocol: Option<&str>, talk: &mut Talk<'_, '_>) {
        seat.joined(subprotocol, talk);
    }

    #[inline]
    fn message(&mut self, seat: &mut Seat, kind: Kind, payload: &[u8], talk: &mut Talk<'_, '_>) {
        seat.message(kind, payload, &mut self.names, talk);
    }

    fn told(&mut self, seat: &mut Seat, told: &Told, talk: &mut Talk<'_, '_>) {
        seat.told(told, talk);
    }

    fn woken(&mut self, seat: &mut Seat, talk: &mut Talk<'_, '_>) {
        seat.woken(talk);
    }

    fn known(&mut self, seat: &mut Seat, talk: &mut Talk<'_, '_>) {
        seat.known(talk);
    }
}

/// What a request wants of the hub.
fn run(errand: Errand, ask: Ask) -> Answer<Seat> {
    let with_content = |publication: Publication| {
        let kind = kind_of(ask.content_type.as_deref(), &ask.content);
        Publication { kind, payload: ask.content, ..publication }
    };
    match errand {
        Errand::Talk(opening) => Answer::WebSocket(Seat::New(opening)),
        Errand::Listen(listen) => Answer::Listen(Box::new(listen)),
        Errand::Publish(publication) => Answer::Publish(Box::new(with_content(publication))),
        Errand::Enquire(enquiry) => {
            let publication = with_content(enquiry.publication);
            Answer::Enquire(Box::new(Enquiry { publication, ..enquiry }))
        }
        Errand::Preflight(allowed) => Answer::Page(Page {
            status: 204,
            field: Some(("Allow", Cow::Borrowed(allowed))),
            ..Page::ok(TEXT, &b""[..])
        }),
        Errand::WrongMethod(allowed) => Answer::Page(Page::wrong_method(allowed)),
        Errand::Wrong(rule) => Answer::Refuse(Refused::Subject, Page::sentence(400, &rule)),
    }
}

/// The page that shows what this is. It is one file, and nothing else may be loaded into it.
fn home() -> Page {
    let field = Some(("Content-Security-Policy", Cow::Borrowed(HOME_POLICY)));
    Page { field, ..Page::ok(HTML, HOME.as_bytes()) }
}

/// The figures, as Prometheus reads them. Those of the process come from files, which a shard does not open.
pub(super) fn prometheus_page(tally: &Tally, process: Option<Process>, reloads: Option<Reloads>) -> Page {
    Page::ok(prometheus::CONTENT_TYPE, prometheus::encode(tally, process, reloads).into_bytes())
}

fn echo(ask: Ask) -> Page {
    let content_type = ask.content_type.map_or(Cow::Borrowed(&b"application/octet-stream"[..]), Cow::Owned);
    Page { content_type, ..Page::ok(TEXT, ask.content) }
}

fn by_path(path: &[u8]) -> Route {
    match path {
        b"/" => Route::Home,
        b"/healthz" => Route::Health,
        b"/readyz" => Route::Ready,
        b"/metrics" => Route::Metrics,
        b"/echo" => Route::Echo,
        b"/nats" => Route::Nats,
        _ => with_number(path),
    }
}

/// The routes that end with a number.
fn with_number(path: &[u8]) -> Route {
    if let Some(digits) = path.strip_prefix(b"/bytes/") {
        let count = number(digits).filter(|count| *count <= limits::HTTP_BYTES_ANSWER_MAX);
        return count
            .map_or(Route::BadNumber("/bytes/ takes a number of bytes up to 1073741824."), Route::Bytes);
    }
    if let Some(digits) = path.strip_prefix(b"/delay/") {
        let delay =
            number(digits).map(Duration::from_millis).filter(|delay| *delay <= limits::HTTP_DELAY_MAX);
        return delay
            .map_or(Route::BadNumber("/delay/ takes a number of milliseconds up to 60000."), Route::Delay);
    }
    Route::Missing
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The page at `/`.
const HOME: &str = include_str!("pages/home.html");
/// What it may do: run what stands in it, and speak to the server that it came from.
const HOME_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Route) {
        assert_eq!(by_path(path.as_bytes()), expected, "{path}");
    }

    #[test]
    fn each_path_leads_to_its_route() {
        check("/", Route::Home);
        check("/healthz", Route::Health);
        check("/readyz", Route::Ready);
        check("/metrics", Route::Metrics);
        check("/echo", Route::Echo);
        check("/nats", Route::Nats);
        check("/bytes/0", Route::Bytes(0));
        check("/bytes/1073741824", Route::Bytes(1 << 30));
        check("/delay/60000", Route::Delay(Duration::from_secs(60)));
        check("", Route::Missing);
        check("//", Route::Missing);
    }

    #[test]
    fn numbers_are_digits_within_their_bounds() {
        let bytes = Route::BadNumber("/bytes/ takes a number of bytes up to 1073741824.");
        let delay = Route::BadNumber("/delay/ takes a number of milliseconds up to 60000.");
        for path in [
            "/bytes/",
            "/bytes/+1",
            "/bytes/-1",
            "/bytes/1x",
            "/bytes/1073741825",
            "/bytes/99999999999999999999",
        ] {
            check(path, bytes.clone());
        }
        check("/delay/60001", delay.clone());
        check("/delay/1.5", delay);
    }
}
