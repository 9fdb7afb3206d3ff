//! A user's secret, as it is kept: itself, or its bcrypt hash.
//!
//! Neither `Debug` nor an error holds it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::super::error::AccessError;
use super::super::statics::Padded;
use crate::limits;

/// What a secret is compared with.
pub(super) enum Password {
    /// The secret itself.
    Plain(Padded),
    /// Its hash. To compare takes as long as whoever made the hash wished.
    Hash(Arc<str>),
}

impl Password {
    /// Reads a secret or a hash from a file, but for the line's end behind it.
    pub(super) fn from_file(path: &Path, bytes: &[u8]) -> Result<Self, AccessError> {
        let wrong = |problem: String| AccessError::File { path: path.to_owned(), problem };
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let secret = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let most = limits::USER_SECRET_BYTES_MAX;
        match std::str::from_utf8(secret) {
            Ok(text) if looks_hashed(text) => Self::from_hash(text).map_err(wrong),
            Ok(text) if text.contains(char::is_control) => {
                Err(wrong("a secret is one line of text, without control characters".to_owned()))
            }
            Ok(text) if (1..=most).contains(&text.len()) => Ok(Self::Plain(Padded::new(secret))),
            Ok(_) | Err(_) => Err(wrong(format!("a secret is 1 to {most} bytes of UTF-8"))),
        }
    }

    /// Takes a hash, if it is one that can be compared with in a bearable time.
    pub(super) fn from_hash(hash: &str) -> Result<Self, String> {
        check_hash(hash)?;
        Ok(Self::Hash(hash.into()))
    }

    /// Whether this is the secret, if that is found out quickly.
    pub(super) fn compare(&self, given: &str) -> Option<bool> {
        match self {
            Self::Plain(secret) => Some(secret.equals(&Padded::new(given.as_bytes())).into()),
            Self::Hash(_) => None,
        }
    }

    /// The hash, where it is kept as one.
    pub(super) fn hash(&self) -> Option<&Arc<str>> {
        match self {
            Self::Plain(_) => None,
            Self::Hash(hash) => Some(hash),
        }
    }

    /// Whether two are the same as they are written.
    pub(super) fn is_twin(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one.equals(other).into(),
            (Self::Hash(one), Self::Hash(other)) => one.as_bytes().ct_eq(other.as_bytes()).into(),
            (Self::Plain(_), Self::Hash(_)) | (Self::Hash(_), Self::Plain(_)) => false,
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Checks the form of a bcrypt hash (`$2b$12$`, and 53 letters for salt and hash) and its cost.
///
/// # Errors
/// Says what is wrong with it, as a sentence that does not hold it.
pub fn check_hash(hash: &str) -> Result<(), String> {
    let rest = PREFIXES.iter().find_map(|prefix| hash.strip_prefix(prefix));
    let cost = rest.and_then(|rest| rest.split_once('$')).filter(|(cost, text)| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
        let is_number = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
        is_number && text.len() == 53 && text.bytes().all(is_letter)
    });
    let bounds = limits::BCRYPT_COST_MIN..=limits::BCRYPT_COST_MAX;
    match cost.map(|(cost, _)| cost.parse::<u32>()) {
        Some(Ok(cost)) if bounds.contains(&cost) => Ok(()),
        Some(Ok(cost)) => Err(format!(
            "a bcrypt hash of cost {cost} cannot be used: from {} to {} can; each step takes twice the time",
            bounds.start(),
            bounds.end()
        )),
        Some(Err(_)) | None => {
            Err("this is no bcrypt hash, which begins with $2b$ and its cost and has 60 letters. \
             Try: htpasswd -nBC 11 NAME, and take what stands behind the colon"
                .to_owned())
        }
    }
}

fn looks_hashed(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

const PREFIXES: [&str; 3] = ["$2a$", "$2b$", "$2y$"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Password, String> {
        Password::from_file(Path::new("secret"), bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plain_secret_is_compared() {
        for bytes in [&b"s3cret "[..], b"s3cret \n", b"s3cret \r\n"] {
            let secret = read(bytes).unwrap();
            let check = |given, expected| assert_eq!(secret.compare(given), Some(expected), "{given:?}");
            check("s3cret ", true);
            check("s3cret", false);
            check("s3cret \0", false);
            check("", false);
            check(&format!("s3cret {}", "\0".repeat(25)), false);
        }
        assert_eq!(read("ä b".as_bytes()).unwrap().compare("ä b"), Some(true));
    }

    #[test]
    fn files_that_hold_no_secret_are_refused() {
        for bytes in [&b""[..], b"\n", b"\xff", &[b'a'; 257]] {
            assert_eq!(read(bytes).unwrap_err(), "secret: a secret is 1 to 256 bytes of UTF-8");
        }
        for bytes in [&b"a\nb"[..], b"a\0", b"a\n\n"] {
            let error = read(bytes).unwrap_err();
            assert_eq!(error, "secret: a secret is one line of text, without control characters");
        }
        assert!(read(b"$2b$12$short").unwrap_err().contains("this is no bcrypt hash"));
    }

    #[test]
    fn hashes_have_a_form_and_a_cost() {
        let text = "abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
        for good in ["$2b$04$", "$2a$11$", "$2y$14$"] {
            assert_eq!(check_hash(&format!("{good}{text}")), Ok(()));
            assert!(read(format!("{good}{text}\n").as_bytes()).unwrap().hash().is_some());
        }
        for costly in ["$2b$15$", "$2b$31$", "$2b$03$"] {
            assert!(check_hash(&format!("{costly}{text}")).unwrap_err().contains("from 4 to 14 can"));
        }
        for bad in ["$2c$10$", "$2b$1$", "$2b$+9$", "$2b$010$", "$1$10$", ""] {
            assert!(check_hash(&format!("{bad}{text}")).unwrap_err().contains("no bcrypt hash"), "{bad}");
        }
        assert!(check_hash(&format!("$2b$10${text}x")).is_err());
        assert!(check_hash(&format!("$2b$10${}", text.replace('a', "-"))).is_err());
    }

    #[test]
    fn no_secret_is_shown() {
        assert_eq!(format!("{:?}", read(b"s3cret").unwrap()), "Password");
    }
}
