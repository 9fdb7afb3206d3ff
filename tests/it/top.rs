//! `tidemill top` beside a real server: the figures of known traffic, a sentence for whoever asks nobody, and a terminal that is
//! as it was.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use tidemill::sys::clock;

use crate::support::http::{ADMIN, PAGES, configured};
use crate::support::launch::{BINARY, can_run, check_calm, check_refused, check_sentence, run, tidemill};
use crate::support::nats::{Client, NATS, nats, publish};
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::support::{DEADLINE, Folder, eventually, has_ipv6, quiet_port, skip, streams, text};

const ECHO: &str = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\n";

/// The command that prints, asking at this address.
fn top(address: &str, flags: &[&str]) -> Command {
    let mut command = tidemill(&["top", address, "--interval", "100ms"]);
    command.args(flags).env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env_remove("TIDEMILL_TOKEN");
    command
}

// --- Figures -----------------------------------------------------------------------------------------------------------

/// Stands between `top` and the admin listener, and lets one look through at a time.
struct Gate {
    listener: TcpListener,
    admin: SocketAddr,
}

impl Gate {
    fn before(server: &Server) -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").expect("a port is free"),
            admin: server.admin_address(),
        }
    }

    fn address(&self) -> String {
        self.listener.local_addr().expect("it listens").to_string()
    }

    /// Passes one connection on, to its end.
    #[track_caller]
    fn pass(&self) {
        let (asker, _) = self.listener.accept().expect("somebody comes");
        let (asker, server) = (streams::patient(asker), streams::tcp(self.admin));
        thread::scope(|scope| {
            scope.spawn(|| pipe(&asker, &server));
            scope.spawn(|| pipe(&server, &asker));
        });
    }
}

fn pipe(mut source: &TcpStream, mut target: &TcpStream) {
    io::copy(&mut source, &mut target).expect("both are there until one has ended");
    // The other one may have gone already.
    let _ = target.shutdown(Shutdown::Write);
}

/// How often something happened between both looks, from how often a second.
#[track_caller]
fn times(rate: &Value, report: &Value) -> u64 {
    let seconds = report["server"]["interval_seconds"].as_f64().expect("there were two looks");
    let times = rate.as_f64().unwrap_or_else(|| panic!("no rate: {report:#}")) * seconds;
    assert!((times - times.round()).abs() < 1e-6, "{times} is no number of times");
    format!("{times:.0}").parse().expect("it is a number")
}

/// 50 messages to three subscribers, one more connection and 10,000 bytes of echo between both looks are what the report says, in
/// all, by shard and by connection.
#[test]
fn what_happens_between_two_looks_is_what_is_shown() {
    let server = configured("idle_timeout = \"5m\"", &[NATS, ECHO, PAGES, ADMIN]);
    let come = |subject| Client::open(streams::tcp(nats(&server)), subject);
    let mut subscribers: Vec<_> = (0..3).map(|_| come(Some("s"))).collect();
    let mut publisher =
        Client::open_as(streams::tcp(nats(&server)), ",\"name\":\"who speaks\",\"lang\":\"rust\"", None);
    let mut echo = streams::tcp(server.tcp_address());
    streams::ping(&mut echo, b"before");
    let gate = Gate::before(&server);
    let report = top(&gate.address(), &["--json"]).stdout(Stdio::piped()).spawn().expect("it can be started");
    gate.pass();
    publisher.say(&publish("s", "x").repeat(50));
    for subscriber in &mut subscribers {
        (0..50).for_each(|_| assert_eq!(subscriber.message(), Ok(("s".to_owned(), "x".to_owned()))));
    }
    streams::ping(&mut echo, &[b'x'; 10_000]);
    let mut late = streams::tcp(server.tcp_address());
    streams::ping(&mut late, b"hello");
    gate.pass();
    let output = report.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    check_figures(&report, &echo);
    drop((subscribers, publisher, echo, late));
    server.stop_clean();
}

