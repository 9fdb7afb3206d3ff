//! The live view: a thread that looks, one that waits for keys, one that waits for signals, and the screen, which waits for all of
//! them at once. Whoever reports to the screen waits while it is behind.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::answers::{Connz, Varz};
use super::app::App;
use super::ask::{AskError, Asker};
use super::keys::{Sort, Wish};
use super::terminal::{self, Input, Terminal};
use super::{Options, Sight, TopError, alphabet, look, said};
use crate::error::exit;
use crate::limits;
use crate::sys::clock;
use crate::sys::signal::{Signals, StopSignal, Waker, Woken};

/// What the screen is told.
enum News {
    Looked(Result<(Varz, Connz), AskError>),
    Did(Input),
    /// The terminal gives no more keys.
    Deaf(std::io::Error),
    Asked(StopSignal),
    /// The terminal has gone (SIGHUP).
    Gone,
}

/// Shows the server until somebody leaves; returns the exit code.
pub(super) fn run(asker: Asker, options: &Options, sight: Sight) -> Result<u8, TopError> {
    // Whoever cannot be reached at the beginning is told of in a sentence, on a terminal as it was; until then Ctrl-C is a signal.
    let first = look(&asker, options.sort)?;
    // Before the first thread, so that from here on no signal ends the process while the terminal is ours.
    let signals = Signals::watch().map_err(TopError::Terminal)?;
    let source = (asker.target().to_string(), said(options.interval));
    let mut app = App::new(source, alphabet(), options.sort, terminal::size());
    app.take(Ok(first), clock::now());
    let (news, told) = sync_channel(limits::TOP_EVENTS);
    let screen = Terminal::take(sight.coloured).map_err(TopError::Terminal)?;
    let sort = start_threads(asker, options, signals, &news);
    drop(news);
    let code = show(&screen, &mut app, &told, &sort);
    drop(screen);
    code
}

/// Paints, waits, and takes in what happened, again and again.
fn show(
    screen: &Terminal,
    app: &mut App,
    told: &Receiver<News>,
    sort: &SyncSender<Sort>,
) -> Result<u8, TopError> {
    loop {
        screen.paint(app.picture(clock::now()), app.size.0).map_err(TopError::Terminal)?;
        // The seconds of a notice go on while nothing happens.
        let news = match told.recv_timeout(Duration::from_secs(1)) {
            Ok(news) => news,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(exit::FAILED),
        };
        match news {
            News::Looked(looked) => app.take(looked, clock::now()),
            News::Did(Input::Resized(columns, lines)) => app.size = (columns, lines),
            News::Did(Input::Other) => {}
            News::Did(Input::Wish(wish)) => {
                if !app.obey(wish) {
                    return Ok(exit::CLEAN);
                }
                if let Wish::Order(_) = wish {
                    // When the thread has its hands full it has been told already that something changed.
                    let _ = sort.try_send(app.sort());
                }
            }
            News::Deaf(error) => return Err(TopError::Terminal(error)),
            News::Asked(signal) => return Ok(signal.exit_code()),
            News::Gone => return Ok(exit::CLEAN),
        }
    }
}

/// Starts the three threads, which end with the process; returns where the looks are told of a new order.
fn start_threads(
    asker: Asker,
    options: &Options,
    signals: Signals,
    news: &SyncSender<News>,
) -> SyncSender<Sort> {
    let (sort, sorts) = sync_channel(limits::TOP_EVENTS);
    let (told, interval, first) = (news.clone(), options.interval, options.sort);
    thread::spawn(move || look_again_and_again(&asker, interval, first, &sorts, &told));
    let told = news.clone();
    thread::spawn(move || {
        loop {
            let (news, is_deaf) = match terminal::next_input() {
                Ok(input) => (News::Did(input), false),
                Err(error) => (News::Deaf(error), true),
            };
            if told.send(news).is_err() || is_deaf {
                break;
            }
        }
    });
    let told = news.clone();
    thread::spawn(move || watch(&signals, &told));
    sort
}

/// One look after the other, each so long after the start of the one before; a new order waits a moment at most.
fn look_again_and_again(
    asker: &Asker,
    interval: Duration,
    mut sort: Sort,
    sorts: &Receiver<Sort>,
    told: &SyncSender<News>,
) {
    // The first rates need not wait for a long interval.
    let soon = || clock::now().saturating_add(interval.min(SOON));
    let mut due = soon();
    loop {
        match sorts.recv_timeout(due.saturating_since(clock::now())) {
            Ok(new) => (sort, due) = (new, due.min(soon())),
            Err(RecvTimeoutError::Timeout) => {
                due = clock::now().saturating_add(interval);
                if told.send(News::Looked(look(asker, sort))).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// How long somebody waits for the first rates, or for another order, where the interval is longer.
const SOON: Duration = Duration::from_secs(1);

fn watch(signals: &Signals, told: &SyncSender<News>) {
    let Ok(nobody) = Waker::new() else { return };
    loop {
        let news = match signals.wait(&nobody, None) {
            Ok(Woken::Stop(signal)) => News::Asked(signal),
            Ok(Woken::Reload) => News::Gone,
            Ok(Woken::Report | Woken::Upgrade | Woken::Waker | Woken::TimedOut) => continue,
            Err(_) => return,
        };
        if told.send(news).is_err() {
            return;
        }
    }
}
