//! Peers that mean no good, and what an idle connection keeps.

use super::*;

#[test]
fn plain_http_is_told_apart_wherever_it_is_cut() {
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for cut in 0..request.len() {
        let mut filter = Filter::server(Arc::new(Pair::of(&TLS13).server)).unwrap();
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        let early = filter.receive(&request[..cut], &mut plain, &mut out);
        let result = if cut < 4 { filter.receive(&request[cut..], &mut plain, &mut out) } else { early };
        assert_eq!(result, Err(TlsError::PlainHttp), "cut at {cut}");
        assert!(out.is_empty() && plain.is_empty());
        assert_eq!(filter.carry.capacity(), 0);
    }
}

/// What is no record is refused by its header, or when it is whole: never later, however it comes.
#[test]
fn a_strange_record_is_refused_however_it_comes() {
    let config = Arc::new(Pair::of(&TLS13).server);
    for (kind, version) in [(22, 2), (24, 3), (25, 3), (0, 3), (0x80, 0), (23, 3), (20, 3), (22, 0xfe)] {
        let mut filter = Filter::server(Arc::clone(&config)).unwrap();
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        let wire = [kind, version, 1, 0, 4, 0xff, 0, 0, 0];
        let result =
            wire.iter().try_for_each(|byte| filter.receive(&[*byte], &mut plain, &mut out).map(drop));
        assert_eq!(result.unwrap_err().reason(), "malformed", "type {kind}, version {version}");
        assert_eq!(out[..6], [21, 3, 3, 0, 2, 2]);
    }
}

/// A small generator of numbers that look random (splitmix64, Steele and others, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

#[test]
fn garbage_ends_in_an_error_with_an_alert() {
    let config = Arc::new(Pair::new(&[&TLS12, &TLS13], &[&TLS13]).server);
    for seed in 0..2_000 {
        let mut random = Random(seed);
        let mut filter = Filter::server(Arc::clone(&config)).unwrap();
        let (mut plain, mut out) = (Vec::new(), Vec::new());
        let mut wire: Vec<u8> = (0..6 + random.below(300)).map(|_| random.next().to_le_bytes()[0]).collect();
        if random.below(2) == 0 {
            let length = u16::try_from(wire.len() - 5).unwrap().to_be_bytes();
            wire[..5].copy_from_slice(&[22, 3, 1, length[0], length[1]]);
        }
        match filter.receive(&wire, &mut plain, &mut out) {
            Ok(_) => assert!(out.is_empty(), "seed {seed}"), // An unfinished message so far.
            Err(TlsError::PlainHttp) => {}
            Err(_) => assert_eq!(out[..6], [21, 3, 3, 0, 2, 2], "seed {seed}: a fatal alert"),
        }
        assert!(plain.is_empty(), "seed {seed}");
    }
}

#[test]
fn a_changed_byte_of_the_handshake_never_leads_to_data() {
    for seed in 0..600 {
        let mut random = Random(seed);
        let version = if seed % 2 == 0 { &TLS12 } else { &TLS13 };
        let mut link = Pair::of(version).serve();
        let changed_flight = random.below(2);
        for flight in 0..3 {
            link.deliver();
            let mut wire = link.collect();
            if flight == changed_flight && !wire.is_empty() {
                let at = random.below(wire.len());
                wire[at] ^= 1 << random.below(8);
            }
            if link.receive(&wire).is_err() {
                break;
            }
        }
        assert!(link.plain.is_empty(), "seed {seed}");
    }
}

#[test]
fn a_changed_record_ends_the_connection_with_an_alert() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let version = if seed % 2 == 0 { &TLS12 } else { &TLS13 };
        let mut link = Pair::of(version).serve();
        link.talk().unwrap();
        link.peer.writer().write_all(b"pay 100 to bob").unwrap();
        let mut wire = link.collect();
        let at = 5 + random.below(wire.len() - 5);
        wire[at] ^= 1 << random.below(8);
        assert_eq!(link.receive(&wire), Err(TlsError::Decrypt), "seed {seed}");
        assert_eq!(link.plain, b"question", "seed {seed}");
        link.deliver();
        assert_eq!(link.peer_error, Some(Error::AlertReceived(AlertDescription::BadRecordMac)));
    }
}

