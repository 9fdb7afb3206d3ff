//! What the documents tell an operator to write is what the server reads.

use std::fs;
use std::path::Path;

use crate::support::launch::{run, tidemill};
use crate::support::tls::Authority;
use crate::support::{Folder, KEY_SET, text};

/// Where the unit's certificates stand, which this host need not have.
const CREDENTIALS: &str = "/run/credentials/tidemill.service/";

/// The configurations that a document shows.
fn configurations(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(path).expect("it is part of the project");
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|rest| rest.split("```").next().expect("split gives one").to_owned()).collect()
}

/// A folder with all files that they name.
fn files() -> Folder {
    let folder = Folder::new();
    let issued = Authority::new("authority").issue(&["example.org"]);
    for (name, certificate, key) in [("a", "chain.pem", "key.pem"), ("b", "site.pem", "site.key")] {
        let (chain, own) = issued.write(&folder, name);
        fs::rename(chain, folder.path(certificate)).expect("it is ours");
        fs::rename(own, folder.path(key)).expect("it is ours");
    }
    folder.write("tokens.txt", "anna:0123456789abcdef0123456789abcdef\n");
    folder.write("keys.json", KEY_SET);
    folder.write("sensor.secret", "open-sesame\n");
    folder
}

#[test]
fn each_configuration_they_show_is_valid() {
    let folder = files();
    for (document, count) in [("README.md", 3), ("tuning/systemd/README.md", 1)] {
        let shown = configurations(document);
        assert_eq!(shown.len(), count, "{document} shows another number: are all of them found?");
        for configuration in shown {
            let file = folder.write("tidemill.toml", &configuration.replace(CREDENTIALS, ""));
            let ended = run(tidemill(&["check", "--config", text(&file)]));
            assert_eq!(ended.code, Some(0), "{document}:\n{configuration}\n{ended:#?}");
        }
    }
}
