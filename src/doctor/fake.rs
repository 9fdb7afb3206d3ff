//! Hosts that are made of files, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Sight;
use super::finding::{Finding, Severity};
use super::host::Host;
use crate::config::{Config, Listener};
use crate::ring::Capabilities;
use crate::server::Needs;
use crate::sys::sandbox::Walls;
use crate::tier::RingTier;

/// Files below a directory that goes with it.
pub(super) struct Tree(PathBuf);

impl Tree {
    /// With these texts at these paths.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0); // Relaxed: the number needs only to be unique.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let tree =
            Self(std::env::temp_dir().join(format!("tidemill-doctor-{}-{number}", std::process::id())));
        fs::create_dir_all(&tree.0).unwrap();
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(super) fn host(&self) -> Host {
        Host::below(&self.0)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What cannot be removed is left to the host's own cleaning.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A start on two cores of which nothing is refused.
pub(super) fn needs() -> Needs {
    Needs {
        cores: vec![0, 1],
        engine: Ok(Capabilities::of_tier(RingTier::V6_17)),
        refusal: None,
        files: Ok(Vec::new()),
        descriptors: 16_588,
        walls: Walls { files: true, ports: true, processes: true, rings: true, calls: true },
    }
}

/// Listens there, and nowhere else.
pub(super) fn listening(addresses: &[&str]) -> Config {
    let listeners = addresses.iter().map(|address| Listener::echo(address.parse().unwrap())).collect();
    Config { listeners, ..Config::default() }
}

/// What a check says of these files, with the usual configuration.
pub(super) fn look(check: fn(&Sight<'_>) -> Finding, files: &[(&str, &str)]) -> Finding {
    look_with(check, files, &Config::default(), &needs())
}

/// The same, with another configuration and another start.
pub(super) fn look_with(
    check: fn(&Sight<'_>) -> Finding,
    files: &[(&str, &str)],
    config: &Config,
    needs: &Needs,
) -> Finding {
    let tree = Tree::new(files);
    check(&Sight { host: &tree.host(), config, needs })
}

/// Checks the severity, what is found, and the command.
#[track_caller]
pub(super) fn check(finding: &Finding, severity: Severity, found: &str, command: &str) {
    assert_eq!(finding.severity, severity, "{finding:#?}");
    assert!(finding.found.contains(found), "{found}: {finding:#?}");
    match (&finding.command, command) {
        (None, "") => {}
        (Some(said), wanted) if !wanted.is_empty() && said.contains(wanted) => {}
        (said, wanted) => panic!("{wanted:?} is not {said:?}: {finding:#?}"),
    }
}
