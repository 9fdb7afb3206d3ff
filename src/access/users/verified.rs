//! Passwords that were found good a moment ago, so that a client that connects again need not wait for bcrypt.
//!
//! One for each shard. It holds a keyed hash of the password together with the hash that it was compared with, under a key
//! that lives no longer than the shard: from what is kept, nobody can guess the password faster than from the bcrypt hash
//! itself, for the key is needed too. When a user's hash changes, the old entry fits nothing any more. The oldest goes first.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use crate::limits;

/// Passwords that were found good.
pub struct Verified {
    /// Nothing is remembered where there is no key.
    key: Option<EncodingKey>,
    known: HashSet<Arc<str>>,
    /// From the oldest on.
    order: VecDeque<Arc<str>>,
}

/// What [`Verified::remember`] takes: that a password was found good.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof(Arc<str>);

impl Verified {
    /// Nothing is remembered yet.
    pub fn new() -> Self {
        let mut key = [0_u8; 32];
        let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
        let key = random.fill(&mut key).is_ok().then(|| EncodingKey::from_secret(&key));
        Self { key, known: HashSet::new(), order: VecDeque::new() }
    }

    /// Remembers that a password was found good.
    pub fn remember(&mut self, proof: Proof) {
        if self.known.contains(&proof.0) {
            return;
        }
        if self.order.len() == limits::PASSWORDS_REMEMBERED_MAX {
            self.order.pop_front().map(|oldest| self.known.remove(&oldest));
        }
        self.known.insert(Arc::clone(&proof.0));
        self.order.push_back(proof.0);
    }

    /// What will be remembered of this password once it was found to fit this hash.
    pub(super) fn proof(&self, hash: &str, password: &str) -> Option<Proof> {
        // No hash holds a zero.
        let message = [hash.as_bytes(), b"\0", password.as_bytes()].concat();
        let tag = crypto::sign(&message, self.key.as_ref()?, Algorithm::HS256).ok()?;
        Some(Proof(tag.into()))
    }

    /// Whether that was remembered.
    pub(super) fn knows(&self, proof: &Proof) -> bool {
        // A tag cannot be searched for letter by letter, since nobody without the key can make one.
        self.known.contains(&proof.0)
    }
}

impl Default for Verified {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_remembered_for_its_hash_only() {
        let mut verified = Verified::new();
        let proof = verified.proof("$2b$one", "secret").unwrap();
        assert!(!verified.knows(&proof));
        verified.remember(proof.clone());
        verified.remember(proof.clone());
        assert!(verified.knows(&proof) && verified.order.len() == 1);
        for (hash, password) in [("$2b$one", "secret "), ("$2b$two", "secret"), ("$2b$on", "esecret")] {
            assert!(!verified.knows(&verified.proof(hash, password).unwrap()));
        }
        assert!(!Verified::new().knows(&proof));
        assert!(!Verified::new().proof("$2b$one", "secret").unwrap().eq(&proof), "each has a key of its own");
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut verified = Verified::new();
        let proof = |verified: &Verified, number: usize| verified.proof("$2b$", &number.to_string()).unwrap();
        for number in 0..=limits::PASSWORDS_REMEMBERED_MAX {
            verified.remember(proof(&verified, number));
        }
        assert_eq!(verified.known.len(), limits::PASSWORDS_REMEMBERED_MAX);
        assert!(!verified.knows(&proof(&verified, 0)) && verified.knows(&proof(&verified, 1)));
    }

    #[test]
    fn what_is_kept_is_no_password() {
        let verified = Verified::new();
        let proof = verified.proof("$2b$", "secret").unwrap();
        assert!(!proof.0.contains("secret"));
        assert_eq!(format!("{proof:?} {verified:?}"), "Proof Verified { known: 0, .. }");
    }
}
