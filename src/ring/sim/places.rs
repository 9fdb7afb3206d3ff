//! The table of direct descriptors, and the tripwires around it.
//!
//! A place is given away again as soon as it is closed, whether or not its last owner has heard of that. So an
//! operation that names a place too late hits somebody else's socket, silently. The simulation sees it and panics.

use super::faults::Dice;
use crate::ring::files::Descriptor;
use crate::ring::token::{Generation, Token};

/// What stands at a place, with its number among its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Listener(usize),
    Stream(usize),
    Datagrams(usize),
}

#[derive(Clone, Debug, Default)]
struct Place {
    file: Option<File>,
    /// Whether its owner has heard of it. Until then nobody can mean it.
    known: bool,
    /// Whether its close was pushed.
    closing: bool,
    /// Whose operations name this stream.
    owner: Option<(u32, Generation)>,
}

/// The table.
#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    /// The place to take next is the last one.
    free: Vec<u32>,
}

impl Places {
    pub(super) fn new(count: u32) -> Self {
        let places = vec![Place::default(); count as usize];
        Self { places, free: (0..count).rev().collect() }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes a free place: the one freed last, as the kernel does, or by a fault any other.
    pub(super) fn take(&mut self, file: File, known: bool, dice: &mut Dice) -> Option<Descriptor> {
        if !self.free.is_empty() && dice.falls(|faults| faults.random_place) {
            let chosen = dice.random.index(self.free.len());
            let last = self.free.len() - 1;
            self.free.swap(chosen, last);
        }
        let place = self.free.pop()?;
        self.places[place as usize] = Place { file: Some(file), known, closing: false, owner: None };
        Some(Descriptor::new(place))
    }

    /// Its owner hears of a place now.
    pub(super) fn make_known(&mut self, descriptor: Descriptor) {
        self.places[descriptor.place() as usize].known = true;
    }

    /// Frees a place, for the next one at once.
    pub(super) fn free(&mut self, descriptor: Descriptor) -> File {
        let place = &mut self.places[descriptor.place() as usize];
        self.free.push(descriptor.place());
        place.file.take().expect("a place is freed once")
    }

    /// What an operation that is being carried out names.
    pub(super) fn file(&self, descriptor: Descriptor) -> File {
        self.at(descriptor).expect("it was there when the operation was pushed")
    }

    /// What stands at a place, if anything.
    pub(super) fn at(&self, descriptor: Descriptor) -> Option<File> {
        self.places.get(descriptor.place() as usize)?.file
    }

    /// What an operation that is being pushed names.
    ///
    /// # Panics
    /// When its owner cannot mean what stands there.
    pub(super) fn named_by(&mut self, token: Token, descriptor: Descriptor) -> File {
        let place = self.places.get_mut(descriptor.place() as usize);
        let place = place.unwrap_or_else(|| panic!("{descriptor:?} is not in the table"));
        let there = place.file.filter(|_| place.known && !place.closing);
        let file = there.unwrap_or_else(|| {
            panic!("operation on a closed descriptor: {:?} names {descriptor:?}", token.kind())
        });
        if let File::Stream(_) = file {
            let asking = (token.slot(), token.generation());
            let owner = *place.owner.get_or_insert(asking);
            assert_eq!(asking, owner, "operation on somebody else's socket, {descriptor:?}");
        }
        file
    }

    /// Its close is pushed: nobody may name it any more.
    pub(super) fn begin_close(&mut self, descriptor: Descriptor) {
        self.places[descriptor.place() as usize].closing = true;
    }
}