#[test]
fn changed_keys_go_on_and_a_flood_of_them_ends() {
    let mut link = Pair::of(&TLS13).serve();
    link.talk().unwrap();
    for _ in 0..5 {
        link.peer.refresh_traffic_keys().unwrap();
        link.peer.writer().write_all(b".").unwrap();
        link.run().unwrap();
        link.filter.send(&[b"."], &mut link.out).unwrap();
        link.run().unwrap();
    }
    assert_eq!((&link.plain[..], &link.peer_plain[..]), (&b"question....."[..], &b"answer....."[..]));
    for _ in 0..100 {
        link.peer.refresh_traffic_keys().unwrap();
    }
    assert_eq!(link.run().unwrap_err().reason(), "malformed");
}

/// A server that waits for the end of a client's handshake takes a few records for the sake of old boxes in between
/// (RFC 8446, D.4), and no flood of them.
#[test]
fn a_flood_of_records_that_say_nothing_ends() {
    let mut link = Pair::of(&TLS13).serve();
    let hello = link.collect();
    link.receive(&hello).unwrap();
    let result = link.receive(&[20, 3, 3, 0, 1, 1].repeat(100));
    assert_eq!(result.unwrap_err().reason(), "malformed");

    // No handshake message is empty (RFC 8446, 5.1).
    let mut link = Pair::of(&TLS13).serve();
    assert_eq!(link.receive(&[22, 3, 1, 0, 0].repeat(100)).unwrap_err().reason(), "malformed");
    assert_eq!(link.out[..6], [21, 3, 3, 0, 2, 2]);
}

#[test]
fn an_unfinished_message_is_kept_only_up_to_its_bound() {
    // A ClientHello of 60 KiB in records of one byte: six bytes on the wire for each.
    let mut filter = Filter::server(Arc::new(Pair::of(&TLS13).server)).unwrap();
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let mut fragments = [1, 0, 0xf0, 0].into_iter().chain(std::iter::repeat(0));
    let mut result = Ok(Received::default());
    while result.is_ok() {
        let wire: Vec<u8> = fragments.by_ref().take(500).flat_map(|byte| [22, 3, 1, 0, 1, byte]).collect();
        result = filter.receive(&wire, &mut plain, &mut out);
        assert!(filter.carry.len() <= limits::TLS_HELLO_BYTES_MAX);
    }
    assert_eq!(result, Err(TlsError::TooLarge));
    assert_eq!(out, [21, 3, 3, 0, 2, 2, 50]);
    assert_eq!(filter.carry.capacity(), 0);
}

#[test]
fn a_message_longer_than_any_is_refused_by_its_header() {
    let mut filter = Filter::server(Arc::new(Pair::of(&TLS13).server)).unwrap();
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let wire = [22, 3, 1, 0, 4, 1, 1, 0, 0];
    assert_eq!(filter.receive(&wire, &mut plain, &mut out).unwrap_err().reason(), "malformed");
    assert_eq!(out[..6], [21, 3, 3, 0, 2, 2]);
}

#[test]
#[expect(clippy::print_stderr, reason = "the figure is for people: run it with --nocapture")]
fn an_idle_connection_keeps_no_buffers() {
    const FILTERS: usize = 500;
    let resident = || -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let pair = Pair::of(&TLS13);
    let (server, client) = (Arc::new(pair.server), Arc::new(pair.client));
    let filters = |count| {
        let mut kept = Vec::new();
        for _ in 0..count {
            let name = ServerName::try_from(NAME).unwrap();
            let peer = rustls::ClientConnection::new(Arc::clone(&client), name).unwrap();
            let mut link = Link::new(Filter::server(Arc::clone(&server)).unwrap(), peer.into());
            link.talk().unwrap();
            assert_eq!(link.filter.carry.capacity(), 0);
            kept.push(link.filter);
        }
        kept
    };
    drop(filters(4)); // Whatever is made once is there now.
    let before = resident();
    let kept = filters(FILTERS);
    let each = resident().saturating_sub(before) / kept.len();
    // Other tests run beside this one: the figure is to be read, not to be relied on.
    eprintln!("a filter: {} bytes in place, some {each} bytes of heap", size_of::<Filter>());
    assert!(size_of::<Filter>() <= 96);
}
