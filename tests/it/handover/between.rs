//! What may happen between the start of a successor and its first client: at each moment one of the two serves.

use std::net::TcpListener;

use super::*;
use crate::support::launch::{check_sentence, run, tidemill};

fn number(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

/// The process that was started to take over.
#[track_caller]
fn await_started(server: &Server) -> Pid {
    let said = server.await_line("is to take over");
    let words = said.last().expect("it was said").split_whitespace();
    let number = words.skip_while(|word| *word != "process").nth(1).and_then(|word| word.parse().ok());
    number.and_then(Pid::from_raw).expect("it says which")
}

/// A script that takes the place of the program: with `$question` and `$answer`, the descriptors of its ways to the predecessor.
fn scripted(rest: &str) -> String {
    format!(
        "#!/bin/bash\nways=${{TIDEMILL_HANDOVER%%:*}}; question=${{ways%,*}}; answer=${{ways#*,}}\n{rest}\n"
    )
}

/// Successors that have more shards, and fail early and late: no client comes to a socket that goes with them.
#[test]
fn one_that_fails_has_nobody_to_lose() {
    let folder = Folder::new();
    let address = SocketAddr::from(([127, 0, 0, 1], quiet_port()));
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("tcp://{}", holder.local_addr().expect("it has one"));
    let echo = format!("tcp://{address}");
    let file = configured(&folder, 2, &[(&echo, "echo")]);
    let mut line = Line::begin(serve_file(&file));
    let crowd = Crowd::begin(address);
    let pages = format!("https://127.0.0.1:{}", quiet_port());
    for round in 0..6 {
        crowd.await_more(20);
        if round % 2 == 0 {
            configured(&folder, 8, &[(&echo, "echo"), (&taken, "echo")]);
        } else {
            // Files are read when the sockets are there.
            configured(&folder, 8, &[(&echo, "echo"), (&pages.replace("https", "tcp"), "http")]);
            let tls = "[listener.tls]\ncertificate = \"/dev/null\"\nkey = \"/dev/null\"\n";
            fs::write(&file, fs::read_to_string(&file).expect("it is ours") + tls).expect("it is ours");
        }
        line.ask();
        line.first.await_line("did not come to serve (exit status: 3), and this one serves on");
    }
    configured(&folder, 8, &[(&echo, "echo")]);
    line.hand_over();
    crowd.await_more(20);
    crowd.end();
}

/// While one waits for its answer, its predecessor is killed: it serves.
#[test]
fn the_place_of_one_that_dies_is_taken() {
    let address = SocketAddr::from(([127, 0, 0, 1], quiet_port()));
    let mut line = Line::begin(serve(BINARY.as_ref(), &[&format!("tcp://{address}")]));
    line.ask();
    let next = await_started(&line.first);
    line.first.hold();
    line.first.signal(Signal::KILL);
    line.pid = next;
    line.first.await_line("Stop it: ");
    visit(address);
    visit(address);
}

/// Whoever has asked for it is told who may serve now.
#[test]
fn of_one_that_dies_the_successor_is_named() {
    let folder = Folder::new();
    let program = installed(&folder);
    let server = Server::launch(serve(&program, &["tcp://127.0.0.1:0"]));
    replace(&folder, &program, "#!/bin/sh\nexec sleep 600\n");
    let pid = number(server.pid());
    let asks = {
        let pid = pid.clone();
        std::thread::spawn(move || run(tidemill(&["upgrade", "--pid", &pid])))
    };
    let next = await_started(&server);
    server.signal(Signal::KILL);
    let said = format!("process {pid} has ended, and process {}, which was to take over, ", number(next));
    check_sentence(&asks.join().expect("it ends"), 1, &said);
    kill_process(next, Signal::KILL).expect("it is ours");
}

/// A successor that is asked to stop before it serves does not take the place first, or both would be gone.
#[test]
fn one_that_is_stopped_before_it_serves_takes_nothing() {
    let folder = Folder::new();
    let program = installed(&folder);
    let server = Server::launch(serve(&program, &["tcp://127.0.0.1:0"]));
    // The signal waits, since a successor begins with a mask that blocks it.
    replace(&folder, &program, &format!("#!/bin/sh\nkill -TERM $$\nexec {BINARY} \"$@\"\n"));
    let ended = run(tidemill(&["upgrade", "--pid", &number(server.pid())]));
    check_sentence(&ended, 1, "did not come to serve (exit status: 143), and ");
    server.await_line("asked to stop before it served");
    streams::ping(&mut streams::tcp(server.tcp_address()), b"hello");
    server.stop_clean();
}

/// Nobody can end it, since the process that starts others is gone: it is told that it is not wanted.
#[test]
fn one_that_is_not_wanted_is_told() {
    let folder = Folder::new();
    let program = installed(&folder);
    let heard = folder.path("heard");
    let mut line = Line::begin(serve(&program, &["tcp://127.0.0.1:0"]));
    let launcher = line.first.launcher();
    replace(&folder, &program, &scripted(&format!("od -An -tu1 -N1 <&$answer >{}", text(&heard))));
    line.ask();
    await_started(&line.first);
    kill_process(launcher, Signal::KILL).expect("it is ours");
    eventually("it has ended", || has_ended(launcher));
    line.first.signal(Signal::TERM);
    eventually("it hears", || fs::read_to_string(&heard).is_ok_and(|text| text.trim() == "0"));
    line.first.await_line("stopping: ");
    line.pid = line.first.pid();
}

/// One that asks, and is not there for the answer, is as one that never asked.
#[test]
fn one_that_asks_and_ends_changes_nothing() {
    let folder = Folder::new();
    let program = installed(&folder);
    let server = Server::launch(serve(&program, &["tcp://127.0.0.1:0"]));
    let script = scripted("exec {answer}<&-; printf x >&$question; exec sleep 600");
    replace(&folder, &program, &script);
    for _ in 0..3 {
        let ended = run(tidemill(&["upgrade", "--pid", &number(server.pid())]));
        check_sentence(&ended, 1, "did not wait for the answer (signal: 9 (SIGKILL)), ");
        streams::ping(&mut streams::tcp(server.tcp_address()), b"hello");
    }
    server.stop_clean();
}

/// The process that starts others has done its work when another one serves: so whoever looks after the service hears of that
/// one's end, and not a process that nobody asks.
#[test]
fn nobody_is_left_between_a_successor_and_its_supervisor() {
    let mut line = Line::begin(serve(BINARY.as_ref(), &["tcp://127.0.0.1:0"]));
    let launcher = line.first.launcher();
    // Somebody who stays, so that the first one does, too.
    let mut client = streams::tcp(line.first.tcp_address());
    streams::ping(&mut client, b"hello");
    line.begin_hand_over();
    eventually("it has ended", || has_ended(launcher));
    drop(client);
}

/// More sockets than the soft limit of descriptors allows are passed on all the same, as the server has raised its own.
#[test]
fn many_sockets_go_over() {
    const LISTENERS: usize = 20;
    let folder = Folder::new();
    let addresses: Vec<String> =
        (0..LISTENERS).map(|_| format!("tcp://127.0.0.1:{}", quiet_port())).collect();
    let listeners: Vec<_> = addresses.iter().map(|address| (address.as_str(), "echo")).collect();
    let file = configured(&folder, 8, &listeners);
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -Sn 100; exec \"$@\"", "bash", BINARY, "--config", text(&file)]);
    command.args(["--connections", "64"]);
    on_engine(&mut command);
    let mut line = Line::begin(command);
    for _ in 0..2 {
        line.hand_over();
        for address in line.first.addresses("tcp://") {
            visit(address);
        }
    }
}

