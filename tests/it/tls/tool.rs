//! The tools that operators have: `openssl s_client`, where it is installed, and a client that believes everybody.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::Place;
use crate::support::launch::{Ended, can_run};
use crate::support::tls::{begin, shake};
use crate::support::{skip, streams, text};

/// The certificate that a server shows to somebody who asks no questions.
#[track_caller]
pub(super) fn shown_to_anybody(address: SocketAddr) -> Vec<u8> {
    let verifier = Arc::new(Anybody::default());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("they go together").dangerous();
    let seen = Arc::clone(&verifier);
    let config = Arc::new(builder.with_custom_certificate_verifier(verifier).with_no_client_auth());
    shake(&mut begin(streams::tcp(address), &config, "localhost")).expect("the server agrees");
    seen.0.lock().expect("no test panics with it").clone()
}

/// Believes everybody, and remembers the certificate.
#[derive(Debug, Default)]
struct Anybody(Mutex<Vec<u8>>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().expect("no test panics with it") = certificate.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Runs `openssl s_client` with these arguments more, gives it `input`, and lets it end by itself.
#[track_caller]
fn s_client(place: &Place, address: SocketAddr, arguments: &[&str], input: &[u8]) -> Ended {
    let authority = place.folder.write("authority.pem", &place.authority.pem());
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string(), "-servername", "localhost"]);
    command.args(["-CAfile", text(&authority), "-verify_return_error", "-verify_hostname", "localhost"]);
    command.args(["-ign_eof"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it has been run before");
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may have been refused before it reads.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("it ends, for the server ends the connection");
    let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: lossy(&output.stdout), stderr: lossy(&output.stderr) }
}

/// The tool of OpenSSL gets a page in either version, and ends as it does after an orderly end.
#[test]
fn openssl_gets_a_page() {
    if !can_run("openssl", &["version"]) {
        return skip("this host has no openssl");
    }
    let place = Place::new();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let ended = s_client(&place, place.https(), &[version, "-alpn", "h2,http/1.1"], request);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        for words in
            ["Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "HTTP/1.1 200 OK", "\r\n\r\nok\n"]
        {
            assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
        }
        // Without a close_notify it would say: unexpected eof while reading.
        assert!(!ended.stderr.contains("unexpected eof"), "{ended:#?}");
    }
    let ended = s_client(&place, place.https(), &["-tls1_3", "-alpn", "h2"], request);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    place.server.await_count("refused_tls_negotiation", 1);
    place.server.stop_clean();
}
