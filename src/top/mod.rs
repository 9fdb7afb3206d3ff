//! `tidemill top`: what a server does just now, by shard and by connection, from its admin listener.
//!
//! Each look asks for `/varz` and `/connz` (`ask`), of which the view needs some figures (`answers`). Two looks are a
//! `View` of rates, and that is lines of cells (`page`): for a screen, which is painted again and again
//! (`app`, `terminal`), for a report, or JSON. All but the asking and the painting is pure. Names are the peers' own, so
//! no text of an answer reaches a terminal as it came (`text`).

mod answers;
mod app;
mod ask;
#[cfg(test)]
mod fake;
mod figures;
mod keys;
mod live;
mod page;
mod reading;
mod table;
mod target;
mod terminal;
mod text;
mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use self::answers::{Connz, Look, Varz};
pub use self::ask::AskError;
use self::ask::Asker;
pub use self::keys::Sort;
use self::page::{Frame, report};
pub use self::target::{Target, TargetError};
use self::text::Alphabet;
use self::view::View;
use crate::access::error::AccessError;
use crate::access::first_token;
use crate::config::{Config, Listener};
use crate::error::exit;
use crate::limits;
use crate::tls::{ClientSettings, CredentialsError, Trust, Versions, client_config};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whom to ask; `None`, the admin listener of the configuration.
    pub target: Option<Target>,
    /// How often.
    pub interval: Duration,
    /// Which connections come first.
    pub sort: Sort,
    /// How it is shown.
    pub form: Form,
    /// A file with a token to show.
    pub token_file: Option<PathBuf>,
    /// The authorities that may have signed the certificate.
    pub tls_ca: Option<PathBuf>,
    /// Whether every certificate is believed.
    pub insecure: bool,
}

/// How the view is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// On a terminal, again and again.
    Live,
    /// As text, once.
    Once,
    /// As JSON, once.
    Json,
}

/// Where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether standard output is a terminal that can be painted.
    pub is_screen: bool,
    /// Whether it shows colours to somebody who wants them.
    pub coloured: bool,
}

/// Why there is nothing more to see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopError {
    /// There is nobody to ask.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The server does not answer, or is none.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The file of the token cannot be used.
    #[error(transparent)]
    Token(#[from] AccessError),
    /// What the environment has is no token.
    #[error("TIDEMILL_TOKEN is no token: one is made of letters, digits and -._~+/, with = at its end only")]
    BadToken,
    /// The file of authorities cannot be used.
    #[error(transparent)]
    Authorities(#[from] CredentialsError),
    /// It is not known whom to believe.
    #[error(
        "{0} is behind TLS, and nothing says whose certificate to believe. Try: --tls-ca FILE, with the authority of its certificate, \
         or --insecure"
    )]
    NoTrust(Target),
    /// The terminal cannot be used.
    #[error("the terminal cannot be used: {0}. Try: tidemill top --once")]
    Terminal(std::io::Error),
}

impl TopError {
    /// The exit code of a process that ends for this reason.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Target(_) | Self::BadToken | Self::NoTrust(_) => exit::USAGE,
            Self::Ask(_) | Self::Token(_) | Self::Authorities(_) => exit::NOT_STARTED,
            Self::Terminal(_) => exit::FAILED,
        }
    }
}

/// What is left to do for whoever has called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// To print this.
    Text(String),
    /// Nothing but to end with this exit code: it was shown on the screen.
    Screen(u8),
}

/// Looks at a server as the options say. On a screen this lasts until somebody leaves.
///
/// # Errors
/// When there is nobody to ask, or nobody who answers as an admin listener does; on a screen only at the beginning.
pub fn run(options: &Options, config: &Config, sight: Sight) -> Result<Shown, TopError> {
    let (target, listener) = match &options.target {
        Some(target) => (target.clone(), None),
        None => Target::of(config).map(|(target, listener)| (target, Some(listener)))?,
    };
    let tls = if target.tls { Some(trust(options, &target, listener)?) } else { None };
    let asker = Asker::new(target, token(options, listener)?, tls);
    if options.form == Form::Live && sight.is_screen {
        return live::run(asker, options, sight).map(Shown::Screen);
    }
    once(&asker, options).map(Shown::Text)
}