/// A release is a link that leads to another folder from now on.
#[test]
fn a_link_that_leads_elsewhere_is_followed() {
    let folder = Folder::new();
    let link = folder.path("current");
    for release in ["one", "two"] {
        fs::create_dir(folder.path(release)).expect("it is ours");
        place(BINARY.as_ref(), &folder.path(release).join("tidemill"));
    }
    std::os::unix::fs::symlink("one", &link).expect("it is ours");
    let mut line = Line::begin(serve(&link.join("tidemill"), &["tcp://127.0.0.1:0"]));
    fs::remove_file(&link).expect("it is ours");
    std::os::unix::fs::symlink("two", &link).expect("it is ours");
    line.hand_over();
    let runs = fs::read_link(format!("/proc/{}/exe", number(line.pid))).expect("it runs, and is ours");
    assert_eq!(runs, fs::canonicalize(folder.path("two").join("tidemill")).expect("it is there"));
}

/// The file that cannot be started is named.
#[test]
fn what_cannot_be_started_is_named() {
    let folder = Folder::new();
    let program = installed(&folder);
    let server = Server::launch(serve(&program, &["tcp://127.0.0.1:0"]));
    let plain = folder.write("plain", "no program\n");
    fs::rename(plain, &program).expect("it is ours");
    let ended = run(tidemill(&["upgrade", "--pid", &number(server.pid())]));
    check_sentence(&ended, 1, &format!("no process can be started ({}: Permission denied", text(&program)));
    server.stop_clean();
}

/// What the file says of a socket's file holds for one that was passed on, too.
#[test]
fn the_mode_of_a_sockets_file_changes() {
    let folder = Folder::new();
    let path = folder.path("echo.sock");
    let write = |mode: &str| {
        let text = format!("[[listener]]\naddress = \"{}\"\nmode = \"{mode}\"\n", unix(&path));
        folder.write("tidemill.toml", &text)
    };
    let mode = || fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    let file = write("600");
    let mut line = Line::begin(serve_file(&file));
    assert_eq!(mode(), 0o600);
    write("660");
    line.hand_over();
    assert_eq!(mode(), 0o660);
}

/// Whoever is asked to stop while it drains for another one has the time that a stop gives; a second word cuts.
#[test]
fn a_stop_in_a_drain_is_in_order() {
    let mut command = serve(BINARY.as_ref(), &["tcp://127.0.0.1:0"]);
    command.args(["--linger-timeout", "5m"]);
    let mut line = Line::begin(command);
    let mut client = streams::tcp(line.first.tcp_address());
    streams::ping(&mut client, b"hello");
    let first = line.begin_hand_over();
    kill_process(first, Signal::TERM).expect("it drains");
    line.first.await_line("asked to stop as well: ");
    // In order: an end, and no reset.
    assert_eq!(client.read(&mut [0; 8]).expect("an end, and no reset"), 0);
    drop(client);
    eventually("the predecessor has ended", || has_ended(first));
}
