//! The filter against the library's own buffered connections, which share none of our code.

use std::io::{Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Connection, Error, RootCertStore, SupportedProtocolVersion};

use super::*;

type Version = &'static SupportedProtocolVersion;

const NAME: &str = "filter.example";

/// Two configurations that trust each other.
struct Pair {
    server: ServerConfig,
    client: ClientConfig,
}

impl Pair {
    fn new(server_versions: &[Version], client_versions: &[Version]) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Each authority has its own name, or a certificate of another would look like one of its own.
        static AUTHORITIES: AtomicU32 = AtomicU32::new(0);
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("authority {number}"));
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(server_versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(client_versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { server, client }
    }

    fn of(version: Version) -> Self {
        Self::new(&[version], &[version])
    }

    /// Our server before the library's client.
    fn serve(self) -> Link {
        let name = ServerName::try_from(NAME).unwrap();
        let peer = rustls::ClientConnection::new(Arc::new(self.client), name).unwrap();
        Link::new(Filter::server(Arc::new(self.server)).unwrap(), peer.into())
    }

    /// Our client before the library's server.
    fn ask(self) -> Link {
        let peer = rustls::ServerConnection::new(Arc::new(self.server)).unwrap();
        Link::new(Filter::client(Arc::new(self.client), NAME).unwrap(), peer.into())
    }
}

/// A filter and its peer, with what is on the way between them.
struct Link {
    filter: Filter,
    peer: Connection,
    /// What the filter has to send.
    out: Vec<u8>,
    /// What the filter got.
    plain: Vec<u8>,
    /// What the peer got.
    peer_plain: Vec<u8>,
    happened: Received,
    peer_error: Option<Error>,
    /// Bytes that the peer has sent.
    sent: usize,
    /// Where the peer's bytes are cut in two.
    cut: usize,
}

impl Link {
    fn new(filter: Filter, mut peer: Connection) -> Self {
        peer.set_buffer_limit(None);
        let mut link = Self {
            filter,
            peer,
            out: Vec::new(),
            plain: Vec::new(),
            peer_plain: Vec::new(),
            happened: Received::default(),
            peer_error: None,
            sent: 0,
            cut: usize::MAX,
        };
        link.filter.start(&mut link.out).unwrap();
        link
    }

    fn receive(&mut self, wire: &[u8]) -> Result<(), TlsError> {
        let received = self.filter.receive(wire, &mut self.plain, &mut self.out)?;
        self.happened.handshake_done |= received.handshake_done;
        self.happened.peer_closed |= received.peer_closed;
        Ok(())
    }

    /// Takes what the filter has to send to the peer.
    fn deliver(&mut self) {
        let out = std::mem::take(&mut self.out);
        let mut rest = Cursor::new(out);
        while rest.position() < rest.get_ref().len() as u64 && self.peer_error.is_none() {
            if self.peer.read_tls(&mut rest).unwrap() == 0 {
                break;
            }
            match self.peer.process_new_packets() {
                Ok(_) => drop(self.peer.reader().read_to_end(&mut self.peer_plain)),
                Err(error) => self.peer_error = Some(error),
            }
        }
    }

    /// What the peer has to send.
    fn collect(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.peer.wants_write() {
            self.peer.write_tls(&mut wire).unwrap();
        }
        wire
    }

    /// Lets both talk until they are silent.
    fn run(&mut self) -> Result<(), TlsError> {
        loop {
            self.deliver();
            let wire = self.collect();
            if wire.is_empty() {
                return Ok(());
            }
            let cut = self.cut.saturating_sub(self.sent).min(wire.len());
            self.sent += wire.len();
            let (before, after) = wire.split_at(cut);
            let result = self.receive(before).and_then(|()| self.receive(after));
            if result.is_err() {
                self.deliver();
                return result;
            }
        }
    }

    /// Sends a text in both directions.
    fn talk(&mut self) -> Result<(), TlsError> {
        self.run()?;
        self.peer.writer().write_all(b"question").unwrap();
        self.run()?;
        self.filter.send(&[b"ans", b"", b"wer"], &mut self.out)?;
        self.run()?;
        assert_eq!((&self.plain[..], &self.peer_plain[..]), (&b"question"[..], &b"answer"[..]));
        Ok(())
    }
}

