//! Every byte comes back, at every tier of io_uring that the kernel of this host has.

use crate::support::server::{Server, unix};
use crate::support::{Folder, Random, has_ipv6, say, streams};

/// Around the sizes at which something changes: buffers of 2 and 16 KiB, copies of 4 KiB, marks of 64 and 256 KiB.
const SIZES: &[usize] = &[
    1,
    2,
    3,
    100,
    2_047,
    2_048,
    2_049,
    4_096,
    16_383,
    16_384,
    16_385,
    65_536,
    262_143,
    262_145,
    1_000_003,
    16 << 20,
];

/// Sizes from 1 byte to 16 MiB, cut anywhere, over TCP of both families and Unix sockets, on one tier.
#[track_caller]
fn check(tier: &str) {
    let folder = Folder::new();
    let path = folder.path("t.sock");
    let unix_address = unix(&path);
    let mut listeners = vec!["tcp://127.0.0.1:0", &unix_address];
    if has_ipv6() {
        listeners.push("tcp://[::1]:0");
    }
    let server = Server::listen(&listeners, &["--engine-max", tier]);
    let before = (server.counters(), server.descriptors());
    let mut random = Random::new();
    let mut sent = 0;
    for &size in SIZES {
        let bytes = random.bytes(size);
        for address in server.addresses("tcp://") {
            streams::check_whole_echo(&streams::tcp(address), &bytes, &mut random);
            sent += bytes.len() as u64;
        }
        streams::check_whole_echo(&streams::unix(&path), &bytes, &mut random);
        sent += bytes.len() as u64;
    }
    server.check_all_clean(&before.0, before.1);
    let counters = server.counters();
    assert_eq!((counters.total("bytes_received"), counters.total("bytes_sent")), (sent, sent));
    say(&format!("{sent} bytes on tier {tier}"));
    server.stop_clean();
}

/// The floor: receives take whole buffers and know no credit.
#[test]
fn every_byte_comes_back_on_tier_6_1() {
    check("6.1");
}

/// Without a submission array.
#[test]
fn every_byte_comes_back_on_tier_6_6() {
    check("6.6");
}

/// Buffers that are filled incrementally.
#[test]
fn every_byte_comes_back_on_tier_6_12() {
    check("6.12");
}

/// Receives with a credit.
#[test]
fn every_byte_comes_back_on_tier_6_17() {
    check("6.17");
}
