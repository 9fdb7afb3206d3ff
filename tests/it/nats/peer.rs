//! Servers of the NATS client protocol: Tidemill, and nats-server to compare it with, started from the same settings.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::support::server::Server;
use crate::support::{DEADLINE, Folder, eventually, skip, text};

use super::{toml, tools};

/// What a server is to be like, in no server's own language.
#[derive(Clone, Default)]
pub(super) struct Settings {
    /// Where it listens for NATS; the system chooses if it is zero.
    pub(super) port: u16,
    /// The same for NATS within WebSocket.
    pub(super) web_port: u16,
    pub(super) users: Vec<User>,
    pub(super) token: Option<&'static str>,
    /// The files of a certificate and its key; TLS is then required, after INFO if nothing else is said.
    pub(super) tls: Option<(PathBuf, PathBuf)>,
    /// Whether TLS may come before INFO.
    pub(super) tls_first: TlsFirst,
    pub(super) max_payload: Option<u32>,
    pub(super) max_control_line: Option<u32>,
    pub(super) max_subscriptions: Option<u32>,
    /// Only for Tidemill.
    pub(super) shards: u32,
    /// Under which JSON Web Tokens are signed; only for Tidemill.
    pub(super) jwt_secret: Option<&'static str>,
}

/// Whether TLS begins before INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TlsFirst {
    #[default]
    No,
    Yes,
    /// As the client has it.
    Auto,
}

/// Who may come, and what for.
#[derive(Clone, Default)]
pub(super) struct User {
    pub(super) name: &'static str,
    /// In clear, or as bcrypt has it.
    pub(super) password: &'static str,
    /// A public key in place of a name and a password.
    pub(super) nkey: String,
    pub(super) publish: Permission,
    pub(super) subscribe: Permission,
    /// May answer what it was asked, whatever `publish` says.
    pub(super) allow_responses: bool,
}

/// Everything is allowed if both are empty.
#[derive(Clone, Copy, Default)]
pub(super) struct Permission {
    pub(super) allow: &'static [&'static str],
    pub(super) deny: &'static [&'static str],
}

/// A server that runs, and ends with this value.
pub(super) enum Hub {
    NatsServer(Broker),
    Tidemill(Server),
}

impl Hub {
    /// Starts the server under test; says so if this host has none.
    #[track_caller]
    pub(super) fn start(settings: &Settings) -> Option<Self> {
        if nats_server_is_tested() { Self::nats_server(settings) } else { Some(Self::tidemill(settings)) }
    }

    /// Starts a nats-server; says so if this host has none.
    #[track_caller]
    pub(super) fn nats_server(settings: &Settings) -> Option<Self> {
        let program = tools::nats_server().inspect_err(|why| skip(why)).ok()?;
        Some(Self::NatsServer(Broker::start(program, settings)))
    }

    #[track_caller]
    fn tidemill(settings: &Settings) -> Self {
        let folder = Folder::new();
        let file = folder.write("tidemill.toml", &toml::configuration(settings, &folder));
        // The files are read at the start, and not again.
        Self::Tidemill(Server::start(&["--config", text(&file)]))
    }

    /// Where NATS is spoken.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::NatsServer(broker) => broker.address,
            Self::Tidemill(server) => {
                let addresses = [server.addresses("nats://"), server.addresses("nats+tls://")].concat();
                addresses[0]
            }
        }
    }

    /// Where NATS is spoken over WebSocket.
    pub(super) fn websocket(&self) -> String {
        match self {
            Self::NatsServer(broker) => format!("ws://{}/nats", broker.websocket),
            Self::Tidemill(server) => format!("ws://{}/nats", server.http_address()),
        }
    }

    /// The same behind TLS, where only Tidemill listens in these tests.
    pub(super) fn secure_websocket(&self) -> Option<String> {
        match self {
            Self::NatsServer(_) => None,
            Self::Tidemill(server) => Some(format!("wss://{}/nats", server.https_address())),
        }
    }

    /// Waits until the server under test has forgotten all who have left: what they listened to is no promise, but until then
    /// it may seem that somebody would hear.
    #[track_caller]
    pub(super) fn await_forgotten(&self) {
        if let Self::Tidemill(server) = self {
            eventually("nobody is left", || server.counters().total("connections_open") == 0);
        }
    }

    /// Both addresses, as clients are given them.
    pub(super) fn urls(&self) -> [String; 2] {
        [format!("nats://{}", self.address()), self.websocket()]
    }
}

