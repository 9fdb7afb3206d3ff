//! Static tokens: secrets that were handed out, each to someone with a name.
//!
//! A credential is compared with every token, and each comparison takes the same time however many bytes agree. What can
//! be measured is how many tokens have a length of the same class as the credential, in steps of
//! [`limits::STATIC_TOKEN_CLASS_BYTES`], and no more.

use std::fmt;
use std::path::Path;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::credential::is_token;
use super::error::AccessError;
use super::files;
use crate::limits;

/// The first token of a file, for a client that shows it; the file may be the server's own.
///
/// # Errors
/// When the file cannot be read, or what stands there is no token.
pub fn first_token(path: &Path) -> Result<String, AccessError> {
    let bytes = files::read(path)?;
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    let mut tokens = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"));
    let wrong = |line: usize, problem: &str| AccessError::Line {
        path: path.to_owned(),
        line,
        problem: problem.to_owned(),
    };
    let (number, line) = tokens.next().ok_or_else(|| wrong(1, "there is no token in this file"))?;
    let token = line.rsplit(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
    let token = std::str::from_utf8(token).ok().filter(|token| is_token(token));
    token
        .map(str::to_owned)
        .ok_or_else(|| wrong(number, "a token is made of letters, digits and -._~+/, with = at its end only"))
}

/// All static tokens.
#[derive(Default)]
pub(super) struct Statics(Vec<Static>);

struct Static {
    name: String,
    secret: Padded,
}

/// A token with zeros behind it, up to the end of its length class, and its length.
pub(super) struct Padded {
    bytes: Vec<u8>,
    len: u64,
}

impl Padded {
    pub(super) fn new(token: &[u8]) -> Self {
        let mut bytes = token.to_vec();
        bytes.resize(token.len().next_multiple_of(limits::STATIC_TOKEN_CLASS_BYTES), 0);
        Self { bytes, len: token.len() as u64 }
    }

    /// Slices of different length are told apart at once; here that is the length class.
    pub(super) fn equals(&self, other: &Self) -> Choice {
        self.bytes.ct_eq(&other.bytes) & self.len.ct_eq(&other.len)
    }
}

impl Statics {
    /// Reads one token from each line, as `name:token` or as `token` alone. Lines that begin with `#` are comments. A name
    /// may stand on several lines, as it does while one token takes over from another.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, AccessError> {
        let mut all = Self::default();
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let wrong = |problem: String| AccessError::Line { path: path.to_owned(), line: number, problem };
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let (name, token) = parse_line(line, number).map_err(wrong)?;
            let secret = Padded::new(token);
            if let Some(at) = all.0.iter().position(|known| known.secret.equals(&secret).into()) {
                return Err(wrong(format!("this token stands on line {} already", lines[at])));
            }
            if all.0.len() == limits::STATIC_TOKENS_MAX {
                return Err(wrong(format!("a file takes at most {} tokens", limits::STATIC_TOKENS_MAX)));
            }
            all.0.push(Static { name, secret });
            lines.push(number);
        }
        Ok(all)
    }

    /// Who holds this token.
    pub(super) fn find(&self, credential: &str) -> Option<&str> {
        // Beyond this length there is no token, which is written in the documentation.
        if credential.len() > limits::STATIC_TOKEN_BYTES_MAX {
            return None;
        }
        let given = Padded::new(credential.as_bytes());
        let mut found = u64::MAX;
        for (at, known) in (0..).zip(&self.0) {
            found.conditional_assign(&at, known.secret.equals(&given));
        }
        let at = usize::try_from(found).ok()?;
        self.0.get(at).map(|known| known.name.as_str())
    }

    /// True when there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Statics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|known| &known.name)).finish()
    }
}

