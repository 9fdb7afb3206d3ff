//! The view as lines: a head, a table of shards, a table of connections, and the keys. Pure: the same for a screen and for a
//! report.

use super::figures::{UNKNOWN, age, count, memory, rate, share, span};
use super::keys::Sort;
use super::table::{Column, Line, Piece, Side, Style, lines, plain};
use super::text::{Alphabet, Clean, columns};
use super::view::{ConnectionView, Figures, Server, ShardView, View};

/// What is shown beside the view, and on what.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) alphabet: Alphabet,
    /// Who is asked.
    pub(super) source: &'a str,
    /// How often.
    pub(super) interval: &'a str,
    pub(super) sort: Sort,
    /// What is to be said above the tables, if something is.
    pub(super) notice: Option<Piece>,
    /// Whether the figures are of some time ago.
    pub(super) is_old: bool,
}

/// The screen: no more lines than there are, with the keys on the last.
pub(super) fn screen(view: Option<&View>, frame: &Frame<'_>) -> Vec<Line> {
    let mut all = view.map_or_else(
        || vec![vec![strong("tidemill"), faint(format!("  {}", frame.source))]],
        |view| head(view, frame),
    );
    all.push(frame.notice.clone().or_else(|| view.and_then(silence)).into_iter().collect());
    let body = frame.height.saturating_sub(all.len() + 1);
    if let Some(view) = view {
        let mut tables = tables(view, frame, body);
        if frame.is_old {
            tables.iter_mut().flatten().for_each(|piece| piece.style = Style::Faint);
        }
        all.extend(tables);
    }
    all.truncate(frame.height.saturating_sub(1));
    all.resize(frame.height.saturating_sub(1), Line::new());
    all.push(keys(frame));
    all.truncate(frame.height);
    all
}

/// The report: all shards, and the first connections.
pub(super) fn report(view: &View, frame: &Frame<'_>) -> String {
    let mut all = head(view, frame);
    all.push(silence(view).into_iter().collect());
    all.extend(shard_table(&view.shards.iter().collect::<Vec<_>>(), frame));
    all.push(Line::new());
    all.extend(connection_table(view, frame, REPORTED));
    all.iter().map(|line| plain(line) + "\n").collect()
}

/// Connections in a report.
const REPORTED: usize = 20;
/// Lines of a table's titles.
const TITLES: usize = 2;

// --- The head ---------------------------------------------------------------------------------------------------------

fn head(view: &View, frame: &Frame<'_>) -> Vec<Line> {
    let (server, total) = (&view.server, &view.total);
    let slow = match total.slow_consumers_new {
        Some(new) if 0 < new => {
            Piece::new(Style::Wrong, format!("{} (+{})", count(total.slow_consumers), count(new)))
        }
        _ => strong(count(total.slow_consumers)),
    };
    let dropped = rate(total.dropped_per_second);
    let style = if matches!(dropped.as_str(), "0" | UNKNOWN) { Style::Strong } else { Style::Notable };
    let both = |one: Option<f64>, other: Option<f64>| strong(format!("{} in {} out", rate(one), rate(other)));
    vec![
        title(server, frame),
        labelled([
            ("connections", strong(total.connections.to_string())),
            ("accepts/s", strong(rate(total.accepts_per_second))),
            ("requests/s", strong(rate(total.requests_per_second))),
            ("slow consumers", slow),
        ]),
        labelled([
            ("messages/s", both(total.messages_in_per_second, total.messages_out_per_second)),
            ("bytes/s", both(total.bytes_in_per_second, total.bytes_out_per_second)),
            ("dropped/s", Piece::new(style, dropped)),
        ]),
    ]
}

/// What the server is at the left, and where it is at the right.
fn title(server: &Server, frame: &Frame<'_>) -> Line {
    let name = frame.alphabet.spell(&format!("tidemill {}", server.version));
    let engine = frame.alphabet.spell(server.engine.as_str());
    let memory = server.resident_bytes.map_or(UNKNOWN.to_owned(), memory);
    let cpu = share(server.cpu_cores);
    let about = format!("  {engine}  up {}  cpu {cpu}  memory {memory}", age(server.uptime_seconds as f64));
    let used = columns(&name) + columns(&about) + columns(frame.source);
    let gap = frame.width.saturating_sub(used).max(2);
    vec![strong(name), Piece::new(Style::Plain, about), faint(" ".repeat(gap) + frame.source)]
}

fn labelled<const N: usize>(pairs: [(&str, Piece); N]) -> Line {
    let mut line = Line::new();
    for (label, value) in pairs {
        let gap = if line.is_empty() { "" } else { "  " };
        line.extend([faint(format!("{gap}{label} ")), value]);
    }
    line
}

