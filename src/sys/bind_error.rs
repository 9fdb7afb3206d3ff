//! Why an address could not be listened at.
//!
//! Errno is translated once, here, together with the step that failed; every cause that an operator can remove has its
//! own variant, and a sentence that names the remedy.

use std::io;
use std::path::{Path, PathBuf};

use super::address::Listen;
use super::descriptors;

/// Why an address could not be listened at: the cause, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process holds the port.
    #[error("{listen} is taken by another process. Try: {}, or listen on another port", who_holds(.listen))]
    Taken {
        /// The address that was asked for.
        listen: Listen,
    },
    /// No interface has this address.
    #[error("{listen} is no address of this host. Try: ip address, and listen on one that it shows")]
    NotAvailable {
        /// The address that was asked for.
        listen: Listen,
    },
    /// The host has no IPv6.
    #[error(
        "{listen} needs IPv6, which this host does not have. Try: an IPv4 address, as in 0.0.0.0 for all of them"
    )]
    Ipv6Missing {
        /// The address that was asked for.
        listen: Listen,
    },
    /// A privileged port, or a directory that this user may not write to.
    #[error("{listen} is not allowed for this user. Try: {}", permit(.listen))]
    PermissionDenied {
        /// The address that was asked for.
        listen: Listen,
    },
    /// There is no descriptor left for its sockets.
    #[error("{listen} got no descriptor: {whose} has no more. Try: {remedy}")]
    NoDescriptor {
        /// The address that was asked for.
        listen: Listen,
        /// The process or the system.
        whose: &'static str,
        /// What raises that limit.
        remedy: &'static str,
    },
    /// The host does not offer this congestion control to this user.
    #[error(
        "{listen} cannot use the congestion control that server.congestion names. \
         Try: one that sysctl net.ipv4.tcp_allowed_congestion_control shows"
    )]
    CongestionControl {
        /// The address that was asked for.
        listen: Listen,
    },
    /// Something that is not a socket stands at the path; it is never deleted.
    #[error("{} exists and is not a socket. Try: another path, or move the file away", .0.display())]
    NotASocket(PathBuf),
    /// A process answers at the path.
    #[error("{} is in use by another process. Try: ss -lxp, or another path", .0.display())]
    InUse(PathBuf),
    /// The path leads through a directory that does not exist.
    #[error("the directory of {} does not exist. Try: mkdir -p {}", .0.display(), parent(.0).display())]
    NoDirectory(PathBuf),
    /// What should be a directory of the path is none.
    #[error("{} leads through a file. Try: another path", .0.display())]
    ThroughFile(PathBuf),
    /// The path is on a file system that is mounted read-only.
    #[error("{} is on a read-only file system. Try: a path under /run", .0.display())]
    ReadOnly(PathBuf),
    /// Something else.
    #[error("{listen} could not be opened: {step} failed: {cause}")]
    Unexpected {
        /// The address that was asked for.
        listen: Listen,
        /// The call that failed.
        step: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
}

/// A step that failed, before it is explained.
pub(super) struct Failure {
    step: &'static str,
    cause: io::Error,
}

/// Names the step beside its error.
pub(super) trait At<T> {
    fn at(self, step: &'static str) -> Result<T, Failure>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: &'static str) -> Result<T, Failure> {
        self.map_err(|cause| Failure { step, cause })
    }
}

impl Failure {
    /// Finds the cause that an operator can act upon; `ipv6` says whether the host has IPv6 at all.
    pub(super) fn explain(self, listen: &Listen, ipv6: bool) -> BindError {
        let errno = self.cause.raw_os_error().unwrap_or(0);
        if let Some((whose, remedy)) = descriptors::exhausted(errno) {
            return BindError::NoDescriptor { listen: listen.clone(), whose, remedy };
        }
        let explained = match listen {
            _ if self.step == "TCP_CONGESTION" => explain_congestion(errno, listen),
            Listen::Tcp(address) | Listen::Udp(address) => explain_ip(errno, listen, address.is_ipv6(), ipv6),
            Listen::Unix(path) => explain_path(errno, listen, path),
        };
        explained.unwrap_or(BindError::Unexpected {
            listen: listen.clone(),
            step: self.step,
            cause: self.cause,
        })
    }
}

/// tcp(7): ENOENT when the host does not know the algorithm, EPERM when this user may not choose it.
fn explain_congestion(errno: i32, listen: &Listen) -> Option<BindError> {
    matches!(errno, libc::ENOENT | libc::EPERM)
        .then(|| BindError::CongestionControl { listen: listen.clone() })
}

fn explain_ip(errno: i32, listen: &Listen, is_v6: bool, ipv6: bool) -> Option<BindError> {
    let listen = listen.clone();
    match errno {
        libc::EADDRINUSE => Some(BindError::Taken { listen }),
        libc::EAFNOSUPPORT if is_v6 => Some(BindError::Ipv6Missing { listen }),
        libc::EADDRNOTAVAIL if is_v6 && !ipv6 => Some(BindError::Ipv6Missing { listen }),
        libc::EADDRNOTAVAIL => Some(BindError::NotAvailable { listen }),
        libc::EACCES => Some(BindError::PermissionDenied { listen }),
        _ => None,
    }
}

