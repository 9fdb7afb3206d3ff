//! Passwords that were found good, so that a client that connects again need not wait for bcrypt.
//!
//! Of each a keyed hash is kept, of the password together with the hash that it was compared with, under a key that lives no
//! longer than the process: from what is kept, nobody can guess the password faster than from the bcrypt hash itself, for the
//! key is needed too. When a user's hash changes, the old entry fits nothing any more. The oldest goes first.
//!
//! What was found wrong is not kept. It would stay wrong, since the hash is part of it; but an answer that comes at once would
//! tell whoever guesses that somebody has tried the same: a user's old password, perhaps, which a forgotten client still has.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use crate::limits;

/// The key under which passwords are remembered.
pub(super) struct Key(EncodingKey);

/// What a password and the hash that it is compared with come to under the key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Tag(Arc<str>);

/// Passwords that were found good.
#[derive(Default)]
pub(super) struct Verified {
    known: HashSet<Tag>,
    /// From the oldest on.
    order: VecDeque<Tag>,
}

impl Key {
    /// One that nobody can guess.
    ///
    /// # Errors
    /// When the system has no chance to give.
    pub(super) fn new() -> io::Result<Self> {
        let mut key = [0_u8; 32];
        let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
        random.fill(&mut key).map_err(|_| io::Error::other("the system gives no random numbers"))?;
        Ok(Self(EncodingKey::from_secret(&key)))
    }

    /// The tag of a password with this hash.
    pub(super) fn tag(&self, hash: &str, password: &str) -> Tag {
        // No hash holds a zero.
        let message = [hash.as_bytes(), b"\0", password.as_bytes()].concat();
        // HMAC takes every message (RFC 2104).
        Tag(crypto::sign(&message, &self.0, Algorithm::HS256).expect("the key is of this kind").into())
    }
}

impl Verified {
    /// Remembers that a password was found good.
    pub(super) fn remember(&mut self, tag: &Tag) {
        if !self.known.insert(tag.clone()) {
            return;
        }
        self.order.push_back(tag.clone());
        if limits::PASSWORDS_REMEMBERED_MAX < self.order.len() {
            self.order.pop_front().map(|oldest| self.known.remove(&oldest));
        }
    }

    /// Whether that was remembered.
    pub(super) fn knows(&self, tag: &Tag) -> bool {
        // A tag cannot be searched for letter by letter, since nobody without the key can make one.
        self.known.contains(tag)
    }
}

#[cfg(test)]
impl Tag {
    /// Any one, for tests of what is kept by tags.
    pub(super) fn of_text(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_remembered_for_its_hash_only() {
        let (key, mut verified) = (Key::new().unwrap(), Verified::default());
        let tag = key.tag("$2b$one", "secret");
        assert!(!verified.knows(&tag));
        verified.remember(&tag);
        verified.remember(&tag);
        assert!(verified.knows(&tag) && verified.order.len() == 1);
        for (hash, password) in [("$2b$one", "secret "), ("$2b$two", "secret"), ("$2b$on", "esecret")] {
            assert!(!verified.knows(&key.tag(hash, password)));
        }
        assert_ne!(Key::new().unwrap().tag("$2b$one", "secret"), tag, "each has a key of its own");
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut verified = Verified::default();
        let tag = |number: usize| Tag::of_text(&number.to_string());
        for number in 0..=limits::PASSWORDS_REMEMBERED_MAX {
            verified.remember(&tag(number));
        }
        assert_eq!(
            (verified.known.len(), verified.order.len()),
            (limits::PASSWORDS_REMEMBERED_MAX, limits::PASSWORDS_REMEMBERED_MAX)
        );
        assert!(!verified.knows(&tag(0)) && verified.knows(&tag(1)));
    }

    #[test]
    fn what_is_kept_is_no_password() {
        let tag = Key::new().unwrap().tag("$2b$", "secret");
        assert!(!tag.0.contains("secret"));
        assert_eq!(format!("{tag:?} {:?}", Verified::default()), "Tag Verified { known: 0, .. }");
    }
}
