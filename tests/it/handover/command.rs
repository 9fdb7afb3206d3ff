//! `tidemill upgrade`: one sentence and an exit code for each way in which a hand-over can go, and no signal for strangers.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use super::*;
use crate::supervised::{handle, passed};
use crate::support::launch::{Ended, can_run, check_sentence, run, tidemill};
use crate::support::skip;

#[track_caller]
fn upgrade(pid: Pid) -> Ended {
    run(tidemill(&["upgrade", "--pid", &number(pid)]))
}

fn number(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

/// What a process is called in ps(1).
fn name_of(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{}/comm", number(pid))).expect("it runs, and is ours").trim().to_owned()
}

/// A server whose clients end nothing by themselves, so that a drain takes its time.
fn patient(program: &Path) -> Command {
    let mut command = serve(program, &["tcp://127.0.0.1:0"]);
    command.args(["--linger-timeout", "5m"]);
    command
}

#[test]
fn it_says_who_serves_now() {
    let mut line = Line::begin(patient(BINARY.as_ref()));
    let first = line.pid;
    // It stays when it is told to go, and so does the process.
    let mut client = streams::tcp(line.first.tcp_address());
    streams::ping(&mut client, b"hello");
    assert_eq!(name_of(first), "tidemill");
    let ended = upgrade(first);
    line.pid = line.first.await_successor();
    let said = format!("process {} serves now; {} drains", number(line.pid), number(first));
    check_sentence(&ended, 0, &said);
    assert_eq!((name_of(first).as_str(), name_of(line.pid).as_str()), ("tidemill-drain", "tidemill"));

    let said = format!(
        "process {} drains, since process {next} has taken over. Try: tidemill upgrade --pid {next}",
        number(first),
        next = number(line.pid)
    );
    check_sentence(&upgrade(first), 3, &said);
    assert_eq!(client.read(&mut [0; 8]).expect("an end, and no reset"), 0);
    drop(client);
    eventually("the predecessor has ended", || has_ended(first));
    // The one that serves can be replaced in its turn.
    let second = line.pid;
    check_sentence(&upgrade(second), 0, &format!("serves now; {} drains", number(second)));
    line.pid = line.first.await_successor();
}

#[test]
fn it_says_why_nobody_else_serves() {
    let folder = Folder::new();
    let program = installed(&folder);
    let server = Server::launch(patient(&program));
    let pid = server.pid();
    let serves_on = format!("and {} serves on: its log says why", number(pid));
    replace(&folder, &program, "#!/bin/sh\nexit 7\n");
    for _ in 0..3 {
        let ended = upgrade(pid);
        check_sentence(&ended, 1, "did not come to serve (exit status: 7), ");
        check_sentence(&ended, 1, &serves_on);
    }
    fs::remove_file(&program).expect("it is ours");
    let ended = upgrade(pid);
    check_sentence(&ended, 1, "no process can be started (");
    check_sentence(&ended, 1, &serves_on);
    streams::ping(&mut streams::tcp(server.tcp_address()), b"hello");
    server.stop_clean();
}

/// A successor that fails when it has the sockets already leaves them and their files as they are, and says why.
#[test]
fn one_that_fails_late_says_why_and_leaves_all() {
    let folder = Folder::new();
    let path = folder.path("echo.sock");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("it has one");
    let head = format!("[[listener]]\naddress = \"{}\"\n", unix(&path));
    let file = folder.write("tidemill.toml", &head);
    let mut command = Command::new(BINARY);
    command.args(["--config", text(&file), "--shards", "2"]);
    on_engine(&mut command);
    let server = Server::launch(command);
    let more = format!("{head}[[listener]]\naddress = \"tcp://{taken}\"\n");
    folder.write("tidemill.toml", &more);
    for _ in 0..3 {
        check_sentence(&upgrade(server.pid()), 1, "did not come to serve (exit status: 3), ");
        server.await_line("is taken by another process");
        streams::ping(&mut streams::unix(&path), b"hello");
    }
    server.stop_clean();
    assert!(!path.exists(), "the file goes with the server");
}

/// What a supervisor has opened stays its own, however often the server is replaced; what the server has opened beside it goes
/// with the last one.
#[test]
fn a_supervisors_file_is_left_to_it() {
    let folder = Folder::new();
    let [theirs, ours] = ["theirs.sock", "ours.sock"].map(|name| folder.path(name));
    let listener = UnixListener::bind(&theirs).expect("a path");
    let arguments = ["--listen", &unix(&theirs), "--listen", &unix(&ours)];
    let first = Server::launch_from(passed(1, &arguments), handle(&listener));
    let mut line = Line { pid: first.pid(), first };
    for _ in 0..2 {
        let last = line.pid;
        check_sentence(&upgrade(last), 0, "serves now");
        line.pid = line.first.await_successor();
        eventually("the predecessor has ended", || has_ended(last));
        streams::ping(&mut streams::unix(&theirs), b"hello");
        streams::ping(&mut streams::unix(&ours), b"hello");
    }
    kill_process(line.pid, Signal::TERM).expect("it is ours");
    eventually("it has ended", || has_ended(line.pid));
    assert!(theirs.exists(), "the file is whose who made it");
    assert!(!ours.exists(), "nobody needs it any more");
}

/// Somebody has ended the process that starts others.
#[test]
fn it_says_that_nobody_can_be_started() {
    let server = Server::launch(patient(BINARY.as_ref()));
    let launcher = server.launcher();
    kill_process(launcher, Signal::KILL).expect("it is ours");
    eventually("it has ended", || has_ended(launcher));
    for _ in 0..2 {
        let ended = upgrade(server.pid());
        check_sentence(&ended, 1, "(the process that starts others has ended. Try: a restart), and ");
    }
    streams::ping(&mut streams::tcp(server.tcp_address()), b"hello");
    server.stop_clean();
}

/// While a successor is awaited there is no second one; and a stop ends the first one, which whoever has asked for it is told.
#[test]
fn one_hand_over_at_a_time() {
    let folder = Folder::new();
    let program = installed(&folder);
    let server = Server::launch(patient(&program));
    let pid = server.pid();
    replace(&folder, &program, "#!/bin/sh\nexec sleep 600\n");
    let asks = std::thread::spawn(move || upgrade(pid));
    server.await_line("is to take over");
    check_sentence(&upgrade(pid), 3, "is being replaced already: process ");
    server.stop_clean();
    let ended = asks.join().expect("it ends");
    check_sentence(&ended, 1, "was asked to stop meanwhile, and no other takes over");
    check_sentence(&upgrade(pid), 3, &format!("there is no process {}", number(pid)));
}

#[test]
fn strangers_are_sent_no_signal() {
    let mut stranger = Command::new("sleep").arg("600").spawn().expect("it can be started");
    let pid = Pid::from_child(&stranger);
    check_sentence(&upgrade(pid), 3, "is no server of this program that serves, and is sent no signal");
    assert!(stranger.try_wait().expect("it is ours").is_none(), "SIGUSR2 would have ended it");
    stranger.kill().expect("it is ours");
    stranger.wait().expect("it is ours");
    // The test itself blocks no signal, either.
    check_sentence(&upgrade(Pid::from_child(&stranger)), 3, "there is no process ");
}

/// A draining process that was asked to stop is not asked to hand over.
#[test]
fn who_stops_is_not_replaced() {
    let server = Server::launch(patient(BINARY.as_ref()));
    let mut client = streams::tcp(server.tcp_address());
    streams::ping(&mut client, b"hello");
    server.signal(Signal::TERM);
    assert_eq!(client.read(&mut [0; 8]).expect("an end, and no reset"), 0);
    check_sentence(&upgrade(server.pid()), 3, "was asked to stop, and drains");
    assert_eq!(name_of(server.pid()), "tidemill-drain");
    drop(client);
    assert_eq!(server.wait().code, Some(0));
}

/// Without a number it must be clear who is meant.
#[test]
fn several_servers_are_listed() {
    let servers = [(); 2].map(|()| Server::launch(patient(BINARY.as_ref())));
    let ended = run(tidemill(&["upgrade"]));
    check_sentence(&ended, 3, "several servers run here: ");
    for server in servers {
        assert!(ended.stderr.contains(&number(server.pid())), "{ended:#?}");
        server.stop_clean();
    }
}

/// In a namespace of its own there is one server, which needs no number.
#[test]
fn the_only_server_needs_no_number() {
    const ALONE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !can_run("unshare", &[&ALONE[..], &["true"]].concat()) {
        return skip("this user may not have a namespace of processes (run it as root)");
    }
    // Until it serves there is nobody to ask. The first process of the namespace is the shell.
    let script = "\"$1\" --listen tcp://127.0.0.1:0 --shards 1 2>/dev/null &\n\
                  while said=$(\"$1\" upgrade 2>&1); code=$?; [ $code = 3 ]; do :; done\n\
                  echo \"$said\"; exit $code";
    let mut command = Command::new("unshare");
    command.args(ALONE).args(["bash", "-c", script, "bash", BINARY]);
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains(" serves now; ") && ended.stdout.contains(" drains"), "{ended:#?}");
}