/// Which shards have not answered: the longest stall of all.
fn silence(view: &View) -> Option<Piece> {
    let silent: Vec<&ShardView> = view.shards.iter().filter(|shard| shard.figures.is_none()).collect();
    let sentence = match &silent[..] {
        [] => return None,
        [one] => format!(
            "Shard {} has not answered within a second: it is stuck, or its core is taken.",
            one.shard
        ),
        several => format!(
            "{} shards have not answered within a second: they are stuck, or their cores are taken.",
            several.len()
        ),
    };
    Some(Piece::new(Style::Wrong, sentence))
}

// --- The tables -------------------------------------------------------------------------------------------------------

/// Both tables in so many lines. Shards get half of them at most, where there are connections for the rest; in a small window
/// they are what it is for.
fn tables(view: &View, frame: &Frame<'_>, room: usize) -> Vec<Line> {
    let below = TITLES + 2 + view.connections.len();
    let shards = if room < SMALL { room } else { room.saturating_sub(below).max(room / 2) };
    let mut all = some_shards(view, frame, shards);
    let left = room.saturating_sub(all.len());
    // A blank line, what it is, and one connection under its titles.
    if TITLES + 3 <= left || (view.connections.is_empty() && 2 <= left) {
        all.push(Line::new());
        all.extend(connection_table(view, frame, left.saturating_sub(TITLES + 2)));
    }
    all
}

/// In fewer lines than these there are not two tables.
const SMALL: usize = 12;

/// As many shards as fit: all, or those with most to do, in the order of their numbers, and how many are left out.
fn some_shards(view: &View, frame: &Frame<'_>, room: usize) -> Vec<Line> {
    let mut shards: Vec<&ShardView> = view.shards.iter().collect();
    let fitting = room.saturating_sub(TITLES);
    if shards.len() <= fitting {
        return shard_table(&shards, frame);
    }
    // A shard that keeps silent is what somebody looks for.
    let load = |shard: &ShardView| {
        shard.figures.as_ref().map_or(f64::MAX, |figures| figures.busy.unwrap_or_default())
    };
    shards.sort_by(|one, other| load(other).total_cmp(&load(one)));
    let left_out = shards.split_off(fitting.saturating_sub(1).max(1)).len();
    shards.sort_by_key(|shard| shard.shard);
    let mut all = shard_table(&shards, frame);
    all.push(vec![faint(format!("and {left_out} more with less to do"))]);
    all
}

const fn number(group: &'static str, title: &'static str, width: usize, rank: u8) -> Column {
    Column { group, title, side: Side::Right, widths: (width, width), rank }
}

const SHARD_COLUMNS: [Column; 14] = [
    number("", "shard", 5, 0),
    number("", "conns", 6, 0),
    number("accepts", "/s", 5, 3),
    number("", "in/s", 5, 0),
    number("messages", "out/s", 5, 0),
    number("", "in/s", 6, 0),
    number("bytes", "out/s", 5, 0),
    number("", "busy", 5, 0),
    number("", "turns/s", 7, 5),
    number("longest", "turn", 5, 0),
    number("of a", "minute", 6, 4),
    number("", "subs", 5, 4),
    number("", "pending", 7, 0),
    number("free", "buffers", 9, 2),
];

fn shard_table(shards: &[&ShardView], frame: &Frame<'_>) -> Vec<Line> {
    let rows: Vec<Vec<Piece>> = shards.iter().map(|shard| shard_row(shard)).collect();
    lines(&SHARD_COLUMNS, &rows, frame.width)
}

fn shard_row(shard: &ShardView) -> Vec<Piece> {
    let Some(figures) = &shard.figures else {
        let cell = |at: usize| {
            if at == 0 {
                shard.shard.to_string()
            } else if at == 1 {
                "silent".to_owned()
            } else {
                UNKNOWN.to_owned()
            }
        };
        return (0..SHARD_COLUMNS.len()).map(|at| Piece::new(Style::Wrong, cell(at))).collect();
    };
    let Figures { receive_buffers_free: free, receive_buffers: all, .. } = *figures;
    let few = free.saturating_mul(4) <= all && 0 < all;
    vec![
        plain_cell(shard.shard.to_string()),
        plain_cell(count(figures.connections)),
        plain_cell(rate(figures.accepts_per_second)),
        plain_cell(rate(figures.messages_in_per_second)),
        plain_cell(rate(figures.messages_out_per_second)),
        plain_cell(rate(figures.bytes_in_per_second)),
        plain_cell(rate(figures.bytes_out_per_second)),
        above(figures.busy.unwrap_or_default(), (0.7, 0.9), share(figures.busy)),
        plain_cell(rate(figures.turns_per_second)),
        stall(figures.longest_turn_micros),
        stall(figures.longest_turn_of_minute_micros),
        plain_cell(count(figures.subscriptions)),
        plain_cell(memory(figures.pending_bytes)),
        Piece::new(if few { Style::Notable } else { Style::Plain }, format!("{free}/{all}")),
    ]
}

