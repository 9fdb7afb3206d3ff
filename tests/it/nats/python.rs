//! nats-py, as it is: what its users do, over TCP and over WebSocket.

use super::peer::{Hub, Settings};
use super::program::Language::Python;
use super::program::{Program, behaviours};
use super::shared;

/// Everything that a user of nats-py does, over TCP and over WebSocket.
#[test]
fn nats_py_does_what_its_users_do() {
    // Above 64 KiB in one frame, nats-py 2.16 over WebSocket may send pieces in the wrong order: two of its tasks write.
    let settings = Settings { max_payload: Some(32 * 1024), ..Settings::default() };
    let Some(hub) = Hub::start(&settings) else { return };
    for url in [format!("nats://{}", hub.address()), hub.websocket()] {
        let Some(program) = Program::start(Python, &url, "behaviours", &[]) else { return };
        program.await_all(&behaviours(Python));
    }
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
