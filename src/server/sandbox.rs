//! The server shuts itself in: walls of the system, with openings for what its configuration names.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Server;
use crate::config::{Config, Source};
use crate::sys::address::Listen;
use crate::sys::process;
use crate::sys::sandbox::Walls;
use crate::sys::sandbox::calls::{self, Around};
use crate::sys::sandbox::files::{self, Openings, Readable};
use crate::tier::Engine;

/// How far this process has shut itself in.
#[derive(Debug, Default)]
pub(super) struct Sandbox {
    is_wanted: bool,
    /// Whether what stands around a thread stands around the whole process, and around nobody else's.
    is_alone: bool,
    walls: Walls,
    readable: Vec<Readable>,
    /// What kept walls from being put up.
    mishaps: Vec<String>,
}

impl Sandbox {
    /// Puts up the walls that a thread hands on to those it starts; so before it starts one.
    pub(super) fn begin(config: &Config, source: &Source) -> Self {
        if !config.sandbox {
            return Self::default();
        }
        let wanted = Self { is_wanted: true, is_alone: true, ..Self::default() };
        if let Err(error) = process::has_one_thread() {
            let mishap = format!("files and system calls stay open: {error}");
            return Self { is_alone: false, ..wanted }.after(mishap);
        }
        let openings = openings(config, source);
        let readable = openings.readable().into_iter().map(Readable::now).collect();
        match files::shut_off(&openings) {
            Ok(walls) => Self { walls, readable, ..wanted },
            Err(error) => wanted.after(format!("files stay open: {error}")),
        }
    }

    fn after(mut self, mishap: String) -> Self {
        self.mishaps.push(mishap);
        self
    }

    /// Puts up the rest, once everything is there that needs more, and says what went wrong.
    pub(super) fn complete(mut self, server: &Server) -> Self {
        if self.is_wanted {
            match self.is_alone.then(|| calls::wall_up(Around::AllThreads)) {
                Some(Ok(())) => self.walls.calls = true,
                Some(Err(error)) => self.mishaps.push(format!("system calls stay open: {error}")),
                None => {}
            }
            // Where epoll serves there is no ring, and then none can be made.
            let has_none = server.capabilities.engine == Engine::Epoll && self.walls.calls;
            self.walls.rings = server.sealed || has_none;
        }
        self.mishaps.drain(..).for_each(|mishap| tracing::warn!("{mishap}"));
        self
    }

    /// The first of these files that a wall stands before.
    pub(super) fn first_closed<'a>(&self, files: Vec<&'a Path>) -> Option<&'a Path> {
        let is_open = |place: &PathBuf| self.readable.iter().any(|open| open.holds(place));
        let is_closed = |file: &&Path| self.walls.files && !files::places(file).iter().all(is_open);
        files.into_iter().find(is_closed)
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_wanted { self.walls.fmt(formatter) } else { formatter.write_str("off") }
    }
}

/// What a server of this configuration reads and makes after its walls stand.
fn openings(config: &Config, source: &Source) -> Openings {
    let listens = || config.listeners.iter().map(|listener| &listener.listen);
    let port = |listen: &Listen| match listen {
        Listen::Tcp(address) => Some(address.port()),
        Listen::Udp(_) | Listen::Unix(_) => None,
    };
    let socket = |listen: &Listen| match listen {
        Listen::Unix(path) => Some(path.clone()),
        Listen::Tcp(_) | Listen::Udp(_) => None,
    };
    Openings {
        files: source.files(config).into_iter().map(Into::into).collect(),
        sockets: listens().filter_map(socket).collect(),
        ports: listens().filter_map(port).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listener;
    use crate::config::layer::Layer;

    #[test]
    fn what_the_configuration_names_is_open() {
        let listeners =
            ["tcp://127.0.0.1:7001", "udp://127.0.0.1:7002", "unix:/run/t/socket", "tcp://[::]:0"];
        let listeners = listeners.map(|listen| Listener::echo(listen.parse().unwrap())).to_vec();
        let config = Config { listeners, ..Config::default() };
        let source = Source::new(Some("/etc/t/t.toml".into()), Layer::default());
        let expected = Openings {
            files: vec!["/etc/t/t.toml".into()],
            sockets: vec!["/run/t/socket".into()],
            ports: vec![7001, 0],
        };
        assert_eq!(openings(&config, &source), expected);
    }
}
