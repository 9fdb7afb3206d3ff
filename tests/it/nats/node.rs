//! @nats-io/nats-core in Node, as it is: over TCP by @nats-io/transport-node, and over WebSocket.

use super::peer::{Hub, Settings};
use super::program::Language::JavaScript;
use super::program::{Program, behaviours};
use super::shared;

/// Everything that a user of nats-core does, over TCP and over WebSocket.
#[test]
fn nats_core_does_what_its_users_do() {
    let Some(hub) = Hub::start(&Settings { shards: 2, ..Settings::default() }) else { return };
    for url in hub.urls() {
        let Some(program) = Program::start(JavaScript, &url, "behaviours", &[]) else { return };
        program.await_all(&behaviours(JavaScript));
    }
}

/// What one may not do is said, and the connection stays.
#[test]
fn nats_core_hears_what_it_may_not_do() {
    shared::check_permissions(JavaScript);
}

/// When the server comes back on its port, the client does, and its subscriptions are as before.
#[test]
fn nats_core_comes_back() {
    shared::check_comes_back(JavaScript);
}
