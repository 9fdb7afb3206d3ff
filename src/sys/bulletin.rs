//! What a server shows of its hand-overs to those who may look into it: a little text in memory of its own, which they find
//! in its /proc/PID/fd.
//!
//! Whoever may look there may trace the process as well (proc(5), ptrace(2)): its own user, and root. So nothing is open to
//! strangers, nothing has to be cleaned up, and it is still readable when the process has gone.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

/// How a server's hand-overs stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It serves, and nobody has been started.
    Serves,
    /// This process was started, and does not serve yet.
    Waits(u32),
    /// No process has taken over, for this reason: it serves on.
    Failed(String),
    /// This process serves in its place, and it drains.
    HandedOver(u32),
    /// It was asked to stop, and drains.
    Stops,
}

/// The side of the server.
#[derive(Debug)]
pub struct Bulletin {
    memory: File,
    count: u64,
}

/// The side of a reader.
#[derive(Debug)]
pub struct Reader {
    memory: File,
}

/// What it is called in /proc/PID/fd.
const NAME: &str = "tidemill-handover";
/// Bytes of the text: each is as long, so that a shorter one leaves nothing of a longer one.
const BYTES: usize = 512;

impl Bulletin {
    /// Shows that this process serves.
    ///
    /// # Errors
    /// When there is no descriptor for it.
    pub fn hang_out() -> io::Result<Self> {
        let memory: OwnedFd = memfd_create(NAME, MemfdFlags::CLOEXEC)?;
        let mut bulletin = Self { memory: memory.into(), count: 0 };
        bulletin.show(&Standing::Serves)?;
        Ok(bulletin)
    }

    /// Shows this from now on.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn show(&mut self, standing: &Standing) -> io::Result<()> {
        self.count += 1;
        self.memory.write_all_at(&encode(self.count, standing), 0)
    }
}

impl Reader {
    /// That of a process; `None` if it has none.
    ///
    /// # Errors
    /// When the process is gone, or may not be looked into.
    pub fn find(pid: u32) -> io::Result<Option<Self>> {
        let name = format!("/memfd:{NAME} (deleted)");
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            let path = entry?.path();
            if fs::read_link(&path).is_ok_and(|target| target == Path::new(&name)) {
                // Another file may have the number by now: one at which an open would wait, perhaps.
                let memory = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
                return Ok(Some(Self { memory }));
            }
        }
        Ok(None)
    }

    /// How many times something was shown, and what it is now. `None` if it is being written, or nothing that a server writes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self) -> io::Result<Option<(u64, Standing)>> {
        let mut bytes = [0; BYTES];
        let length = self.memory.read_at(&mut bytes, 0)?;
        Ok(if length == BYTES { decode(&bytes) } else { None })
    }
}

/// `COUNT WORD REST`, a line end, blanks, and the count again: a text that is half written has two of them.
fn encode(count: u64, standing: &Standing) -> [u8; BYTES] {
    let text = match standing {
        Standing::Serves => "serves".to_owned(),
        Standing::Waits(pid) => format!("waits {pid}"),
        Standing::Failed(why) => format!("failed {}", why.replace(char::is_control, " ")),
        Standing::HandedOver(pid) => format!("gone {pid}"),
        Standing::Stops => "stops".to_owned(),
    };
    let (start, end) = (format!("{count} {text}"), format!("\n{count}"));
    let room = BYTES - 1 - end.len();
    let cut = (0..=room.min(start.len())).rev().find(|at| start.is_char_boundary(*at)).unwrap_or(0);
    let mut bytes = [b' '; BYTES];
    bytes[..cut].copy_from_slice(&start.as_bytes()[..cut]);
    bytes[cut] = b'\n';
    bytes[BYTES - end.len()..].copy_from_slice(end.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, Standing)> {
    let text = str::from_utf8(bytes).ok()?;
    let (line, rest) = text.split_once('\n')?;
    let (count, line) = line.split_once(' ')?;
    let count: u64 = count.parse().ok()?;
    if rest.trim().parse() != Ok(count) {
        return None;
    }
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let pid = || rest.parse::<u32>().ok().filter(|pid| 0 < *pid);
    let standing = match word {
        "serves" => Standing::Serves,
        "waits" => Standing::Waits(pid()?),
        "failed" => Standing::Failed(rest.replace(char::is_control, " ")),
        "gone" => Standing::HandedOver(pid()?),
        "stops" => Standing::Stops,
        _ => return None,
    };
    Some((count, standing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        let mut bulletin = Bulletin::hang_out().unwrap();
        let reader = Reader::find(std::process::id()).unwrap().expect("it hangs there");
        assert_eq!(reader.read().unwrap(), Some((1, Standing::Serves)));
        let shown = [
            Standing::Waits(4242),
            Standing::Failed("process 4242 did not come to serve (exit status: 7)".to_owned()),
            Standing::HandedOver(1),
            Standing::Stops,
        ];
        for (count, standing) in (2..).zip(shown) {
            bulletin.show(&standing).unwrap();
            assert_eq!(reader.read().unwrap(), Some((count, standing)));
        }
        drop(bulletin);
        assert_eq!(
            reader.read().unwrap(),
            Some((5, Standing::Stops)),
            "who looks has it longer than it is shown"
        );
    }

    #[test]
    fn long_reasons_are_cut_and_control_bytes_do_no_harm() {
        let why = format!("no\n{}", "\u{e9}".repeat(600));
        let (count, standing) = decode(&encode(u64::MAX, &Standing::Failed(why))).expect("it fits");
        let Standing::Failed(said) = standing else { panic!("{standing:?}") };
        assert!(count == u64::MAX && said.starts_with("no \u{e9}"), "{said}");
    }

    /// Each byte of the next text that is not written yet makes it no text, or leaves it what one of both was.
    #[test]
    fn what_is_half_written_is_nothing() {
        let (old, new) = (encode(9, &Standing::Waits(4242)), encode(10, &Standing::HandedOver(4242)));
        for at in 1..BYTES {
            let mixed = [&new[..at], &old[at..]].concat();
            let read = decode(&mixed);
            assert!(read.is_none() || read == decode(&old) || read == decode(&new), "{at}: {read:?}");
        }
        assert_eq!(decode(&[0; BYTES]), None);
        assert_eq!(decode(b"1 gone 0\n1"), None);
    }
}
