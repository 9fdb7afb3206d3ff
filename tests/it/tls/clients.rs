//! Clients that prove who they are: asked, required, and wrong.

use std::sync::Arc;

use super::Place;
use crate::support::streams;
use crate::support::tls::{Authority, VERSIONS, connect, refusal};
use crate::support::{Folder, text};

/// A server that asks for certificates of `authority` in this way.
#[track_caller]
fn place(authority: &Authority, folder: &Folder, how: &str) -> Place {
    let file = folder.write("clients.pem", &authority.pem());
    let keys = format!(", client_ca = \"{}\", client_auth = \"{how}\"", text(&file));
    Place::with("", &keys, &[])
}

/// With a good certificate a client is served, with one of a strange authority it is not, in either version. Without
/// one it is served where certificates are optional.
#[test]
fn certificates_of_clients_are_judged() {
    let (ours, strange) = (Authority::new("ours"), Authority::new("strange"));
    let (good, bad) = (ours.issue(&["client"]), strange.issue(&["client"]));
    for how in ["required", "optional"] {
        let folder = Folder::new();
        let place = place(&ours, &folder, how);
        for version in VERSIONS {
            let with = |issued| Arc::new(place.authority.client_with(issued, &[version]));
            let without = Arc::new(place.authority.client(&[version]));
            streams::ping(&mut connect(place.echo(), &with(&good)), b"Hello");
            let words = refusal(place.echo(), &with(&bad));
            assert!(words.contains("UnknownCA") || words.contains("UnknownCa"), "{words}");
            if how == "optional" {
                streams::ping(&mut connect(place.echo(), &without), b"Hello");
            } else {
                let words = refusal(place.echo(), &without);
                assert!(
                    words.contains("CertificateRequired") || words.contains("HandshakeFailure"),
                    "{words}"
                );
            }
        }
        place.server.await_count("refused_tls_certificate", if how == "optional" { 2 } else { 4 });
        place.server.stop_clean();
    }
}
