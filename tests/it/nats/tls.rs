//! NATS behind TLS, however it begins, by unmodified clients over TCP and over WebSocket.

use async_nats::ConnectOptions;

use super::client_kit::{run, settle};
use super::peer::{Hub, Settings, TlsFirst};
use super::program::Language::{JavaScript, Python};
use super::program::Program;
use crate::support::tls::Authority;
use crate::support::{Folder, text};

/// Clients that begin TLS when INFO says so, and clients that begin with it, come in where they may.
#[test]
fn clients_begin_tls_as_the_listener_has_it() {
    let folder = Folder::new();
    let authority = Authority::new("authority");
    let files = authority.issue(&["localhost", "127.0.0.1"]).write(&folder, "server");
    let known = folder.write("authority.pem", &authority.pem());
    for (tls_first, ways) in
        [(TlsFirst::No, &[false][..]), (TlsFirst::Yes, &[true]), (TlsFirst::Auto, &[true, false])]
    {
        let settings = Settings { tls: Some(files.clone()), tls_first, ..Settings::default() };
        let Some(hub) = Hub::start(&settings) else { return };
        let url = format!("tls://{}", hub.address());
        for first in ways {
            let shown = [("NATS_AUTHORITY", text(&known)), ("NATS_TLS_FIRST", "yes")];
            let shown = if *first { &shown[..] } else { &shown[..1] };
            for language in [Python, JavaScript] {
                if let Some(program) = Program::start(language, &url, "credentials", shown) {
                    program.await_all(&["let in"]);
                }
            }
            let options = ConnectOptions::new().add_root_certificates(known.clone());
            let options = if *first { options.tls_first() } else { options };
            run(async {
                let client = options.connect(&url).await;
                let client = client.unwrap_or_else(|error| panic!("{tls_first:?}, {first}: {error}"));
                settle(&client).await;
            });
        }
    }
}

/// The same session within WebSocket behind TLS.
#[test]
fn clients_come_in_over_websocket_behind_tls() {
    let folder = Folder::new();
    let authority = Authority::new("authority");
    let files = authority.issue(&["localhost", "127.0.0.1"]).write(&folder, "server");
    let known = folder.write("authority.pem", &authority.pem());
    let settings = Settings { tls: Some(files), ..Settings::default() };
    let Some(url) = Hub::start(&settings).map(|hub| (hub.secure_websocket(), hub)) else { return };
    let (Some(url), _hub) = url else { return };
    // The WebSocket of Node takes no authorities but those of all of it.
    for (language, variable) in [(JavaScript, "NODE_EXTRA_CA_CERTS"), (Python, "NATS_AUTHORITY")] {
        let shown = [(variable, text(&known))];
        if let Some(program) = Program::start(language, &url, "credentials", &shown) {
            program.await_all(&["let in"]);
        }
    }
}
