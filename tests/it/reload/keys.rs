//! Every key, one after the other, at one server: whatever another value of it does at SIGHUP, it is said.
//!
//! Which keys there are, and which of them can change, stands in `keys.tsv`; that none is missing there is seen to beside the
//! tables of the keys themselves.

use std::fs;

use rustix::process::Signal;

use super::READ;
use crate::support::launch::tidemill;
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::support::{Folder, KEY_SET, text};

const BASE: &str = include_str!("base.toml");
const ROWS: &str = include_str!("keys.tsv");

/// A public key that `openssl ecparam -name prime256v1 -genkey` made; the private one is gone.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExBf/CP/LkmtlJICnSu1sG0O1oLpR\n\
    H5IGRnB/6uWVAWZ7AbB3SkEL96RKKNsVQgHP+AG67TAVQJb7LpRh5KNy7g==\n\
    -----END PUBLIC KEY-----\n";

/// Writes all files that the configuration names, each under a second name, too.
fn write_files(folder: &Folder) {
    let authority = Authority::new("authority");
    let (one, two) = (authority.issue(&["one.example"]), authority.issue(&["two.example"]));
    for name in ["one", "one-2"] {
        one.write(folder, name);
    }
    two.write(folder, "two");
    let secret = "0123456789abcdef0123456789abcdef\n";
    let files = [
        ("ca", ".pem", &*authority.pem()),
        ("issuer", ".pem", PUBLIC_KEY),
        ("jwks", ".json", KEY_SET),
        ("password", "", "open-sesame\n"),
        ("secret", "", secret),
        ("token", "", "abcdef0123456789\n"),
        ("tokens", "", secret),
    ];
    for (name, end, content) in files {
        folder.write(&format!("{name}{end}"), content);
        folder.write(&format!("{name}-2{end}"), content);
    }
}

/// What stands behind these words in the last line that has them, in either format of the log.
fn behind<'a>(lines: &'a [String], words: &str) -> Option<&'a str> {
    let rest = |line: &'a String| {
        let (_, rest) = line.split_once(words)?;
        let json = line.starts_with('{').then(|| rest.split_once("\",")).flatten();
        Some(json.map_or(rest, |(message, _)| message))
    };
    lines.iter().rev().find_map(rest)
}

struct Walk {
    server: Server,
    folder: Folder,
}

impl Walk {
    fn place(&self, config: &str) -> String {
        config.replace("{folder}", text(self.folder.root())).replace("{core}", &first_core())
    }

    /// Has the server read this, and returns what it says has changed, and what not.
    fn read(&self, config: &str) -> (String, String) {
        self.folder.write("t.toml", &self.place(config));
        self.server.signal(Signal::HUP);
        let lines = self.server.await_line(READ);
        let applied = behind(&lines, ", and this has changed: ").unwrap_or_default().to_owned();
        let nothing = behind(&lines, "of the configuration nothing").unwrap_or_default();
        if nothing != " has changed that can" {
            return (applied, String::new());
        }
        let lines = self.server.await_line("not changed while running: ");
        let kept = behind(&lines, "not changed while running: ").expect("it was awaited");
        (applied, kept.rsplit_once("; ").expect("what to do").0.to_owned())
    }
}

/// A core that this process may use.
fn first_core() -> String {
    let cores = fs::read_to_string("/proc/self/status").expect("there is /proc");
    let list =
        cores.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("proc_pid_status(5)");
    list.trim().split([',', '-']).next().expect("one at least").to_owned()
}

/// Each key by itself holds or is named as one that does not; the base again brings the first value back, and of what did not
/// change nothing is said any more.
#[test]
fn every_key_is_applied_or_named() {
    let folder = Folder::new();
    write_files(&folder);
    let file = folder.write("t.toml", &BASE.replace("{folder}", text(folder.root())));
    let server = Server::launch(tidemill(&["--config", text(&file)]));
    let walk = Walk { server, folder };
    let mut count = 0;
    for row in ROWS.lines().filter(|line| !line.starts_with('#')) {
        let [key, class, from, to, names] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let lines = BASE.lines().map(|line| if line == from { to } else { line });
        let changed = lines.collect::<Vec<_>>().join("\n").replace("\\n", "\n");
        let (applied, kept) = walk.read(&changed);
        let names = walk.place(names);
        let (back, still_kept) = walk.read(BASE);
        assert_eq!(still_kept, "", "{key}");
        if class == "start" {
            assert_eq!((applied.as_str(), kept), ("", names), "{key}");
            assert_eq!(back, "", "{key}");
        } else {
            assert_eq!((applied, kept.as_str()), (names.clone(), ""), "{key}");
            assert_eq!(back.split(", ").count(), names.split(", ").count(), "{key}: {back}");
        }
        count += 1;
    }
    assert!(90 < count, "{count}");
    walk.server.stop_clean();
}