/// The name and the token of a line. Without a name the line's number is one.
fn parse_line(line: &[u8], number: usize) -> Result<(String, &[u8]), String> {
    // A token has no colon in it (RFC 6750, section 2.1), so the last one ends the name.
    let (name, token) = match line.iter().rposition(|byte| *byte == b':') {
        Some(colon) => (&line[..colon], line[colon + 1..].trim_ascii_start()),
        None => (&b""[..], line),
    };
    if token.len() < limits::STATIC_TOKEN_BYTES_MIN {
        let least = limits::STATIC_TOKEN_BYTES_MIN;
        return Err(format!("a token has at least {least} bytes. Try: openssl rand -hex 32"));
    }
    if token.len() > limits::STATIC_TOKEN_BYTES_MAX {
        return Err(format!("a token has at most {} bytes", limits::STATIC_TOKEN_BYTES_MAX));
    }
    if !std::str::from_utf8(token).is_ok_and(is_token) {
        return Err("a token is made of letters, digits and -._~+/, with = at its end only".to_owned());
    }
    if line.len() > token.len() && !is_name(name) {
        let most = limits::IDENTITY_BYTES_MAX;
        return Err(format!(
            "a name has 1 to {most} printable characters and no space, and its token follows behind a colon"
        ));
    }
    let unnamed = || format!("token-{number}");
    let name = String::from_utf8_lossy(name).into_owned();
    Ok((if name.is_empty() { unnamed() } else { name }, token))
}

fn is_name(name: &[u8]) -> bool {
    (1..=limits::IDENTITY_BYTES_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Statics, String> {
        Statics::parse(Path::new("tokens"), text.as_bytes()).map_err(|error| error.to_string())
    }

    const FILE: &str = "# Who may come in.\r\n\nalice:0123456789abcdef\nabcdefghijklmnop\n  a:b: zyxwvutsrqponmlk==  \n\
                        alice:0123456789abcdef0123456789abcdef0\n#bob:0123456789abcdeX";

    #[test]
    fn a_token_is_found_whole_or_not_at_all() {
        let statics = parse(FILE).unwrap();
        let check = |token: &str, name: Option<&str>| assert_eq!(statics.find(token), name, "{token}");
        check("0123456789abcdef", Some("alice"));
        check("abcdefghijklmnop", Some("token-4"));
        check("zyxwvutsrqponmlk==", Some("a:b"));
        check("0123456789abcdef0123456789abcdef0", Some("alice"));
        check("0123456789abcdeX", None);
        check("0123456789abcde", None);
        check("0123456789abcdef\0", None);
        check("0123456789abcdef0", None);
        check("0123456789ABCDEF", None);
        check("alice:0123456789abcdef", None);
        check("", None);
        check("\0", None);
        check(&"0".repeat(257), None);
        check(&"0".repeat(100_000), None);
        for (at, _) in FILE.char_indices() {
            assert!(statics.find(&FILE[..at]).is_none());
        }
    }

    #[test]
    fn an_empty_file_holds_nobody() {
        for text in ["", "\n\n", "# nobody\n"] {
            assert!(parse(text).unwrap().is_empty());
            assert_eq!(parse(text).unwrap().find(""), None);
        }
    }

    #[test]
    fn mistakes_name_their_line_and_keep_the_secret() {
        let check = |text: &str, words: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("0123"), "{error}");
        };
        check("# one\nalice:0123456789abcde", "tokens:2: a token has at least 16 bytes");
        check("alice:", "tokens:1: a token has at least 16 bytes");
        check(&"0".repeat(257), "at most 256 bytes");
        check("alice:0123456789abcdef!", "is made of letters");
        check("alice:0123456789=abcdef", "is made of letters");
        check("alice 0123456789abcdef", "is made of letters");
        check("alice:0123456789abcdef bob", "is made of letters");
        check(":0123456789abcdef", "a name has 1 to 256 printable");
        check("al ice:0123456789abcdef", "a name has 1 to 256 printable");
        check(&format!("{}:0123456789abcdef", "n".repeat(257)), "a name has 1 to 256");
        check("a:0123456789abcdef\n\nb:0123456789abcdef", "tokens:3: this token stands on line 1 already");
        let many: String = (0..1025).map(|at| format!("0123456789abcd{at:04}\n")).collect();
        check(&many, "tokens:1025: a file takes at most 1024 tokens");
    }

    #[test]
    fn debug_shows_names_alone() {
        assert_eq!(format!("{:?}", parse(FILE).unwrap()), r#"["alice", "token-4", "a:b", "alice"]"#);
    }
}
