//! Standard JSON Web Tokens (RFC 7519) in `auth_token`, shown by unmodified clients. nats-server has tokens of a kind of its
//! own, so it is not asked.

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};

use super::client_kit::{await_event, next, payload, run, settle, watched};
use super::peer::{Hub, Settings, nats_server_is_tested};
use super::program::Language::{JavaScript, Python};
use super::program::Program;
use super::shared::alice;
use crate::support::skip;

/// Under which all of these but one are signed, by Python's hmac.
pub(crate) const SECRET: &str = "tests-of-clients-have-this-secret";
/// `{"sub":"alice","exp":4102444800}`: good until the year 2100.
pub(crate) const GOOD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMH0.\
    hWDZX1bRCrJcaXa0Pt4PhXpIKOjF0IkCcw-U26ihUDw";
/// `{"sub":"alice","exp":1300819380}`: over since 2011.
pub(crate) const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTMwMDgxOTM4MH0.\
    VbH2Aq9JucPV2bkpOVyt2OKw5M7E2viURcP94wi_4-U";
/// The good one, signed under another secret.
pub(crate) const FORGED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMH0.\
    Lo2w2kcLxHpvII41Z_wlSw-hAsyOV6yRIzgUnNdkcpU";
/// The good one with the permissions of [`alice`] in the claim `tidemill`:
/// `{"publish":{"allow":["open.>"],"deny":["open.not"]},"subscribe":{"allow":["open.>","_INBOX.>"],"deny":["open.secret"]}}`.
const CLAIMING: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMCwidGlkZW1pbGwiOnsicHVibGlzaCI6eyJhbGxvdyI6WyJvcGVuLj4iXSwiZGVueSI6WyJvcGVuLm5v\
    dCJdfSwic3Vic2NyaWJlIjp7ImFsbG93IjpbIm9wZW4uPiIsIl9JTkJPWC4-Il0sImRlbnkiOlsib3Blbi5zZWNyZXQiXX19fQ.\
    zpHTkS7PbjSXAgELPrNHmicNzfpbZhRrGIGa2iB-rFw";

/// A server that takes tokens under the secret; over TCP and over WebSocket.
#[track_caller]
fn start(settings: Settings) -> Option<Hub> {
    if nats_server_is_tested() {
        skip("nats-server has tokens of its own kind");
        return None;
    }
    Hub::start(&Settings { jwt_secret: Some(SECRET), ..settings })
}

fn token(token: &str) -> ConnectOptions {
    ConnectOptions::with_token(token.to_owned())
}

#[test]
fn clients_come_in_by_a_good_token_and_by_no_other() {
    let Some(hub) = start(Settings::default()) else { return };
    for url in hub.urls() {
        for language in [Python, JavaScript] {
            for (shown, word) in [(GOOD, "let in"), (EXPIRED, "refused"), (FORGED, "refused")] {
                if let Some(program) = Program::start(language, &url, "credentials", &[("NATS_TOKEN", shown)])
                {
                    program.await_all(&[word]);
                }
            }
        }
        run(async {
            settle(&token(GOOD).connect(&url).await.expect("it is good")).await;
            for wrong in [EXPIRED, FORGED, "no.token.atall"] {
                let error = token(wrong).connect(&url).await.expect_err("it is not good");
                let expected = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
                assert!(expected.contains(&error.kind()), "{error}");
            }
        });
    }
}

/// What a client may do says the claim, or else the user of that name.
#[test]
fn async_nats_may_do_what_its_token_says() {
    for (settings, shown) in
        [(Settings::default(), CLAIMING), (Settings { users: vec![alice()], ..Settings::default() }, GOOD)]
    {
        let Some(hub) = start(settings) else { return };
        for url in hub.urls() {
            run(check_alice(&url, shown));
        }
    }
}

async fn check_alice(url: &str, shown: &str) {
    let (client, mut events) = watched(token(shown), url).await;
    let mut allowed = client.subscribe("open.*").await.expect("it is a filter");
    let _denied = client.subscribe("closed").await.expect("the client does not know");
    let mut refusal = async |words: &str| {
        let event = await_event(&mut events, |event| matches!(event, Event::ServerError(_))).await;
        assert!(event.to_string().to_lowercase().contains(words), "{words}: {event}");
    };
    refusal("permissions violation for subscription to \"closed\"").await;
    for subject in ["open.not", "elsewhere"] {
        publish(&client, subject, "not allowed").await;
        refusal(&format!("permissions violation for publish to \"{subject}\"")).await;
    }
    publish(&client, "open.door", "welcome").await;
    assert_eq!(payload(&next(&mut allowed).await), "welcome");
}

async fn publish(client: &Client, subject: &'static str, payload: &'static str) {
    client.publish(subject, payload.into()).await.expect("it is a subject");
}

#[test]
fn nats_py_may_do_what_its_token_says() {
    let Some(hub) = start(Settings::default()) else { return };
    for url in hub.urls() {
        let Some(program) = Program::start(Python, &url, "permissions", &[("NATS_TOKEN", CLAIMING)]) else {
            return;
        };
        program.await_all(&["may not subscribe", "may not publish", "may do the rest"]);
    }
}
