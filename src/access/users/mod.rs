//! The users of the hub: who somebody is, by a password, a token or a key, and what he may do.
//!
//! [`Users::load`] reads all files, at start-up and again when asked to. Judging is pure, and quick: what is not, a password
//! that is kept as a bcrypt hash, comes back as a [`Question`] for the [`Judge`], who has threads of his own. It must not know
//! what a connection is, nor how a credential came. Neither errors nor `Debug` hold a secret or a credential.
//!
//! A token that is no user's goes to the listener's [`Authenticator`]. Who comes with a JSON Web Token may bring
//! permissions in it, in a claim (see [`Rules::from_claim`]); else those of the user with that name hold, or else the
//! default ones.

mod grant;
mod judge;
mod nkey;
mod password;
mod permissions;
mod replies;
mod rules;
mod tallies;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use subtle::{ConditionallySelectable, ConstantTimeEq};

pub use self::grant::Grant;
use self::grant::Mark;
pub use self::judge::{Asker, Judge};
use self::nkey::UserKey;
pub use self::nkey::is_user_key;
use self::password::Password;
pub use self::password::check_hash;
pub use self::permissions::{Filters, List, Permissions, RuleError};
pub use self::replies::Replies;
pub use self::rules::{Lists, Responses, Rules};
pub use self::tallies::{Seat, Tallies, TooManyConnections, UserLimits};
pub use self::verdict::{Circumstances, Credentials, Question, Verdict};
use super::error::AccessError;
use super::files;
use super::token::{Authenticator, Denied, Identity};
use crate::limits;

/// Who the users are, and where their secrets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSettings {
    /// The users, each with a name of his own.
    pub users: Vec<UserSetting>,
    /// What those may do who have no permissions of their own; unset, everything.
    pub default_rules: Option<Rules>,
    /// What those may do who have no limits of their own.
    pub default_limits: UserLimits,
    /// The claim of a JSON Web Token that holds permissions.
    pub claim: String,
}

/// One user. Any of the secrets suffices; without one, the user is for tokens made out to that name, or for those who show
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSetting {
    /// The name, under which a password is given.
    pub name: String,
    /// The file of the password, or of its bcrypt hash.
    pub password_file: Option<PathBuf>,
    /// The bcrypt hash of the password.
    pub password_hash: Option<String>,
    /// The file of a token.
    pub token_file: Option<PathBuf>,
    /// The public nkey.
    pub nkey: Option<String>,
    /// What the user may publish and subscribe to.
    pub rules: Option<Rules>,
    /// What else the user may do.
    pub limits: UserLimits,
}

/// All users.
pub struct Users {
    users: Vec<User>,
    by_name: HashMap<Arc<str>, usize>,
    by_key: HashMap<String, usize>,
    default_permissions: Option<Arc<Permissions>>,
    default_limits: UserLimits,
    claim: String,
    tallies: Arc<Tallies>,
    /// That of those who are no user.
    mark: Arc<Mark>,
    /// The hash that passwords of nobody are compared with, so that it takes time to find out who is somebody.
    decoy: Option<Arc<str>>,
    has_passwords: bool,
    warnings: Vec<String>,
}

struct User {
    name: Arc<str>,
    password: Option<Password>,
    token: Option<Password>,
    key: Option<UserKey>,
    /// The key as it is written.
    nkey: Option<String>,
    permissions: Option<Arc<Permissions>>,
    limits: UserLimits,
    mark: Arc<Mark>,
}

