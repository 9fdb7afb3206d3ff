//! `CONNECT`: what a client says of itself, and asks for.

use std::fmt;

use serde_json::Value;

/// What a client says of itself. What it does not say is as nats-server has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// Whether each operation is answered with `+OK`.
    pub verbose: bool,
    /// Whether subjects of messages are checked.
    pub pedantic: bool,
    /// Whether it wants to hear its own messages.
    pub echo: bool,
    /// Whether it takes headers.
    pub headers: bool,
    /// Whether it wants to be told when nobody hears a request.
    pub no_responders: bool,
    /// 1 when it takes `INFO` at any time. Others than 0 and 1 there are not.
    pub protocol: i64,
    /// What it calls itself, for people.
    pub name: Option<String>,
    /// The language of its library.
    pub lang: Option<String>,
    /// The version of its library.
    pub version: Option<String>,
    /// Who it says it is.
    pub user: Option<String>,
    /// The password of that user.
    pub pass: Option<String>,
    /// A token in place of user and password.
    pub auth_token: Option<String>,
    /// The public key whose owner signed the nonce.
    pub nkey: Option<String>,
    /// The signature of the nonce.
    pub sig: Option<String>,
    /// A token of NATS's own kind.
    pub jwt: Option<String>,
}

/// What came is not the JSON of a CONNECT. nats-server ends the connection without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CONNECT is followed by something else than the JSON it needs.")]
pub struct BadConnect;

impl Connect {
    /// Reads the JSON of a CONNECT: `null` and an absent field are the same, names are found in any case, and unknown ones
    /// are nobody's business, as in Go.
    ///
    /// # Errors
    /// When it is no JSON, no object, or a field has another type.
    pub fn read(json: &[u8]) -> Result<Self, BadConnect> {
        Self::default().read_on(json)
    }

    /// Reads one more: what it does not say stays as it was said before.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_on(self, json: &[u8]) -> Result<Self, BadConnect> {
        let mut connect = self;
        // What is not UTF-8 in a name is replaced, as Go does it.
        match serde_json::from_str(&String::from_utf8_lossy(json)) {
            Ok(Value::Null) => Ok(connect),
            Ok(Value::Object(fields)) => {
                fields
                    .into_iter()
                    .try_for_each(|(name, value)| connect.set(&name.to_ascii_lowercase(), value))?;
                Ok(connect)
            }
            _ => Err(BadConnect),
        }
    }

    /// Whether it says who it is.
    pub fn has_credentials(&self) -> bool {
        let all = [&self.user, &self.pass, &self.auth_token, &self.nkey, &self.sig, &self.jwt];
        all.into_iter().flatten().any(|text| !text.is_empty())
    }

    fn set(&mut self, name: &str, value: Value) -> Result<(), BadConnect> {
        if value.is_null() {
            return Ok(());
        }
        let switch = || value.as_bool().ok_or(BadConnect);
        match name {
            "verbose" => self.verbose = switch()?,
            "pedantic" => self.pedantic = switch()?,
            "echo" => self.echo = switch()?,
            "headers" => self.headers = switch()?,
            "no_responders" => self.no_responders = switch()?,
            "tls_required" => _ = switch()?,
            "protocol" => self.protocol = value.as_i64().ok_or(BadConnect)?,
            _ => {
                let Some(place) = self.text(name) else { return Ok(()) };
                let Value::String(text) = value else { return Err(BadConnect) };
                *place = Some(text);
            }
        }
        Ok(())
    }

    fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "name" => Some(&mut self.name),
            "lang" => Some(&mut self.lang),
            "version" => Some(&mut self.version),
            "user" => Some(&mut self.user),
            "pass" => Some(&mut self.pass),
            "auth_token" => Some(&mut self.auth_token),
            "nkey" => Some(&mut self.nkey),
            "sig" => Some(&mut self.sig),
            "jwt" => Some(&mut self.jwt),
            _ => None,
        }
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            verbose: true,
            pedantic: true,
            echo: true,
            headers: false,
            no_responders: false,
            protocol: 0,
            name: None,
            lang: None,
            version: None,
            user: None,
            pass: None,
            auth_token: None,
            nkey: None,
            sig: None,
            jwt: None,
        }
    }
}

/// Without the secrets.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("verbose", &self.verbose)
            .field("pedantic", &self.pedantic)
            .field("echo", &self.echo)
            .field("headers", &self.headers)
            .field("no_responders", &self.no_responders)
            .field("protocol", &self.protocol)
            .field("name", &self.name)
            .field("lang", &self.lang)
            .field("version", &self.version)
            .field("user", &self.user)
            .field("nkey", &self.nkey)
            .finish_non_exhaustive()
    }
}
