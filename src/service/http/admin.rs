//! The pages for operators: figures, connections, what the server is.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::public::prometheus_page;
use super::site::{Answer, Ask, Content, HTML, JSON, Page, Site, TEXT};
use crate::connection::{About, Interest, Listed, Order};
use crate::hub::{HubSizes, ListedFilter};
use crate::limits;
use crate::metrics::process::Process;
use crate::metrics::reloads::Reloads;
use crate::metrics::{Counters, Row, TABLE, Tally};
use crate::protocol::http1::{Method, Request, parameters};
use crate::sys::clock::Time;

/// What the pages can find out. Asking may take a moment: these pages have a thread of their own.
pub trait Inspect {
    /// The figures of all shards.
    fn figures(&mut self) -> Tally;

    /// How many connections there are, and the first `count` of them in this order.
    fn connections(&mut self, order: Order, count: usize) -> (usize, Vec<Listed>);

    /// How large the hub is, and so many of its filters from this place on, those with most subscriptions first.
    fn filters(&mut self, offset: usize, limit: usize) -> (HubSizes, Vec<ListedFilter>);

    /// How long the server has been running.
    fn uptime(&self) -> Duration;

    /// Where it listens, as words that `--listen` would take.
    fn listeners(&self) -> Vec<String>;

    /// How often the configuration was read again, and what came of it.
    fn reloads(&self) -> Reloads;

    /// What completes operations, and its tier.
    fn engine(&self) -> &str;
}

/// The pages for operators.
pub struct Admin<I> {
    inspect: I,
}

/// Where a request leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Links to the others.
    Home,
    /// Whether the process is well.
    Health,
    /// Whether it takes new work.
    Ready,
    /// The figures, for Prometheus.
    Metrics,
    /// The figures, as JSON.
    Varz,
    /// A page of connections.
    Connz(Paging),
    /// What is listened to: a page of filters.
    Subsz {
        /// How many filters stand before it.
        offset: usize,
        /// How many there are on it.
        limit: usize,
    },
    /// There is nothing.
    Missing,
    /// It is there, and not for this method.
    WrongMethod,
    /// The query is not understood.
    BadQuery(&'static str),
}

/// Which connections to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    order: Order,
    offset: usize,
    limit: usize,
}

impl Default for Paging {
    fn default() -> Self {
        Self { order: Order::default(), offset: 0, limit: 100 }
    }
}

impl<I: Inspect> Admin<I> {
    /// Pages about what this can find out.
    pub fn new(inspect: I) -> Self {
        Self { inspect }
    }

    fn varz(&mut self) -> Page {
        let reloads = self.inspect.reloads();
        let tally = self.inspect.figures();
        let shards: Vec<Value> = tally.shards().iter().map(shard).collect();
        let (uptime, process) = (self.inspect.uptime(), Process::read());
        page(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "process": std::process::id(),
            "process_cpu_micros": process.map(|process| micros(process.cpu)),
            "process_resident_bytes": process.map(|process| process.resident_bytes),
            "uptime_seconds": uptime.as_secs(),
            "uptime_micros": micros(uptime),
            "engine": self.inspect.engine(),
            "listeners": self.inspect.listeners(),
            "configuration": {
                "loaded_at": reloads.loaded_at,
                "reloads": reloads.succeeded,
                "reloads_failed": reloads.failed,
                "last_reload_succeeded": reloads.last_succeeded,
            },
            "counters": counted(TABLE.iter(), &tally.total().counters),
            "shards": shards,
        }))
    }

    fn connz(&mut self, paging: Paging) -> Page {
        let Paging { order, offset, limit } = paging;
        let (total, listed) = self.inspect.connections(order, offset + limit);
        let shown: Vec<Value> = listed.iter().skip(offset).map(connection).collect();
        page(&json!({
            "total": total,
            "offset": offset,
            "limit": limit,
            "count": shown.len(),
            "connections": shown,
        }))
    }
}

impl<I: Inspect> Admin<I> {
    fn subsz(&mut self, offset: usize, limit: usize) -> Page {
        let (sizes, filters) = self.inspect.filters(offset, limit);
        let asked = sizes.route_hits + sizes.route_misses;
        page(&json!({
            "subscriptions": sizes.subscriptions,
            "clients": sizes.clients,
            "filters": sizes.filters,
            "groups": sizes.groups,
            "filters_known_of_other_shards": sizes.filters_elsewhere,
            "routes_found_in_cache": if asked == 0 { 0.0 } else { sizes.route_hits as f64 / asked as f64 },
            "lent_bytes": sizes.lent_bytes,
            "held_bytes": sizes.held_bytes,
            "offset": offset,
            "limit": limit,
            "count": filters.len(),
            "listed": filters.iter().map(filter).collect::<Vec<Value>>(),
        }))
    }
}

