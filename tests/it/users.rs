//! Users of the hub: their files at the start, when they are read again, and on the way to a service.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use tidemill::access::users::{Circumstances, Credentials, Verdict};
use tidemill::config::{Config, Hub, Listener, ServiceName};
use tidemill::connection::Inbox;
use tidemill::service::{Context, Service};
use tidemill::sys::address::Listen;

use crate::support::launch::{check_refused, run, tidemill};
use crate::support::server::Server;
use crate::support::{Folder, eventually, streams, text};

const SECRET: &str = "open-sesame-0123456789";

/// Writes a file that only its owner may read.
fn write_secret(folder: &Folder, secret: &str) {
    let path = folder.write("alice", secret);
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
}

fn configuration(folder: &Folder) -> String {
    let file = folder.write(
        "t.toml",
        "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n\n[server]\nshards = 1\n\n\
         [[hub.user]]\nname = \"alice\"\npassword_file = \"alice\"\n",
    );
    text(&file).to_owned()
}

/// A file that cannot be used stops the start and the check with a sentence and exit code 3; one that others may read is
/// only said.
#[test]
fn files_of_users_are_looked_at_before_anything_is_served() {
    let folder = Folder::new();
    let file = configuration(&folder);
    for command in [&["check", "--config", &file][..], &["--config", &file]] {
        let _ = fs::remove_file(folder.path("alice"));
        check_refused(tidemill(command), 3, "alice cannot be read");
        write_secret(&folder, "");
        check_refused(tidemill(command), 3, "alice: a secret is 1 to 256 bytes of UTF-8");
    }
    write_secret(&folder, SECRET);
    fs::set_permissions(folder.path("alice"), Permissions::from_mode(0o644)).expect("it is ours");
    let ended = run(tidemill(&["check", "--config", &file]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("hub: ") && ended.stderr.contains("every user of this host"), "{ended:?}");
    assert!(!ended.stderr.contains(SECRET), "{ended:?}");
}

/// At SIGHUP a file that cannot be used changes nothing, and is said.
#[test]
fn a_broken_file_is_said_and_changes_nothing() {
    let folder = Folder::new();
    let file = configuration(&folder);
    write_secret(&folder, SECRET);
    let server = Server::start(&["--config", &file]);
    write_secret(&folder, &format!("{SECRET}\n{SECRET}"));
    server.signal(Signal::HUP);
    let lines = server.await_line("nothing was changed: ");
    assert!(lines.last().is_some_and(|line| line.contains("alice: a secret is one line")), "{lines:?}");
    write_secret(&folder, SECRET);
    server.signal(Signal::HUP);
    server.await_line("were read again");
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(0));
    assert!(!farewell.stderr.join("\n").contains(SECRET));
}

/// Answers each line, a name and a password, with who that is.
struct Porter;

impl Service for Porter {
    type Session = ();

    fn open(&mut self, _: &mut Context<'_>) {}

    fn receive(&mut self, _: &mut (), inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        while let Some(end) = inbox.bytes().iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&inbox.bytes()[..end]).into_owned();
            inbox.consume(end + 1);
            let (user, pass) = line.split_once(' ').expect("a name and a password");
            let credentials = Credentials { user: Some(user), pass: Some(pass), ..Credentials::default() };
            let at = Circumstances {
                authenticator: context.authenticator,
                no_auth_user: None,
                nonce: b"",
                unix_now: context.unix_seconds,
            };
            let users = context.users.expect("the listener leads to the hub");
            let answer = match users.judge(&credentials, &at) {
                Verdict::Granted(grant) => {
                    context.sit(grant.enter(context.now).expect("there is no limit"));
                    format!("{}\n", grant.name)
                }
                Verdict::Denied(denied) => format!("{denied}\n"),
                Verdict::Later(_) => "later\n".to_owned(),
            };
            context.outbox.write(answer.as_bytes());
        }
    }
}

/// A service finds the users in its context, and finds others there once the files were read again.
#[test]
fn a_service_finds_the_users_in_its_context() {
    let folder = Folder::new();
    write_secret(&folder, SECRET);
    let user = tidemill::access::users::UserSetting {
        name: "alice".to_owned(),
        password_file: Some(folder.path("alice")),
        ..Default::default()
    };
    let hub = Hub { users: vec![user], ..Hub::default() };
    let listeners = vec![Listener::new("tcp://127.0.0.1:0".parse().expect("an address"), ServiceName::Nats)];
    let config = Config { listeners, hub, shards: Some(1), ..Config::default() };
    let mut server = tidemill::server::Server::start(&config, |_| Porter).expect("it can start");
    let Listen::Tcp(address) = server.addresses()[0] else { unreachable!("it is TCP") };
    let mut peer = BufReader::new(streams::tcp(address));
    let ask = |peer: &mut BufReader<TcpStream>, line: &str| {
        peer.get_mut().write_all(line.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        peer.read_line(&mut answer).expect("the server answers");
        answer.trim_end().to_owned()
    };
    let refused = "the credential was refused: wrong_password";
    assert_eq!(ask(&mut peer, &format!("alice {SECRET}\n")), "alice");
    assert_eq!(ask(&mut peer, "alice nothing\n"), refused);
    assert_eq!(ask(&mut peer, &format!("bob {SECRET}\n")), refused);
    write_secret(&folder, "another");
    server.reload(&config).expect("the file can be used");
    eventually("the new password is taken", || ask(&mut peer, "alice another\n") == "alice");
    assert_eq!(ask(&mut peer, &format!("alice {SECRET}\n")), refused);
    // What is kept as a hash cannot be compared within a turn.
    write_secret(&folder, "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW");
    server.reload(&config).expect("the file can be used");
    eventually("a hash takes time", || ask(&mut peer, "alice secret\n") == "later");
    drop(peer);
}
