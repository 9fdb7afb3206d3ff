//! The twin's own table of descriptors: at each place a socket, what is known of its readiness, and what waits there.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::AsFd;

use socket2::Socket;

use crate::ring::leases::Gather;
use crate::ring::token::Token;
use crate::sys::epoll::{Event, Interest, Poll};

/// The table.
#[derive(Debug)]
pub(super) struct Files {
    places: Vec<Place>,
    /// Places that were freed; the last one is the likeliest to be in the cache.
    free: Vec<u32>,
    /// How many places there may be.
    most: u32,
}

/// One place.
#[derive(Debug, Default)]
struct Place {
    file: Option<File>,
    /// How many files have stood here: news of an earlier one is none of the later one's.
    generation: u32,
    /// Whether it is on a list of what is to be attended to.
    listed: bool,
}

/// A socket.
#[derive(Debug)]
pub(super) struct File {
    pub(super) socket: Socket,
    /// Whether it may have something to read: it has, unless a read said otherwise and nothing was told since.
    pub(super) readable: bool,
    /// Whether it may have room for something to be written, likewise.
    pub(super) writable: bool,
    /// Whether a read that brought less than was asked for says nothing of what is left: when there is something beside
    /// bytes, and always at a Unix socket, where descriptors that come along end a read.
    pub(super) thorough: bool,
    /// Whether it is a Unix socket's.
    is_unix: bool,
    /// Which of its changes the kernel tells us.
    watched: Option<Interest>,
    pub(super) input: Input,
    pub(super) output: Output,
}

/// What waits for something to read.
#[derive(Debug, Default)]
pub(super) enum Input {
    #[default]
    Nothing,
    Accepts(VecDeque<Token>),
    Receive(Receive),
    /// With whether it asks for a buffer next, though nothing may be there.
    ReceiveFrom(Token, bool),
}

/// An armed receive.
#[derive(Debug)]
pub(super) struct Receive {
    pub(super) token: Token,
    /// Bytes after which it ends, where that is counted.
    pub(super) credit: Option<usize>,
    /// Bytes that one completion brings at most.
    pub(super) most: usize,
    /// Whether it asks for a buffer next, though nothing may be there.
    pub(super) looks: bool,
}

/// What waits for room to write.
#[derive(Debug, Default)]
pub(super) enum Output {
    #[default]
    Nothing,
    Send(Token, Gather),
    Connect(Token),
}

impl Files {
    /// An empty table that can grow to so many places.
    pub(super) fn new(most: u32) -> Self {
        Self { places: Vec::new(), free: Vec::new(), most }
    }

    /// Puts a file at a free place, and returns which; none when all are taken.
    pub(super) fn insert(&mut self, file: File) -> Option<u32> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let next = u32::try_from(self.places.len()).expect("places are counted by a u32");
                (next < self.most).then(|| self.places.push(Place::default()))?;
                next
            }
        };
        self.places[place as usize].file = Some(file);
        Some(place)
    }

    /// Puts a file at this place, instead of what was there.
    pub(super) fn put(&mut self, place: u32, file: File) -> io::Result<()> {
        if self.most <= place {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        while self.places.len() <= place as usize {
            self.free.push(u32::try_from(self.places.len()).expect("places are counted by a u32"));
            self.places.push(Place::default());
        }
        self.free.retain(|free| *free != place);
        let there = &mut self.places[place as usize];
        there.generation = there.generation.wrapping_add(1);
        there.file = Some(file);
        Ok(())
    }

    /// Takes a file out; its place is free.
    pub(super) fn remove(&mut self, place: u32) -> File {
        let there = &mut self.places[place as usize];
        let file = there.file.take().expect("an open descriptor is closed once");
        there.generation = there.generation.wrapping_add(1);
        self.free.push(place);
        file
    }

    /// The file at a place that an operation names.
    pub(super) fn named(&mut self, place: u32) -> &mut File {
        self.at(place).expect("an operation names an open descriptor")
    }

    /// The file at a place, if there is one.
    pub(super) fn at(&mut self, place: u32) -> Option<&mut File> {
        self.places.get_mut(place as usize)?.file.as_mut()
    }

    /// Remembers news, and returns the place of which they are; none when the file of which they are is gone.
    pub(super) fn note(&mut self, event: Event) -> Option<u32> {
        let (place, generation) = of_key(event.key);
        let there = self.places.get_mut(place as usize)?;
        let file = there.file.as_mut().filter(|_| there.generation == generation)?;
        file.readable |= event.readable;
        file.writable |= event.writable;
        file.thorough |= event.special;
        Some(place)
    }

    /// Puts a place on a list, and returns whether it was on none.
    pub(super) fn list(&mut self, place: u32) -> bool {
        !mem::replace(&mut self.places[place as usize].listed, true)
    }

    /// Takes a place off its list.
    pub(super) fn unlist(&mut self, place: u32) {
        self.places[place as usize].listed = false;
    }

    /// Has the kernel tell of the changes at a place, if something waits there and it does not yet: one that is always
    /// served at once is never watched.
    pub(super) fn watch(&mut self, place: u32, poll: &Poll) -> io::Result<()> {
        let there = &mut self.places[place as usize];
        let Some(file) = &mut there.file else { return Ok(()) };
        let wanted = file.interest();
        if wanted <= file.watched {
            return Ok(());
        }
        let (Some(interest), key) = (wanted, key_of(place, there.generation)) else { return Ok(()) };
        match file.watched {
            None => poll.watch(file.socket.as_fd(), key, interest)?,
            Some(_) => poll.watch_again(file.socket.as_fd(), key, interest)?,
        }
        file.watched = wanted;
        Ok(())
    }
}

