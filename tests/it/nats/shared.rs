//! Tests that several clients share.

use super::peer::{Hub, Permission, Settings, User};
use super::program::{Language, Program};
use crate::support::quiet_port;

/// Somebody who may do only what begins with `open`.
pub(super) fn alice() -> User {
    User {
        name: "alice",
        password: "wonderland",
        publish: Permission { allow: &["open.>"], deny: &["open.not"] },
        subscribe: Permission { allow: &["open.>", "_INBOX.>"], deny: &["open.secret"] },
        ..User::default()
    }
}

/// What one may not do is said, and the connection stays.
#[track_caller]
pub(super) fn check_permissions(language: Language) {
    let Some(hub) = Hub::start(&Settings { users: vec![alice()], ..Settings::default() }) else { return };
    let url = format!("nats://{}", hub.address());
    let Some(program) = Program::start(language, &url, "permissions", &[]) else { return };
    program.await_all(&["may not subscribe", "may not publish", "may do the rest"]);
}

/// When the server comes back on its port, the client does, and its subscriptions are as before.
#[track_caller]
pub(super) fn check_comes_back(language: Language) {
    let settings = Settings { port: quiet_port(), ..Settings::default() };
    let Some(hub) = Hub::start(&settings) else { return };
    let url = format!("nats://{}", hub.address());
    let Some(mut program) = Program::start(language, &url, "comes_back", &[]) else { return };
    program.await_ok("ready");
    drop(hub);
    let _hub = Hub::start(&settings).expect("it started before");
    program.await_all(&["came back"]);
}
