//! The TLS filter, in both roles: records of whoever comes, without a partner who knows any key.

use std::sync::{Arc, OnceLock};

use tidemill::connection::tls::Filter;
use tidemill::limits::TLS_CARRY_BYTES_MAX;
use tidemill::tls::{ClientSettings, Credentials, Tickets, TlsSettings, Trust, Versions, client_config};

/// A server that reads this.
pub(super) fn server(data: &[u8]) {
    static CREDENTIALS: OnceLock<Credentials> = OnceLock::new();
    let credentials = CREDENTIALS.get_or_init(|| {
        let settings = TlsSettings { self_signed: true, ..TlsSettings::default() };
        Credentials::load(settings, &Tickets::new().expect("there is randomness")).expect("it is made")
    });
    check(data, || Filter::server(credentials.config()).expect("the configuration is right"));
}

/// A client that reads this after its hello.
pub(super) fn client(data: &[u8]) {
    static CONFIG: OnceLock<ClientSettings> = OnceLock::new();
    let settings = CONFIG.get_or_init(|| ClientSettings {
        trust: Trust::Anybody,
        alpn: Vec::new(),
        versions: Versions::V1_2AndLater,
        resumption: false,
    });
    let config = client_config(settings).expect("the settings are right");
    check(data, || {
        let mut filter = Filter::client(Arc::clone(&config), "localhost").expect("a name");
        filter.start(&mut Vec::new()).expect("there is randomness");
        filter
    });
}

/// Random numbers of a handshake differ, so that of what is said only its kind can be compared.
fn check(data: &[u8], filter: impl Fn() -> Filter) {
    let whole = feed(data, filter(), data.len().max(1));
    if data.len() <= 2_000 {
        same(feed(data, filter(), 1), &whole);
    }
    let size = usize::from(data.first().copied().unwrap_or(0)) + 2;
    same(feed(data, filter(), size), &whole);
}

/// Whether it ended in the same way. A record that is not whole may be refused at once or with its rest, as it was cut.
fn same(cut: Result<bool, String>, whole: &Result<bool, String>) {
    let unfinished = cut.is_ok() != whole.is_ok() && (cut == Ok(true) || *whole == Ok(true));
    assert!(unfinished || cut == *whole, "{cut:?}, but in one piece {whole:?}");
}

fn feed(data: &[u8], mut filter: Filter, size: usize) -> Result<bool, String> {
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    for piece in data.chunks(size) {
        let received = filter.receive(piece, &mut plain, &mut out);
        assert!(plain.is_empty(), "nothing is data before a handshake");
        assert!(out.len() <= TLS_CARRY_BYTES_MAX, "what is said is bounded");
        if let Err(error) = received {
            let again = filter.receive(piece, &mut plain, &mut out);
            assert!(again.is_err(), "nothing is taken after an error");
            return Err(error.reason().to_owned());
        }
    }
    Ok(filter.is_handshaking())
}
