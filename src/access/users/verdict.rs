//! What is judged, and what comes out.

use std::fmt;
use std::sync::Arc;

use super::grant::Grant;
use crate::access::token::{Authenticator, Denied};

/// What somebody shows, as the CONNECT of a NATS client names it. What is empty is as if it were not there.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The name of a user.
    pub user: Option<&'a str>,
    /// The user's password.
    pub pass: Option<&'a str>,
    /// A static token, or a JSON Web Token.
    pub auth_token: Option<&'a str>,
    /// A JSON Web Token.
    pub jwt: Option<&'a str>,
    /// The public key of a user, who has signed the nonce.
    pub nkey: Option<&'a str>,
    /// That signature.
    pub sig: Option<&'a str>,
}

/// Where and when somebody shows it.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// What the listener judges tokens by, if it does.
    pub authenticator: Option<&'a Authenticator>,
    /// Who they are who show nothing at this listener, if that was said.
    pub no_auth_user: Option<&'a str>,
    /// What a client was asked to sign; empty where it was not asked.
    pub nonce: &'a [u8],
    /// Seconds since 1970.
    pub unix_now: u64,
}

/// What is known at once.
#[derive(Debug)]
pub enum Verdict {
    /// Let in.
    Granted(Grant),
    /// Not let in.
    Denied(Denied),
    /// To answer this takes longer than a shard can wait: it is for a [`Judge`](super::Judge).
    Later(Question),
}

/// Whether a password fits a hash, which takes tens of milliseconds to find out.
pub struct Question {
    pub(super) hash: Arc<str>,
    pub(super) password: String,
    /// What is granted if it does; nothing when there is no such user, which is not told before the time has been taken.
    pub(super) grant: Option<Grant>,
}

impl Question {
    /// Finds out on the spot, for those with a thread of their own. It uses the processor for as long as whoever made the
    /// hash wished.
    ///
    /// # Errors
    /// When there is no such user, or it is not the user's password.
    pub fn answer(self) -> Result<Grant, Denied> {
        let fits = bcrypt::verify(&self.password, &self.hash).unwrap_or(false);
        self.grant.filter(|_| fits).ok_or(Denied::WrongPassword)
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("nkey", &self.nkey)
            .finish_non_exhaustive()
    }
}
