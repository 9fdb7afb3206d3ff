//! A process that takes away from itself what it does not need: so that whoever finds a mistake in it finds little beyond.
//!
//! Two walls, each kept by the kernel and each for ever. [`Files`](files) and ports are Landlock's, which sees operations of
//! a ring, too; it is put up before the first thread is started, since it holds for a thread and those that it starts.
//! [System calls](calls) are seccomp's, for all threads at once and when everything stands, because a start needs more. What a
//! ring may do is a third wall, and stands in `ring`: seccomp does not see it.
//!
//! A host that has not got one of them is served without it; [`Walls`] says which stand.

pub mod calls;
pub mod files;

use std::fmt;
use std::thread::Builder;

use self::calls::Around;
use self::files::Openings;

/// Which walls stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walls {
    /// Files that were not named cannot be opened, and none can be written.
    pub files: bool,
    /// Ports that were not named cannot be listened at, and nobody can be connected to (Linux 6.7).
    pub ports: bool,
    /// Processes outside are neither signalled nor spoken to by abstract Unix sockets (Linux 6.12).
    pub processes: bool,
    /// Rings do what a server does, and nothing else.
    pub rings: bool,
    /// System calls that a server does not make are refused.
    pub calls: bool,
}

impl Walls {
    /// Which ones this host has, found out by a thread that puts them up around itself and ends.
    pub fn of_host() -> Self {
        let trial = || {
            let walls = files::shut_off(&Openings::default()).unwrap_or_default();
            Self { calls: calls::wall_up(Around::ThisThread).is_ok(), ..walls }
        };
        let thread = Builder::new().name("trial".to_owned()).spawn(trial);
        thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    /// Whether all of them stand.
    pub fn are_complete(&self) -> bool {
        let Self { files, ports, processes, rings, calls } = *self;
        files && ports && processes && rings && calls
    }
}

impl fmt::Display for Walls {
    /// Those that stand, and those that do not.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.files, "files"),
            (self.ports, "ports"),
            (self.processes, "processes"),
            (self.rings, "rings"),
            (self.calls, "system calls"),
        ];
        let named = |wanted| -> Vec<_> {
            all.iter().filter(|(stands, _)| *stands == wanted).map(|(_, name)| *name).collect()
        };
        let (standing, missing) = (named(true), named(false));
        match (standing.is_empty(), missing.is_empty()) {
            (true, _) => formatter.write_str("none"),
            (false, true) => formatter.write_str(&standing.join(", ")),
            (false, false) => {
                write!(formatter, "{}; not {}", standing.join(", "), missing.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(walls: Walls, expected: &str) {
        assert_eq!(walls.to_string(), expected);
    }

    #[test]
    fn it_says_what_stands_and_what_does_not() {
        check(Walls::default(), "none");
        let all = Walls { files: true, ports: true, processes: true, rings: true, calls: true };
        check(all, "files, ports, processes, rings, system calls");
        let old = Walls { ports: false, processes: false, ..all };
        check(old, "files, rings, system calls; not ports, processes");
    }
}
