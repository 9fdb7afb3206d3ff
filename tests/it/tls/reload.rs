//! Certificates are read again on SIGHUP.

use rustix::process::Signal;

use super::Place;
use crate::support::streams;
use crate::support::tls::connect;

/// Asks for a reload and waits for the line that says how it went.
#[track_caller]
fn reload(place: &Place, words: &str) -> String {
    place.server.signal(Signal::HUP);
    place.server.await_line(words).pop().expect("it is the last line")
}

/// Asks for a reload that fails, and says why.
#[track_caller]
fn reload_in_vain(place: &Place) -> String {
    reload(place, "nothing was changed: ")
}

/// New connections get the new certificate; one that is open goes on. A file that is broken changes nothing, and is
/// named; when it is whole again, it is taken.
#[test]
fn new_certificates_are_for_new_connections() {
    let place = Place::new();
    let client = place.client();
    let mut open = connect(place.echo(), &client);
    streams::ping(&mut open, b"before");
    let renewed = place.authority.issue(&["localhost"]);
    let (certificate, key) = renewed.write(&place.folder, "server");
    reload(&place, "certificates, keys and tokens were read again");
    // The next handshake may find the shards still at it, so a client without sessions asks until it is done.
    let fresh = || connect(place.echo(), &place.client());
    crate::support::eventually("the new one is shown", || renewed.is_shown(&fresh()));
    streams::ping(&mut open, b"after");
    assert!(place.issued.is_shown(&open));

    std::fs::write(&certificate, "nonsense").expect("it is ours");
    let said = reload_in_vain(&place);
    assert!(said.contains("server.pem"), "{said}");
    assert!(renewed.is_shown(&fresh()));

    std::fs::write(&certificate, &renewed.certificate).expect("it is ours");
    std::fs::write(&key, &place.issued.key).expect("it is ours");
    let said = reload_in_vain(&place);
    assert!(said.contains("server.key"), "{said}");
    assert!(renewed.is_shown(&fresh()));

    std::fs::remove_file(&key).expect("it is ours");
    let said = reload_in_vain(&place);
    assert!(said.contains("server.key does not exist"), "{said}");

    place.issued.write(&place.folder, "server");
    reload(&place, "certificates, keys and tokens were read again");
    crate::support::eventually("the first one is shown", || place.issued.is_shown(&fresh()));
    streams::ping(&mut open, b"still there");
    drop(open);
    place.server.stop_clean();
}

/// Sessions outlive a reload: the keys of tickets are not in the files.
#[test]
fn sessions_outlive_a_reload() {
    let place = Place::new();
    let client = place.client();
    streams::ping(&mut connect(place.echo(), &client), b"first");
    reload(&place, "certificates, keys and tokens were read again");
    let mut second = connect(place.echo(), &client);
    streams::ping(&mut second, b"second");
    assert_eq!(second.conn.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    drop(second);
    place.server.stop_clean();
}

/// Whatever happens to a key, it is not in the log, however much is logged.
#[test]
fn keys_are_never_logged() {
    let place = Place::with("", "", &["--log-level", "trace"]);
    let client = place.client();
    streams::ping(&mut connect(place.echo(), &client), b"Hello");
    let (_, key) = place.issued.write(&place.folder, "server");
    // A key with one line missing: what is left of it must not be shown as part of a complaint.
    let lines: Vec<&str> = place.issued.key.lines().collect();
    std::fs::write(&key, [lines[0], lines[1]].join("\n")).expect("it is ours");
    reload(&place, "nothing was changed: ");
    let farewell = place.server.stop();
    let log = farewell.stderr.join("\n");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
    for line in &lines[1..lines.len() - 1] {
        for part in 0..line.len().saturating_sub(16) {
            assert!(!log.contains(&line[part..part + 16]), "{log}");
        }
    }
}
