//! The flags that go together: addresses behind TLS, and their certificate.

use super::*;
use crate::config::endpoint::Endpoint;

fn layer(listen: &[&str], certificate: Option<&str>, key: Option<&str>, self_signed: bool) -> Layer {
    let listener = |word: &&str| {
        let endpoint: Endpoint = word.parse().unwrap();
        let tls = endpoint.tls;
        SaidListener::by_flag(endpoint.listener(), tls)
    };
    let listeners: Vec<SaidListener> = listen.iter().map(listener).collect();
    Layer {
        listeners: (!listeners.is_empty()).then(|| Said::by_flag("--listen", listeners)),
        tls_certificate: certificate.map(|file| Said::by_flag("--tls-cert", file.into())),
        tls_key: key.map(|file| Said::by_flag("--tls-key", file.into())),
        tls_self_signed: self_signed.then(|| Said::by_flag("--tls-self-signed", ())),
        ..Layer::default()
    }
}

fn endpoints(layer: Layer) -> Vec<String> {
    let config = settle::settle(layer, &CORES).unwrap();
    assert!(config.validate_on(&CORES).is_ok());
    let shown = |one: &Listener| Endpoint::of(one, one.tls.is_some()).to_string();
    config.listeners.iter().map(shown).collect()
}

#[test]
fn a_made_certificate_alone_adds_tls_to_the_defaults() {
    let plain = endpoints(Layer::default());
    let with_tls = endpoints(layer(&[], None, None, true));
    assert_eq!(with_tls[..plain.len()], plain);
    assert_eq!(
        with_tls[plain.len()..],
        [
            "https://127.0.0.1:8443",
            "https://[::1]:8443",
            "tls://127.0.0.1:7443",
            "tls://[::1]:7443",
            "nats+tls://127.0.0.1:4223",
            "nats+tls://[::1]:4223"
        ]
    );
    let config = settle::settle(layer(&[], None, None, true), &CORES).unwrap();
    let behind: Vec<_> = config.listeners.iter().filter(|one| one.tls.is_some()).collect();
    assert!(behind.iter().all(|one| one.tls == Some(Tls::self_signed())));
    assert_eq!(
        behind.iter().map(|one| one.optional).collect::<Vec<_>>(),
        [false, true, false, true, false, true]
    );
}

#[test]
fn addresses_behind_tls_get_the_certificate_and_no_others() {
    let listen = ["tcp://127.0.0.1:1", "https://127.0.0.1:2", "tls://127.0.0.1:3", "admin://127.0.0.1:4"];
    assert_eq!(endpoints(layer(&listen, None, None, true)), listen);
    let config = settle::settle(layer(&listen, Some("/a.pem"), Some("/a.key"), false), &CORES).unwrap();
    let named = Tls { certificates: vec![files("/a.pem", "/a.key")], ..Tls::default() };
    let tls: Vec<_> = config.listeners.iter().map(|one| one.tls.as_ref()).collect();
    assert_eq!(tls, [None, Some(&named), Some(&named), None]);
    assert_eq!(config.listeners[1].origins, ["same-origin"]);
}

#[test]
fn files_of_flags_begin_at_the_working_directory() {
    let flags = layer(&["https://127.0.0.1:2"], Some("a.pem"), Some("/k/a.key"), false);
    let config = settle::settle(flags, &CORES).unwrap();
    let here = std::env::current_dir().unwrap();
    let expected = CertificateFiles { certificate: here.join("a.pem"), key: "/k/a.key".into() };
    assert_eq!(config.listeners[0].tls.as_ref().unwrap().certificates, [expected]);
}

#[test]
fn flags_that_do_not_go_together() {
    let https = ["https://127.0.0.1:2"];
    check_flags(
        layer(&https, None, None, false),
        "--listen is https://127.0.0.1:2, which needs a certificate: add --tls-cert FILE and --tls-key FILE, or \
         --tls-self-signed for a first try",
    );
    check_flags(
        layer(&["tls://[::1]:3"], None, None, false),
        "--listen is tls://[::1]:3, which needs a certificate: add --tls-cert FILE and --tls-key FILE, or \
         --tls-self-signed for a first try",
    );
    check_flags(
        layer(&https, Some("a"), None, false),
        "--tls-cert is alone: it needs --tls-key FILE beside it",
    );
    check_flags(
        layer(&https, None, Some("a"), false),
        "--tls-key is alone: it needs --tls-cert FILE beside it",
    );
    check_flags(
        layer(&https, Some("a"), Some("a"), true),
        "--tls-self-signed makes a certificate, and another one is named: leave one of the two out",
    );
    check_flags(layer(&https, Some(""), Some("a"), false), "--tls-cert is \"\": it takes the path of a file");
    check_flags(layer(&https, Some("a"), Some(""), false), "--tls-key is \"\": it takes the path of a file");
    let no_use = "is for listeners behind TLS that flags name, and there are none: add --listen \
                  https://127.0.0.1:8443 or --listen tls://127.0.0.1:7443, for example";
    check_flags(layer(&[], Some("a"), Some("a"), false), &format!("--tls-cert {no_use}"));
    check_flags(layer(&["http://127.0.0.1:2"], None, None, true), &format!("--tls-self-signed {no_use}"));
    let file = file::parse("t.toml", Path::new("/"), "[[listener]]\naddress = \"tcp://[::]:1\"").unwrap();
    check_flags(layer(&[], None, None, true).over(file), &format!("--tls-self-signed {no_use}"));
}

#[test]
fn an_open_admin_service_needs_a_file() {
    check_flags(
        layer(&["admin://0.0.0.0:1"], None, None, false),
        "--listen is tcp://0.0.0.0:1, where other hosts could read what is for operators: add [listener.auth] in a \
         file, or listen at 127.0.0.1, [::1] or a Unix socket",
    );
    let listen = ["admin://127.0.0.2:1", "admin://[::1]:1", "admin+unix:/run/a"];
    assert_eq!(endpoints(layer(&listen, None, None, false)), listen);
}
