//! TLS: the certificate that flags name, and the tables of the file.

use std::path::PathBuf;

use super::super::endpoint::Endpoint;
use super::super::error::ConfigError;
use super::super::layer::{Place, Said, SaidListener};
use super::super::listener::{CertificateFiles, Tls};
use super::super::names::ClientAuth;
use super::{check_file, wrong};
use crate::limits;

/// The certificate that flags name, with the flags' places.
pub(super) struct TlsOfFlags {
    tls: Tls,
    certificate: Place,
    key: Place,
}

/// What the three flags mean together.
pub(super) fn of_flags(
    certificate: Option<Said<PathBuf>>,
    key: Option<Said<PathBuf>>,
    self_signed: Option<Said<()>>,
) -> Result<Option<TlsOfFlags>, ConfigError> {
    match (certificate, key, self_signed) {
        (None, None, None) => Ok(None),
        (None, None, Some(made)) => {
            let (certificate, key) = (made.place.clone(), made.place);
            Ok(Some(TlsOfFlags { tls: Tls::self_signed(), certificate, key }))
        }
        (Some(certificate), Some(key), None) => {
            let files =
                CertificateFiles { certificate: absolute(certificate.value), key: absolute(key.value) };
            let tls = Tls { certificates: vec![files], ..Tls::default() };
            Ok(Some(TlsOfFlags { tls, certificate: certificate.place, key: key.place }))
        }
        (_, _, Some(made)) => {
            let problem =
                "makes a certificate, and another one is named: leave one of the two out".to_owned();
            Err(wrong(made.place, problem))
        }
        (Some(alone), None, None) => {
            Err(wrong(alone.place, "is alone: it needs --tls-key FILE beside it".to_owned()))
        }
        (None, Some(alone), None) => {
            Err(wrong(alone.place, "is alone: it needs --tls-cert FILE beside it".to_owned()))
        }
    }
}

impl TlsOfFlags {
    /// The settings for default listeners, which there are only for a first try.
    pub(super) fn without_listeners(self) -> Result<Tls, ConfigError> {
        if self.tls.self_signed { Ok(self.tls) } else { Err(self.no_use()) }
    }

    fn no_use(self) -> ConfigError {
        let problem = "is for listeners behind TLS that flags name, and there are none: add --listen \
                       https://127.0.0.1:8443 or --listen tls://127.0.0.1:7443, for example";
        wrong(self.certificate, problem.to_owned())
    }
}

/// Gives the certificate of the flags to the listeners that take it: there must be both, or neither.
pub(super) fn hand_out(flags: Option<TlsOfFlags>, listeners: &mut [SaidListener]) -> Result<(), ConfigError> {
    let mut takers = listeners.iter_mut().filter(|said| said.takes_tls).peekable();
    match (flags, takers.peek()) {
        (None, None) => Ok(()),
        (Some(flags), None) => Err(flags.no_use()),
        (None, Some(taker)) => {
            let shown = Endpoint::of(&taker.value, true);
            let problem = format!(
                "is {shown}, which needs a certificate: add --tls-cert FILE and --tls-key FILE, or --tls-self-signed for a \
                 first try"
            );
            Err(wrong(taker.place.clone(), problem))
        }
        (Some(flags), Some(_)) => {
            for taker in takers {
                taker.value.tls = Some(flags.tls.clone());
                taker.note("listener.tls".to_owned(), flags.certificate.clone());
                taker.note("listener.tls.certificate".to_owned(), flags.certificate.clone());
                taker.note("listener.tls.key".to_owned(), flags.key.clone());
            }
            Ok(())
        }
    }
}

/// Refuses settings that contradict each other.
pub(super) fn check(said: &SaidListener, tls: &Tls) -> Result<(), ConfigError> {
    let problem = if tls.self_signed && !tls.certificates.is_empty() {
        "makes a certificate, and another one is named: leave one of the two out".to_owned()
    } else if !tls.self_signed && tls.certificates.is_empty() {
        "has no certificate: add certificate and key, or self_signed = true for a first try".to_owned()
    } else if limits::CERTIFICATES_MAX < tls.certificates.len() {
        format!("has {} certificates: the most is {}", tls.certificates.len(), limits::CERTIFICATES_MAX)
    } else if tls.client_auth != ClientAuth::Off && tls.client_ca.is_none() {
        let problem = format!(
            "is {}: it needs client_ca, the authorities that certificates are checked against",
            tls.client_auth.name()
        );
        return Err(wrong(said.place_of("listener.tls.client_auth"), problem));
    } else if tls.client_auth == ClientAuth::Off && tls.client_ca.is_some() {
        let problem =
            "is off, and client_ca names who signs the certificates of clients: leave one of the two out";
        return Err(wrong(said.place_of("listener.tls.client_auth"), problem.to_owned()));
    } else {
        return check_files(said, tls);
    };
    let key = if tls.self_signed { "listener.tls.self_signed" } else { "listener.tls" };
    Err(wrong(said.place_of(key), problem))
}

fn check_files(said: &SaidListener, tls: &Tls) -> Result<(), ConfigError> {
    for CertificateFiles { certificate, key } in &tls.certificates {
        check_file(said, "listener.tls.certificate", certificate)?;
        check_file(said, "listener.tls.key", key)?;
    }
    tls.client_ca.iter().try_for_each(|file| check_file(said, "listener.tls.client_ca", file))
}

/// The path from the root, so that a configuration that is printed means the same wherever it is put.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
