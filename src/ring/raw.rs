//! What the `io-uring` crate does not offer: entering through a registered ring descriptor, and three fields of a
//! submission entry.

#![allow(unsafe_code, reason = "system calls without a wrapper")]

use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use io_uring::squeue;

use super::completion::Errno;

/// `IORING_ENTER_GETEVENTS`: run what the kernel has put off, and look for completions.
const GETEVENTS: u32 = 1 << 0;
/// `IORING_ENTER_EXT_ARG`: the argument holds a time-out.
const EXT_ARG: u32 = 1 << 3;
/// `IORING_ENTER_REGISTERED_RING`: the descriptor is an index.
const REGISTERED_RING: u32 = 1 << 4;
/// `IORING_REGISTER_RING_FDS`.
const REGISTER_RING_FDS: libc::c_uint = 20;
/// `IORING_UNREGISTER_RING_FDS`.
pub(super) const UNREGISTER_RING_FDS: u8 = 21;
/// `IORING_RECVSEND_POLL_FIRST`, in `sqe->ioprio`.
const POLL_FIRST: u16 = 1 << 0;

/// `struct io_uring_getevents_arg` (io_uring_enter(2)).
#[repr(C)]
struct GeteventsArg {
    sigmask: u64,
    sigmask_bytes: u32,
    min_wait_usec: u32,
    timeout: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanos: i64,
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// How a ring is entered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entrance {
    /// By the descriptor.
    Descriptor(RawFd),
    /// By its index among this thread's registered rings, which saves looking the descriptor up.
    Registered(u32),
}

/// How long an enter may wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting {
    /// Not at all. Of the work that waits to be run for this ring, Linux then runs no more than 20 items
    /// (`IO_LOCAL_TW_DEFAULT_MAX`); the completions of the rest come with later enters.
    No,
    /// Until there are so many completions.
    Forever(u32),
    /// Until there are so many completions, or this time has passed.
    AtMost(u32, Duration),
}

/// Submits `to_submit` entries and waits for completions as told, always with GETEVENTS: without it a ring that
/// defers its task work never shows a completion. Returns the number of entries taken.
pub(super) fn enter(entrance: Entrance, to_submit: u32, waiting: Waiting) -> Result<u32, Errno> {
    let timespec = match waiting {
        Waiting::AtMost(_, timeout) => Some(Timespec {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanos: i64::from(timeout.subsec_nanos()),
        }),
        Waiting::No | Waiting::Forever(_) => None,
    };
    let argument = GeteventsArg {
        sigmask: 0,
        sigmask_bytes: 8,
        min_wait_usec: 0,
        timeout: timespec.as_ref().map_or(0, |timespec| ptr::from_ref(timespec) as u64),
    };
    let (descriptor, registered) = match entrance {
        Entrance::Descriptor(descriptor) => (descriptor, 0),
        Entrance::Registered(index) => (i32::try_from(index).unwrap_or(-1), REGISTERED_RING),
    };
    let wanted: u32 = match waiting {
        Waiting::No => 0,
        Waiting::Forever(wanted) | Waiting::AtMost(wanted, _) => wanted,
    };
    // SAFETY: the argument and the time it points to live on this stack frame until the call returns, and have the
    // layout and size of io_uring_enter(2) with EXT_ARG. What the entries point to is kept by `Uring`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            descriptor,
            to_submit,
            wanted,
            GETEVENTS | EXT_ARG | registered,
            ptr::from_ref(&argument),
            size_of::<GeteventsArg>(),
        )
    };
    if result < 0 { Err(last_errno()) } else { Ok(u32::try_from(result).unwrap_or(0)) }
}

/// Registers the ring's descriptor with this thread, and returns how to enter it from now on.
pub(super) fn register_ring(descriptor: RawFd) -> Result<Entrance, Errno> {
    let data = u64::try_from(descriptor).map_err(|_| Errno(libc::EBADF))?;
    let mut update = RsrcUpdate { offset: u32::MAX, reserved: 0, data };
    update_rings(descriptor, REGISTER_RING_FDS, &mut update)?;
    Ok(Entrance::Registered(update.offset))
}

/// Takes the registration back. It holds the ring open: a ring that is closed without this lives until its thread ends.
pub(super) fn unregister_ring(descriptor: RawFd, entrance: Entrance) {
    if let Entrance::Registered(offset) = entrance {
        let mut update = RsrcUpdate { offset, reserved: 0, data: 0 };
        let result = update_rings(descriptor, UNREGISTER_RING_FDS.into(), &mut update);
        debug_assert!(result.is_ok(), "a registration of this thread is taken back");
    }
}

fn update_rings(descriptor: RawFd, what: libc::c_uint, update: &mut RsrcUpdate) -> Result<(), Errno> {
    // SAFETY: `update` is one `struct io_uring_rsrc_update` that outlives the call; the kernel may write its `offset`.
    let result = unsafe {
        libc::syscall(libc::SYS_io_uring_register, descriptor, what, ptr::from_mut(update), 1 as libc::c_uint)
    };
    if result == 1 { Ok(()) } else { Err(last_errno()) }
}

fn last_errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// Sets the bytes after which a multishot receive ends by itself (`sqe->optlen`, Linux 6.17).
pub(super) fn set_receive_credit(entry: &mut squeue::Entry, credit: u32) {
    let field = ptr::from_mut(entry).cast::<u8>().wrapping_add(OPTLEN_AT).cast::<u32>();
    // SAFETY: `Entry` is a `struct io_uring_sqe` of 64 bytes (asserted below), borrowed mutably here; the 32 bits at
    // byte 44 are `optlen` (include/uapi/linux/io_uring.h), plain data.
    unsafe { field.write_unaligned(credit) };
}

/// Makes a receive wait for data before it takes a buffer (`IORING_RECVSEND_POLL_FIRST`, Linux 5.19).
pub(super) fn set_poll_first(entry: &mut squeue::Entry) {
    let ioprio = ptr::from_mut(entry).cast::<u8>().wrapping_add(IOPRIO_AT).cast::<u16>();
    // SAFETY: the 16 bits at byte 2 of an entry are `ioprio` (include/uapi/linux/io_uring.h), plain data, and the entry
    // is borrowed mutably here.
    let flags = unsafe { ioprio.read_unaligned() };
    // SAFETY: as for the read: these 16 bits belong to the entry, which is borrowed mutably.
    unsafe { ioprio.write_unaligned(flags | POLL_FIRST) };
}

/// Where `optlen` and `ioprio` stand in an entry.
const OPTLEN_AT: usize = 44;
const IOPRIO_AT: usize = 2;

const _: () = assert!(size_of::<squeue::Entry>() == 64);
const _: () = assert!(size_of::<GeteventsArg>() == 24);
const _: () = assert!(size_of::<RsrcUpdate>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(entry: &squeue::Entry) -> [u8; 64] {
        // SAFETY: an entry is 64 bytes of plain data (asserted above).
        unsafe { ptr::from_ref(entry).cast::<[u8; 64]>().read() }
    }

    #[test]
    fn patches_touch_their_field_only() {
        let mut entry = io_uring::opcode::Nop::new().build();
        let before = bytes(&entry);
        set_receive_credit(&mut entry, 0x0102_0304);
        set_poll_first(&mut entry);
        let after = bytes(&entry);
        assert_eq!(after[44..48], 0x0102_0304u32.to_ne_bytes());
        assert_eq!(after[2..4], 1u16.to_ne_bytes());
        let untouched = |at: usize| !(44..48).contains(&at) && !(2..4).contains(&at);
        assert!((0..64).filter(|at| untouched(*at)).all(|at| before[at] == after[at]));
    }
}
