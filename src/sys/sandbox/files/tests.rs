//! What is opened for a file; what the kernel then refuses, tests/sandbox shows.

#![allow(unsafe_code, reason = "a ring is given an address")]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tidemill-openings-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::canonicalize(folder).unwrap()
}

#[track_caller]
fn check(file: &Path, expected: &[&Path]) {
    assert_eq!(places(file), expected);
}

#[test]
fn a_file_is_read_wherever_it_is_put_in_its_folder() {
    check("/nowhere/to be/found.pem".as_ref(), &["/nowhere/to be".as_ref()]);
    check("found.pem".as_ref(), &[".".as_ref()]);
    let folder = folder("plain");
    let file = folder.join("key.pem");
    fs::write(&file, "").unwrap();
    check(&file, &[&folder, &folder]);
    fs::remove_dir_all(folder).unwrap();
}

/// As certbot keeps certificates: the name is a link into another folder.
#[test]
fn what_a_link_leads_to_is_read_there() {
    let (live, archive) = (folder("live"), folder("archive"));
    fs::write(archive.join("key1.pem"), "").unwrap();
    symlink(archive.join("key1.pem"), live.join("key.pem")).unwrap();
    check(&live.join("key.pem"), &[&live, &archive]);
    for folder in [live, archive] {
        fs::remove_dir_all(folder).unwrap();
    }
}

/// Else the whole tree would be open.
#[test]
fn of_the_root_folder_the_file_alone_is_read() {
    check("/tidemill-nowhere.toml".as_ref(), &["/tidemill-nowhere.toml".as_ref()]);
}

/// Shuts a thread off, and only that one, and has it do something. Without Landlock there is nothing to be seen.
fn shut<T: Send>(openings: &Openings, act: impl FnOnce(Walls) -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let behind = scope.spawn(|| {
            let walls = shut_off(openings).unwrap();
            walls.files.then(|| act(walls))
        });
        behind.join().unwrap()
    })
}

#[track_caller]
fn check_refused<T: std::fmt::Debug>(outcome: io::Result<T>) {
    let error = outcome.expect_err("it is refused").kind();
    assert_eq!(error, io::ErrorKind::PermissionDenied);
}

/// What was named is read, whenever it is put there; all else is neither read, nor written, nor run.
#[test]
fn files_that_were_not_named_are_shut_off() {
    let (open, closed) = (folder("open"), folder("closed"));
    let (named, beside, other) = (open.join("named"), open.join("beside"), closed.join("other"));
    for file in [&named, &beside, &other] {
        fs::write(file, "content").unwrap();
    }
    let openings = Openings { files: vec![named.clone()], ..Openings::default() };
    shut(&openings, |_| {
        assert_eq!(fs::read_to_string(&named).unwrap(), "content");
        assert_eq!(fs::read_to_string(&beside).unwrap(), "content");
        assert!(!fs::read_to_string("/proc/self/stat").unwrap().is_empty());
        // Of the program itself, for a trace of a crash, and of nothing beside it.
        let program = std::env::current_exe().unwrap();
        assert!(fs::File::open(&program).is_ok());
        check_refused(fs::read_dir(program.parent().unwrap()));
        check_refused(fs::read(&other));
        check_refused(fs::read("/etc/passwd"));
        check_refused(fs::read_dir(&open));
        check_refused(fs::write(&named, "spoils"));
        check_refused(fs::write(open.join("new"), "spoils"));
        check_refused(fs::remove_file(&named));
        check_refused(fs::create_dir(open.join("folder")));
        check_refused(std::process::Command::new("/bin/true").status());
        check_refused(std::os::unix::net::UnixListener::bind(open.join("socket")));
    });
    for folder in [open, closed] {
        fs::remove_dir_all(folder).unwrap();
    }
}

/// Sockets are made and removed where the configuration has them, and files there are not read.
#[test]
fn sockets_are_made_where_they_were_named() {
    let folder = folder("sockets");
    let (socket, secret) = (folder.join("socket"), folder.join("secret"));
    fs::write(&secret, "content").unwrap();
    let openings = Openings { sockets: vec![socket.clone()], ..Openings::default() };
    shut(&openings, |_| {
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        fs::remove_file(&socket).unwrap();
        check_refused(fs::read(&secret));
    });
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn ports_and_peers_that_were_not_named_are_shut_off() {
    use std::net::{TcpListener, TcpStream};
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let named = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let openings = Openings { ports: vec![named.port()], ..Openings::default() };
    shut(&openings, |walls| {
        if walls.ports {
            TcpListener::bind(named).unwrap();
            check_refused(TcpListener::bind(elsewhere));
            check_refused(TcpStream::connect(listener.local_addr().unwrap()));
        }
    });
}

/// A port that the system chooses is not known before, and nobody is connected to all the same.
#[test]
fn any_port_is_listened_at_where_the_system_chooses() {
    use std::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let openings = Openings { ports: vec![0, 7001], ..Openings::default() };
    shut(&openings, |walls| {
        let chosen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        TcpListener::bind(chosen).unwrap();
        if walls.ports {
            check_refused(TcpStream::connect(listener.local_addr().unwrap()));
        }
    });
}

/// A name in the abstract space is no file, and a process no name: they have walls of their own.
#[test]
fn processes_outside_are_shut_off() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    let name = SocketAddr::from_abstract_name(format!("tidemill-{}", std::process::id())).unwrap();
    let _listener = UnixListener::bind_addr(&name).unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    shut(&Openings::default(), |walls| {
        if walls.processes {
            check_refused(UnixStream::connect_addr(&name));
            check_refused(rustix::process::test_kill_process(pid).map_err(io::Error::from));
        }
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A ring meets the same wall, where a filter of system calls would see nothing.
#[test]
fn a_ring_leads_to_no_file() {
    if io_uring::IoUring::new(2).is_err() {
        return; // This host has none to be led by.
    }
    let folder = folder("ring");
    let named = folder.join("named");
    fs::write(&named, "content").unwrap();
    let openings = Openings { files: vec![named], ..Openings::default() };
    let paths = [folder.join("named"), "/etc/passwd".into()];
    let opened = shut(&openings, |_| paths.map(|path| open_by_ring(&path)));
    if let Some([named, other]) = opened {
        assert!(0 <= named, "{named}");
        assert_eq!(other, -libc::EACCES);
    }
    fs::remove_dir_all(folder).unwrap();
}

/// A descriptor, or the error's number below zero.
fn open_by_ring(path: &Path) -> i32 {
    use std::os::unix::ffi::OsStrExt;
    let mut ring = io_uring::IoUring::new(2).unwrap();
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    let entry = io_uring::opcode::OpenAt::new(io_uring::types::Fd(libc::AT_FDCWD), path.as_ptr()).build();
    // SAFETY: the path lives until the entry has answered, which is waited for below.
    unsafe { ring.submission().push(&entry) }.unwrap();
    ring.submit_and_wait(1).unwrap();
    ring.completion().next().unwrap().result()
}
