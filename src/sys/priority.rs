//! How much of a core a thread gets beside others.

#![allow(unsafe_code, reason = "nice has no safe wrapper in the libraries we use")]

use crate::limits;

/// Makes the calling thread, and it alone, one that leaves the processor to others: for work that can wait. Whatever the
/// kernel says to it, the work goes on.
pub fn step_back() {
    // SAFETY: `nice` takes a number and touches no memory of ours. On Linux it is for the calling thread alone (nice(2), "C
    // library/kernel differences"), and to be nicer is never forbidden.
    unsafe { libc::nice(limits::PASSWORD_NICE) };
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// What the kernel itself says of the calling thread: the 19th field of its `stat` (proc_pid_stat(5)).
    fn nice_by_proc() -> i32 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        // The name of the thread, in parentheses, is the second field.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn one_thread_steps_back_and_the_others_do_not() {
        let before = nice_by_proc();
        let after = thread::spawn(|| {
            step_back();
            nice_by_proc()
        });
        assert_eq!(after.join().unwrap(), (before + 10).min(19));
        assert_eq!(nice_by_proc(), before);
    }
}
