//! Places where the answers to requests arrive: subjects that nobody can guess, one for each request.

use std::hash::{BuildHasher, RandomState};

use crate::hub::{ClientId, Hub, NotSubscribed, Subscribe};

/// Names that nobody can guess: SipHash of a count, under a key that this process drew from the system.
#[derive(Debug, Default)]
pub(crate) struct Names {
    key: RandomState,
    count: u64,
}

impl Names {
    /// 128 bits in hexadecimal digits.
    fn next(&mut self) -> String {
        self.count += 1;
        let half = |part: u8| self.key.hash_one((self.count, part));
        format!("{:016x}{:016x}", half(0), half(1))
    }
}

/// Where the answers to the requests of one connection arrive.
#[derive(Debug)]
pub(crate) struct Letterbox {
    /// Who hears them.
    pub(crate) client: ClientId,
    prefix: Box<str>,
    count: u64,
}

impl Letterbox {
    /// Opens one for this client, whose form must be [`Told`](crate::hub::Form::Told).
    ///
    /// # Errors
    /// When the client has left.
    pub(crate) fn open(hub: &mut Hub, client: ClientId, names: &mut Names) -> Result<Self, NotSubscribed> {
        let prefix = format!("_INBOX.{}.", names.next()).into_boxed_str();
        let filter = format!("{prefix}*");
        let wish = Subscribe { filter: filter.as_bytes(), sid: SID, ..Subscribe::default() };
        hub.subscribe(client, &wish)?;
        Ok(Self { client, prefix, count: 0 })
    }

    /// A subject for the answer to the next request, and its number.
    pub(crate) fn next(&mut self) -> (u64, String) {
        self.count += 1;
        (self.count, format!("{}{}", self.prefix, self.count))
    }

    /// Which request an answer is to.
    pub(crate) fn number(&self, subject: &[u8]) -> Option<u64> {
        let digits = subject.strip_prefix(self.prefix.as_bytes())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// The name of its subscription: no client can give one a name with a control character.
const SID: &[u8] = b"\0answers";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionId;
    use crate::hub::{ClientOptions, Form, SlowPolicy};

    #[test]
    fn each_request_has_a_place_of_its_own() {
        let mut hub = Hub::new(0, 1, 1);
        let mut names = Names::default();
        let mut open = || {
            let options =
                ClientOptions { form: Form::Told, echo: true, pending_bytes_max: 0, slow: SlowPolicy::Cut };
            let client = hub.join(ConnectionId::numbered(0), options);
            Letterbox::open(&mut hub, client, &mut names).unwrap()
        };
        let (mut one, mut other) = (open(), open());
        let (number, subject) = one.next();
        assert_eq!((number, one.number(subject.as_bytes())), (1, Some(1)));
        assert_eq!(one.next().0, 2);
        assert_eq!(other.number(subject.as_bytes()), None, "it is another's");
        assert_ne!(other.next().1, subject);
        assert_eq!(one.number(b"_INBOX.x.1"), None);
        assert_eq!(subject.len(), "_INBOX.".len() + 32 + ".1".len());
    }
}
