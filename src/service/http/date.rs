//! The Date header, made once a second.

use std::time::{Duration, UNIX_EPOCH};

/// The date as RFC 9110, section 5.6.7, writes it.
#[derive(Debug)]
pub(super) struct Date {
    second: u64,
    text: [u8; 29],
}

impl Date {
    /// The beginning of 1970.
    pub(super) fn new() -> Self {
        let mut date = Self { second: u64::MAX, text: [b' '; 29] };
        date.at(0);
        date
    }

    /// The text of this second since 1970.
    #[inline]
    pub(super) fn at(&mut self, second: u64) -> &[u8; 29] {
        if second != self.second {
            self.second = second;
            self.write(second);
        }
        &self.text
    }

    fn write(&mut self, second: u64) {
        // HTTP has no dates after the year 9999.
        let time = UNIX_EPOCH + Duration::from_secs(second.min(LAST_SECOND));
        let text = httpdate::fmt_http_date(time);
        self.text.copy_from_slice(text.as_bytes());
    }
}

/// The end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is the example of RFC 9110, section 5.6.7; `date -u -d @N` tells the others.
    #[test]
    fn seconds_become_dates() {
        let mut date = Date::new();
        assert_eq!(date.at(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date.at(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date.at(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