/// Two looks, and what went on between them.
fn once(asker: &Asker, options: &Options) -> Result<String, TopError> {
    let first = look(asker, options.sort).map(|(varz, connz)| Look::new(varz, connz, None))?;
    std::thread::sleep(options.interval);
    let (varz, connz) = look(asker, options.sort)?;
    let view = View::between(Some(&first), &Look::new(varz, connz, Some(&first)));
    if options.form == Form::Json {
        return Ok(serde_json::to_string_pretty(&view).expect("texts and numbers are always JSON") + "\n");
    }
    let frame = Frame {
        width: REPORT_COLUMNS,
        height: usize::MAX,
        alphabet: alphabet(),
        source: &format!("{}  every {}", asker.target(), said(options.interval)),
        interval: "",
        sort: options.sort,
        notice: None,
        is_old: false,
    };
    Ok(report(&view, &frame))
}

/// Columns of a report, whatever reads it.
const REPORT_COLUMNS: usize = 120;

/// Asks once for all that is shown.
fn look(asker: &Asker, sort: Sort) -> Result<(Varz, Connz), AskError> {
    let connections = format!("/connz?sort={}&limit={}", sort.word(), limits::TOP_CONNECTIONS);
    let [varz, connz] = asker.ask([("/varz", "/varz"), ("/connz", &connections)])?;
    let varz = serde_json::from_slice(&varz).map_err(|error| asker.not_tidemill("/varz", &error))?;
    let connz = serde_json::from_slice(&connz).map_err(|error| asker.not_tidemill("/connz", &error))?;
    Ok((varz, connz))
}

/// The time as it is typed.
fn said(interval: Duration) -> String {
    humantime::format_duration(interval).to_string()
}

/// What this terminal's locale shows.
fn alphabet() -> Alphabet {
    Alphabet::of(|name| std::env::var(name).ok())
}

/// The token to show: that of the file that was named, of the environment, or the first one of the listener itself, if there is
/// one that may be read.
fn token(options: &Options, listener: Option<&Listener>) -> Result<Option<String>, TopError> {
    if let Some(file) = &options.token_file {
        return Ok(Some(first_token(file)?));
    }
    if let Some(token) = std::env::var_os("TIDEMILL_TOKEN").filter(|token| !token.is_empty()) {
        let token = token.into_string().ok().filter(|token| token.bytes().all(is_token_byte));
        return token.map(Some).ok_or(TopError::BadToken);
    }
    let file = listener.and_then(|listener| listener.auth.as_ref()?.tokens.as_ref());
    Ok(file.and_then(|file| first_token(file).ok()))
}

/// RFC 6750, section 2.1.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Whose certificates are believed: those of the authorities that were named, or the one that the configuration itself names,
/// if it needs no other authority.
fn trust(
    options: &Options,
    target: &Target,
    listener: Option<&Listener>,
) -> Result<Arc<ClientConfig>, TopError> {
    let own = || listener.and_then(|listener| listener.tls.as_ref()?.certificates.first());
    let trust = match (&options.tls_ca, options.insecure) {
        (Some(file), _) => Trust::Authorities(file.clone()),
        (None, true) => Trust::Anybody,
        (None, false) => {
            let own = own().ok_or_else(|| TopError::NoTrust(target.clone()))?;
            Trust::Authorities(own.certificate.clone())
        }
    };
    let settings = ClientSettings {
        trust,
        alpn: vec![b"http/1.1".to_vec()],
        versions: Versions::default(),
        resumption: true,
    };
    Ok(client_config(&settings)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_mistakes_from_servers_that_do_not_answer() {
        let target: Target = "127.0.0.1:1".parse().unwrap();
        let cause = std::io::Error::from_raw_os_error(111);
        assert_eq!(TopError::from(TargetError::NoAdmin).exit_code(), 2);
        assert_eq!(TopError::NoTrust(target.clone()).exit_code(), 2);
        assert_eq!(TopError::from(AskError::Unreachable { target, cause }).exit_code(), 3);
        assert_eq!(TopError::Terminal(std::io::Error::from_raw_os_error(25)).exit_code(), 1);
    }
}
