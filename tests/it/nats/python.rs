//! nats-py, as it is: what its users do, over TCP and over WebSocket.

use super::peer::{Hub, Settings};
use super::program::Language::Python;
use super::program::{Program, behaviours};
use super::shared;

/// Everything that a user of nats-py does, over TCP.
#[test]
fn nats_py_does_what_its_users_do() {
    let Some(hub) = Hub::start(&Settings::default()) else { return };
    let url = format!("nats://{}", hub.address());
    let Some(program) = Program::start(Python, &url, "behaviours", &[]) else { return };
    program.await_all(&behaviours(Python));
}

/// The same where clients may be on different shards. The program waits for messages of its own, and not only for a PONG:
/// whoever has heard itself is heard by the others.
#[test]
fn nats_py_does_what_its_users_do_on_several_shards() {
    for shards in [2, 3] {
        let Some(hub) = Hub::start(&Settings { shards, ..Settings::default() }) else { return };
        let url = format!("nats://{}", hub.address());
        let Some(program) = Program::start(Python, &url, "behaviours", &[]) else { return };
        program.await_all(&behaviours(Python));
    }
}

/// The same over WebSocket, with smaller messages: above 64 KiB in one frame nats-py 2.16 may send its pieces in another
/// order, since two of its tasks write.
#[test]
fn nats_py_does_what_its_users_do_over_websocket() {
    let settings = Settings { max_payload: Some(32 * 1024), ..Settings::default() };
    let Some(hub) = Hub::start(&settings) else { return };
    let Some(program) = Program::start(Python, &hub.websocket(), "behaviours", &[]) else { return };
    program.await_all(&behaviours(Python));
}

/// What one may not do is said, and the connection stays.
#[test]
fn nats_py_hears_what_it_may_not_do() {
    shared::check_permissions(Python);
}

/// When the server comes back on its port, the client does, and its subscriptions are as before.
#[test]
fn nats_py_comes_back() {
    shared::check_comes_back(Python);
}
