//! Steady traffic allocates nothing per message: the whole process is watched by a counting allocator while a server
//! serves, on its own threads, clients that allocate nothing themselves.

#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]

mod clients;
mod echo;
mod hub;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The system's allocator, and how often it was asked.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed to the system's allocator with the caller's own arguments; counting touches no memory
// that is allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the requirements of `alloc`, which are the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, so from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as for `dealloc`; the caller keeps the rest.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The process is watched as a whole, so one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Allocations while `exchange` is done so many times, after as many that warm everything up.
fn count(times: usize, mut exchange: impl FnMut(usize)) -> u64 {
    (0..times).for_each(&mut exchange);
    let before = ASKED.load(Ordering::Relaxed);
    (0..times).for_each(&mut exchange);
    ASKED.load(Ordering::Relaxed) - before
}
