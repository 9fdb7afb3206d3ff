//! Which processes of this host listen at an address, as far as this process may see.
//!
//! The kernel lists listening sockets with their inodes, and each process's descriptors with the inodes of their
//! sockets. A server on io_uring may have its sockets in a ring's table only; that table stands in the ring's `fdinfo`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use tidemill::sys::address::Listen;

/// Most processes that are looked at.
const PROCESSES_MAX: usize = 8192;
/// Most descriptors of one process that are looked at; listening sockets are among the first.
const DESCRIPTORS_MAX: usize = 4096;
/// Most bytes of a ring's table that are looked at.
const RING_BYTES_MAX: u64 = 256 << 10;
/// Most bytes of a list of sockets that are looked at.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// The processes that listen there. Best effort: those of other users can be seen by root only.
pub fn listening_processes(listen: &Listen) -> Vec<u32> {
    let inodes = inodes(listen);
    if inodes.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.take(PROCESSES_MAX).filter(|pid| has_socket(*pid, &inodes)).collect()
}

/// Whether the address is one of this host's.
pub fn is_local(listen: &Listen) -> bool {
    let Some(target) = listen.ip() else { return true };
    if target.ip().is_loopback() || target.ip().is_unspecified() {
        return true;
    }
    // Connecting a socket for datagrams sends none: it only chooses a route, which to oneself begins where it ends.
    let any = if target.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let chosen = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(target)?;
        socket.local_addr()
    });
    chosen.is_ok_and(|chosen| chosen.ip() == target.ip())
}

/// The inodes of the sockets that listen there; with SO_REUSEPORT there are several.
fn inodes(listen: &Listen) -> BTreeSet<u64> {
    let read = |path: &str| text(Path::new(path), LIST_BYTES_MAX);
    match listen {
        Listen::Tcp(address) => [read("/proc/net/tcp"), read("/proc/net/tcp6")]
            .iter()
            .flat_map(|text| bound(text, *address, "0A"))
            .collect(),
        Listen::Udp(address) => [read("/proc/net/udp"), read("/proc/net/udp6")]
            .iter()
            .flat_map(|text| bound(text, *address, "07"))
            .collect(),
        Listen::Unix(path) => bound_path(&read("/proc/net/unix"), path),
    }
}

/// Whether a process has one of these sockets.
fn has_socket(pid: u32, inodes: &BTreeSet<u64>) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries.flatten().take(DESCRIPTORS_MAX).any(|entry| {
        let Ok(target) = fs::read_link(entry.path()) else { return false };
        let target = target.to_string_lossy();
        if target == "anon_inode:[io_uring]" {
            let path = format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_string_lossy());
            return text(Path::new(&path), RING_BYTES_MAX).lines().any(|line| names_socket(line, inodes));
        }
        names_socket(&target, inodes)
    })
}

/// Whether the text ends with the name of one of these sockets, as in `socket:[1165]`.
fn names_socket(text: &str, inodes: &BTreeSet<u64>) -> bool {
    let inode = text.rsplit_once("socket:[").and_then(|(_, rest)| rest.trim_end().strip_suffix(']'));
    inode.and_then(|inode| inode.parse().ok()).is_some_and(|inode| inodes.contains(&inode))
}

/// Inodes in a list of sockets (proc_net(5)) that are in this state and take what is sent to the address.
fn bound(list: &str, address: SocketAddr, state: &str) -> Vec<u64> {
    let inode = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = socket_address(fields.next()?)?;
        let _remote = fields.next()?;
        (fields.next()? == state && takes(local, address)).then_some(())?;
        // Queues, timer, retransmissions, user and time-out stand between.
        fields.nth(5)?.parse().ok()
    };
    list.lines().skip(1).filter_map(inode).filter(|inode| *inode != 0).collect()
}

/// Whether a socket that is bound to `local` takes what is sent to `address`.
fn takes(local: SocketAddr, address: SocketAddr) -> bool {
    let everything = match local.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && address.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified(), // Of both families, unless it was told otherwise.
    };
    local.port() == address.port() && (everything || local.ip().to_canonical() == address.ip().to_canonical())
}

