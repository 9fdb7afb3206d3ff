//! One peer of the pages on a calm simulated kernel: what the seeds have found, told one by one.

use std::sync::Arc;
use std::time::Duration;

use tidemill::access::meter::Rates;
use tidemill::connection::Bounds;
use tidemill::metrics::board::Board;
use tidemill::ring::sim::{Faults, PeerId, Random, Sim, SimSetup};
use tidemill::ring::{Capabilities, Kernel, Setup};
use tidemill::service::http::{Http, Public, Settings};
use tidemill::shard::mailbox::{Address, mailbox};
use tidemill::shard::{House, Options, Shard, Sockets};
use tidemill::tier::RingTier;

use super::script::{UPGRADE, frame};

/// A shard with one peer.
struct Lone {
    shard: Shard<Sim, Http<Public>>,
    peer: PeerId,
    heard: Vec<u8>,
    _address: Address,
}

/// Every silence that the service bounds; other bounds are far.
const PATIENCE: Duration = Duration::from_secs(1);

impl Lone {
    fn new() -> Self {
        let setup = Setup::shard(Capabilities::of_tier(RingTier::V6_17), 8, false);
        let mut sim = Sim::new(&SimSetup::like(&setup, 1, Faults::none()));
        sim.set_window(1000);
        let sockets = Sockets { listeners: vec![sim.listen()], ..Sockets::default() };
        let bounds = Bounds { high_water_bytes: 4000, low_water_bytes: 1000, ..Bounds::default() };
        let options =
            Options { number: 0, slots: 40, bounds, outbox_bytes: u64::MAX, rates: Rates::default() };
        let mut settings =
            Settings { header_timeout: PATIENCE, keep_alive_timeout: PATIENCE, ..Settings::default() };
        settings.websocket.ping_interval = PATIENCE;
        let http = Http::new(Public::new(Arc::new(Board::new(1))), vec![Arc::new(settings)]);
        let (mailbox, address) = mailbox();
        let mut shard = Shard::new(sim, http, options, House::open(8), mailbox, &sockets);
        let peer = shard.kernel_mut().connect(sockets.listeners[0], Some(([192, 0, 2, 1], 4000).into()));
        Self { shard, peer, heard: Vec::new(), _address: address }
    }

    /// Lets the peer say all of this, and read slowly meanwhile.
    fn say(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_gone() {
            let taken = self.shard.kernel_mut().write(self.peer, bytes);
            bytes = &bytes[taken..];
            self.read_for(Duration::from_millis(1), 100);
        }
    }

    /// Lets the peer read so many bytes at most in each of the turns of this time.
    fn read_for(&mut self, time: Duration, most: usize) {
        let end = self.shard.kernel_mut().now().saturating_add(time);
        while self.shard.kernel_mut().now() < end {
            let sim = self.shard.kernel_mut();
            let bytes = sim.read(self.peer, most);
            self.heard.extend_from_slice(&bytes);
            sim.advance(Duration::from_millis(10));
            self.shard.turn().expect("a simulated ring does not fail");
        }
    }

    fn is_gone(&mut self) -> bool {
        let state = self.shard.kernel_mut().peer_state(self.peer);
        state.saw_end || state.saw_reset || state.closed
    }

    fn heard(&self, words: &str) -> usize {
        self.heard.windows(words.len()).filter(|window| *window == words.as_bytes()).count()
    }
}

/// The head was consumed before the content came, and was then looked for to answer the upgrade: the connection was
/// reset, and answers of earlier requests with it.
#[test]
fn an_upgrade_with_content_is_refused_and_the_connection_goes_on() {
    let mut lone = Lone::new();
    lone.say(&UPGRADE[..UPGRADE.len() - 2]);
    lone.say(b"Content-Length: 2\r\n\r\nhiGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    lone.read_for(PATIENCE / 2, 1000);
    assert_eq!(lone.heard("HTTP/1.1 400 Bad Request\r\n"), 1);
    assert_eq!(lone.heard("\r\n\r\nok\n"), 1);
}

/// The timer that pinged it also showed the service what had come, which was nothing, and that counted as a sign of
/// life: so it was pinged for ever.
#[test]
fn a_silent_websocket_is_pinged_once_and_then_cut() {
    let mut lone = Lone::new();
    lone.say(UPGRADE);
    // Half a frame, of which the rest never comes, is silence, too.
    lone.say(&[0x81]);
    lone.read_for(PATIENCE * 3 / 2, 1000);
    assert!(lone.heard.ends_with(&[0x89, 0]), "it is pinged");
    assert!(!lone.is_gone());
    lone.read_for(PATIENCE, 1000);
    assert!(lone.heard.ends_with(b"\r\n\r\n\x89\0"), "and only once");
    assert!(lone.is_gone());
}

/// The time for a head ran on while the server itself read nothing, for the sake of the answers that waited.
#[test]
fn who_reads_slowly_is_not_told_that_it_asked_slowly() {
    let mut lone = Lone::new();
    let requests = 100;
    lone.say(b"GET /bytes/1000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests).as_slice());
    lone.read_for(PATIENCE * 20, 100);
    assert_eq!(lone.heard("HTTP/1.1 200 OK\r\n"), requests);
    assert_eq!(lone.heard("HTTP/1.1 408"), 0);
    assert!(lone.is_gone(), "and at last it was silent for too long");
}

/// Who is not read from cannot be heard: what it answers to a ping stays in the kernel.
#[test]
fn a_websocket_that_reads_slowly_is_not_taken_for_a_silent_one() {
    let mut lone = Lone::new();
    lone.say(UPGRADE);
    let mut random = Random::new(1);
    let message = frame(2, true, &[7; 60_000], &mut random);
    // It takes six seconds to read one of these, and the next one waits in the kernel.
    lone.say(&message);
    lone.say(&message[..500]);
    lone.read_for(PATIENCE * 5, 100);
    assert!(!lone.is_gone(), "it reads");
}