fn explain_path(errno: i32, listen: &Listen, path: &Path) -> Option<BindError> {
    let path = path.to_owned();
    match errno {
        libc::EADDRINUSE => Some(BindError::InUse(path)),
        libc::ENOTSOCK => Some(BindError::NotASocket(path)),
        libc::ENOENT => Some(BindError::NoDirectory(path)),
        libc::ENOTDIR => Some(BindError::ThroughFile(path)),
        libc::EROFS => Some(BindError::ReadOnly(path)),
        libc::EACCES | libc::EPERM => Some(BindError::PermissionDenied { listen: listen.clone() }),
        _ => None,
    }
}

/// The command that shows who holds a port.
fn who_holds(listen: &Listen) -> String {
    let kind = if listen.is_stream() { "-ltnp" } else { "-lunp" };
    let port = listen.ip().map_or(0, |address| address.port());
    format!("ss {kind} 'sport = :{port}'")
}

/// How an address becomes allowed.
fn permit(listen: &Listen) -> &'static str {
    match listen {
        Listen::Tcp(_) | Listen::Udp(_) => {
            "a port from 1024 up, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
        }
        Listen::Unix(_) => {
            "a directory that it may write to, as RuntimeDirectory=tidemill in the unit makes one"
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listen: &str, step: &'static str, errno: i32, ipv6: bool, sentence: &str) {
        let failure = Failure { step, cause: io::Error::from_raw_os_error(errno) };
        assert_eq!(failure.explain(&listen.parse().unwrap(), ipv6).to_string(), sentence);
    }

    // The numbers of errno are those of errno-base.h and errno.h of Linux (asm-generic).
    #[test]
    fn every_cause_has_its_sentence() {
        check(
            "tcp://127.0.0.1:7000",
            "bind",
            98,
            true,
            "tcp://127.0.0.1:7000 is taken by another process. \
             Try: ss -ltnp 'sport = :7000', or listen on another port",
        );
        check(
            "udp://[::1]:7000",
            "bind",
            98,
            true,
            "udp://[::1]:7000 is taken by another process. Try: ss -lunp 'sport = :7000', or listen on another port",
        );
        let missing = "tcp://[::1]:7000 needs IPv6, which this host does not have. \
                       Try: an IPv4 address, as in 0.0.0.0 for all of them";
        check("tcp://[::1]:7000", "socket", 97, true, missing);
        check("tcp://[::1]:7000", "bind", 99, false, missing);
        check(
            "tcp://[2001:db8::1]:7000",
            "bind",
            99,
            true,
            "tcp://[2001:db8::1]:7000 is no address of this host. \
             Try: ip address, and listen on one that it shows",
        );
        check(
            "tcp://0.0.0.0:80",
            "bind",
            13,
            true,
            "tcp://0.0.0.0:80 is not allowed for this user. \
             Try: a port from 1024 up, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit",
        );
        check(
            "tcp://0.0.0.0:80",
            "TCP_CONGESTION",
            2,
            true,
            "tcp://0.0.0.0:80 cannot use the congestion control that server.congestion names. \
             Try: one that sysctl net.ipv4.tcp_allowed_congestion_control shows",
        );
        check(
            "tcp://0.0.0.0:80",
            "socket",
            12,
            true,
            "tcp://0.0.0.0:80 could not be opened: socket failed: Cannot allocate memory (os error 12)",
        );
    }

    #[test]
    fn descriptors_that_ran_out_are_told_with_their_limit() {
        check(
            "tcp://[::]:7000",
            "socket",
            24,
            true,
            "tcp://[::]:7000 got no descriptor: the process has no more. \
             Try: ulimit -n 65536, or LimitNOFILE=65536 in the unit",
        );
        check(
            "unix:/run/t.sock",
            "dup",
            23,
            true,
            "unix:/run/t.sock got no descriptor: the system has no more. Try: sysctl fs.file-max, and raise it",
        );
    }

    #[test]
    fn every_cause_of_a_path_has_its_sentence() {
        let check = |errno, sentence| check("unix:/run/t/t.sock", "bind", errno, true, sentence);
        check(98, "/run/t/t.sock is in use by another process. Try: ss -lxp, or another path");
        check(88, "/run/t/t.sock exists and is not a socket. Try: another path, or move the file away");
        check(2, "the directory of /run/t/t.sock does not exist. Try: mkdir -p /run/t");
        check(20, "/run/t/t.sock leads through a file. Try: another path");
        check(30, "/run/t/t.sock is on a read-only file system. Try: a path under /run");
        check(
            13,
            "unix:/run/t/t.sock is not allowed for this user. \
             Try: a directory that it may write to, as RuntimeDirectory=tidemill in the unit makes one",
        );
    }
}
