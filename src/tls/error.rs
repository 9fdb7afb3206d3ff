//! What can be wrong with certificates and keys, in one sentence each: the file, the cause, the remedy.

use std::io;
use std::path::PathBuf;

use crate::limits;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Neither certificates nor a self-signed one were asked for.
    #[error(
        "TLS needs a certificate: name the files of a certificate and its key, or ask for a self-signed one"
    )]
    NoCertificates,
    /// Both certificates and a self-signed one were asked for.
    #[error("certificates from files and a self-signed one exclude each other: leave one of them out")]
    SelfSignedBesideFiles,
    /// More certificates than one listener may have.
    #[error("{0} certificates are too many for one listener, {max} are the most", max = limits::CERTIFICATES_MAX)]
    TooManyCertificates(usize),
    /// Clients are to be asked for certificates, and nobody is named who may sign them.
    #[error(
        "client certificates are asked for and nothing says whom to trust: name the file of their authority"
    )]
    NoClientCa,
    /// An authority is named, and clients are not asked for certificates.
    #[error("{} is named as the authority of clients, who are not asked for certificates: ask them, or leave it out", .0.display())]
    UnusedClientCa(PathBuf),
    /// The file is not there.
    #[error("{} does not exist: check the path", .0.display())]
    Missing(PathBuf),
    /// The file is a directory, a pipe, a device or a socket.
    #[error("{} is not a regular file: name the PEM file itself", .0.display())]
    NotAFile(PathBuf),
    /// The file is there and cannot be read.
    #[error("{} cannot be read: {cause}; let the user of the server read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The file is longer than any of its kind.
    #[error("{} is longer than {max} bytes, so it is not taken for a PEM file: check the path", .0.display(), max = limits::TLS_FILE_BYTES_MAX)]
    TooLarge(PathBuf),
    /// The file has sections of PEM that are broken.
    #[error("{} is not a whole PEM file: {problem}; copy it again", .path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        problem: String,
    },
    /// The file has no certificate inside.
    #[error("{} has no certificate inside: it takes a section that begins with -----BEGIN CERTIFICATE-----", .0.display())]
    NoCertificateInside(PathBuf),
    /// The file has no key inside.
    #[error("{} has no private key inside: it takes a section that begins with -----BEGIN PRIVATE KEY-----", .0.display())]
    NoKeyInside(PathBuf),
    /// The key is behind a password.
    #[error("the key in {} is behind a password; take it off with: openssl pkey -in FILE -out NEW-FILE", .0.display())]
    EncryptedKey(PathBuf),
    /// What stands in the section of a certificate is none.
    #[error("the certificate in {} cannot be understood: {problem}; make it again", .path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What the library said.
        problem: String,
    },
    /// The key is of a kind or size that is not taken.
    #[error("the key in {} cannot be used: {problem}; take an ECDSA P-256 or P-384, an Ed25519 or an RSA key of 2048 to 8192 bits", .path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What the library said.
        problem: String,
    },
    /// The key is that of another certificate.
    #[error("the key in {} does not belong to the certificate in {}: give each certificate its own key, with the server's certificate first in its file", .key.display(), .cert.display())]
    KeyOfAnother {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Anything else that the library refuses.
    #[error("TLS cannot be set up: {0}")]
    Other(String),
}

/// What is odd about certificates and keys that work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The certificate's life is over: most clients refuse it.
    #[error("the certificate in {} expired {days} days ago: clients will refuse it; renew it and reload", .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// Whole days since then.
        days: u64,
    },
    /// The certificate's life has not begun.
    #[error("the certificate in {} is not good yet: check the clock of this host", .0.display())]
    NotYetValid(PathBuf),
    /// The certificate has no names, so it is only ever chosen as the first one.
    #[error("the certificate in {} has no DNS names: clients that ask for a name do not get it unless it comes first", .0.display())]
    NoNames(PathBuf),
    /// Every user of the host can read the key.
    #[error("the key in {} can be read by every user of this host: chmod o-rwx it", .0.display())]
    OpenKey(PathBuf),
}
