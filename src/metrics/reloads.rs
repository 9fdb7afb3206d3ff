//! How often the configuration was read again, and what came of it.

/// What came of reading the configuration again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    /// How often what was read has been taken over.
    pub succeeded: u64,
    /// How often it was not, since something in it could not be.
    pub failed: u64,
    /// Whether the last one was taken over; so it is while there was none.
    pub last_succeeded: bool,
    /// When what holds was read, in seconds since 1970.
    pub loaded_at: u64,
}
