//! What the benchmarks share: a bare ring, the protocol of a served child, a closed-loop client, the comparison.

pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod compare;
pub(crate) mod placement;
pub(crate) mod ring;
