//! The load generator's binary: flags, then a command, then an exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use loadgen::cli::Cli;
use loadgen::command::{self, FINE, USAGE};

fn main() -> ExitCode {
    match Cli::read(std::env::args_os()) {
        Ok(cli) => command::carry_out(cli.into_command()).into(),
        Err(answer) => {
            let _ = answer.print();
            if answer.use_stderr() { USAGE.into() } else { FINE.into() }
        }
    }
}