impl<I: Inspect> Site for Admin<I> {
    type Route = Route;
    /// Nobody speaks WebSocket here.
    type Seat = ();

    fn route(&mut self, request: &Request<'_>, _: Option<&str>) -> Route {
        let route = match request.target.path {
            b"/" => Route::Home,
            b"/healthz" => Route::Health,
            b"/readyz" => Route::Ready,
            b"/metrics" => Route::Metrics,
            b"/varz" => Route::Varz,
            b"/connz" => read_paging(request.target.query),
            b"/subsz" => read_filters(request.target.query),
            _ => return Route::Missing,
        };
        if matches!(request.method, Method::Get | Method::Head) { route } else { Route::WrongMethod }
    }

    fn content(&self, _: &Route) -> Content {
        Content::Discard
    }

    fn is_open(&self, route: &Route) -> bool {
        matches!(route, Route::Health | Route::Ready)
    }

    fn is_for_operators(&self, route: &Route) -> bool {
        !self.is_open(route)
    }

    fn answer(&mut self, route: Route, ask: Ask) -> Answer<()> {
        Answer::Page(match route {
            Route::Home => Page::ok(HTML, home().into_bytes()),
            Route::Health => Page::ok(TEXT, &b"ok\n"[..]),
            Route::Ready if ask.ready => Page::ok(TEXT, &b"ready\n"[..]),
            Route::Ready => Page::sentence(503, "The server is stopping."),
            Route::Metrics => {
                prometheus_page(&self.inspect.figures(), Process::read(), Some(self.inspect.reloads()))
            }
            Route::Varz => self.varz(),
            Route::Connz(paging) => self.connz(paging),
            Route::Subsz { offset, limit } => self.subsz(offset, limit),
            Route::Missing => Page::sentence(404, "There is nothing at this path."),
            Route::WrongMethod => Page::wrong_method("GET, HEAD"),
            Route::BadQuery(wanted) => Page::sentence(400, wanted),
        })
    }
}

/// Which connections the query asks for.
fn read_paging(query: Option<&[u8]>) -> Route {
    let mut paging = Paging::default();
    for parameter in query.into_iter().flat_map(parameters) {
        let Ok((key, value)) = parameter else { return Route::BadQuery("The query has a bad escape.") };
        let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<usize>().ok());
        match &key[..] {
            b"sort" => match Order::ALL.iter().find(|(name, _)| name.as_bytes() == &value[..]) {
                Some((_, order)) => paging.order = *order,
                None => return Route::BadQuery(WRONG_ORDER),
            },
            b"limit" => match number.filter(|limit| (1..=limits::CONNZ_PAGE_MAX).contains(limit)) {
                Some(limit) => paging.limit = limit,
                None => return Route::BadQuery("limit is a number of connections from 1 to 1000."),
            },
            b"offset" => match number.filter(|offset| *offset <= limits::CONNZ_OFFSET_MAX) {
                Some(offset) => paging.offset = offset,
                None => return Route::BadQuery("offset is a number of connections up to 1048576."),
            },
            _ => return Route::BadQuery("The query may have sort, limit and offset."),
        }
    }
    Route::Connz(paging)
}

/// Which filters the query asks for.
fn read_filters(query: Option<&[u8]>) -> Route {
    let (mut offset, mut limit) = (0, limits::SUBSZ_PAGE_MAX);
    for parameter in query.into_iter().flat_map(parameters) {
        let Ok((key, value)) = parameter else { return Route::BadQuery("The query has a bad escape.") };
        let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<usize>().ok());
        match (&key[..], number) {
            (b"limit", Some(number)) if (1..=limits::SUBSZ_PAGE_MAX).contains(&number) => limit = number,
            (b"limit", _) => return Route::BadQuery("limit is a number of filters from 1 to 1024."),
            (b"offset", Some(number)) => offset = number,
            (b"offset", None) => return Route::BadQuery("offset is a number of filters."),
            _ => return Route::BadQuery("The query may have limit and offset."),
        }
    }
    Route::Subsz { offset, limit }
}

/// The figures of one shard that `/metrics` shows by shard, too.
fn shard((number, counters): &(usize, Counters)) -> Value {
    let mut figures = counted(TABLE.iter().filter(|row| row.is_by_shard()), counters);
    figures.insert("shard".to_owned(), (*number).into());
    figures.into()
}

fn counted<'a>(rows: impl Iterator<Item = &'a Row>, counters: &Counters) -> Map<String, Value> {
    rows.map(|row| (row.field.to_owned(), (row.read)(counters).into())).collect()
}

