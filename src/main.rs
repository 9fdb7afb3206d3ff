//! The server's binary: flags, then configuration, then the server, then an exit code.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use tidemill::cli::{Action, Cli};
use tidemill::config::{Config, Source};
use tidemill::doctor::{self, Form};
use tidemill::error::{StartError, exit};
use tidemill::top::{self, Shown, Sight};
use tidemill::{server, upgrade};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return explain(&answer),
    };
    match run(cli) {
        Ok(code) => code.into(),
        Err(error) => {
            say(&format!("tidemill: {error}"));
            error.exit_code().into()
        }
    }
}

/// Does what was typed, and returns the exit code.
fn run(cli: Cli) -> Result<u8, StartError> {
    let (action, flags) = cli.into_action();
    let file = flags.config.clone();
    let source = Source::new(file, flags.into_layer());
    match action {
        Action::Print => print(&source.load()?.to_toml()),
        Action::Check => {
            server::check(&source.load()?)?.iter().for_each(|warning| say(&format!("tidemill: {warning}")));
            print("The configuration is valid.\n")
        }
        Action::Doctor { json } => {
            let form = if json { Form::Json } else { Form::Table { coloured: shows_colours() } };
            let (report, code) = doctor::examine(&source.load()?, form);
            print(&report).map(|_| code)
        }
        Action::Serve => server::run(&source.load()?, &source),
        Action::Upgrade { pid } => {
            let (sentence, code) = upgrade::upgrade(pid);
            say(&format!("tidemill: {sentence}"));
            Ok(code)
        }
        Action::Top(options) => show(&options, &source.load()?),
    }
}

/// Shows what a server does, on this terminal or as text.
fn show(options: &top::Options, config: &Config) -> Result<u8, StartError> {
    let sight = Sight { is_screen: io::stdout().is_terminal() && !is_dumb(), coloured: shows_colours() };
    match top::run(options, config, sight) {
        Ok(Shown::Text(report)) => print(&report),
        Ok(Shown::Screen(code)) => Ok(code),
        Err(error) => {
            say(&format!("tidemill: {error}"));
            Ok(error.exit_code())
        }
    }
}

/// Writes data to standard output. A reader that has gone, as `head` does, has read enough.
fn print(text: &str) -> Result<u8, StartError> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(StartError::Output(error)),
        Ok(()) | Err(_) => Ok(exit::CLEAN),
    }
}

/// Whether standard output is a terminal that shows colours to somebody who wants them (no-color.org).
fn shows_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb()
}

/// Whether the terminal shows letters and nothing more.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb")
}

/// Writes one sentence to standard error, if there is one.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}

/// Help and version go to standard output, usage errors to standard error.
fn explain(answer: &clap::Error) -> ExitCode {
    let _ = answer.print();
    if answer.use_stderr() { exit::USAGE.into() } else { exit::CLEAN.into() }
}
