//! TLS as others have it: certificates made by rcgen, and clients of rustls's own, buffered kind, which shares none of
//! the code by which the server drives that library.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use super::{Folder, streams, text};

/// A client's stream.
pub(crate) type Stream<S = TcpStream> = StreamOwned<ClientConnection, S>;

pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
    der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no name is a bad one");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the system has randomness");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("it can sign") }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("the names are good");
        let key = KeyPair::generate().expect("the system has randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("it can sign");
        Issued { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("it is a certificate");
        roots
    }

    /// A client that trusts it, with these versions.
    pub(crate) fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        self.client_of(aws_lc_rs::default_provider(), versions)
    }

    /// The same with a short ClientHello: one group, X25519.
    pub(crate) fn small_client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let groups = vec![aws_lc_rs::kx_group::X25519];
        self.client_of(CryptoProvider { kx_groups: groups, ..aws_lc_rs::default_provider() }, versions)
    }

    fn client_of(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(versions).expect("they go together");
        builder.with_root_certificates(self.roots()).with_no_client_auth()
    }

    /// A client that trusts it and shows this certificate.
    pub(crate) fn client_with(
        &self,
        issued: &Issued,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("they go together");
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("it is a key");
        let builder = builder.with_root_certificates(self.roots());
        builder.with_client_auth_cert(vec![issued.der.clone()], key).expect("they go together")
    }
}

impl Issued {
    /// Writes both files, replacing what is there, and returns their paths.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
        let key = folder.write(&format!("{name}.key"), &self.key);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
        (folder.write(&format!("{name}.pem"), &self.certificate), key)
    }

    /// Writes both files and returns the keys of a configuration that name them.
    pub(crate) fn keys(&self, folder: &Folder, name: &str) -> String {
        let (certificate, key) = self.write(folder, name);
        format!("certificate = \"{}\", key = \"{}\"", text(&certificate), text(&key))
    }

    /// Whether the server has shown this one.
    pub(crate) fn is_shown<S: Read + Write>(&self, stream: &Stream<S>) -> bool {
        stream.conn.peer_certificates().is_some_and(|chain| chain.first() == Some(&self.der))
    }
}

/// A stream that has not said anything yet, to a server of that name.
pub(crate) fn begin<S: Read + Write>(stream: S, config: &Arc<ClientConfig>, name: &str) -> Stream<S> {
    let name = ServerName::try_from(name.to_owned()).expect("it is a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("the configuration is good");
    StreamOwned::new(connection, stream)
}

/// Goes through the handshake. In TLS 1.3 the server has not judged the client's certificate then.
pub(crate) fn shake<S: Read + Write>(stream: &mut Stream<S>) -> io::Result<()> {
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    // What was said last, as an alert about the server's certificate.
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    Ok(())
}

/// Connects to `localhost` at that address; the handshake is done.
#[track_caller]
pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Stream {
    let mut stream = begin(streams::tcp(address), config, "localhost");
    shake(&mut stream).expect("the server agrees");
    stream
}

/// Connects, and returns why that was refused: by the handshake, or by the first read after it.
#[track_caller]
pub(crate) fn refusal(address: SocketAddr, config: &Arc<ClientConfig>) -> String {
    let mut stream = begin(streams::tcp(address), config, "localhost");
    let result = shake(&mut stream).and_then(|()| stream.read(&mut [0]));
    match result {
        Ok(count) => panic!("it was not refused: {count} bytes came"),
        Err(error) => error.to_string(),
    }
}

/// Sends our close_notify, reads to the server's, and returns what came before it.
#[track_caller]
pub(crate) fn close<S: Read + Write>(stream: &mut Stream<S>) -> Vec<u8> {
    stream.conn.send_close_notify();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock).expect("the server reads");
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("a close_notify, and not only an end");
    rest
}

/// Reads bytes without TLS until the other side has gone, in order or by a reset. It must not take the deadline.
#[track_caller]
pub(crate) fn drain(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it was not ended: {error}"),
    }
    all
}