impl Users {
    /// Reads all secrets. What is counted is counted on in `tallies`: when files are read again, nobody's counts begin anew.
    ///
    /// # Errors
    /// A sentence about the file or the user that cannot be used.
    pub fn load(settings: &UserSettings, tallies: &Arc<Tallies>) -> Result<Self, AccessError> {
        let permissions = |rules: &Option<Rules>| {
            let made = rules.as_ref().map(Permissions::new).transpose();
            made.map(|made| made.map(Arc::new)).map_err(|error| AccessError::Permissions(error.to_string()))
        };
        let mut all = Self {
            users: Vec::new(),
            by_name: HashMap::new(),
            by_key: HashMap::new(),
            default_permissions: permissions(&settings.default_rules)?,
            default_limits: settings.default_limits,
            claim: settings.claim.clone(),
            tallies: Arc::clone(tallies),
            mark: Arc::default(),
            decoy: None,
            has_passwords: false,
            warnings: Vec::new(),
        };
        for setting in &settings.users {
            let user = User {
                name: setting.name.as_str().into(),
                password: all.read_password(setting)?,
                token: setting.token_file.as_ref().map(|path| all.read_token(path)).transpose()?,
                key: all.read_key(setting)?,
                nkey: setting.nkey.clone(),
                permissions: permissions(&setting.rules)?.or_else(|| all.default_permissions.clone()),
                limits: setting.limits.over(settings.default_limits),
                mark: Arc::default(),
            };
            if user.password.is_some() && user.name.contains(':') {
                let sentence = format!(
                    "the user {:?} cannot give a password by HTTP, where a colon ends the name",
                    user.name
                );
                all.warnings.push(sentence);
            }
            all.by_name.insert(Arc::clone(&user.name), all.users.len());
            all.users.push(user);
        }
        all.has_passwords = all.users.iter().any(|user| user.password.is_some());
        all.decoy = all.users.iter().find_map(|user| user.password.as_ref()?.hash().cloned());
        Ok(all)
    }

