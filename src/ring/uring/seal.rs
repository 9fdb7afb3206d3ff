//! What a ring may do: what a server asks of it, and nothing else (io_uring_register(2), IORING_REGISTER_RESTRICTIONS).
//!
//! seccomp does not see what a ring is asked for. A sealed ring is made disabled, takes its buffers and sockets, is told what
//! it may do, and then enabled; from then on the kernel refuses everything else with EACCES, for as long as the ring lives.

use io_uring::IoUring;
use io_uring::opcode;
use io_uring::register::Restriction;
use io_uring::squeue::Flags;

use super::{errno_of, registering};
use crate::ring::RingError;
use crate::ring::raw::UNREGISTER_RING_FDS;

/// The operations of `push.rs`, but for one: a server connects to nobody.
const OPERATIONS: [u8; 10] = [
    opcode::Accept::CODE,
    opcode::Recv::CODE,
    opcode::RecvMulti::CODE,
    opcode::RecvMsgMulti::CODE,
    opcode::Send::CODE,
    opcode::SendMsg::CODE,
    opcode::Shutdown::CODE,
    opcode::AsyncCancel::CODE,
    opcode::Close::CODE,
    opcode::MsgRingData::CODE,
];

/// The flags that they have.
const FLAGS: Flags =
    Flags::FIXED_FILE.union(Flags::IO_HARDLINK).union(Flags::BUFFER_SELECT).union(Flags::SKIP_SUCCESS);

/// Says to a disabled ring what it may do, and enables it.
pub(super) fn seal(ring: &IoUring) -> Result<(), RingError> {
    let mut restrictions: Vec<Restriction> = OPERATIONS.into_iter().map(Restriction::sqe_op).collect();
    restrictions.push(Restriction::sqe_flags_allowed(FLAGS.bits()));
    // How it ends; its descriptors and buffers were registered before.
    restrictions.push(Restriction::register_op(UNREGISTER_RING_FDS));
    let submitter = ring.submitter();
    submitter.register_restrictions(&mut restrictions).map_err(registering("restrictions"))?;
    submitter.register_enable_rings().map_err(|error| RingError::Setup(errno_of(&error)))
}
