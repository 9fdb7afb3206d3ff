//! Where events go: standard error, as lines for a person or as JSON.
//!
//! Standard output stays free for data. A log that cannot be written is given up in silence: a server does not end
//! because somebody closed its terminal. Where systemd's journal reads, it gets the level in its own way, and notes the time
//! itself. And nobody waits for it: lines go through a bounded queue to a thread of their
//! own, and are dropped when that queue is full, because a reader who stops reading must not stop a shard.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogLevel};
use crate::limits;

/// The way to standard error. Dropping it writes what still waits, for a second at most.
#[derive(Debug)]
pub struct Log {
    writer: NonBlocking,
    format: LogFormat,
    _flush: WorkerGuard,
}

impl Log {
    /// Says something that is no event, as the banner and the figures are: as it stands to people, as an event to
    /// machines. It is said at every level: whoever asks for the figures gets them.
    pub fn say(&self, text: &str) {
        match self.format {
            LogFormat::Human => {
                // The queue takes it or drops it.
                let _ = self.writer.clone().write_all(text.as_bytes());
            }
            LogFormat::Json => tracing::info!(target: SAID, "{}", text.trim_end()),
        }
    }
}

/// Sends the events of this process to standard error from now on. It starts a thread: block signals first.
pub fn init(format: LogFormat, level: LogLevel) -> Log {
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(limits::LOG_LINES_WAITING);
    let (writer, flush) = queue.thread_name("log").finish(io::stderr());
    let shown = shown(level);
    let lines =
        fmt().with_max_level(LevelFilter::TRACE).with_writer(writer.clone()).log_internal_errors(false);
    // Either fails only where a subscriber is set already, and then that one was meant: the host's of a library.
    let _ = match format {
        LogFormat::Human if is_journal() => {
            let plain = fmt::format().without_time().with_level(false).with_target(false).with_ansi(false);
            lines.event_format(ForJournal(plain)).finish().with(shown).try_init()
        }
        LogFormat::Human => {
            lines.with_target(false).with_ansi(io::stderr().is_terminal()).finish().with(shown).try_init()
        }
        LogFormat::Json => {
            lines.json().flatten_event(true).with_span_list(false).finish().with(shown).try_init()
        }
    };
    Log { writer, format, _flush: flush }
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