fn filter(listed: &ListedFilter) -> Value {
    let queues: Map<String, Value> =
        listed.queues.iter().map(|(name, members)| (lossy(name), (*members).into())).collect();
    json!({
        "filter": lossy(&listed.filter),
        "plain": listed.plain,
        "queued": listed.queued,
        "queues": queues,
    })
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn interest(interest: &Interest) -> Value {
    let shown = |(filter, queue): &(String, Option<String>)| match queue {
        Some(queue) => json!({ "filter": filter, "queue": queue }),
        None => json!({ "filter": filter }),
    };
    json!({
        "subscriptions": interest.subscriptions,
        "filters": interest.filters.iter().map(shown).collect::<Vec<Value>>(),
        "messages_sent": interest.messages_sent,
        "messages_dropped": interest.messages_dropped,
        "held_bytes": interest.held_bytes,
    })
}

fn about(about: &About) -> Value {
    json!({ "name": about.name, "lang": about.lang, "version": about.version, "user": about.user })
}

const WRONG_ORDER: &str =
    "sort is age, idle, bytes_received, bytes_sent, pending, address, pace, pace_received or pace_sent.";

fn connection(listed: &Listed) -> Value {
    json!({
        "id": format!("{}/{}", listed.shard, listed.slot),
        "address": listed.peer.to_string(),
        "listener": listed.listener,
        "state": listed.state,
        "protocol": listed.protocol,
        "tls": listed.tls,
        "since_micros": micros(listed.since.saturating_since(Time::ZERO)),
        "age_seconds": listed.age.as_secs_f64(),
        "idle_seconds": listed.idle.as_secs_f64(),
        "bytes_received": listed.bytes_received,
        "bytes_sent": listed.bytes_sent,
        "pending_bytes": listed.pending_bytes,
        "bytes_received_per_second": listed.pace.map(|pace| pace.received),
        "bytes_sent_per_second": listed.pace.map(|pace| pace.sent),
        "about": listed.about.as_ref().map(about),
        "hub": listed.interest.as_ref().map(interest),
    })
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn page(value: &Value) -> Page {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    Page::ok(JSON, text.into_bytes())
}

fn home() -> String {
    let mut list = String::new();
    for (path, about) in [
        ("/metrics", "the figures, for Prometheus"),
        ("/varz", "the figures, as JSON"),
        ("/connz", "the connections, oldest first"),
        ("/connz?sort=pending&limit=20", "those that do not read"),
        ("/connz?sort=pace&limit=20", "the busiest, from the second look on"),
        ("/subsz", "what is listened to"),
        ("/healthz", "is the process well?"),
        ("/readyz", "does it take new work?"),
    ] {
        let _ = write!(list, "<li><a href=\"{path}\"><code>{path}</code></a> {about}");
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><link rel=\"icon\" href=\"data:,\">\
         <title>Tidemill: for operators</title>\
         <style>:root{{color-scheme:light dark}}body{{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem \
         auto;padding:0 1rem}}</style><h1>Tidemill, for operators</h1><ul>{list}</ul></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Route) {
        assert_eq!(read_paging(Some(query.as_bytes())), expected, "{query}");
    }

    fn connz(order: Order, offset: usize, limit: usize) -> Route {
        Route::Connz(Paging { order, offset, limit })
    }

    #[test]
    fn a_query_says_which_connections_are_shown() {
        assert_eq!(read_paging(None), connz(Order::Age, 0, 100));
        check("", connz(Order::Age, 0, 100));
        check("sort=pending&limit=5&offset=10", connz(Order::Pending, 10, 5));
        check("sort=bytes%5Fsent", connz(Order::BytesSent, 0, 100));
        check("sort=pace&limit=20", connz(Order::Pace, 0, 20));
        check("sort=size", Route::BadQuery(WRONG_ORDER));
        for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit="] {
            check(query, Route::BadQuery("limit is a number of connections from 1 to 1000."));
        }
        check("offset=1048577", Route::BadQuery("offset is a number of connections up to 1048576."));
        check("page=2", Route::BadQuery("The query may have sort, limit and offset."));
    }

    /// A page is no larger than that of nats-server, however much is asked for.
    #[test]
    fn a_query_says_which_filters_are_shown() {
        let check = |query: &str, expected: Route| {
            assert_eq!(read_filters(Some(query.as_bytes())), expected, "{query}");
        };
        assert_eq!(read_filters(None), Route::Subsz { offset: 0, limit: 1024 });
        check("limit=7", Route::Subsz { offset: 0, limit: 7 });
        check("offset=5000000&limit=1024", Route::Subsz { offset: 5_000_000, limit: 1024 });
        for query in ["limit=0", "limit=1025", "limit=x"] {
            check(query, Route::BadQuery("limit is a number of filters from 1 to 1024."));
        }
        for query in ["offset=-1", "offset=", "limit=3&offset=x"] {
            check(query, Route::BadQuery("offset is a number of filters."));
        }
        check("subs=1", Route::BadQuery("The query may have limit and offset."));
    }
}