    /// The same users, come after `before`: who is the same in both stays so, and what was [granted](Self::confirms) to him.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        if self.default_permissions == before.default_permissions {
            self.mark = Arc::clone(&before.mark);
        }
        for user in &mut self.users {
            if let Some(same) = before.find(&user.name).filter(|other| user.is_same(other)) {
                user.mark = Arc::clone(&same.mark);
            }
        }
        self
    }

    /// Whether what was granted before would be granted now, as far as these users say it: not when the user has gone, has
    /// another secret or other permissions, nor when those have to show something now who have shown nothing. What an
    /// authenticator has found good is not asked for again.
    pub fn confirms(&self, grant: &Grant, at: &Circumstances<'_>) -> bool {
        if grant.is_silent {
            let now = self.judge_silence(at);
            return now.is_ok_and(|now| now.name == grant.name && Arc::ptr_eq(&now.mark, &grant.mark));
        }
        let mark = self.find(&grant.name).map_or(&self.mark, |user| &user.mark);
        Arc::ptr_eq(mark, &grant.mark)
    }

    /// Whether a peer has to show something there (`auth_required` in INFO).
    pub fn asks(&self, at: &Circumstances<'_>) -> bool {
        at.no_auth_user.is_none() && self.has_somebody(at)
    }

    /// Whether a name and a password would be of use.
    pub fn has_passwords(&self) -> bool {
        self.has_passwords
    }

    /// Whether an nkey would be of use, so that clients need a nonce to sign.
    pub fn has_keys(&self) -> bool {
        !self.by_key.is_empty()
    }

    /// Judges what somebody shows. Where there are neither users nor an authenticator, it is not looked at.
    pub fn judge(&self, credentials: &Credentials<'_>, at: &Circumstances<'_>) -> Verdict {
        let given = |text: Option<&'_ str>| text.is_some_and(|text| !text.is_empty());
        let Credentials { user, pass, auth_token, jwt, nkey, sig } = *credentials;
        if !self.has_somebody(at) {
            return Verdict::Granted(Grant { is_silent: true, ..self.unasked() });
        }
        if given(nkey) || given(sig) {
            return self.judge_key(nkey.unwrap_or_default(), sig.unwrap_or_default(), at.nonce).into();
        }
        if given(user) || given(pass) {
            return self.judge_password(user.unwrap_or_default(), pass.unwrap_or_default());
        }
        match auth_token.filter(|token| !token.is_empty()).or(jwt.filter(|token| !token.is_empty())) {
            Some(token) => self.judge_token(token, at.authenticator, at.unix_now).into(),
            None => self.judge_silence(at).into(),
        }
    }

    /// Judges a token: one of a user, or what the authenticator of the listener knows.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn judge_token(
        &self,
        token: &str,
        authenticator: Option<&Authenticator>,
        unix_now: u64,
    ) -> Result<Grant, Denied> {
        if token.len() > limits::CREDENTIAL_BYTES_MAX {
            return Err(Denied::Malformed);
        }
        let mut found = u64::MAX;
        for (at, user) in (0..).zip(&self.users) {
            let fits = user.token.as_ref().and_then(|secret| secret.compare(token)).unwrap_or(false);
            found.conditional_assign(&at, u8::from(fits).ct_eq(&1));
        }
        if let Some(user) = usize::try_from(found).ok().and_then(|at| self.users.get(at)) {
            return Ok(self.grant(user));
        }
        let authenticator = authenticator.ok_or(Denied::UnknownToken)?;
        let (identity, claim) = authenticator.verify_with_claim(token, unix_now, &self.claim)?;
        let claimed = claim.map(|claim| {
            let rules = Rules::from_claim(claim).ok_or(Denied::Malformed)?;
            Permissions::new(&rules).map(Arc::new).map_err(|_| Denied::Malformed)
        });
        Ok(self.grant_identity(identity, claimed.transpose()?))
    }

    /// What those are granted who show nothing, if they are let in.
    ///
    /// # Errors
    /// When everybody has to show something here.
    pub fn judge_silence(&self, at: &Circumstances<'_>) -> Result<Grant, Denied> {
        let grant = match at.no_auth_user {
            Some(name) => self.find(name).map(|user| self.grant(user)).ok_or(Denied::Missing)?,
            None if self.has_somebody(at) => return Err(Denied::Missing),
            None => self.unasked(),
        };
        Ok(Grant { is_silent: true, ..grant })
    }

    /// What an operator should know about the files: each a sentence for the log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether bytes are charged to users.
    pub fn counts_bytes(&self) -> bool {
        self.default_limits.bytes.is_some() || self.users.iter().any(|user| user.limits.bytes.is_some())
    }

    /// Whether there is somebody to be, other than nobody.
    fn has_somebody(&self, at: &Circumstances<'_>) -> bool {
        !self.users.is_empty() || at.authenticator.is_some()
    }

    fn judge_password(&self, name: &str, password: &str) -> Verdict {
        let user = self.find(name);
        let secret = user.and_then(|user| user.password.as_ref());
        if password.is_empty() || password.len() > limits::USER_SECRET_BYTES_MAX {
            return Verdict::Denied(Denied::WrongPassword);
        }
        let grant = user.filter(|_| secret.is_some()).map(|user| self.grant(user));
        match secret.and_then(|secret| secret.compare(password)) {
            Some(true) => return grant.map_or(Verdict::Denied(Denied::WrongPassword), Verdict::Granted),
            Some(false) => return Verdict::Denied(Denied::WrongPassword),
            None => {}
        }
        let Some(hash) = secret.and_then(Password::hash).or(self.decoy.as_ref()) else {
            return Verdict::Denied(Denied::WrongPassword);
        };
        Verdict::Later(Question { hash: Arc::clone(hash), password: password.to_owned(), grant })
    }

    fn judge_key(&self, key: &str, signature: &str, nonce: &[u8]) -> Result<Grant, Denied> {
        let user = self.by_key.get(key).and_then(|at| self.users.get(*at)).ok_or(Denied::UnknownKey)?;
        let fits = user.key.as_ref().is_some_and(|key| key.has_signed(nonce, signature));
        if fits { Ok(self.grant(user)) } else { Err(Denied::BadSignature) }
    }

    fn find(&self, name: &str) -> Option<&User> {
        self.by_name.get(name).and_then(|at| self.users.get(*at))
    }

    fn grant(&self, user: &User) -> Grant {
        Grant {
            name: Arc::clone(&user.name),
            permissions: user.permissions.clone(),
            expires: None,
            limits: user.limits,
            tallies: Arc::clone(&self.tallies),
            mark: Arc::clone(&user.mark),
            is_silent: false,
        }
    }

    fn grant_identity(&self, identity: Identity, claimed: Option<Arc<Permissions>>) -> Grant {
        let known = self.find(&identity.name).map(|user| self.grant(user));
        let grant = known.unwrap_or_else(|| Grant { name: identity.name.into(), ..self.unasked() });
        let permissions = claimed.or(grant.permissions);
        Grant { permissions, expires: identity.expires, ..grant }
    }

    /// What nobody in particular is granted.
    fn unasked(&self) -> Grant {
        Grant {
            name: "".into(),
            permissions: self.default_permissions.clone(),
            expires: None,
            limits: self.default_limits,
            tallies: Arc::clone(&self.tallies),
            mark: Arc::clone(&self.mark),
            is_silent: false,
        }
    }

    fn read_password(&mut self, setting: &UserSetting) -> Result<Option<Password>, AccessError> {
        let wrong = |problem| AccessError::User { name: setting.name.clone(), problem };
        match (&setting.password_file, &setting.password_hash) {
            (Some(path), _) => self.read_secret(path).map(Some),
            (None, Some(hash)) => Password::from_hash(hash).map(Some).map_err(wrong),
            (None, None) => Ok(None),
        }
    }

    fn read_secret(&mut self, path: &Path) -> Result<Password, AccessError> {
        let bytes = files::read(path)?;
        self.warnings.extend(files::warning(path));
        Password::from_file(path, &bytes)
    }

    /// A token has to say by itself who it is, so it is long and no other user's, and it is not kept as a hash: then each
    /// of them would have to be tried.
    fn read_token(&mut self, path: &Path) -> Result<Password, AccessError> {
        let wrong = |problem: &str| AccessError::File { path: path.to_owned(), problem: problem.to_owned() };
        let bytes = files::read(path)?;
        self.warnings.extend(files::warning(path));
        let token = Password::from_file(path, &bytes)?;
        if token.hash().is_some() {
            return Err(wrong("a token cannot be a bcrypt hash: it says alone who somebody is"));
        }
        if bytes.trim_ascii().len() < limits::STATIC_TOKEN_BYTES_MIN {
            return Err(wrong("a token has at least 16 bytes. Try: openssl rand -hex 32"));
        }
        if self.users.iter().any(|user| user.token.as_ref().is_some_and(|other| other.is_twin(&token))) {
            return Err(wrong("this token is another user's already"));
        }
        Ok(token)
    }

    fn read_key(&mut self, setting: &UserSetting) -> Result<Option<UserKey>, AccessError> {
        let Some(text) = &setting.nkey else { return Ok(None) };
        let key = UserKey::parse(text).ok_or_else(|| AccessError::User {
            name: setting.name.clone(),
            // It is not shown: it may be the private one by mistake.
            problem: "the nkey is not the public one of a user, which begins with U and has 56 letters"
                .to_owned(),
        })?;
        self.by_key.insert(text.clone(), self.users.len());
        Ok(Some(key))
    }
}

impl User {
    /// Whether the other one has the same name, secrets and permissions.
    fn is_same(&self, other: &Self) -> bool {
        let twins = |one: &Option<Password>, other: &Option<Password>| match (one, other) {
            (Some(one), Some(other)) => one.is_twin(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.name == other.name
            && twins(&self.password, &other.password)
            && twins(&self.token, &other.token)
            && self.nkey == other.nkey
            && self.permissions == other.permissions
    }
}

impl From<Result<Grant, Denied>> for Verdict {
    fn from(result: Result<Grant, Denied>) -> Self {
        match result {
            Ok(grant) => Self::Granted(grant),
            Err(denied) => Self::Denied(denied),
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.users.iter().map(|user| &user.name)).finish()
    }
}
