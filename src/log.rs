//! Where events go: standard error, as lines for a person or as JSON.
//!
//! Standard output stays free for data. A log that cannot be written is given up in silence: a server does not end
//! because somebody closed its terminal. Where systemd's journal reads, it gets the level in its own way, and notes the time
//! itself. And nobody waits for it: lines go through a bounded queue to a thread of their
//! own, and are dropped when that queue is full, because a reader who stops reading must not stop a shard.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogLevel};
use crate::limits;

/// The way to standard error. Dropping it writes what still waits, for a second at most.
#[derive(Debug)]
pub struct Log {
    writer: NonBlocking,
    form: Arc<Form>,
    shown: reload::Handle<Targets, Registry>,
    _flush: WorkerGuard,
}

impl Log {
    /// Says something that is no event, as the banner and the figures are: as it stands to people, as an event to
    /// machines. It is said at every level: whoever asks for the figures gets them.
    pub fn say(&self, text: &str) {
        match self.form.get() {
            LogFormat::Human => {
                // The queue takes it or drops it.
                let _ = self.writer.clone().write_all(text.as_bytes());
            }
            LogFormat::Json => tracing::info!(target: SAID, "{}", text.trim_end()),
        }
    }
}

impl Log {
    /// Whether a program reads it, by the line: JSON, or the journal with its levels.
    pub fn is_for_programs(&self) -> bool {
        self.form.get() == LogFormat::Json || is_journal()
    }

    /// From now on events are written so, from this level on.
    pub fn change(&self, format: LogFormat, level: LogLevel) {
        self.form.set(format);
        // It fails only where the subscriber of the host of a library was there before, who decides what is shown.
        let _ = self.shown.reload(shown(level));
    }
}

/// Sends the events of this process to standard error from now on. It starts a thread: block signals first.
///
/// # Errors
/// When there is no thread for it.
pub fn init(format: LogFormat, level: LogLevel) -> io::Result<Log> {
    // The writer's own would end the process with a trace where there is none.
    let _ = Builder::new().spawn(|| ())?.join();
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(limits::LOG_LINES_WAITING);
    let (writer, flush) = queue.thread_name("log").finish(io::stderr());
    let form = Arc::new(Form::new(format));
    let (filter, shown) = reload::Layer::new(shown(level));
    let lines = fmt::layer()
        .with_writer(writer.clone())
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .event_format(Lines::new(Arc::clone(&form)));
    // It fails only where a subscriber is set already, and then that one was meant: the host's of a library.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(Log { writer, form, shown, _flush: flush })
}

/// How events are written now.
#[derive(Debug)]
struct Form(AtomicBool);

impl Form {
    fn new(format: LogFormat) -> Self {
        Self(AtomicBool::new(format == LogFormat::Json))
    }

    fn get(&self) -> LogFormat {
        // Relaxed: it guards no other memory.
        if self.0.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Human }
    }

    fn set(&self, format: LogFormat) {
        self.0.store(format == LogFormat::Json, Ordering::Relaxed);
    }
}

/// Lines in the form that is asked for; to the journal, as it reads them.
struct Lines {
    form: Arc<Form>,
    journal: Option<ForJournal>,
    human: Format<Full>,
    json: Format<Json>,
}

impl Lines {
    fn new(form: Arc<Form>) -> Self {
        let plain = || fmt::format().without_time().with_level(false).with_target(false).with_ansi(false);
        Self {
            form,
            journal: is_journal().then(|| ForJournal(plain())),
            human: fmt::format().with_target(false),
            json: fmt::format().json().flatten_event(true).with_span_list(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        match (self.form.get(), &self.journal) {
            (LogFormat::Json, _) => self.json.format_event(context, writer, event),
            (LogFormat::Human, Some(journal)) => journal.format_event(context, writer, event),
            (LogFormat::Human, None) => self.human.format_event(context, writer, event),
        }
    }
}

/// Whether the journal reads standard error: systemd says which stream it is (`JOURNAL_STREAM`, systemd.exec(5)), since what
/// it has started may have put another one there.
fn is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").ok();
    let own = fs::metadata("/proc/self/fd/2").ok().map(|file| format!("{}:{}", file.dev(), file.ino()));
    named.is_some() && named == own
}

/// Lines as the journal reads them: the level first (sd-daemon(3)).
struct ForJournal(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for ForJournal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The level as syslog(3) counts it.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// The target of what is said rather than logged.
const SAID: &str = "figures";

/// Events from `level` on, and what is said.
fn shown(level: LogLevel) -> Targets {
    Targets::new().with_default(filter(level)).with_target(SAID, LevelFilter::INFO)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_keep_their_names() {
        for level in LogLevel::ALL {
            assert_eq!(filter(level).to_string(), level.name());
        }
    }

    #[test]
    fn what_is_said_is_shown_at_every_level() {
        for level in LogLevel::ALL {
            assert!(shown(level).would_enable(SAID, &Level::INFO), "{level:?}");
        }
        assert!(!shown(LogLevel::Error).would_enable("tidemill::shard", &Level::WARN));
    }
}
