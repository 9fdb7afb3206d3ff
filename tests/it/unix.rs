//! Unix sockets: the file that stands for one, and the bytes through it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::process::Signal;

use crate::support::launch::{check_refused, tidemill};
use crate::support::server::{Server, unix};
use crate::support::{Folder, Random, streams, text};

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[track_caller]
fn check_serves(path: &Path) {
    streams::ping(&mut streams::unix(path), b"over a Unix socket");
}

/// The file is there as soon as the server is ready, with the mode that the configuration asks for, serves every
/// shard's clients, and goes with the server.
#[test]
fn the_file_comes_and_goes_with_the_server() {
    let folder = Folder::new();
    let path = folder.path("t.sock");
    let config = format!("[[listener]]\naddress = \"unix:{}\"\nmode = \"620\"\n", text(&path));
    let server = Server::start(&["--config", text(&folder.write("t.toml", &config)), "--shards", "2"]);
    assert!(is_socket(&path));
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o620);
    for _ in 0..10 {
        check_serves(&path);
    }
    server.stop_clean();
    assert!(!path.exists());
}

/// A file that a killed server left behind is replaced.
#[test]
fn a_stale_file_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("t.sock");
    let killed = Server::listen(&[&unix(&path)], &[]);
    killed.signal(Signal::KILL);
    assert_eq!(killed.wait().code, None, "a signal ended it");
    assert!(is_socket(&path), "nobody could remove it");
    let server = Server::listen(&[&unix(&path)], &[]);
    check_serves(&path);
    server.stop_clean();
    assert!(!path.exists());
}

/// A path at which a server answers is left to it, and so is a file that is no socket.
#[test]
fn what_belongs_to_somebody_is_refused() {
    let folder = Folder::new();
    let path = folder.path("t.sock");
    let server = Server::listen(&[&unix(&path)], &[]);
    check_refused(tidemill(&["--listen", &unix(&path)]), 3, "is in use by another process");
    check_serves(&path);
    let letters = folder.write("letters", "precious");
    check_refused(tidemill(&["--listen", &unix(&letters)]), 3, "is not a socket");
    assert_eq!(fs::read_to_string(&letters).expect("it is there"), "precious");
    let nowhere = unix(&folder.path("no/t.sock"));
    check_refused(tidemill(&["--listen", &nowhere]), 3, "does not exist. Try: mkdir -p");
    server.stop_clean();
}

/// 16 MiB from each of four clients at once come back whole.
#[test]
fn megabytes_come_back_to_several_clients() {
    let folder = Folder::new();
    let path = folder.path("t.sock");
    let server = Server::listen(&[&unix(&path)], &["--shards", "2"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut random = Random::new();
                let sent = random.bytes(16 << 20);
                streams::check_whole_echo(&streams::unix(&path), &sent, &mut random);
            });
        }
    });
    server.stop_clean();
}

/// An end that comes right behind many bytes is seen each time. On the lower tiers, a multishot receive missed it now
/// and then on Unix sockets (axboe/liburing#1549), and the connection stood still for ever; many clients at once make
/// that likely.
#[test]
fn an_end_right_behind_the_bytes_is_seen() {
    for tier in ["6.1", "6.12"] {
        let folder = Folder::new();
        let path = folder.path("t.sock");
        let server = Server::listen(&[&unix(&path)], &["--engine-max", tier]);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut random = Random::new();
                    let sent = random.bytes(1_000_003);
                    for _ in 0..40 {
                        streams::check_whole_echo(&streams::unix(&path), &sent, &mut random);
                    }
                });
            }
        });
        server.stop_clean();
    }
}