/// A container ends with its first process: one that is it hands over to nobody.
#[test]
fn the_first_process_of_a_container_is_not_replaced() {
    const ALONE: [&str; 3] = ["--pid", "--fork", "--kill-child"];
    if !can_run("unshare", &[&ALONE[..], &["true"]].concat()) {
        return skip("this user may not have a namespace of processes (run it as root)");
    }
    let mut command = Command::new("unshare");
    command.args(ALONE).arg(BINARY).args(["--listen", "tcp://127.0.0.1:0", "--shards", "1"]);
    let server = Server::launch(command);
    let outer = number(server.pid());
    let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).expect("it is ours");
    let inner = children.trim().parse().ok().and_then(Pid::from_raw).expect("it has one");
    check_sentence(&upgrade(inner), 3, "is the first of its container, which would end with it");
    kill_process(inner, Signal::TERM).expect("it runs, and is ours");
    assert_eq!(server.wait().code, Some(0));
}

/// Who may not look into a process may not have it replaced.
#[test]
fn another_users_server_is_left_alone() {
    const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    if !can_run("setpriv", &[&NOBODY[..], &[BINARY, "--version"]].concat()) {
        return skip(
            "this user may not become another one, or that one may not run the program (run it as root)",
        );
    }
    let server = Server::launch(patient(BINARY.as_ref()));
    let mut command = Command::new("setpriv");
    command.args(NOBODY).args([BINARY, "upgrade", "--pid", &number(server.pid())]);
    check_sentence(&run(command), 3, "belongs to another user. Try: sudo tidemill upgrade --pid ");
    server.stop_clean();
}
