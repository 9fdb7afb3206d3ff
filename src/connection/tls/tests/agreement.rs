//! What both ends agree upon, and how a refusal is told.

use super::*;

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
