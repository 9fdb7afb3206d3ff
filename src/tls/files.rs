//! Certificates and keys out of PEM files.
//!
//! It reads and explains; it does not know what they are for. Keys leave it only in the types of the library, which
//! never print them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::CredentialsError;
use crate::limits;

/// The certificates of a file, in their order; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let bytes = read(path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = parsed.map_err(|error| not_pem(path, &error))?;
    if certificates.is_empty() {
        return Err(CredentialsError::NoCertificateInside(path.to_owned()));
    }
    Ok(certificates)
}

/// The first private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CredentialsError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        PemError::NoItemsFound if memchr::memmem::find(&bytes, ENCRYPTED).is_some() => {
            CredentialsError::EncryptedKey(path.to_owned())
        }
        PemError::NoItemsFound => CredentialsError::NoKeyInside(path.to_owned()),
        error => not_pem(path, &error),
    })
}

/// How keys behind a password begin (RFC 7468, 11).
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Whether users that are neither the file's owner nor of its group can read it. Certificates may; keys should not.
pub(super) fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o004 != 0)
}

fn not_pem(path: &Path, error: &PemError) -> CredentialsError {
    CredentialsError::NotPem { path: path.to_owned(), problem: error.to_string() }
}

/// The bytes of a file, if they are not too many.
fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    let explain = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => CredentialsError::Missing(path.to_owned()),
        _ => CredentialsError::Unreadable { path: path.to_owned(), cause },
    };
    // Looked at before it is opened: opening a pipe without a writer never ends.
    if !fs::metadata(path).map_err(explain)?.is_file() {
        return Err(CredentialsError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(explain)?;
    let length = file.take(limits::TLS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(explain)?;
    if limits::TLS_FILE_BYTES_MAX < length as u64 {
        return Err(CredentialsError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}
