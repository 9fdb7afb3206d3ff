//! The processes of a comparison: generators that end by themselves and are paid for, the server that stays.
#![expect(unsafe_code, reason = "wait4 has no safe form here")]

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Options;

/// A generator that has ended.
pub(crate) struct Finished {
    pub(crate) output: String,
    /// What it said on standard error.
    pub(crate) complaint: String,
    /// CPU time of the process and all its threads, from its start to its end.
    pub(crate) cpu_micros: f64,
}

/// Runs it on one core and waits; `meanwhile` is given its process id.
pub(crate) fn run(command: &Command, core: usize, meanwhile: impl FnOnce(u32)) -> io::Result<Finished> {
    let mut command = pinned(command, core);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (output, complaint) = (drain(child.stdout.take()), drain(child.stderr.take()));
    meanwhile(child.id());
    let join = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    let (output, complaint) = (join(output), join(complaint));
    Ok(Finished { output, complaint, cpu_micros: await_end(&child)? })
}

/// Reads until the end, so that the child never waits for us.
fn drain(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The CPU time of a child, by the kernel's exact sum. It is not waited for a second time.
fn await_end(child: &Child) -> io::Result<f64> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    // SAFETY: `rusage` is integers only, for which zero is valid.
    let mut usage = unsafe { std::mem::zeroed::<libc::rusage>() };
    let mut status = 0;
    // SAFETY: both pointers are writable for the length of the call, and the child is ours and not reaped yet.
    let ended = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    if ended != pid {
        return Err(io::Error::last_os_error());
    }
    let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    Ok(micros(usage.ru_utime) + micros(usage.ru_stime))
}

/// A server. It is ended with this value.
pub(crate) struct Server(pub(crate) Child);

/// The server that is asked, with its listeners.
pub(crate) struct Tidemill {
    server: Server,
    pub(crate) http: u16,
    pub(crate) echo: u16,
}

impl Tidemill {
    /// Starts it on one core, and waits until it listens.
    pub(crate) fn start(options: &Options) -> io::Result<Self> {
        let (http, echo) = (free_port()?, free_port()?);
        let many = (options.many + 64).to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(["serve", "--shards", "1", "--cores", &options.server_core.to_string()]);
        command.args(["--listen", &format!("http://127.0.0.1:{http}")]);
        command.args(["--listen", &format!("tcp://127.0.0.1:{echo}")]);
        command.args(["--connections", &many, "--connections-per-address", &many]);
        let mut command = pinned(&command, options.server_core);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let tidemill = Self { server: Server(child), http, echo };
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, http)).is_ok() {
                return Ok(tidemill);
            }
            thread::sleep(Duration::from_millis(25));
        }
        Err(io::Error::other("tidemill does not listen"))
    }

    /// Where the comparisons over HTTP ask for 13 bytes.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/bytes/13", self.http)
    }

    /// Microseconds that all its threads have spent on a core.
    pub(crate) fn cpu_micros(&self) -> f64 {
        let tasks =
            fs::read_dir(format!("/proc/{}/task", self.server.0.id())).into_iter().flatten().flatten();
        let spent = |path: &Path| {
            let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split_whitespace().next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0)
        };
        tasks.map(|task| spent(&task.path())).sum::<f64>() / 1e3
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill(); // It may have ended already.
        let _ = self.0.wait();
    }
}

/// On one core, with all its threads, whatever the program itself thinks of it.
pub(crate) fn pinned(command: &Command, core: usize) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
    pinned
}

/// Whether a program can be started: a path, or a name that is on the `PATH`.
pub(crate) fn is_installed(program: &Path) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // Joining keeps an absolute path as it is.
    program.is_file() || std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
