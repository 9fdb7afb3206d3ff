//! What a peer is to do, from the flags that say so; what cannot be is refused here, before anything is opened.

use std::time::Duration;

use super::address::Address;
use super::fault::Faults;
use super::law::{DELAY_MAX, Law};
use crate::cli::{Idle, ServeFlags};
use crate::target::Scheme;

/// Bytes of a message, if not told.
pub const DEFAULT_SIZE: u64 = 64;
/// Most bytes of a message.
pub const SIZE_MAX: u64 = 16 << 20;

/// What a peer is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where it listens.
    pub address: Address,
    /// When answers leave.
    pub law: Law,
    /// What else happens to them.
    pub faults: Faults,
    /// What both follow from.
    pub seed: u64,
    /// Bytes of a message, where nothing in the protocol says where one ends.
    pub size: Option<usize>,
    /// Messages of a connection until it is closed on purpose.
    pub close_after: Option<u64>,
    /// The time from one accept to the next.
    pub slow_accept: Option<Duration>,
    /// The core that it is pinned to.
    pub core: Option<usize>,
    /// How it waits.
    pub idle: Idle,
}

/// Why flags cannot be together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServePlanError {
    /// The protocol has its own way to end a message.
    #[error(
        "--size is for tcp:// and unix:, where nothing else says where a message ends: leave it out for {0}"
    )]
    NoSize(&'static str),
    /// Nothing, or too much.
    #[error("--size is from 1 byte to 16MiB")]
    Size,
    /// A flag for connections, and datagrams.
    #[error("{0} is for connections, and udp:// has none")]
    NoConnections(&'static str),
    /// A connection that would be closed before it has done anything.
    #[error("--close-after must be at least 1")]
    CloseAfter,
    /// A pause that nobody waits for.
    #[error("--slow-accept is at most an hour")]
    SlowAccept,
}

impl Plan {
    /// What these flags ask for.
    ///
    /// # Errors
    /// When they cannot be together.
    pub fn new(flags: &ServeFlags) -> Result<Self, ServePlanError> {
        let scheme = flags.address.scheme;
        let size = match (scheme, flags.size) {
            (Scheme::Udp | Scheme::Http, Some(_)) => return Err(ServePlanError::NoSize(scheme.prefix())),
            (Scheme::Udp | Scheme::Http, None) => None,
            (_, size) => Some(check_size(size.unwrap_or(DEFAULT_SIZE))?),
        };
        if scheme == Scheme::Udp {
            let given = [
                ("--close-after", flags.close_after.is_some()),
                ("--slow-accept", flags.slow_accept.is_some()),
            ];
            if let Some((flag, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
                return Err(ServePlanError::NoConnections(flag));
            }
        }
        if flags.close_after == Some(0) {
            return Err(ServePlanError::CloseAfter);
        }
        if flags.slow_accept.is_some_and(|pause| DELAY_MAX < pause) {
            return Err(ServePlanError::SlowAccept);
        }
        Ok(Self {
            address: flags.address.clone(),
            law: flags.law.clone(),
            faults: Faults { drop: flags.drop, duplicate: flags.duplicate, corrupt: flags.corrupt },
            seed: flags.seed,
            size,
            close_after: flags.close_after,
            slow_accept: flags.slow_accept,
            core: flags.core,
            idle: flags.idle,
        })
    }
}

fn check_size(size: u64) -> Result<usize, ServePlanError> {
    let size = Some(size).filter(|size| (1..=SIZE_MAX).contains(size));
    size.and_then(|size| usize::try_from(size).ok()).ok_or(ServePlanError::Size)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn plan(line: &str) -> Result<Plan, ServePlanError> {
        let words = ["loadgen", "serve"].into_iter().chain(line.split_whitespace());
        let command = Cli::try_parse_from(words).unwrap().into_command();
        let Command::Serve(flags) = command else { panic!("{command:?}") };
        Plan::new(&flags)
    }

    #[test]
    fn a_message_has_64_bytes_where_the_protocol_does_not_say() {
        let size = |line: &str| plan(line).map(|plan| plan.size);
        assert_eq!(size(""), Ok(Some(64)));
        assert_eq!(size("unix:/tmp/x --size 16MiB"), Ok(Some(16_777_216)));
        assert_eq!(size("udp://127.0.0.1:0"), Ok(None));
        assert_eq!(size("http://127.0.0.1:0"), Ok(None));
    }

    #[test]
    fn what_cannot_be_together_is_refused() {
        let check = |line: &str, error| assert_eq!(plan(line), Err(error), "{line}");
        check("udp://127.0.0.1:0 --size 64", ServePlanError::NoSize("udp://"));
        check("http://127.0.0.1:0 --size 64", ServePlanError::NoSize("http://"));
        check("--size 0", ServePlanError::Size);
        check("--size 17MiB", ServePlanError::Size);
        check("udp://127.0.0.1:0 --close-after 1", ServePlanError::NoConnections("--close-after"));
        check("udp://127.0.0.1:0 --slow-accept 1s", ServePlanError::NoConnections("--slow-accept"));
        check("--close-after 0", ServePlanError::CloseAfter);
        check("--slow-accept 2h", ServePlanError::SlowAccept);
    }
}