/// A turn that long is felt by every connection of its shard.
fn stall(micros: u64) -> Piece {
    above(micros as f64, (10_000.0, 100_000.0), span(micros))
}

/// Stands out from the first bound on, and is wrong from the second on.
fn above(value: f64, bounds: (f64, f64), text: String) -> Piece {
    let style = match value {
        _ if bounds.1 <= value => Style::Wrong,
        _ if bounds.0 <= value => Style::Notable,
        _ => Style::Plain,
    };
    Piece::new(style, text)
}

const CONNECTION_COLUMNS: [Column; 13] = [
    Column { group: "", title: "id", side: Side::Left, widths: (7, 12), rank: 0 },
    Column { group: "", title: "peer", side: Side::Left, widths: (21, 47), rank: 0 },
    Column { group: "", title: "protocol", side: Side::Left, widths: (9, 9), rank: 1 },
    Column { group: "", title: "tls", side: Side::Left, widths: (7, 7), rank: 6 },
    number("", "in/s", 5, 0),
    number("bytes", "out/s", 5, 0),
    number("messages", "out/s", 8, 4),
    number("", "pending", 7, 0),
    number("", "subs", 5, 0),
    number("", "missed", 6, 5),
    number("", "age", 6, 0),
    number("", "idle", 6, 3),
    Column { group: "", title: "name", side: Side::Left, widths: (7, 200), rank: 2 },
];

fn connection_table(view: &View, frame: &Frame<'_>, room: usize) -> Vec<Line> {
    let shown: Vec<&ConnectionView> = frame.sort.order(&view.connections).into_iter().take(room).collect();
    let of = view.total.connections.max(shown.len() as u64);
    let mut all = vec![vec![strong(frame.sort.title()), faint(format!(": {} of {of}", shown.len()))]];
    let rows: Vec<Vec<Piece>> = shown.iter().map(|row| connection_row(row, frame.alphabet)).collect();
    if !rows.is_empty() {
        all.extend(lines(&CONNECTION_COLUMNS, &rows, frame.width));
    }
    all
}

fn connection_row(row: &ConnectionView, alphabet: Alphabet) -> Vec<Piece> {
    let word = |text: &Clean| plain_cell(alphabet.spell(text.as_str()));
    let known = |value: Option<u64>| plain_cell(value.map_or(UNKNOWN.to_owned(), count));
    let protocol = if row.state.as_str() == "open" { &row.protocol } else { &row.state };
    let names = [&row.user, &row.name, &row.library].map(Clean::as_str);
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    vec![
        word(&row.id),
        word(&row.address),
        word(protocol),
        plain_cell(row.tls.as_ref().map_or(UNKNOWN.to_owned(), |tls| alphabet.spell(tls.as_str()))),
        plain_cell(rate(row.bytes_in_per_second)),
        plain_cell(rate(row.bytes_out_per_second)),
        plain_cell(rate(row.messages_out_per_second)),
        plain_cell(memory(row.pending_bytes)),
        known(row.subscriptions),
        known(row.messages_dropped),
        plain_cell(age(row.age_seconds)),
        plain_cell(age(row.idle_seconds)),
        plain_cell(alphabet.spell(&names.join(", "))),
    ]
}

// --- The keys ---------------------------------------------------------------------------------------------------------

fn keys(frame: &Frame<'_>) -> Line {
    let mut line = vec![strong("q"), faint(" quit  "), strong("space"), faint(" pause   order: ")];
    for one in Sort::ALL {
        let style = if one == frame.sort { Style::Heading } else { Style::Faint };
        line.extend([strong(one.key().to_string()), faint(" "), Piece::new(style, one.name()), faint("  ")]);
    }
    line.push(faint(format!(" every {}", frame.interval)));
    line
}

fn plain_cell(text: String) -> Piece {
    Piece::new(Style::Plain, text)
}

fn strong(text: impl Into<String>) -> Piece {
    Piece::new(Style::Strong, text)
}

fn faint(text: impl Into<String>) -> Piece {
    Piece::new(Style::Faint, text)
}

#[cfg(test)]
mod tests;
