//! Ring tiers: which kernel's abilities the ring may use at most.

/// The abilities of the ring, by the kernel that brought them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RingTier {
    /// The floor: multishot receive, provided-buffer rings, direct descriptors.
    V6_1,
    /// No indirection array for submissions.
    V6_6,
    /// Incremental buffers.
    V6_12,
    /// Receive credit kept by the kernel.
    V6_17,
}
