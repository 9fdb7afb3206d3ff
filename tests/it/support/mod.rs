//! What the tests of the real process share: starting it, speaking to it, reading its counters.
//!
//! Nothing here knows how the server works; clients are those of the standard library. Nothing sleeps: each wait is
//! for an event, and has a deadline that a slow machine meets easily.

pub(crate) mod browser;
pub(crate) mod counters;
pub(crate) mod forbid;
pub(crate) mod http;
pub(crate) mod install;
pub(crate) mod launch;
pub(crate) mod nats;
pub(crate) mod server;
pub(crate) mod streams;
pub(crate) mod tls;
pub(crate) mod web;

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidemill::sys::clock;
use tidemill::sys::descriptors::raise_limit;

/// How long any event may take before its test fails. Far longer than it needs on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A JSON Web Key Set of one: the public key of RFC 7517, A.1.
pub(crate) const KEY_SET: &str = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\
    \"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

/// Tells whoever watches the tests.
#[expect(clippy::print_stdout, reason = "a test speaks to whoever watches it")]
pub(crate) fn say(sentence: &str) {
    println!("{sentence}");
}

/// Says why a test is left out on this host.
pub(crate) fn skip(why: &str) {
    say(&format!("left out: {why}"));
}

/// Asks again and again, until the answer is yes or the deadline has come; returns the last answer. For tests whose
/// threads must be ended before they may fail.
pub(crate) fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = clock::now().saturating_add(DEADLINE);
    loop {
        if is_so() {
            return true;
        }
        if deadline <= clock::now() {
            return false;
        }
        std::thread::yield_now();
    }
}

/// Asks again and again, until the answer is yes.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    assert!(soon(is_so), "in {DEADLINE:?} it did not come true: {what}");
}

/// Whether this process may have so many descriptors, of which it leaves some to other tests.
pub(crate) fn has_descriptors(count: u64) -> bool {
    raise_limit(count + 2_000).is_ok()
}

/// Whether this host has an IPv6 loopback; says so if not.
pub(crate) fn has_ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    if !has {
        skip("this host has no IPv6");
    }
    has
}

/// A port below those that the system chooses for clients, so that no client of another test sits on it.
pub(crate) fn quiet_port() -> u16 {
    let mut random = Random::new();
    loop {
        let port = u16::try_from(10_000 + random.below(20_000)).expect("it is below 30,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Random numbers from a seed that is printed: xorshift64* of Vigna. `TIDEMILL_SEED` repeats a run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        static SEED: OnceLock<u64> = OnceLock::new();
        static DRAWN: AtomicU64 = AtomicU64::new(0); // Relaxed: each needs only a number of its own.
        let seed = *SEED.get_or_init(|| {
            let said = std::env::var("TIDEMILL_SEED").ok().and_then(|seed| seed.parse().ok());
            let seed = said.unwrap_or_else(|| RandomState::new().build_hasher().finish());
            say(&format!("TIDEMILL_SEED={seed}"));
            seed
        });
        let own = DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(seed.wrapping_add(own) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn size(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("it is below a size")
    }

    /// Bytes that repeat nowhere near.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.next().to_ne_bytes()).collect();
        bytes.truncate(count);
        bytes
    }
}

/// A directory of a test's own, which goes with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0); // Relaxed: the number needs only to be unique.
        let name = format!("tidemill-it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the directory for temporary files can be written to");
        Self(path)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a directory of ours can be written to");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the host's own cleaning.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
