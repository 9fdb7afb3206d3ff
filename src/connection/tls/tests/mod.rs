//! The filter against the library's own buffered connections, which share none of our code.

mod agreement;
mod bytes;
mod hostile;

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
