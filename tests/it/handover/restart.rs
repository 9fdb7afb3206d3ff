//! A restart by signals alone, where somebody else holds the sockets, as systemd does: between two processes clients wait in the
//! backlog, and none is refused, reset or left alone.
//!
//! By default there are a few restarts; `TIDEMILL_HANDOVERS=50` asks for more.

use std::os::fd::OwnedFd;

use super::*;
use crate::supervised::{handle, passed};

/// Each process is asked to stop while clients come, and the next one is started when it has ended.
#[test]
fn nobody_is_lost_when_a_supervisor_restarts_it() {
    let count = std::env::var("TIDEMILL_HANDOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    let start = || {
        let mut arguments =
            vec!["--listen".to_owned(), format!("tcp://{address}"), "--shards".into(), "2".into()];
        arguments.extend(["--drain-timeout".into(), "20s".into()]);
        arguments.extend(engine().into_iter().flat_map(|engine| ["--engine".to_owned(), engine]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Server::launch_from(passed(1, &arguments), handle(&listener))
    };
    let mut server = start();
    let crowd = Crowd::begin(address);
    for _ in 0..count {
        crowd.await_more(50);
        server.stop_clean();
        server = start();
    }
    crowd.await_more(50);
    let served = crowd.end();
    server.stop_clean();
    say(&format!("{served} clients were served during {count} restarts"));
}

/// A supervisor may pass more sockets of an address than there are shards: each takes from several.
#[test]
fn more_sockets_than_shards_are_all_taken_from() {
    // A group of two, as ReusePort=yes makes one.
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    let [one, other] = [(); 2].map(|()| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.set_reuse_port(true).expect("it is not bound yet");
        socket.bind(&address.into()).expect("the port is free, or ours");
        socket.listen(128).expect("it is bound");
        address = socket.local_addr().ok().and_then(|local| local.as_socket()).expect("it has one");
        OwnedFd::from(socket)
    });
    let script = "exec 3<&0 4<&1 1>&2; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\" </dev/null";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash", BINARY, "--listen", &format!("tcp://{address}"), "--shards", "1"]);
    on_engine(&mut command);
    let server = Server::launch_between(command, one.into(), other.into());
    // The kernel chooses by a hash of both ends: 40 clients miss one of two once in 10^12 runs.
    (0..40).for_each(|_| visit(address));
    server.stop_clean();
}
