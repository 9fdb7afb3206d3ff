//! How exactly the kernel wakes a thread that waits for a moment.
//!
//! Linux may put a wake-up off by the thread's timer slack, 50 µs unless told otherwise, to do several at once
//! (PR_SET_TIMERSLACK(2const)). A server gains by that; who measures time does not.

#![allow(unsafe_code, reason = "prctl has no safe wrapper in the libraries we use")]

/// Has the calling thread woken as exactly as the clock allows. What the kernel refuses leaves its 50 µs.
pub fn wake_precisely() {
    const SLACK_NANOS: libc::c_ulong = 1; // 0 would mean the default.
    // SAFETY: PR_SET_TIMERSLACK takes a number and no pointer; it changes nothing but the calling thread's slack.
    let result = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NANOS, 0, 0, 0) };
    debug_assert_eq!(result, 0, "any thread may set its own slack");
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn the_kernel_takes_the_slack_away() {
        let slack = thread::spawn(|| {
            wake_precisely();
            // /proc/self shows the slack of the process's first thread; prctl tells the caller's own.
            // SAFETY: PR_GET_TIMERSLACK takes no pointer, and changes nothing.
            unsafe { libc::prctl(libc::PR_GET_TIMERSLACK, 0, 0, 0, 0) }
        });
        assert_eq!(slack.join().unwrap(), 1);
        let own = fs::read_to_string("/proc/self/timerslack_ns").unwrap_or_default();
        assert_ne!(own.trim(), "1", "other threads keep theirs");
    }
}
