//! Certificates and keys that cannot be used: said in one sentence when the server is started, or the configuration is
//! checked, with the file, the cause and the remedy.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;

use crate::support::launch::{check_refused, run, tidemill};
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::support::web::{configuration, serve};
use crate::support::{Folder, text};

/// Checks that a start and a check with these keys of TLS are refused with 3 and these words.
#[track_caller]
fn check(folder: &Folder, keys: &str, words: &str) {
    let listener = format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\ntls = {{ {keys} }}\n");
    let file = folder.write("t.toml", &configuration("", &listener));
    check_refused(tidemill(&["--config", text(&file)]), 3, words);
    check_refused(tidemill(&["check", "--config", text(&file)]), 3, words);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (folder, authority) = (Folder::new(), Authority::new("authority"));
    let good = authority.issue(&["localhost"]);
    let other = authority.issue(&["localhost"]);
    good.write(&folder, "good");
    other.write(&folder, "other");
    folder.write("empty.pem", "");
    folder.write("half.pem", &good.certificate[..100]);
    folder.write("nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    folder.write("locked.key", locked);
    let pair = |certificate: &str, key: &str| format!("certificate = \"{certificate}\", key = \"{key}\"");
    let check = |keys: &str, words| check(&folder, keys, words);
    check(&pair("none.pem", "good.key"), "none.pem does not exist: check the path");
    check(&pair("good.pem", "none.key"), "none.key does not exist: check the path");
    check(&pair(".", "good.key"), "is not a regular file");
    check(&pair("empty.pem", "good.key"), "empty.pem has no certificate inside");
    check(&pair("good.key", "good.key"), "good.key has no certificate inside");
    check(&pair("good.pem", "good.pem"), "good.pem has no private key inside");
    check(&pair("half.pem", "good.key"), "half.pem");
    check(&pair("nonsense.pem", "good.key"), "nonsense.pem");
    check(&pair("good.pem", "locked.key"), "is behind a password");
    check(&pair("good.pem", "other.key"), "does not belong to the certificate in");
    let ca = |file: &str| format!("{}, client_ca = \"{file}\"", pair("good.pem", "good.key"));
    check(&ca("none.pem"), "none.pem does not exist");
    check(&ca("good.key"), "good.key has no certificate inside");
}

/// What is odd and works is said, by a start and by a check, and served.
#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    let (folder, authority) = (Folder::new(), Authority::new("authority"));
    let keys = authority.issue(&["localhost"]).keys(&folder, "server");
    fs::set_permissions(folder.path("server.key"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let listener = format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\ntls = {{ {keys} }}\n");
    let server = serve(&folder, "", &listener, &[]);
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(0));
    let words = "can be read by every user of this host: chmod o-rwx it";
    let said = farewell.stderr.join("\n");
    assert!(said.contains(words), "{said}");
    let file = folder.write("t.toml", &configuration("", &listener));
    let ended = run(tidemill(&["check", "--config", text(&file)]));
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains(words), "{ended:#?}");
}

/// Good files pass a check.
#[test]
fn good_files_pass_a_check() {
    let (folder, authority) = (Folder::new(), Authority::new("authority"));
    let keys = authority.issue(&["localhost"]).keys(&folder, "server");
    let listener = format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\ntls = {{ {keys} }}\n");
    let file = folder.write("t.toml", &configuration("", &listener));
    let ended = run(tidemill(&["check", "--config", text(&file)]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "The configuration is valid.\n"), "{ended:#?}");
}

/// The certificate that is made at the start is the one whose fingerprint is told.
#[test]
fn a_self_signed_certificate_has_the_fingerprint_that_is_told() {
    let server = Server::listen(&["https://127.0.0.1:0"], &["--tls-self-signed"]);
    let der = super::tool::shown_to_anybody(server.https_address());
    let rustls::SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else {
        unreachable!("it is a suite of TLS 1.3")
    };
    let digest = suite.common.hash_provider.hash(&der);
    let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let farewell = server.stop();
    let said = farewell.stderr.join("\n");
    assert!(said.contains(&format!("is self-signed, SHA-256 {}", pairs.join(":"))), "{said}");
}