fn both_roles_and_versions() -> impl Iterator<Item = (Link, Version)> {
    [&TLS12, &TLS13].into_iter().flat_map(|version| {
        [(Pair::of(version).serve(), version), (Pair::of(version).ask(), version)].into_iter()
    })
}

// --- Agreement ---------------------------------------------------------------------------------------------------

#[test]
fn both_roles_talk_in_both_versions() {
    for (mut link, version) in both_roles_and_versions() {
        assert!(link.filter.is_handshaking());
        link.talk().unwrap();
        assert!(link.happened.handshake_done && !link.filter.is_handshaking());
        let expected = if version.version == ProtocolVersion::TLSv1_3 { "TLS 1.3" } else { "TLS 1.2" };
        assert_eq!(link.filter.protocol_version(), Some(expected));
        let suite = link.peer.negotiated_cipher_suite().unwrap().suite().as_str();
        assert_eq!(link.filter.cipher(), suite);
        let is_server = matches!(link.filter.engine, Engine::Server(_));
        assert_eq!(link.filter.server_name(), is_server.then_some(NAME));
        assert!(!link.filter.is_resumed());
    }
}

#[test]
fn the_best_shared_protocol_is_chosen() {
    let check = |server: &[&str], client: &[&str], expected: Option<&str>| {
        let mut pair = Pair::of(&TLS13);
        pair.server.alpn_protocols = server.iter().map(|name| name.as_bytes().to_vec()).collect();
        pair.client.alpn_protocols = client.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut link = pair.serve();
        link.talk().unwrap();
        assert_eq!(link.filter.alpn(), expected.map(str::as_bytes));
    };
    check(&["http/1.1"], &["h2", "http/1.1"], Some("http/1.1"));
    check(&["h2", "http/1.1"], &["http/1.1", "h2"], Some("h2"));
    check(&["http/1.1"], &[], None);
    check(&[], &["h2"], None);
}

/// What both ends say when they cannot agree.
fn check_refusal(mut link: Link, expected: &TlsError, alert: AlertDescription) {
    assert_eq!(link.run().as_ref().unwrap_err(), expected);
    assert_eq!(link.peer_error, Some(Error::AlertReceived(alert)));
    assert_eq!(link.filter.send(&[b"x"], &mut link.out), Err(TlsError::Ended));
    assert_eq!(link.receive(b"x"), Err(TlsError::Ended));
}

#[test]
fn a_refusal_tells_its_cause_to_both_ends() {
    let mut pair = Pair::of(&TLS13);
    pair.server.alpn_protocols = vec![b"http/1.1".to_vec()];
    pair.client.alpn_protocols = vec![b"h2".to_vec()];
    check_refusal(pair.serve(), &TlsError::NoSharedProtocol, AlertDescription::NoApplicationProtocol);

    let link = Pair::new(&[&TLS13], &[&TLS12]).serve();
    check_refusal(link, &TlsError::ProtocolVersion, AlertDescription::ProtocolVersion);

    let mut pair = Pair::of(&TLS12);
    pair.client = Pair::of(&TLS12).client; // It trusts another authority.
    check_refusal(pair.ask(), &TlsError::UnknownCa, AlertDescription::UnknownCA);
}

#[test]
fn an_alert_of_the_peer_is_told_by_its_number() {
    let mut pair = Pair::of(&TLS13);
    pair.client = Pair::of(&TLS13).client;
    let mut link = pair.serve();
    let error = link.run().unwrap_err();
    assert_eq!((error.reason(), error), ("alert_received", TlsError::AlertReceived(48))); // unknown_ca: RFC 8446, 6.
}

// --- Bytes -------------------------------------------------------------------------------------------------------

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

// --- The end -----------------------------------------------------------------------------------------------------

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

// --- Peers that mean no good -------------------------------------------------------------------------------------

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
