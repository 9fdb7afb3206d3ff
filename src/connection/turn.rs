//! A connection's part in a stop that sends all away, one after the other.

/// How far a stop has come with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is no stop, or it does not know of the connection yet.
    No,
    /// It is on a list of those who will be called.
    Awaited,
    /// It was called: its service is told to end it as soon as it is caught up.
    Come,
    /// It was called, came not long before, and has not said anything yet: it is listened to for a while.
    Silent,
    /// It was called long ago: its service is told at once.
    Over,
    /// Its service was told.
    Told,
}
