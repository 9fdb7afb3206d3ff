//! Tools that a host may have or not: nats-server, and clients in Python and JavaScript. What is not in the path is
//! installed; what cannot be is said.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::install::{self, install, python_environment, succeed};
use crate::support::launch::can_run;
use crate::support::text;

const NATS_PY: &str = "2.16.0";
/// As tests/it/nats/package.json has it.
const NATS_CORE: &str = "3.4.0";

/// A program, or why there is none.
type Found = Result<&'static str, String>;

/// A nats-server of the right release.
pub(super) fn nats_server() -> Found {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    as_found(FOUND.get_or_init(install::nats_server))
}

/// A Python that has nats-py.
pub(super) fn python() -> Found {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    as_found(FOUND.get_or_init(|| {
        // The extras: WebSocket, and keys of ed25519.
        let package = format!("nats-py[aiohttp,nkeys]=={NATS_PY}");
        let folder = python_environment(&format!("nats-py-{NATS_PY}"), &package)?;
        Ok(text(&folder.join("bin/python")).to_owned())
    }))
}

/// A folder that has the `node_modules` of tests/it/nats/package-lock.json.
pub(super) fn node_modules() -> Found {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    as_found(FOUND.get_or_init(|| {
        if !can_run("node", &["--version"]) || !can_run("npm", &["--version"]) {
            return Err("no node or no npm is in the path".to_owned());
        }
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/nats");
        let folder = install(&format!("nats-core-{NATS_CORE}"), |folder| {
            for file in ["package.json", "package-lock.json"] {
                fs::copy(sources.join(file), folder.join(file)).map_err(|error| error.to_string())?;
            }
            let mut command = Command::new("npm");
            command.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]);
            command.arg("--fetch-timeout=15000").current_dir(folder);
            succeed(command)
        })?;
        Ok(text(&folder).to_owned())
    }))
}

fn as_found(found: &'static Result<String, String>) -> Found {
    found.as_deref().map_err(String::clone)
}
