//! What a 401 says in its `WWW-Authenticate` headers (RFC 6750, section 3; RFC 7617, section 2).
//!
//! It tells a client what to do and must not tell a stranger why his guess was wrong.

use super::token::Denied;

/// The value of the header. A request without a credential is told what is wanted and no error, as the section asks.
pub fn challenge(realm: &str, denied: Denied) -> String {
    let error = match denied {
        // No token was shown, so none was wrong.
        Denied::Missing | Denied::WrongPassword => "",
        Denied::Expired => r#", error="invalid_token", error_description="The token has expired""#,
        Denied::Malformed
        | Denied::UnknownToken
        | Denied::BadSignature
        | Denied::NotYet
        | Denied::WrongAudience
        | Denied::WrongIssuer
        | Denied::UnknownKey
        | Denied::Algorithm => r#", error="invalid_token""#,
    };
    format!("Bearer realm=\"{}\"{error}", quoted(realm))
}

/// What a 401 says in a second such header where passwords are taken (RFC 7617, section 2).
pub fn password_challenge(realm: &str) -> String {
    format!("Basic realm=\"{}\", charset=\"UTF-8\"", quoted(realm))
}

/// The inside of a quoted string (RFC 9110, section 5.6.4). What may not stand in a header is left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| matches!(letter, ' '..='~')) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_as_rfc_6750_writes_it() {
        let check = |realm, denied, expected: &str| assert_eq!(challenge(realm, denied), expected);
        check("example", Denied::Missing, r#"Bearer realm="example""#);
        check("example", Denied::WrongPassword, r#"Bearer realm="example""#);
        check("example", Denied::BadSignature, r#"Bearer realm="example", error="invalid_token""#);
        check(
            "example",
            Denied::Expired,
            r#"Bearer realm="example", error="invalid_token", error_description="The token has expired""#,
        );
        check("", Denied::Missing, r#"Bearer realm="""#);
        // RFC 7617, section 2.1.
        assert_eq!(password_challenge("foo"), r#"Basic realm="foo", charset="UTF-8""#);
        check("a \"b\" \\c", Denied::Missing, r#"Bearer realm="a \"b\" \\c""#);
        check("a\r\nSet-Cookie: b\u{e4}\0", Denied::Missing, r#"Bearer realm="aSet-Cookie: b""#);
    }
}
