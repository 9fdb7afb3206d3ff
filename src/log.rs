//! Where events go: standard error, as lines for a person or as JSON.
//!
//! Standard output stays free for data. A log that cannot be written is given up in silence: a server does not end
//! because somebody closed its terminal.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

use crate::config::{LogFormat, LogLevel};

/// Sends the events of this process to standard error from now on. A second call changes nothing.
pub fn init(format: LogFormat, level: LogLevel) {
    let lines = fmt().with_max_level(filter(level)).with_writer(io::stderr).log_internal_errors(false);
    // Either fails only where a subscriber is set already, and then that one was meant: the host's of a library.
    let _ = match format {
        LogFormat::Human => lines.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    };
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
}
