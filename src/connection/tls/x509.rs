//! The few things that are read from certificates as text: names, the subject, the time they are good for.
//!
//! Nothing is trusted because of what is read here: the library checks certificates itself. So this reads only as much
//! of DER (X.690) as RFC 5280 needs, gives up where something is not as it should be, and never follows a length beyond
//! its bytes.

use std::fmt::Write;

use crate::limits;

/// What a server's certificate says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The DNS names that it is for, in small letters; one may begin with `*.`.
    pub(crate) names: Vec<String>,
    /// First and last second of its life, since 1970.
    pub(crate) validity: (i64, i64),
}

/// Reads a certificate. `None` when it is not one.
pub(crate) fn read(der: &[u8]) -> Option<Certificate> {
    let mut body = body(der)?;
    body.next(SEQUENCE)?; // Issuer.
    let mut validity = body.next(SEQUENCE)?;
    let validity = (validity.time()?, validity.time()?);
    body.next(SEQUENCE)?; // Subject.
    body.next(SEQUENCE)?; // Key.
    let mut names = Vec::new();
    while let Some((tag, content)) = body.any() {
        if tag == EXTENSIONS {
            names = alternative_names(content)?;
        }
    }
    Some(Certificate { names, validity })
}

/// The subject of a certificate as one line, most general part last: `CN=alice, O=Example`.
pub(crate) fn subject(der: &[u8]) -> Option<String> {
    let mut body = body(der)?;
    body.next(SEQUENCE)?; // Issuer.
    body.next(SEQUENCE)?; // Validity.
    let mut subject = body.next(SEQUENCE)?;
    let mut parts = Vec::new();
    while let Some((SET, mut set)) = subject.any() {
        while let Some((SEQUENCE, mut pair)) = set.any() {
            let kind = pair.next(OBJECT)?;
            let (_, value) = pair.any()?;
            parts.push((kind.0, value.0));
        }
    }
    let mut text = String::new();
    for (kind, value) in parts.into_iter().rev() {
        let mut part = String::from(if text.is_empty() { "" } else { ", " });
        write_attribute(kind, &mut part);
        part.extend(
            String::from_utf8_lossy(value).chars().map(|letter| if is_plain(letter) { letter } else { '?' }),
        );
        if text.len() + part.len() <= limits::TLS_SUBJECT_BYTES_MAX {
            text.push_str(&part);
        }
    }
    Some(text)
}