/// An address as the kernel prints it: words of 32 bits as they lie in memory, in hexadecimal, and the port.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = address.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::from(bytes)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Inodes of Unix sockets that listen at this path.
fn bound_path(list: &str, path: &Path) -> BTreeSet<u64> {
    /// `__SO_ACCEPTCON` of the kernel's `include/linux/net.h`.
    const LISTENS: u32 = 1 << 16;
    let inode = |line: &str| {
        // Num, RefCount, Protocol, Flags, Type, State, Inode, and the path, which may contain spaces.
        let mut fields = line.split_whitespace();
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        let inode = fields.nth(2)?;
        let (_, bound) = line.split_once(&format!(" {inode} "))?;
        (flags & LISTENS != 0 && Path::new(bound) == path).then(|| inode.parse().ok())?
    };
    list.lines().skip(1).filter_map(inode).collect()
}

/// The beginning of a file; empty when it cannot be read.
fn text(path: &Path, bytes_max: u64) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was read before an error is as good as the beginning of a longer file.
        let _ = file.take(bytes_max).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::process;

    use super::*;

    /// Lines as a kernel printed them on x86-64.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1165 1 0 100 0 0 10 0\n\
   1: 0100007F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2077 1 0 100 0 0 10 0\n\
   2: 0100007F:1B58 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3001 1 0 100 0 0 10 0\n";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 00000000000000000000000000000000:1B58 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0 0 10 0\n\
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_sockets_are_found_by_address() {
        let check = |list: &str, address: &str, expected: &[u64]| {
            assert_eq!(bound(list, address.parse().unwrap(), "0A"), expected, "{address}");
        };
        check(TCP, "127.0.0.1:7000", &[2077]);
        check(TCP, "127.0.0.2:7000", &[]);
        check(TCP, "192.0.2.1:2024", &[1165]);
        check(TCP, "127.0.0.1:7001", &[]);
        check(TCP6, "[::1]:8080", &[42]);
        check(TCP6, "127.0.0.1:7000", &[41]);
        check("", "127.0.0.1:7000", &[]);
    }

    #[test]
    fn unix_sockets_are_found_by_path() {
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            00000000628ae77a: 00000003 00000000 00000000 0001 03  1161\n\
            000000004580391a: 00000002 00000000 00010000 0001 01  1162 /run/a server.sock\n\
            000000004580391b: 00000003 00000000 00000000 0001 03  1163 /run/a server.sock\n";
        assert_eq!(bound_path(list, Path::new("/run/a server.sock")), BTreeSet::from([1162]));
        assert!(bound_path(list, Path::new("/run/other.sock")).is_empty());
    }

    #[test]
    fn sockets_have_names_in_both_places() {
        let inodes = BTreeSet::from([1165]);
        assert!(names_socket("socket:[1165]", &inodes));
        assert!(names_socket("    0: socket:[1165]\n", &inodes));
        assert!(!names_socket("socket:[116]", &inodes) && !names_socket("pipe:[1165]", &inodes));
    }

    #[test]
    fn this_process_is_found_where_it_listens() {
        // A child of another test may have the same sockets for a moment.
        let finds = |listen: &Listen| listening_processes(listen).contains(&process::id());
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(finds(&Listen::Tcp(tcp.local_addr().unwrap())));
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(finds(&Listen::Udp(udp.local_addr().unwrap())));
        let path = std::env::temp_dir().join(format!("loadgen-listeners-{}", process::id()));
        let unix = UnixListener::bind(&path).unwrap();
        assert!(finds(&Listen::Unix(path.clone())));
        drop(unix);
        fs::remove_file(path).unwrap();
        assert!(!finds(&"tcp://192.0.2.1:1".parse().unwrap()));
    }

    #[test]
    fn only_addresses_of_this_host_are_local() {
        assert!(is_local(&"tcp://127.0.0.3:1".parse().unwrap()));
        assert!(is_local(&"unix:/run/t".parse().unwrap()));
        // Documentation addresses (RFC 5737) belong to nobody.
        assert!(!is_local(&"tcp://192.0.2.1:1".parse().unwrap()));
    }
}
