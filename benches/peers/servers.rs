//! The servers that are compared, each as one process on one core.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Options;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tidemill,
    Nginx,
    Bun,
    Tungstenite,
}

/// The files and ports that all servers of a run share.
pub(crate) struct Site {
    folder: PathBuf,
    pub(crate) certificate: PathBuf,
    key: PathBuf,
}

/// A running server. It is ended with this value.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    child: Child,
    pub(crate) plain: u16,
    pub(crate) tls: u16,
}

impl Site {
    /// A folder with a certificate for 127.0.0.1, of the key type that browsers meet most (ECDSA, P-256).
    pub(crate) fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("tidemill-peers-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let made =
            rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        Ok(Self { folder, certificate, key })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tidemill => "tidemill",
            Self::Nginx => "nginx",
            Self::Bun => "Bun",
            Self::Tungstenite => "tokio-tungstenite",
        }
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(self, options: &Options, site: &Site) -> io::Result<Server> {
        let (plain, tls) = (free_port()?, free_port()?);
        let (command, plain) = match self {
            Self::Tidemill => (tidemill(options, site, plain, tls), plain),
            Self::Nginx => (nginx(options, site, plain, tls)?, plain),
            Self::Bun => (bun(options, site, plain)?, plain),
            Self::Tungstenite => return tungstenite(options),
        };
        let child = pinned(command, options.server_core).stdin(Stdio::null()).spawn()?;
        let server = Server { kind: self, child, plain, tls };
        server.await_listener()?;
        Ok(server)
    }
}

impl Server {
    /// Nanoseconds that all its threads have spent on a core.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let spent = |path: &Path| {
            let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0)
        };
        tasks.map(|task| spent(&task.path())).sum()
    }

    fn await_listener(&self) -> io::Result<()> {
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.plain)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Err(io::Error::other(format!("{} does not listen", self.kind.name())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
    }
}

fn tidemill(options: &Options, site: &Site, plain: u16, tls: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.args(["serve", "--shards", "1", "--cores", &options.server_core.to_string()]);
    command.args(["--listen", &format!("http://127.0.0.1:{plain}"), "--listen"]);
    command.arg(format!("https://127.0.0.1:{tls}"));
    command.arg("--tls-cert").arg(&site.certificate).arg("--tls-key").arg(&site.key);
    command.args(["--connections-per-address", "16384"]).stderr(Stdio::null());
    command
}

/// One process, no log, connections that stay: what is told to make nginx fast.
fn nginx(options: &Options, site: &Site, plain: u16, tls: u16) -> io::Result<Command> {
    let folder = site.folder.display();
    let (certificate, key) = (site.certificate.display(), site.key.display());
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null crit;\n\
         worker_rlimit_nofile 65536; events {{ worker_connections 16384; multi_accept on; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; tcp_nodelay on; server_tokens off;\n\
         ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;\n\
         ssl_session_cache off; ssl_session_tickets on;\n\
         client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n\
         uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         server {{ listen 127.0.0.1:{plain} backlog=4096; listen 127.0.0.1:{tls} ssl backlog=4096;\n\
         location / {{ default_type text/plain; return 200 'hello, world\\n'; }} }} }}\n"
    );
    let path = site.folder.join("nginx.conf");
    fs::write(&path, text)?;
    let mut command = Command::new(&options.nginx);
    command.arg("-c").arg(path).arg("-p").arg(&site.folder).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn bun(options: &Options, site: &Site, plain: u16) -> io::Result<Command> {
    let path = site.folder.join("echo.js");
    fs::write(
        &path,
        format!(
            "Bun.serve({{ hostname: '127.0.0.1', port: {plain}, fetch(request, server) {{\n\
             if (server.upgrade(request)) return; return new Response('hello, world\\n'); }},\n\
             websocket: {{ message(socket, message) {{ socket.send(message); }} }} }});\n"
        ),
    )?;
    let mut command = Command::new(&options.bun);
    command.arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// This program itself, serving.
fn tungstenite(options: &Options) -> io::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--serve-tungstenite", "--server-core", &options.server_core.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut line)?;
    let plain = line.trim().parse().map_err(|_| io::Error::other("the server printed no port"))?;
    Ok(Server { kind: Kind::Tungstenite, child, plain, tls: 0 })
}

/// On one core, whatever the server itself thinks of it.
fn pinned(command: Command, core: usize) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
    pinned.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    pinned
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
