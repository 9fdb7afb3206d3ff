//! Direct descriptors: places in the ring's own table of files, which cost no reference count per operation.

/// A place in a ring's table of direct descriptors. Means nothing to another ring, nor to the rest of the system.
///
/// Closing is an operation of its own, [`Op::Close`](super::Op::Close), after which the number is somebody else's:
/// the state of the descriptor's owner sees to it that it is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Descriptor(u32);

impl Descriptor {
    /// The descriptor at this place of the table.
    pub const fn new(place: u32) -> Self {
        Self(place)
    }

    /// As the kernel's interface wants it.
    pub(super) const fn fixed(self) -> io_uring::types::Fixed {
        io_uring::types::Fixed(self.0)
    }

    /// Its place in the table.
    pub const fn place(self) -> u32 {
        self.0
    }
}
