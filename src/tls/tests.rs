//! Credentials made at run time, written to files, read, and met by the library's own clients.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair, date_time_ymd};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::*;
use crate::connection::tls::{Filter, TlsError};

// --- Files -------------------------------------------------------------------------------------------------------

/// A directory with the files of one test; it goes with the test.
struct Place {
    path: PathBuf,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Place {
    fn new() -> Self {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidemill-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let place = Self { path, ca: authority(&format!("authority {number}")) };
        place.write("ca.pem", &place.ca.pem());
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A certificate for these names, with its key.
    fn certificate(
        &self,
        file: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        CertificateFiles {
            cert: self.write(&format!("{file}.pem"), &certificate.pem()),
            key: self.write(&format!("{file}.key"), &key.serialize_pem()),
        }
    }

    fn settings(&self, names: &[&str]) -> TlsSettings {
        TlsSettings {
            certificates: vec![self.certificate("server", names, |_| ())],
            ..TlsSettings::default()
        }
    }

    fn client(&self) -> ClientSettings {
        ClientSettings {
            trust: Trust::Authorities(self.file("ca.pem")),
            alpn: Vec::new(),
            versions: Versions::V1_2AndLater,
            resumption: true,
        }
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn load(settings: &TlsSettings) -> Result<Credentials, CredentialsError> {
    Credentials::load(settings.clone(), &Tickets::new().unwrap())
}

// --- Meetings ----------------------------------------------------------------------------------------------------

/// What a client sees, and what our filter says.
#[derive(Debug)]
struct Meeting {
    result: Result<(), TlsError>,
    resumed: bool,
    subject: Option<String>,
    /// The certificate that the server showed.
    shown: Option<Vec<u8>>,
    peer_error: Option<Error>,
}

/// Lets a client of the library meet a server of ours.
fn meet(server: Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Meeting {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut peer = rustls::ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut filter = Filter::server(server).unwrap();
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let mut meeting =
        Meeting { result: Ok(()), resumed: false, subject: None, shown: None, peer_error: None };
    while meeting.result.is_ok() {
        let mut wire = Vec::new();
        while peer.wants_write() {
            peer.write_tls(&mut wire).unwrap();
        }
        if wire.is_empty() {
            break;
        }
        meeting.result = filter.receive(&wire, &mut plain, &mut out).map(drop);
        let mut rest = out.as_slice();
        while !rest.is_empty() && meeting.peer_error.is_none() {
            peer.read_tls(&mut rest).unwrap();
            meeting.peer_error = peer.process_new_packets().err();
        }
        out.clear();
    }
    let server_resumed = filter.is_resumed();
    let client_resumed = peer.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    assert_eq!(server_resumed, client_resumed);
    meeting.resumed = server_resumed;
    meeting.subject = filter.peer_subject();
    meeting.shown = peer.peer_certificates().and_then(|chain| Some(chain.first()?.to_vec()));
    meeting
}

fn der(files: &CertificateFiles) -> Vec<u8> {
    files::certificates(&files.cert).unwrap()[0].to_vec()
}

#[test]
fn a_certificate_is_chosen_by_its_name() {
    let place = Place::new();
    let first = place.certificate("first", &["first.example", "localhost"], |_| ());
    let wild = place.certificate("wild", &["*.example.org"], |_| ());
    let exact = place.certificate("exact", &["api.example.org"], |_| ());
    let settings = TlsSettings {
        certificates: vec![first.clone(), wild.clone(), exact.clone()],
        ..TlsSettings::default()
    };
    let server = load(&settings).unwrap().config();
    let client = client_config(&ClientSettings { trust: Trust::Anybody, ..place.client() }).unwrap();
    let check = |name: &str, expected: &CertificateFiles| {
        let meeting = meet(Arc::clone(&server), &client, name);
        assert!(meeting.result.is_ok());
        assert!(meeting.shown == Some(der(expected)), "{name}");
    };
    check("first.example", &first);
    check("api.example.org", &exact);
    check("API.example.ORG", &exact);
    check("www.example.org", &wild);
    check("a.b.example.org", &first); // A wildcard is one label.
    check("example.org", &first);
    check("unknown.example", &first);
    check("127.0.0.1", &first); // Addresses are not asked for by name (RFC 6066, 3).
}

#[test]
fn clients_check_who_the_server_is() {
    let place = Place::new();
    let server = load(&place.settings(&["one.example"])).unwrap().config();
    let client = client_config(&place.client()).unwrap();
    assert_eq!(meet(Arc::clone(&server), &client, "one.example").result, Ok(()));
    let wrong_name = meet(Arc::clone(&server), &client, "two.example");
    assert_eq!(wrong_name.result, Err(TlsError::AlertReceived(42))); // bad_certificate: RFC 8446, 6.
    let stranger = client_config(&Place::new().client()).unwrap();
    assert_eq!(meet(server, &stranger, "one.example").result, Err(TlsError::AlertReceived(48))); // unknown_ca
}

/// A client that shows a certificate of `signer`'s, or none.
fn client_with(place: &Place, signer: Option<&Place>, versions: Versions) -> Arc<ClientConfig> {
    let settings = ClientSettings { versions, ..place.client() };
    let Some(signer) = signer else { return client_config(&settings).unwrap() };
    let files = signer.certificate("client", &[], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "alice");
    });
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions.allowed())
        .unwrap()
        .with_root_certificates(roots(&place.file("ca.pem")).unwrap().0)
        .with_client_auth_cert(files::certificates(&files.cert).unwrap(), files::key(&files.key).unwrap());
    Arc::new(config.unwrap())
}

#[test]
fn clients_prove_who_they_are_when_asked() {
    let (place, other) = (Place::new(), Place::new());
    let check = |auth, signer: Option<&Place>, expected: Result<Option<&str>, &str>| {
        for versions in [Versions::V1_2Only, Versions::V1_3AndLater] {
            let settings = TlsSettings {
                client_ca: (auth != ClientAuth::Off).then(|| place.file("ca.pem")),
                client_auth: auth,
                ..place.settings(&["one.example"])
            };
            let server = load(&settings).unwrap().config();
            let meeting = meet(server, &client_with(&place, signer, versions), "one.example");
            let found =
                meeting.result.as_ref().map(|()| meeting.subject.as_deref()).map_err(TlsError::reason);
            assert_eq!(found, expected, "{auth:?} {versions:?}");
            assert_eq!(meeting.peer_error.is_some(), expected.is_err(), "an alert goes with a refusal");
        }
    };
    check(ClientAuth::Off, Some(&place), Ok(None));
    check(ClientAuth::Optional, Some(&place), Ok(Some("CN=alice, O=Example")));
    check(ClientAuth::Optional, None, Ok(None));
    check(ClientAuth::Optional, Some(&other), Err("unknown_ca"));
    check(ClientAuth::Required, Some(&place), Ok(Some("CN=alice, O=Example")));
    check(ClientAuth::Required, None, Err("no_certificate"));
    check(ClientAuth::Required, Some(&other), Err("unknown_ca"));
}

// --- Resumption and reload ---------------------------------------------------------------------------------------

#[test]
fn sessions_are_resumed_after_a_reload_and_by_other_listeners() {
    for versions in [Versions::V1_2Only, Versions::V1_3AndLater] {
        let place = Place::new();
        let tickets = Tickets::new().unwrap();
        let mut here = Credentials::load(place.settings(&["one.example"]), &tickets).unwrap();
        let client = client_config(&ClientSettings { versions, ..place.client() }).unwrap();
        assert!(!meet(here.config(), &client, "one.example").resumed);
        assert!(meet(here.config(), &client, "one.example").resumed, "{versions:?}");
        here.reload().unwrap();
        assert!(meet(here.config(), &client, "one.example").resumed, "{versions:?} after a reload");
        let there = Credentials::load(place.settings(&["one.example"]), &tickets).unwrap();
        assert!(meet(there.config(), &client, "one.example").resumed, "{versions:?} at another listener");
        let stranger = load(&place.settings(&["one.example"])).unwrap();
        assert!(!meet(stranger.config(), &client, "one.example").resumed, "{versions:?} at another process");
    }
}

#[test]
fn a_client_may_ask_not_to_resume() {
    let place = Place::new();
    let server = load(&place.settings(&["one.example"])).unwrap().config();
    let client = client_config(&ClientSettings { resumption: false, ..place.client() }).unwrap();
    for _ in 0..2 {
        assert!(!meet(Arc::clone(&server), &client, "one.example").resumed);
    }
}

/// A ticket stands for the certificate that was checked when it was given: whoever has one from a listener that checks
/// nothing must not get past one that does.
#[test]
fn a_ticket_of_an_open_listener_opens_no_closed_one() {
    for versions in [Versions::V1_2Only, Versions::V1_3AndLater] {
        let place = Place::new();
        let tickets = Tickets::new().unwrap();
        let open = Credentials::load(place.settings(&["one.example"]), &tickets).unwrap();
        let closed = TlsSettings {
            client_ca: Some(place.file("ca.pem")),
            client_auth: ClientAuth::Required,
            ..place.settings(&["one.example"])
        };
        let closed = Credentials::load(closed, &tickets).unwrap();
        let client = client_with(&place, None, versions);
        assert_eq!(meet(open.config(), &client, "one.example").result, Ok(()));
        assert_eq!(meet(closed.config(), &client, "one.example").result, Err(TlsError::NoCertificate));
    }
}

#[test]
fn a_ticket_does_not_outlive_the_authority_behind_it() {
    let (place, other) = (Place::new(), Place::new());
    let settings = TlsSettings {
        client_ca: Some(place.write("clients.pem", &other.ca.pem())),
        client_auth: ClientAuth::Required,
        ..place.settings(&["one.example"])
    };
    let mut credentials = load(&settings).unwrap();
    let client = client_with(&place, Some(&other), Versions::V1_3AndLater);
    assert!(!meet(credentials.config(), &client, "one.example").resumed);
    credentials.reload().unwrap();
    let again = meet(credentials.config(), &client, "one.example");
    assert!(again.resumed && again.subject.is_some());
    place.write("clients.pem", &place.ca.pem());
    credentials.reload().unwrap();
    let refused = meet(credentials.config(), &client, "one.example");
    assert_eq!(refused.result, Err(TlsError::UnknownCa));
}

/// Whoever came without a certificate must not come back by a ticket when one is asked for; and a certificate that nobody has
/// signed stays when everything else changes.
#[test]
fn other_settings_ask_anew() {
    let place = Place::new();
    let tickets = Tickets::new().unwrap();
    let open = Credentials::load(place.settings(&["one.example"]), &tickets).unwrap();
    let client = client_with(&place, None, Versions::V1_3AndLater);
    assert!(!meet(open.config(), &client, "one.example").resumed);
    assert!(meet(open.config(), &client, "one.example").resumed);
    let required = TlsSettings {
        client_ca: Some(place.write("clients.pem", &place.ca.pem())),
        client_auth: ClientAuth::Required,
        ..place.settings(&["one.example"])
    };
    let asks = Credentials::load_after(required, &tickets, &open).unwrap();
    assert!(meet(asks.config(), &client, "one.example").result.is_err());
    let open = Credentials::load_after(place.settings(&["one.example"]), &tickets, &asks).unwrap();
    assert_eq!(meet(open.config(), &client, "one.example").result, Ok(()));

    let made = |versions| TlsSettings { self_signed: true, versions, ..TlsSettings::default() };
    let before = Credentials::load(made(Versions::V1_2AndLater), &tickets).unwrap();
    let after = Credentials::load_after(made(Versions::V1_3AndLater), &tickets, &before).unwrap();
    assert_eq!(after.fingerprint(), before.fingerprint());
    let signed = Credentials::load_after(place.settings(&["one.example"]), &tickets, &after).unwrap();
    assert_eq!(signed.fingerprint(), None);
}

#[test]
fn a_reload_takes_new_files_and_keeps_the_old_ones_on_error() {
    let place = Place::new();
    let mut credentials = load(&place.settings(&["one.example"])).unwrap();
    let client = client_config(&ClientSettings { resumption: false, ..place.client() }).unwrap();
    let shown = |credentials: &Credentials| meet(credentials.config(), &client, "one.example").shown.unwrap();
    let old = shown(&credentials);
    let files = place.certificate("server", &["one.example"], |_| ());
    assert_eq!(shown(&credentials), old, "nothing changes by itself");
    credentials.reload().unwrap();
    assert_eq!(shown(&credentials), der(&files));
    place.write("server.pem", "half a cert");
    assert!(matches!(credentials.reload(), Err(CredentialsError::NoCertificateInside(_))));
    assert_ne!(shown(&credentials), old);
    let _ = fs::remove_file(files.cert);
    assert!(matches!(credentials.reload(), Err(CredentialsError::Missing(_))));
    assert_eq!(meet(credentials.config(), &client, "one.example").result, Ok(()));
}

#[test]
fn a_self_signed_certificate_is_for_this_host() {
    let settings = TlsSettings { self_signed: true, ..TlsSettings::default() };
    let mut credentials = load(&settings).unwrap();
    let place = Place::new();
    let anybody = client_config(&ClientSettings { trust: Trust::Anybody, ..place.client() }).unwrap();
    let shown = meet(credentials.config(), &anybody, "localhost").shown.unwrap();
    assert_eq!(credentials.fingerprint(), Some(self_signed::fingerprint(&shown).as_str()));
    credentials.reload().unwrap();
    assert_eq!(meet(credentials.config(), &anybody, "localhost").shown, Some(shown.clone()));

    // Who trusts just this certificate may call it by each of its names.
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(shown)).unwrap();
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(Versions::V1_2AndLater.allowed())
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    for name in ["localhost", "127.0.0.1", "::1"] {
        assert_eq!(meet(credentials.config(), &client, name).result, Ok(()), "{name}");
    }
    assert_ne!(meet(credentials.config(), &client, "example.org").result, Ok(()));
}

#[test]
fn a_fingerprint_is_the_digest_in_pairs() {
    // The example of FIPS 180-2, B.1.
    let expected =
        "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
    assert_eq!(self_signed::fingerprint(b"abc"), expected);
}

// --- Complaints --------------------------------------------------------------------------------------------------

/// Expects a refusal whose sentence has all these words.
fn check_complaint(settings: &TlsSettings, words: &[&str]) {
    let sentence = load(settings).unwrap_err().to_string();
    for word in words {
        assert!(sentence.contains(word), "{word:?} is missing in: {sentence}");
    }
}

#[test]
fn complaints_name_the_file_the_cause_and_the_remedy() {
    let place = Place::new();
    let good = place.settings(&["one.example"]);
    let check = |cert: &Path, key: &Path, words: &[&str]| {
        let files = CertificateFiles { cert: cert.to_owned(), key: key.to_owned() };
        check_complaint(&TlsSettings { certificates: vec![files], ..good.clone() }, words);
    };
    let CertificateFiles { cert, key } = good.certificates[0].clone();
    let other = place.certificate("other", &["two.example"], |_| ());
    let empty = place.write("empty.pem", "");
    let long = place.write("long.pem", &"x".repeat(1_048_577));
    let half = place.write("half.pem", &fs::read_to_string(&cert).unwrap()[..200]);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = place.write("locked.key", locked);
    let strange =
        place.write("strange.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    let odd_key = place.write("odd.key", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n");

    check(&place.file("none.pem"), &key, &["none.pem", "does not exist", "check the path"]);
    check(&place.path, &key, &["not a regular file"]);
    check(&empty, &key, &["empty.pem", "no certificate inside", "BEGIN CERTIFICATE"]);
    check(&cert, &empty, &["empty.pem", "no private key inside", "BEGIN PRIVATE KEY"]);
    check(&cert, &cert, &["server.pem", "no private key inside"]);
    check(&long, &key, &["long.pem", "1048576 bytes"]);
    check(&half, &key, &["half.pem", "not a whole PEM file", "copy it again"]);
    check(&cert, &locked, &["locked.key", "password", "openssl pkey"]);
    check(&strange, &key, &["strange.pem", "cannot be understood"]);
    check(&cert, &odd_key, &["odd.key", "cannot be used", "P-256"]);
    check(&cert, &other.key, &["other.key", "does not belong to", "server.pem"]);
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    let place = Place::new();
    let good = place.settings(&["one.example"]);
    check_complaint(&TlsSettings::default(), &["needs a certificate", "self-signed"]);
    check_complaint(&TlsSettings { self_signed: true, ..good.clone() }, &["exclude each other"]);
    check_complaint(&TlsSettings { client_auth: ClientAuth::Required, ..good.clone() }, &["authority"]);
    let unused = TlsSettings { client_ca: Some(place.file("ca.pem")), ..good.clone() };
    check_complaint(&unused, &["ca.pem", "not asked"]);
    let many = vec![good.certificates[0].clone(); 257];
    check_complaint(&TlsSettings { certificates: many, ..good.clone() }, &["257", "64"]);
    let missing =
        TlsSettings { client_ca: Some(place.file("gone.pem")), client_auth: ClientAuth::Optional, ..good };
    check_complaint(&missing, &["gone.pem", "does not exist"]);
}

#[test]
fn what_is_odd_and_works_is_a_warning() {
    let place = Place::new();
    let expired = place.certificate("old", &["one.example"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let future =
        place.certificate("new", &["one.example"], |params| params.not_before = date_time_ymd(2999, 1, 1));
    let nameless = place.certificate("nameless", &[], |_| ());
    fs::set_permissions(&nameless.key, fs::Permissions::from_mode(0o644)).unwrap();
    let certificates = vec![expired.clone(), future.clone(), nameless.clone()];
    let settings = TlsSettings { certificates, ..TlsSettings::default() };
    // `date -u -d 2021-01-11 +%s`: ten days later.
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_610_323_200));
    let credentials = Credentials::load_at(settings, &Tickets::new().unwrap(), now).unwrap();
    let expected = [
        Warning::Expired { path: expired.cert, days: 10 },
        Warning::NotYetValid(future.cert),
        Warning::NoNames(nameless.cert),
        Warning::OpenKey(nameless.key),
    ];
    assert_eq!(credentials.warnings(), expected);
    assert!(load(&place.settings(&["one.example"])).unwrap().warnings().is_empty());
}

#[test]
fn keys_are_never_printed() {
    let place = Place::new();
    let settings = place.settings(&["one.example"]);
    let pem = fs::read_to_string(&settings.certificates[0].key).unwrap();
    let credentials = load(&settings).unwrap();
    let printed = format!("{credentials:?} {:?} {:?}", credentials.config(), Tickets::new().unwrap());
    let secret = files::key(&settings.certificates[0].key).unwrap();
    // The private number itself: bytes 36 to 68 of a P-256 key in PKCS #8, printed as Rust prints bytes.
    let secret = secret.secret_der()[36..68].to_vec();
    let numbers = format!("{secret:?}");
    assert!(!printed.contains(numbers.trim_matches(['[', ']'])));
    assert!(pem.lines().filter(|line| !line.starts_with('-')).all(|line| !printed.contains(line)));
}