/// Whether a letter may stand in a log line as it is: no line ends, no terminal commands, no separators of ours.
fn is_plain(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, ',' | '=' | '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The short names of RFC 4514, 3; others are left as digits.
fn write_attribute(kind: &[u8], text: &mut String) {
    let name = match kind {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        other => {
            for byte in other.iter().take(16) {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            ""
        }
    };
    text.push_str(name);
    text.push('=');
}

/// The fields of a certificate from its issuer on.
fn body(der: &[u8]) -> Option<Der<'_>> {
    let mut body = Der(der).next(SEQUENCE)?.next(SEQUENCE)?;
    if body.0.first() == Some(&VERSION) {
        body.any()?;
    }
    body.next(INTEGER)?; // Serial number.
    body.next(SEQUENCE)?; // Signature.
    Some(body)
}

/// The DNS names among the extensions (RFC 5280, 4.2.1.6).
fn alternative_names(mut wrapped: Der<'_>) -> Option<Vec<String>> {
    let mut extensions = wrapped.next(SEQUENCE)?;
    let mut names = Vec::new();
    while let Some((SEQUENCE, mut extension)) = extensions.any() {
        if extension.next(OBJECT)?.0 != ALTERNATIVE_NAMES {
            continue;
        }
        let (mut tag, mut content) = extension.any()?;
        if tag == BOOLEAN {
            (tag, content) = extension.any()?;
        }
        if tag != OCTETS {
            return None;
        }
        let mut list = content.next(SEQUENCE)?;
        while let Some((tag, name)) = list.any() {
            if tag == DNS_NAME && name.0.is_ascii() {
                names.push(String::from_utf8_lossy(name.0).to_ascii_lowercase());
            }
        }
    }
    Some(names)
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// Elements of DER, one behind the other.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element, which must be of that kind.
    fn next(&mut self, tag: u8) -> Option<Self> {
        self.any().and_then(|(found, content)| (found == tag).then_some(content))
    }

    /// The next element with its tag.
    fn any(&mut self) -> Option<(u8, Self)> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            // More than four bytes of length are more than any certificate.
            let digits = usize::from(first & 0x7f);
            let (digits, rest) = rest.split_at_checked(digits).filter(|_| (1..=4).contains(&digits))?;
            (digits.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, Self(content)))
    }

    /// The next element, a time (RFC 5280, 4.1.2.5), in seconds since 1970.
    fn time(&mut self) -> Option<i64> {
        let (tag, Der(text)) = self.any()?;
        let (year_digits, rest) = match tag {
            UTC_TIME => text.split_at_checked(2)?,
            GENERALIZED_TIME => text.split_at_checked(4)?,
            _ => return None,
        };
        let year = match (tag, number(year_digits)?) {
            (UTC_TIME, year @ 50..) => 1900 + year,
            (UTC_TIME, year) => 2000 + year,
            (_, year) => year,
        };
        let &[m1, m2, d1, d2, h1, h2, i1, i2, s1, s2, b'Z'] = rest else { return None };
        let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
        let (hour, minute, second) = (number(&[h1, h2])?, number(&[i1, i2])?, number(&[s1, s2])?);
        let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
        is_date.then(|| days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    let digit = |&byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    digits.iter().map(digit).try_fold(0, |sum, digit| Some(sum * 10 + digit?))
}

/// Days from 1970 to a date of the Gregorian calendar: years begin in March here, so that leap days are at their end.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // The days before a month that counts from March: 31, 30, 31, 30, 31, and again.
    let days_before_month = (153 * month + 2) / 5;
    year * 365 + leap_days + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let names = ["One.Example".to_owned(), "*.two.example".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_times_are_those_that_were_written() {
        let der = certificate(|params| {
            params.not_before = date_time_ymd(2001, 9, 9);
            params.not_after = date_time_ymd(2100, 3, 1);
        });
        let read = read(&der).unwrap();
        assert_eq!(read.names, ["one.example", "*.two.example"]);
        // `date -u -d 2001-09-09 +%s`, `date -u -d 2100-03-01 +%s`.
        assert_eq!(read.validity, (999_993_600, 4_107_542_400));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, expected) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2024, 2, 29), 19_782),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days_since_1970(date.0, date.1, date.2), expected, "{date:?}");
        }
    }

    #[test]
    fn a_subject_becomes_one_harmless_line() {
        let check = |parts: &[(DnType, &str)], expected: &str| {
            let der = certificate(|params| {
                params.distinguished_name = rcgen::DistinguishedName::new();
                for (kind, value) in parts {
                    params.distinguished_name.push(kind.clone(), *value);
                }
            });
            assert_eq!(subject(&der).as_deref(), Some(expected));
        };
        check(&[], "");
        check(&[(DnType::OrganizationName, "Example"), (DnType::CommonName, "alice")], "CN=alice, O=Example");
        check(&[(DnType::CommonName, "a\nb\u{1b}[31m, CN=root")], "CN=a?b?[31m? CN?root");
        check(&[(DnType::CommonName, "Jürgen")], "CN=Jürgen");
        check(&[(DnType::CustomDnType(vec![2, 5, 4, 97]), "x")], "550461=x");
        check(&[(DnType::CommonName, "alice"), (DnType::OrganizationName, &"x".repeat(300))], "CN=alice");
    }

    #[test]
    fn a_certificate_cut_or_changed_anywhere_is_refused_or_read() {
        let der = certificate(|_| ());
        for cut in 0..der.len() {
            assert_eq!(read(&der[..cut]), None, "cut at {cut}");
        }
        let mut changed = der.clone();
        for at in 0..der.len() {
            for bits in [1, 0x80, 0xff] {
                changed[at] ^= bits;
                let _ = (read(&changed), subject(&changed));
                changed[at] = der[at];
            }
        }
    }
}
