//! The host as it shows itself in `/proc` and `/sys`: files below a root, so that tests can show another.
//!
//! Each answer may be missing, forbidden or garbled; then it is [`Unknown`], with the reason, and never a panic. Nothing is
//! written here, and nothing is judged.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::limits;

/// Where the files are.
pub struct Host {
    root: PathBuf,
}

/// Why something could not be found out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// This kernel, or this container, does not have the file.
    #[error("{0} is not there")]
    Missing(String),
    /// It may not be read, or reading failed.
    #[error("{path} cannot be read: {cause}")]
    Unreadable { path: String, cause: io::Error },
    /// It says something else than what this kernel's documentation promises.
    #[error("{path} says {said:?}")]
    Garbled { path: String, said: String },
}

impl Unknown {
    /// What would show it, if anything does.
    pub(super) fn command(&self) -> Option<String> {
        match self {
            Self::Missing(_) => None,
            Self::Unreadable { path, .. } => Some(format!("sudo cat {path}")),
            Self::Garbled { path, .. } => Some(format!("cat {path}")),
        }
    }
}

/// Nothing, where the kernel does not have it at all.
pub(super) fn if_there<T>(answer: Result<T, Unknown>) -> Result<Option<T>, Unknown> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Unknown::Missing(_)) => Ok(None),
        Err(unknown) => Err(unknown),
    }
}

impl Host {
    /// The one that this process runs on.
    pub fn this() -> Self {
        Self::below("/")
    }

    /// The one whose `/proc` and `/sys` stand below this directory.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The text of a file, as far as [`limits::DOCTOR_FILE_BYTES_MAX`] goes, without the white space around it.
    pub(super) fn text(&self, path: &str) -> Result<String, Unknown> {
        let mut bytes = Vec::new();
        let file = self.open(path)?;
        let read = file.take(limits::DOCTOR_FILE_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|cause| unreadable(path, cause))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The number that a file consists of.
    pub(super) fn number(&self, path: &str) -> Result<u64, Unknown> {
        let text = self.text(path)?;
        text.parse().map_err(|_| garbled(path, &text))
    }

    /// A sysctl's value, by the name that sysctl(8) knows.
    pub(super) fn sysctl(&self, name: &str) -> Result<String, Unknown> {
        self.text(&sysctl_path(name))
    }

    /// The same, of one that is a number.
    pub(super) fn sysctl_number(&self, name: &str) -> Result<u64, Unknown> {
        self.number(&sysctl_path(name))
    }

    /// Hands out the lines of a file that may be long; at most [`limits::DOCTOR_LINES_MAX`].
    pub(super) fn each_line(&self, path: &str, mut take: impl FnMut(&str)) -> Result<(), Unknown> {
        let lines = BufReader::new(self.open(path)?).lines();
        for line in lines.take(limits::DOCTOR_LINES_MAX) {
            take(&line.map_err(|cause| unreadable(path, cause))?);
        }
        Ok(())
    }

    /// The names in a directory, in order.
    pub(super) fn names(&self, path: &str) -> Result<Vec<String>, Unknown> {
        let entries = std::fs::read_dir(self.at(path)).map_err(|cause| unreadable(path, cause))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let mut names: Vec<String> =
            names.collect::<Result<_, _>>().map_err(|cause| unreadable(path, cause))?;
        names.sort();
        Ok(names)
    }

    /// Whether something is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// The last name of what a link leads to.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let target = std::fs::read_link(self.at(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// What stands behind `key:` in a file of such lines, as in `/proc/self/status`.
    pub(super) fn field(&self, path: &str, key: &str) -> Result<String, Unknown> {
        let text = self.text(path)?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        match value {
            Some(value) => Ok(value.trim().to_owned()),
            None => Err(Unknown::Missing(format!("the line {key}: of {path}"))),
        }
    }

    fn open(&self, path: &str) -> Result<File, Unknown> {
        File::open(self.at(path)).map_err(|cause| unreadable(path, cause))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path).strip_prefix("/").expect("paths of hosts begin at the root"))
    }
}

/// What a file says that is not as it should be.
pub(super) fn garbled(path: &str, said: &str) -> Unknown {
    // The first line is enough to see what it is.
    let said: String = said.lines().next().unwrap_or_default().chars().take(GARBLED_CHARACTERS_MAX).collect();
    Unknown::Garbled { path: path.to_owned(), said }
}

const GARBLED_CHARACTERS_MAX: usize = 40;

fn unreadable(path: &str, cause: io::Error) -> Unknown {
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unknown::Missing(path.to_owned()),
        _ => Unknown::Unreadable { path: path.to_owned(), cause },
    }
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::super::fake::Tree;
    use super::*;

    #[test]
    fn what_the_host_does_not_tell_is_unknown_with_its_reason() {
        let tree = Tree::new(&[("/proc/sys/net/core/somaxconn", "many\nmore"), ("/proc/sys/vm/x", "")]);
        let host = tree.host();
        let said = |answer: Result<u64, Unknown>| {
            let unknown = answer.unwrap_err();
            (unknown.to_string(), unknown.command())
        };
        assert_eq!(
            said(host.sysctl_number("net.core.somaxconn")),
            (
                "/proc/sys/net/core/somaxconn says \"many\"".to_owned(),
                Some("cat /proc/sys/net/core/somaxconn".to_owned())
            )
        );
        assert_eq!(said(host.sysctl_number("vm.x")).0, "/proc/sys/vm/x says \"\"");
        assert_eq!(said(host.sysctl_number("a.b")), ("/proc/sys/a/b is not there".to_owned(), None));
        // A directory opens, and cannot be read: EISDIR.
        let (why, command) = said(host.number("/proc/sys"));
        assert!(why.starts_with("/proc/sys cannot be read: "), "{why}");
        assert_eq!(command.as_deref(), Some("sudo cat /proc/sys"));
        assert!(if_there(host.text("/proc/none")).unwrap().is_none());
        assert!(if_there(host.text("/proc/sys")).is_err());
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let tree = Tree::new(&[("/proc/self/status", "SeccompX:\t9\nSeccomp:\t2\nSeccomp_filters:\t1\n")]);
        assert_eq!(tree.host().field("/proc/self/status", "Seccomp").unwrap(), "2");
        let missing = tree.host().field("/proc/self/status", "Gid").unwrap_err();
        assert_eq!(missing.to_string(), "the line Gid: of /proc/self/status is not there");
    }
}