#[track_caller]
fn check_figures(report: &Value, echo: &TcpStream) {
    assert_eq!(report["format"], "tidemill-top/1");
    assert_eq!(report["server"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["server"]["cpu_cores"].is_number() && report["server"]["resident_bytes"].is_u64());
    let shards = report["shards"].as_array().expect("there is a list");
    assert_eq!((shards.len(), &shards[0]["shard"]), (1, &0.into()));
    for figures in [&report["total"], &shards[0]["figures"]] {
        assert_eq!(figures["connections"], 6, "{report:#}");
        assert_eq!(times(&figures["accepts_per_second"], report), 1);
        assert_eq!(times(&figures["messages_in_per_second"], report), 50);
        assert_eq!(times(&figures["messages_out_per_second"], report), 150);
    }
    let shard = &shards[0]["figures"];
    assert_eq!((&shard["subscriptions"], &shard["pending_bytes"]), (&3.into(), &0.into()));
    assert_eq!(shard["receive_buffers_free"], shard["receive_buffers"]);
    assert!(shard["receive_buffers"].as_u64().is_some_and(|all| [128, 1024].contains(&all)), "limits.rs");
    assert!(
        shard["busy"].is_number() && 0 < shard["longest_turn_of_minute_micros"].as_u64().expect("a number")
    );
    let rows = report["connections"].as_array().expect("there is a list");
    assert_eq!(rows.len(), 6);
    let by = |key: &str, value: &str| rows.iter().filter(|row| row[key] == value).collect::<Vec<_>>();
    let address = echo.local_addr().expect("it is connected").to_string();
    let echoed = by("address", &address)[0];
    assert_eq!(times(&echoed["bytes_in_per_second"], report), 10_000);
    assert_eq!(times(&echoed["bytes_out_per_second"], report), 10_000);
    let speaker = by("name", "who speaks")[0];
    assert_eq!(
        (&speaker["protocol"], &speaker["library"], &speaker["subscriptions"]),
        (&"nats".into(), &"rust".into(), &0.into())
    );
    // `PUB s 1`, `x`, and their line ends, 50 times.
    assert_eq!(times(&speaker["bytes_in_per_second"], report), 50 * 12);
    let heard = by("protocol", "nats").into_iter().filter(|row| row["subscriptions"] == 1);
    let heard: Vec<u64> = heard.map(|row| times(&row["messages_out_per_second"], report)).collect();
    assert_eq!(heard, [50, 50, 50]);
}

/// The report is text of at most 120 columns, whoever reads it, and all connections stand in it once.
#[test]
fn a_report_is_printed_where_there_is_no_terminal() {
    let server = Server::listen(&["tcp://127.0.0.1:0", "admin://127.0.0.1:0"], &["--shards", "2"]);
    let mut clients: Vec<TcpStream> = (0..5).map(|_| streams::tcp(server.tcp_address())).collect();
    clients.iter_mut().for_each(|client| streams::ping(client, b"hello"));
    let address = server.admin_address().to_string();
    for flags in [&["--once"][..], &[]] {
        let ended = run(top(&address, flags));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert!(lines[0].starts_with(concat!("tidemill ", env!("CARGO_PKG_VERSION"), "  ")), "{ended:#?}");
        assert!(lines[0].ends_with(&format!("  {address}  every 100ms")), "{ended:#?}");
        assert!(lines[1].starts_with("connections 5  accepts/s 0  "), "{ended:#?}");
        assert!(lines.contains(&"busiest connections: 5 of 5"), "{ended:#?}");
        for client in &clients {
            let peer = client.local_addr().expect("it is connected").to_string();
            assert_eq!(
                lines.iter().filter(|line| line.contains(&peer) && line.contains(" echo ")).count(),
                1
            );
        }
        assert!(lines.iter().all(|line| line.len() <= 120 && *line == line.trim_end()), "{ended:#?}");
        assert!(!ended.stdout.contains('\x1b'), "{ended:#?}");
    }
    drop(clients);
    server.stop_clean();
}

/// As with `head`: whoever has read enough may go.
#[test]
fn a_reader_may_go() {
    let server = configured("", &[PAGES, ADMIN]);
    let mut command = top(&server.admin_address().to_string(), &["--once"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    server.stop_clean();
}

// --- Whom it asks ------------------------------------------------------------------------------------------------------

#[track_caller]
fn check_found(command: Command) {
    let ended = run(command);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
    assert!(ended.stdout.starts_with("tidemill "), "{ended:#?}");
}

#[test]
fn nobody_and_strangers_are_told_in_a_sentence() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it listens");
    let words =
        format!("{free} cannot be reached: Connection refused (os error 111). Try: tidemill top HOST:PORT");
    check_refused(top(&free.to_string(), &[]), 3, &words);
    check_refused(top("unix:/nowhere/t", &["--once"]), 3, "unix:/nowhere/t cannot be reached: No such file");
    check_refused(top("name.invalid:1", &["--once"]), 3, "name.invalid:1 has no address");
    let server = configured("", &[PAGES, NATS, ADMIN]);
    let pages = server.http_address().to_string();
    check_refused(
        top(&pages, &["--json"]),
        3,
        "answers /varz with 404, which no admin listener of Tidemill does",
    );
    check_refused(top(&nats(&server).to_string(), &[]), 3, "does not speak HTTP as an admin listener does");
    let secure = format!("https://{}", server.admin_address());
    check_refused(top(&secure, &["--insecure"]), 3, "find no TLS together");
    check_refused(top(&secure, &[]), 2, "nothing says whose certificate to believe. Try: --tls-ca FILE");
    check_refused(tidemill(&["top", "--config", "/nowhere/t.toml"]), 2, "/nowhere/t.toml does not exist");
    server.stop_clean();
}

/// A listener that takes nobody in, and a socket whose queue is full: both are given up, in a sentence.
#[test]
fn who_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = silent.local_addr().expect("it listens").to_string();
    let folder = Folder::new();
    let path = folder.path("full.sock");
    let full = Socket::new(Domain::UNIX, Type::STREAM, None).expect("there are sockets");
    full.bind(&SockAddr::unix(&path).expect("it is a path")).expect("the folder is ours");
    full.listen(0).expect("it is bound");
    // A queue of none takes one.
    let first = streams::unix(&path);
    let words = |target: &str| format!("{target} has not answered in 5 s");
    thread::scope(|scope| {
        scope.spawn(|| check_refused(top(&address, &["--once"]), 3, &words(&address)));
        let target = format!("unix:{}", text(&path));
        check_refused(top(&target, &["--once"]), 3, &words(&target));
    });
    drop((first, full, silent));
}

#[test]
fn the_configuration_says_whom_to_ask_and_what_to_show() {
    let (folder, authority) = (Folder::new(), Authority::new("an authority"));
    let (token, port) = ("0123456789abcdef0123456789abcdef", quiet_port());
    folder.write("tokens", &format!("# Operators.\nalice:{token}\n"));
    let ca = folder.write("ca.pem", &authority.pem());
    let keys = authority.issue(&["127.0.0.1", "localhost"]).keys(&folder, "own");
    let toml = format!(
        "[server]\nshards = 1\n\n[[listener]]\naddress = \"tcp://0.0.0.0:{port}\"\nservice = \"admin\"\n\
         auth = {{ tokens = \"tokens\" }}\ntls = {{ {keys} }}\n\n{ECHO}"
    );
    let file = folder.write("t.toml", &toml);
    let server = Server::start(&["--config", text(&file)]);
    let configured = |flags: &[&str]| {
        let mut command = tidemill(&["top", "--config", text(&file), "--once", "--interval", "100ms"]);
        command.args(flags).env_remove("TIDEMILL_TOKEN");
        command
    };
    // Its token is the listener's own, its authority is named, or anybody's certificate is believed.
    check_found(configured(&["--tls-ca", text(&ca)]));
    check_found(configured(&["--insecure"]));
    // The listener's own certificate was signed by somebody else.
    check_sentence(&run(configured(&[])), 3, "find no TLS together");
    let address = format!("https://localhost:{port}");
    let named = |flags: &[&str]| top(&address, &[&["--once", "--tls-ca", text(&ca)], flags].concat());
    check_refused(
        named(&[]),
        3,
        "asks for a token. Try: --token-file FILE, or the environment's TIDEMILL_TOKEN",
    );
    check_found(named(&["--token-file", text(&folder.path("tokens"))]));
    let mut by_environment = named(&[]);
    by_environment.env("TIDEMILL_TOKEN", token);
    check_found(by_environment);
    let mut wrong = named(&[]);
    wrong.env("TIDEMILL_TOKEN", "another-one-0123456789");
    check_refused(wrong, 3, "does not take this token");
    let mut none = named(&[]);
    none.env("TIDEMILL_TOKEN", "no token\n");
    check_refused(none, 2, "TIDEMILL_TOKEN is no token");
    check_refused(named(&["--token-file", "/nowhere/token"]), 3, "/nowhere/token");
    server.stop_clean();
}

#[test]
fn an_admin_listener_may_be_at_a_unix_socket_or_ipv6() {
    let folder = Folder::new();
    let socket = format!("admin+unix:{}", text(&folder.path("a.sock")));
    let server = Server::listen(&["tcp://127.0.0.1:0", &socket], &["--shards", "1"]);
    check_found(top(&socket, &["--once"]));
    check_found(top(text(&folder.path("a.sock")), &["--once"]));
    server.stop_clean();
    if has_ipv6() {
        let server = Server::listen(&["tcp://127.0.0.1:0", "admin://[::1]:0"], &["--shards", "1"]);
        check_found(top(&format!("http://{}/", server.admin_address()), &["--once"]));
        server.stop_clean();
    }
}

// --- The screen --------------------------------------------------------------------------------------------------------

/// A shell on a terminal of 80 by 24, that tells the terminal's settings, becomes `top` for a while, and tells them again.
struct Screen {
    child: Child,
    keys: ChildStdin,
    pieces: Receiver<Vec<u8>>,
    /// All that the terminal was sent.
    seen: String,
}

impl Drop for Screen {
    /// With its terminal everything on it ends, by SIGHUP.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Screen {
    /// None, and a line that says why, where there is no script(1) to make a terminal.
    fn open(address: &str) -> Option<Self> {
        if !can_run("script", &["--version"]) || !can_run("stty", &["--version"]) {
            skip("no terminal can be made: script (util-linux) or stty is missing");
            return None;
        }
        let line = format!(
            "stty rows 24 cols 80; echo before=$(stty -g); sh -c 'echo pid=$$; exec {BINARY} top {address} --interval 100ms'; \
             echo code=$?; echo after=$(stty -g); echo end"
        );
        let mut command = Command::new("script");
        command.args(["-q", "-c", &line, "/dev/null"]).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the process can be started");
        let keys = child.stdin.take().expect("it is piped");
        let mut output = child.stdout.take().expect("it is piped");
        let (sender, pieces) = channel();
        thread::spawn(move || {
            let mut bytes = vec![0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Some(Self { child, keys, pieces, seen: String::new() })
    }

    /// Waits until the terminal is sent these words; returns all that it was sent since the last wait.
    #[track_caller]
    fn await_words(&mut self, words: &str) -> String {
        // The screen is painted again and again, so that something always comes.
        let deadline = clock::now().saturating_add(DEADLINE);
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let piece = self.pieces.recv_timeout(deadline.saturating_since(clock::now()));
            let piece = piece.unwrap_or_else(|error| {
                let last: Vec<char> = self.seen.chars().rev().take(4000).collect();
                panic!("{words:?} does not come ({error}): {:?}", last.iter().rev().collect::<String>())
            });
            self.seen.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// What stands behind a word, to the end of its line.
    #[track_caller]
    fn await_value(&mut self, word: &str) -> String {
        self.await_words(word);
        self.await_words("\r\n").trim_end().to_owned()
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal is there");
        self.keys.flush().expect("the terminal is there");
    }

    /// Waits for its end, and checks that the terminal is as it was.
    #[track_caller]
    fn check_end(&mut self, before: &str, code: &str) {
        // What was there before comes back, with its cursor and its line breaks.
        let last = self.await_words("\x1b[?1049l");
        assert!(last.contains("\x1b[?25h") && last.contains("\x1b[?7h"), "{last:?}");
        assert_eq!(self.await_value("code="), code);
        assert_eq!(self.await_value("after="), before);
        self.await_words("end");
        self.child.wait().expect("it ends");
    }
}

/// It appears, shows names without obeying them, takes keys, leaves with each of them that says so, and on a signal.
#[test]
fn a_screen_appears_and_the_terminal_is_put_back() {
    let server = configured("idle_timeout = \"5m\"", &[NATS, ADMIN]);
    let name = ",\"name\":\"n\\u001b]0;evil\\u0007\\u001b[2J\"";
    let client = Client::open_as(streams::tcp(nats(&server)), name, Some("s"));
    for (keys, code) in [("q", "0"), ("\x1b", "0"), ("\x03", "0"), ("", "143")] {
        let Some(mut screen) = Screen::open(&server.admin_address().to_string()) else { break };
        let before = screen.await_value("before=");
        let pid = screen.await_value("pid=").parse().expect("it is a number");
        screen.await_words("\x1b[?1049h");
        let shown = screen.await_words("busiest connections");
        assert!(
            shown.contains("connections ") && !shown.contains("\x1b]") && !shown.contains("\x1b[2J"),
            "{shown:?}"
        );
        let shown = screen.await_words("n?]0;evil??[2J");
        assert!(!shown.contains("\x1b]"), "{shown:?}");
        screen.press("p");
        screen.await_words("connections for which most waits");
        screen.press(" ");
        screen.await_words("Paused: space goes on.");
        screen.press(keys);
        if keys.is_empty() {
            kill_process(Pid::from_raw(pid).expect("it is one"), Signal::TERM).expect("it runs, and is ours");
        }
        screen.check_end(&before, code);
    }
    drop(client);
    server.stop_clean();
}

/// The screen says that the server has gone, tries again, and goes on with the next one.
#[test]
fn a_screen_outlasts_its_server() {
    let admin = format!("admin://127.0.0.1:{}", quiet_port());
    let serve = || Server::listen(&["tcp://127.0.0.1:0", &admin], &["--shards", "1"]);
    let server = serve();
    let Some(mut screen) = Screen::open(&server.admin_address().to_string()) else { return };
    let before = screen.await_value("before=");
    screen.await_words("busiest connections");
    server.stop_clean();
    screen.await_words("No answer for ");
    screen.await_words("it cannot be reached: ");
    let server = serve();
    screen.await_words("The server was started anew");
    screen.press("q");
    screen.check_end(&before, "0");
    server.stop_clean();
}

/// One that cannot be painted gets what a file would get.
#[test]
fn a_dumb_terminal_gets_a_report() {
    let server = configured("", &[PAGES, ADMIN]);
    if !can_run("script", &["--version"]) {
        skip("no terminal can be made: script (util-linux) is missing");
        return server.stop_clean();
    }
    let mut command = Command::new("script");
    let line = format!("{BINARY} top {} --interval 100ms", server.admin_address());
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).env("TERM", "dumb");
    let ended = run(command);
    assert!(ended.code == Some(0) && ended.stdout.contains("busiest connections: 0 of 0"), "{ended:#?}");
    assert!(!ended.stdout.contains('\x1b'), "{ended:#?}");
    check_calm(&ended.stderr);
    eventually("no connection is left", || server.counters().total("connections_open") == 0);
    server.stop_clean();
}
