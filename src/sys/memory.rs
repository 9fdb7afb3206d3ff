//! Page-aligned memory whose address never moves: what rings and receive buffers are made of.

#![allow(unsafe_code, reason = "mmap and munmap have no safe wrapper in the libraries we use")]

use std::io;
use std::ptr::{self, NonNull};

/// A private anonymous mapping, zeroed, touched page by page as it is used.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    bytes: usize,
}

impl Region {
    /// Maps `bytes` bytes.
    ///
    /// # Errors
    /// What `mmap(2)` says: mostly `ENOMEM`.
    pub fn new(bytes: usize) -> io::Result<Self> {
        assert!(0 < bytes, "an empty region has no address");
        // SAFETY: a null hint with MAP_ANONYMOUS and no descriptor asks for fresh memory, so no existing mapping is
        // touched, whatever `bytes` is; a bad length is refused by the kernel with EINVAL or ENOMEM.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, bytes })
    }

    /// The first byte. Valid for [`Self::bytes`] bytes for as long as the region lives.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `base` and `bytes` are those of the mapping made in `new`, which nobody else unmaps. That no
        // reference into it is left is kept by the owners: they hold the region for as long as they lend from it.
        let result = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(result, 0, "munmap of a mapping of ours is never refused");
    }
}

/// Asks the processor to load the first `bytes` bytes of a value into its cache: a hint, which changes nothing else.
#[inline]
pub fn prefetch<T>(value: &T, bytes: usize) {
    let first = ptr::from_ref(value).cast::<u8>();
    for line in (0..bytes.min(size_of::<T>())).step_by(CACHE_LINE_BYTES) {
        prefetch_line(first.wrapping_add(line));
    }
}

const CACHE_LINE_BYTES: usize = 64;

#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch_line(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch of any address, valid or not, has no effect that the program could see; SSE, which it needs,
    // is part of x86-64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn prefetch_line(_: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_page_aligned_and_as_long_as_asked() {
        let region = Region::new(12_345).unwrap();
        assert_eq!(region.base().as_ptr() as usize % 4096, 0);
        assert_eq!(region.bytes(), 12_345);
    }
}