/// Whether a nats-server stands in for ours, to prove the tests.
pub(super) fn nats_server_is_tested() -> bool {
    std::env::var("TIDEMILL_NATS_PEER").is_ok_and(|peer| peer == "nats-server")
}

/// A nats-server that runs, and is killed when a test gives it up.
pub(super) struct Broker {
    child: Child,
    address: SocketAddr,
    websocket: SocketAddr,
    _folder: Folder,
}

impl Broker {
    #[track_caller]
    fn start(program: &str, settings: &Settings) -> Self {
        let folder = Folder::new();
        let file = folder.write("nats-server.conf", &configuration(settings));
        let mut command = Command::new(program);
        command.args(["-c", text(&file)]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it was tried before");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // It is read to its end, though nobody may listen any more.
            stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let (address, websocket) = await_ready(&lines);
        Self { child, address, websocket, _folder: folder }
    }
}

/// Waits until it serves, and returns where it does: NATS, and the same over WebSocket.
#[track_caller]
fn await_ready(lines: &Receiver<String>) -> (SocketAddr, SocketAddr) {
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.ends_with("Server is ready")) {
        let line = lines.recv_timeout(DEADLINE);
        said.push(line.unwrap_or_else(|_| panic!("nats-server does not start: {said:#?}")));
    }
    let find = |words: &str| {
        let address = said.iter().find_map(|line| line.split_once(words));
        address.and_then(|(_, address)| address.parse().ok()).unwrap_or_else(|| panic!("{words}: {said:#?}"))
    };
    (find("Listening for client connections on "), find("Listening for websocket clients on ws://"))
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings in the language of nats-server.
fn configuration(settings: &Settings) -> String {
    let [port, web_port] =
        [settings.port, settings.web_port].map(|port| if port == 0 { -1 } else { i32::from(port) });
    let mut lines = format!(
        "listen: \"127.0.0.1:{port}\"\nwebsocket {{ listen: \"127.0.0.1:{web_port}\", no_tls: true }}\nping_interval: \"1h\"\n\
         authorization {{ timeout: 60\n"
    );
    if let Some(token) = settings.token {
        line(&mut lines, format_args!("token: \"{token}\""));
    }
    if !settings.users.is_empty() {
        let users: String = settings.users.iter().map(user).collect();
        line(&mut lines, format_args!("users: [\n{users}]"));
    }
    lines.push_str("}\n");
    if let Some((certificate, key)) = &settings.tls {
        let (certificate, key) = (text(certificate), text(key));
        let first = match settings.tls_first {
            TlsFirst::No => "false",
            TlsFirst::Yes => "true",
            TlsFirst::Auto => "auto",
        };
        line(
            &mut lines,
            format_args!(
                "tls {{ cert_file: \"{certificate}\", key_file: \"{key}\", handshake_first: {first} }}"
            ),
        );
    }
    let limits = [
        ("max_payload", settings.max_payload),
        ("max_control_line", settings.max_control_line),
        ("max_subscriptions", settings.max_subscriptions),
    ];
    for (name, value) in limits {
        if let Some(value) = value {
            line(&mut lines, format_args!("{name}: {value}"));
        }
    }
    lines
}

fn user(user: &User) -> String {
    let who = if user.nkey.is_empty() {
        format!("user: \"{}\", password: \"{}\"", user.name, user.password)
    } else {
        format!("nkey: {}", user.nkey)
    };
    let permissions = [("publish", user.publish), ("subscribe", user.subscribe)].map(|(verb, permission)| {
        let list = |name: &str, subjects: &[&str]| {
            if subjects.is_empty() { String::new() } else { format!("{name}: {subjects:?}, ") }
        };
        let lists = list("allow", permission.allow) + &list("deny", permission.deny);
        if lists.is_empty() { lists } else { format!("{verb}: {{ {lists} }}, ") }
    });
    let responses = if user.allow_responses { "allow_responses: true" } else { "" };
    format!("{{ {who}, permissions: {{ {} {responses} }} }}\n", permissions.concat())
}

fn line(lines: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(lines, "{arguments}").expect("a string takes everything");
}
