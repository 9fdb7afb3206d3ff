//! Other processes of this host: a hold on one that outlives its number, and what /proc says of it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process. Its number may be another one's when it has ended; this is its own for ever (pidfd_open(2)).
#[derive(Debug)]
pub struct Process {
    handle: OwnedFd,
}

impl Process {
    /// The one that has this number now.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { handle: pidfd_open(pid, PidfdFlags::empty())? })
    }

    /// Asks it by SIGUSR2 to hand over.
    ///
    /// # Errors
    /// When it has ended, or belongs to somebody else.
    pub fn ask_to_hand_over(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.handle, Signal::USR2)?)
    }

    /// Waits for its end, but not longer than this. Returns whether it has ended.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let mut polled = [PollFd::new(&self.handle, PollFlags::IN)];
        match poll(&mut polled, Some(&timeout)) {
            Ok(count) => Ok(0 < count),
            // A short wait: whoever waits looks again.
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The numbers of all processes that can be seen.
///
/// # Errors
/// When there is no /proc.
pub fn all() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    Ok(entries.filter_map(number).collect())
}

/// Whether this process may look into those of all users.
pub fn sees_all() -> bool {
    rustix::process::geteuid().is_root()
}

/// What /proc/PID/status says of a process.
///
/// # Errors
/// When there is no such process.
pub fn status(pid: u32) -> io::Result<Status> {
    Ok(Status(fs::read_to_string(format!("/proc/{pid}/status"))?))
}

/// A process's status (proc_pid_status(5)).
#[derive(Clone, Debug)]
pub struct Status(String);

impl Status {
    /// Whether it reads SIGUSR2 in its own time, as a server does: it blocks the signal, which would end others.
    pub fn awaits_usr2(&self) -> bool {
        let mask = self.value("SigBlk:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
        mask.is_some_and(|mask| mask & (1 << (Signal::USR2.as_raw() - 1)) != 0)
    }

    /// Its number in each of the namespaces that it is in, from this process's to its own.
    pub fn numbers(&self) -> Vec<u32> {
        let numbers = self.value("NSpid:").unwrap_or_default();
        numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect()
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
    }
}

/// Makes sure that this process has no other thread than the calling one.
///
/// # Errors
/// When it has, or when there is no /proc to tell.
pub fn has_one_thread() -> io::Result<()> {
    match fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        _ => Err(io::Error::other("other threads run already")),
    }
}

/// Names the calling thread, for ps(1) and top(1): at most 15 bytes.
pub fn name_thread(name: &std::ffi::CStr) {
    // A name is for people: there may be reasons for which it cannot be had, and none to end for it.
    let _ = rustix::thread::set_name(name);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_held_beyond_its_end() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let held = Process::open(child.id()).unwrap();
        assert!(!held.wait(Duration::ZERO).unwrap());
        assert!(all().unwrap().contains(&child.id()));
        // It neither blocks nor catches it: so nobody may ask it.
        assert!(!status(child.id()).unwrap().awaits_usr2());
        held.ask_to_hand_over().unwrap();
        assert!(held.wait(Duration::from_secs(60)).unwrap());
        child.wait().unwrap();
        assert_eq!(held.ask_to_hand_over().unwrap_err().raw_os_error(), Some(libc::ESRCH));
        assert!(Process::open(0).is_err());
        assert!(Process::open(u32::MAX).is_err());
    }

    /// Texts of proc_pid_status(5): bit n - 1 stands for signal n, and SIGUSR2 is 12.
    #[test]
    fn a_status_is_read() {
        let status = Status("Name:\tx\nNSpid:\t4242\t1\nSigBlk:\t0000000000004a03\n".to_owned());
        assert!(status.awaits_usr2());
        assert_eq!(status.numbers(), [4242, 1]);
        assert!(!Status("SigBlk:\tfffffffffffff7ff\n".to_owned()).awaits_usr2());
        assert!(!Status(String::new()).awaits_usr2());
        assert!(Status(String::new()).numbers().is_empty());
    }
}
