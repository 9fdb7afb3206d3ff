//! Records, however they are cut, and both ends of a connection.

use super::*;

#[test]
fn input_may_be_cut_at_every_byte() {
    for version in [&TLS12, &TLS13] {
        let mut whole = Pair::of(version).serve();
        whole.talk().unwrap();
        let config = Pair::of(version);
        let (server, client) = (Arc::new(config.server), Arc::new(config.client));
        // A signature is one or two bytes shorter now and then.
        for cut in 0..whole.sent + 2 {
            let name = ServerName::try_from(NAME).unwrap();
            let mut fresh = (*client).clone();
            fresh.resumption = rustls::client::Resumption::disabled();
            let peer = rustls::ClientConnection::new(Arc::new(fresh), name).unwrap();
            let mut link = Link::new(Filter::server(Arc::clone(&server)).unwrap(), peer.into());
            link.cut = cut;
            assert_eq!(link.talk(), Ok(()), "cut at {cut}");
            assert_eq!(link.filter.carry.capacity(), 0, "cut at {cut}");
        }
    }
}

#[test]
fn input_may_come_byte_by_byte() {
    for (mut link, _) in both_roles_and_versions() {
        for text in ["", "question"] {
            link.peer.writer().write_all(text.as_bytes()).unwrap();
            loop {
                link.deliver();
                let wire = link.collect();
                if wire.is_empty() {
                    break;
                }
                wire.iter().for_each(|byte| link.receive(&[*byte]).unwrap());
            }
        }
        assert_eq!(link.plain, b"question");
        assert_eq!(link.filter.server_name().is_some(), matches!(link.filter.engine, Engine::Server(_)));
    }
}

#[test]
fn payloads_of_every_size_arrive_whole() {
    for (mut link, _) in both_roles_and_versions() {
        link.talk().unwrap();
        for size in [1, 2, 1000, 16_383, 16_384, 16_385, 40_000, 1 << 20] {
            let data: Vec<u8> = (0..=250).cycle().take(size).collect();
            link.plain.clear();
            link.peer_plain.clear();
            link.peer.writer().write_all(&data).unwrap();
            link.run().unwrap();
            assert!(link.plain == data, "{size} bytes to the filter");
            link.filter.send(&[&data], &mut link.out).unwrap();
            link.run().unwrap();
            assert!(link.peer_plain == data, "{size} bytes from the filter");
            assert_eq!(link.filter.carry.capacity(), 0);
        }
    }
}

/// The lengths of the records on the wire.
fn record_lengths(mut wire: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some((header, rest)) = wire.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        lengths.push(length);
        wire = &rest[length..];
    }
    lengths
}

#[test]
fn parts_share_records_and_memory_is_exact() {
    let mut link = Pair::of(&TLS13).serve();
    link.talk().unwrap();
    // One byte of content type and 16 of tag (RFC 8446, 5.2).
    let mut check = |parts: &[usize], expected: &[usize]| {
        let parts: Vec<Vec<u8>> = parts.iter().map(|&length| vec![b'x'; length]).collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        link.filter.send(&parts, &mut out).unwrap();
        assert_eq!(record_lengths(&out), expected);
        assert_eq!(out.capacity(), out.len());
    };
    check(&[], &[]);
    check(&[0, 0], &[]);
    check(&[1], &[18]);
    check(&[3, 4, 5], &[12 + 17]);
    check(&[16_000, 384], &[16_384 + 17]);
    check(&[16_000, 385], &[16_384 + 17, 1 + 17]);
    check(&[40_000], &[16_384 + 17, 16_384 + 17, 7_232 + 17]);
    check(&[16_384, 1, 32_768], &[16_384 + 17, 16_384 + 17, 16_384 + 17, 1 + 17]);
}

#[test]
fn nothing_is_sent_before_the_handshake_is_done() {
    for (mut link, _) in both_roles_and_versions() {
        let before = link.out.len();
        assert_eq!(link.filter.send(&[b"early"], &mut link.out), Err(TlsError::NotReady));
        assert_eq!(link.out.len(), before);
        link.talk().unwrap();
    }
}

#[test]
fn both_ends_close_in_order() {
    for (mut link, _) in both_roles_and_versions() {
        link.talk().unwrap();
        link.peer.send_close_notify();
        assert!(!link.happened.peer_closed);
        link.run().unwrap();
        assert!(link.happened.peer_closed);
        // The peer's end is not ours.
        link.filter.send(&[b"!"], &mut link.out).unwrap();
        link.filter.close(&mut link.out);
        let length = link.out.len();
        link.filter.close(&mut link.out);
        assert_eq!(link.out.len(), length, "once is enough");
        assert_eq!(link.filter.send(&[b"x"], &mut link.out), Err(TlsError::Ended));
        link.deliver();
        assert_eq!(link.peer_plain, b"answer!");
        assert!(link.peer.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn after_our_end_the_peer_is_still_heard() {
    for (mut link, _) in both_roles_and_versions() {
        link.talk().unwrap();
        link.filter.close(&mut link.out);
        link.deliver();
        link.peer.writer().write_all(b", and more").unwrap();
        link.peer.send_close_notify();
        link.run().unwrap();
        assert_eq!(link.plain, b"question, and more");
        assert!(link.happened.peer_closed);
        let _ = link.receive(b"ignored");
        assert_eq!(link.plain, b"question, and more");
    }
}