impl File {
    /// A socket of which nothing is known yet: so everything is tried.
    pub(super) fn new(socket: Socket, is_unix: bool) -> Self {
        Self {
            socket,
            readable: true,
            writable: true,
            thorough: is_unix,
            is_unix,
            watched: None,
            input: Input::Nothing,
            output: Output::Nothing,
        }
    }

    /// A read found nothing.
    pub(super) fn is_drained(&mut self) {
        self.readable = false;
        self.thorough = self.is_unix;
    }

    /// Which changes something waits for.
    fn interest(&self) -> Option<Interest> {
        match (&self.input, &self.output) {
            (_, Output::Send(..) | Output::Connect(_)) => Some(Interest::Both),
            (Input::Accepts(_) | Input::Receive(_) | Input::ReceiveFrom(..), Output::Nothing) => {
                Some(Interest::Reading)
            }
            (Input::Nothing, Output::Nothing) => None,
        }
    }
}

/// The number under which a file is watched: `generation 32 | place 32`.
fn key_of(place: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(place)
}

#[expect(clippy::cast_possible_truncation, reason = "the place is the lower half")]
fn of_key(key: u64) -> (u32, u32) {
    (key as u32, (key >> 32) as u32)
}

/// The number under which the bell is watched. No place has it: [`limits`](crate::limits) ends far below.
pub(super) const BELL: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn file() -> File {
        File::new(UnixStream::pair().unwrap().0.into(), true)
    }

    #[test]
    fn places_are_used_again_and_end() {
        let mut files = Files::new(2);
        assert_eq!(files.insert(file()), Some(0));
        assert_eq!(files.insert(file()), Some(1));
        assert_eq!(files.insert(file()), None);
        files.remove(0);
        assert_eq!(files.insert(file()), Some(0));
        assert!(files.put(2, file()).is_err());
    }

    #[test]
    fn what_is_adopted_leaves_the_places_below_free() {
        let mut files = Files::new(3);
        files.put(2, file()).unwrap();
        let mut places = [files.insert(file()), files.insert(file())];
        places.sort_unstable();
        assert_eq!(places, [Some(0), Some(1)]);
        assert_eq!(files.insert(file()), None);
    }

    #[test]
    fn news_of_who_was_there_before_are_nobody_s() {
        let mut files = Files::new(1);
        files.insert(file());
        let generation = files.places[0].generation;
        let event = Event { key: key_of(0, generation), readable: true, writable: false, special: false };
        files.named(0).readable = false;
        assert_eq!(files.note(event), Some(0));
        assert!(files.named(0).readable);
        files.remove(0);
        assert_eq!(files.note(event), None);
        files.insert(file());
        assert_eq!(files.note(event), None);
        assert_eq!(files.note(Event { key: BELL, ..event }), None);
    }
}
