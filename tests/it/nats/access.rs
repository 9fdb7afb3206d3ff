//! Every kind of credentials, shown by unmodified clients: the right one lets them in, and another does not.

use async_nats::{ConnectErrorKind, ConnectOptions};

use super::client_kit::{run, settle};
use super::peer::{Hub, Settings, User};
use super::program::Language::{JavaScript, Python};
use super::program::Program;
use crate::support::tls::Authority;
use crate::support::{Folder, text};

/// Of "wonderland", by crypt(3) with a salt that anybody may know.
const BCRYPT: &str = "$2a$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu";
/// Two keys of users, made by @nats-io/nkeys: the seed and the public key.
const KEY: (&str, &str) = (
    "SUAHF24EMVG3HO3ES57AOIQ2NHQNKJBXCNC4GU4FQ4MIZB5V2LKKQHYQVI",
    "UD57H2MJQTMR4OYQ6PAOMNDQC3KTNN7OLMJA6YU5WBJ47HR7VWVEUDYS",
);
const OTHER_SEED: &str = "SUAEMCEJRWG7JIJ6OIJSRMTCNL3AIG4XD7BMPPQPNIXJ2NCEXGU4YW5HII";

/// What the programs are told by their environment.
type Shown<'a> = &'a [(&'a str, &'a str)];

/// All clients come in by what is right, and none by what is wrong.
#[track_caller]
fn check(settings: &Settings, right: (Shown<'_>, ConnectOptions), wrong: (Shown<'_>, ConnectOptions)) {
    let Some(hub) = Hub::start(settings) else { return };
    let scheme = if settings.tls.is_some() { "tls" } else { "nats" };
    let url = format!("{scheme}://{}", hub.address());
    for language in [Python, JavaScript] {
        for (shown, word) in [(right.0, "let in"), (wrong.0, "refused")] {
            if let Some(program) = Program::start(language, &url, "credentials", shown) {
                program.await_all(&[word]);
            }
        }
    }
    run(async {
        let client = right.1.connect(&url).await.expect("that is right");
        settle(&client).await;
        let error = wrong.1.connect(&url).await.expect_err("that is wrong");
        let expected = match scheme {
            "tls" => [ConnectErrorKind::Tls, ConnectErrorKind::Io],
            _ => [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication],
        };
        assert!(expected.contains(&error.kind()), "{error}");
    });
}

fn password(name: &str, password: &str) -> ConnectOptions {
    ConnectOptions::with_user_and_password(name.to_owned(), password.to_owned())
}

fn check_password(stored: &'static str) {
    let user = User { name: "alice", password: stored, ..User::default() };
    let right: Shown<'_> = &[("NATS_USER", "alice"), ("NATS_PASSWORD", "wonderland")];
    let wrong: Shown<'_> = &[("NATS_USER", "alice"), ("NATS_PASSWORD", "underland")];
    check(
        &Settings { users: vec![user], ..Settings::default() },
        (right, password("alice", "wonderland")),
        (wrong, password("alice", "underland")),
    );
}

#[test]
fn clients_come_in_by_name_and_password() {
    check_password("wonderland");
}

#[test]
fn clients_come_in_by_a_password_kept_as_bcrypt_has_it() {
    check_password(BCRYPT);
}

#[test]
fn clients_come_in_by_token() {
    check(
        &Settings { token: Some("s3cret-s3cret-s3cret"), ..Settings::default() },
        (
            &[("NATS_TOKEN", "s3cret-s3cret-s3cret")],
            ConnectOptions::with_token("s3cret-s3cret-s3cret".to_owned()),
        ),
        (
            &[("NATS_TOKEN", "secret-secret-secret")],
            ConnectOptions::with_token("secret-secret-secret".to_owned()),
        ),
    );
}

#[test]
fn clients_come_in_by_nkey() {
    let user = User { nkey: KEY.1.to_owned(), ..User::default() };
    check(
        &Settings { users: vec![user], ..Settings::default() },
        (&[("NATS_NKEYS_SEED_STR", KEY.0)], ConnectOptions::with_nkey(KEY.0.to_owned())),
        (&[("NATS_NKEYS_SEED_STR", OTHER_SEED)], ConnectOptions::with_nkey(OTHER_SEED.to_owned())),
    );
}

/// Behind TLS after INFO, with a certificate that an authority of the test has signed: who knows another authority does
/// not trust it.
#[test]
fn clients_come_in_behind_tls() {
    let folder = Folder::new();
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let files = ours.issue(&["localhost", "127.0.0.1"]).write(&folder, "server");
    let (ours, other) = (folder.write("ours.pem", &ours.pem()), folder.write("other.pem", &other.pem()));
    check(
        &Settings { tls: Some(files), ..Settings::default() },
        (&[("NATS_AUTHORITY", text(&ours))], ConnectOptions::new().add_root_certificates(ours.clone())),
        (&[("NATS_AUTHORITY", text(&other))], ConnectOptions::new().add_root_certificates(other.clone())),
    );
}
