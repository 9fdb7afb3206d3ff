//! Threads for passwords that take long to check: a shard must not wait for bcrypt.
//!
//! One judge serves all shards. Equal questions are answered by one comparison, and what was found good is
//! [remembered](verified) for all; what is compared next says the [`docket`]. Nobody is refused because others wait: each
//! connection has one question at most, so there are no more than connections. Who asks is given an [`Asker`], and looks
//! from time to time whether the answer is there; a question whose askers have gone is not compared.
//!
//! All of it is behind one lock, which is held for one step in a map and never while passwords are compared: well below a
//! microsecond, beside some two for the tag of a question. It is taken when a client connects, or makes a request with a
//! password, and not on the way of a message.

mod docket;
#[cfg(test)]
mod tests;
mod verified;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use self::docket::{Compared, Docket, Place, Turn};
use self::verified::{Key, Tag, Verified};
use super::grant::Grant;
use super::verdict::Question;
use crate::access::address_key::AddressKey;
use crate::access::token::Denied;
use crate::limits;
use crate::sys::clock::Time;

/// Answers questions, on threads of its own that end with its last owner.
pub struct Judge {
    bench: Arc<Bench>,
}

/// What the threads, and those who ask, have in common.
struct Bench {
    key: Key,
    book: Mutex<Book>,
    /// Somebody has asked, or the judge is gone.
    news: Condvar,
}

#[derive(Debug, Default)]
struct Book {
    docket: Docket,
    verified: Verified,
    /// Whether the judge is gone.
    closed: bool,
}

/// Whether a password fits a hash: bcrypt, or what a test puts into its place.
type Compare = dyn Fn(&str, &str) -> bool + Send + Sync;

impl Judge {
    /// Starts so many threads, each of which does `first` before anything else.
    ///
    /// # Errors
    /// When the system has no thread, or no chance, to give.
    pub fn start(threads: usize, first: fn()) -> io::Result<Arc<Self>> {
        Self::comparing(
            threads,
            first,
            Arc::new(|password, hash| bcrypt::verify(password, hash).unwrap_or(false)),
        )
    }

    fn comparing(threads: usize, first: fn(), compare: Arc<Compare>) -> io::Result<Arc<Self>> {
        let bench = Bench { key: Key::new()?, book: Mutex::default(), news: Condvar::new() };
        // From here on, an early return ends the threads that were started.
        let judge = Arc::new(Self { bench: Arc::new(bench) });
        for _ in 0..threads {
            let (bench, compare) = (Arc::clone(&judge.bench), Arc::clone(&compare));
            Builder::new().name("passwords".to_owned()).spawn(move || {
                first();
                bench.work(&*compare);
            })?;
        }
        Ok(judge)
    }

    /// Asks, from this address, without waiting.
    pub fn ask(&self, question: Question, from: Option<IpAddr>, now: Time) -> Asker {
        let Question { hash, password, grant } = question;
        let tag = self.bench.key.tag(&hash, &password);
        let from = from.map_or(AddressKey::NONE, AddressKey::of);
        let mut book = self.bench.lock();
        // Whether there is such a user is not told before the time has been taken.
        let place = match grant.is_some() && book.verified.knows(&tag) {
            true => None,
            false => Some(book.docket.ask(from, tag, Compared { hash, password })),
        };
        drop(book);
        if place.is_some() {
            self.bench.news.notify_one();
        }
        Asker { grant, since: now, place, bench: Arc::clone(&self.bench) }
    }
}

#[cfg(test)]
impl Judge {
    /// Waits until nothing is compared any more.
    pub(crate) fn await_quiet(&self) {
        while !self.bench.lock().docket.is_empty() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.bench.lock().closed = true;
        self.bench.news.notify_all();
    }
}

impl Bench {
    /// Compares until the judge is gone.
    fn work(&self, compare: &Compare) {
        while let Some((tag, Compared { hash, password })) = self.next() {
            let fits = compare(&password, &hash);
            let mut book = self.lock();
            if fits {
                book.verified.remember(&tag);
            }
            book.docket.settle(&tag, fits);
        }
    }

    /// Waits for the next question; nothing when the judge is gone.
    fn next(&self) -> Option<(Tag, Compared)> {
        loop {
            let mut book = self.lock();
            match book.docket.next() {
                _ if book.closed => return None,
                Turn::Case(tag, question) => return Some((tag, question)),
                // The lock is given back between two of these, of which there may be thousands.
                Turn::Known => {}
                Turn::Nobody => drop(self.news.wait(book)),
            }
        }
    }

    /// A book is consistent between any two statements that could panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who has asked. Once this is dropped, nothing is compared for him.
pub struct Asker {
    /// What is granted if the password fits; nothing when there is no such user.
    grant: Option<Grant>,
    /// When he asked.
    since: Time,
    /// Nothing when it was known at once that it does.
    place: Option<Place>,
    bench: Arc<Bench>,
}

impl Asker {
    /// What has come of it, if that is known by now.
    pub fn answer(&self) -> Option<Result<Grant, Denied>> {
        let fits = match &self.place {
            None => true,
            Some(Place { finding, .. }) => *finding.get()?,
        };
        Some(self.grant.clone().filter(|_| fits).ok_or(Denied::WrongPassword))
    }

    /// When to look whether it is known: the longer it takes, the less often. So a password is late by an eighth at most, and
    /// thousands that wait cost a shard little.
    pub fn next_look(&self, now: Time) -> Time {
        let pause = now.saturating_since(self.since) / 8;
        now.saturating_add(pause.clamp(limits::PASSWORD_PAUSE, limits::PASSWORD_PAUSE_MAX))
    }

    /// Whether he has waited for as long as one may.
    pub fn is_late(&self, now: Time) -> bool {
        limits::PASSWORD_TIMEOUT <= now.saturating_since(self.since)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.bench.lock().docket.leave(place);
        }
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asker")
    }
}
