//! Why a load cannot be as it was asked for.

use std::net::IpAddr;

use tidemill::config::units::show_duration;

use super::{IN_FLIGHT_MAX, RATE_MAX, TIME_MAX};
use crate::target::ECHO_PATH;
use crate::traffic::pattern::HEADER_BYTES;

/// Flags that cannot be done together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Something is zero that must not be.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// Something is more than there can be.
    #[error("{what} is at most {max}")]
    TooMany {
        /// The flag.
        what: &'static str,
        /// Its limit.
        max: u64,
    },
    /// Nothing would be measured.
    #[error("{0} must be longer than 0s")]
    NoTime(&'static str),
    /// A time in which nobody waits for a result.
    #[error("{0} is at most {max}", max = show_duration(TIME_MAX))]
    TooLong(&'static str),
    /// Connections times depth.
    #[error(
        "--connections times --depth is at most {IN_FLIGHT_MAX}, since every message in flight is remembered"
    )]
    TooManyInFlight,
    /// A datagram that could not say which one it is.
    #[error(
        "a datagram has at least {HEADER_BYTES} bytes here, which say which one it is. Try: --size {HEADER_BYTES}"
    )]
    DatagramTooSmall,
    /// UDP and a congestion control.
    #[error("--congestion is for TCP only: tcp://, tls://, http://, https://, ws:// and wss://")]
    NoCongestion,
    /// A size of content where there is none.
    #[error(
        "--size is for messages that come back, and a GET of {0} sends none. Try: {echo}, or {0} without --size",
        echo = ECHO_PATH
    )]
    NoContent(String),
    /// Many large messages that have to be written before they are sent.
    #[error(
        "--connections times --size is at most 4GiB here, since each connection writes its messages in memory"
    )]
    TooManyBytes,
    /// More messages in flight on a connection than it carries.
    #[error("--depth is more than the requests that each connection carries. Try: --depth 1")]
    DepthAndReconnect,
    /// UDP and connections.
    #[error("--reconnect and --requests-per-connection are for connections, and udp:// has none")]
    NoConnections,
    /// No thread sends as fast.
    #[error("--rate is at most {RATE_MAX:.0}/s")]
    TooFast,
    /// A change over a time that nobody knows.
    #[error("--rate A..B changes over --duration, and --count has none. Try: one rate, or --duration")]
    RampAndCount,
    /// A source where there are no addresses.
    #[error("--source is for IP addresses, and a Unix socket has none")]
    NoSource,
    /// IPv4 to IPv6, or the reverse.
    #[error("--source {from} cannot reach {target}: one is IPv4 and the other IPv6")]
    OtherFamily {
        /// The source.
        from: IpAddr,
        /// The server.
        target: IpAddr,
    },
    /// A flag of TLS where there is none.
    #[error("{0} is for tls://, https:// and wss:// only")]
    NotSecure(&'static str),
    /// Nobody is to be trusted, or everybody: it must be said.
    #[error(
        "{0} needs to know whom to trust. Try: --tls-ca with the file of the server's authority, or --insecure to take \
         any certificate"
    )]
    NoTrust(&'static str),
    /// An authority, and everybody.
    #[error("--tls-ca and --insecure contradict each other: leave one of them out")]
    TrustTwice,
    /// Both were given, and they disagree.
    #[error(
        "--threads {threads} and --cores disagree: {} listed, and each thread has its own",
        if *.cores == 1 { "1 core is".to_owned() } else { format!("{cores} cores are") }
    )]
    ThreadsAndCores {
        /// Threads asked for.
        threads: usize,
        /// Cores listed.
        cores: usize,
    },
    /// More threads than cores.
    #[error(
        "--threads {threads} are more than the {} that this process may use",
        if *.cores == 1 { "one core".to_owned() } else { format!("{cores} cores") }
    )]
    TooFewCores {
        /// Threads asked for.
        threads: usize,
        /// Cores allowed.
        cores: usize,
    },
    /// A thread would have nothing to do.
    #[error("--threads {0} need at least as many --connections")]
    TooFewConnections(usize),
}
