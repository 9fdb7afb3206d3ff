//! Asking the admin listener: a connection for each look, two requests on it, and a deadline over all of it.
//!
//! It knows paths and bytes; what they say is for [`answers`](super::answers). A new connection for each look costs the server
//! little, and there is none that could be stale.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, SockAddr, Socket, Type};

use super::reading::{Answer, Reading};
use super::target::{Place, Target};
use super::text::Clean;
use crate::limits;
use crate::protocol::http1::{BodyLength, Method, Persistence, Refusal, RequestHead, encode_request};
use crate::sys::clock::{self, Time};

/// Asks one admin listener.
pub(super) struct Asker {
    target: Target,
    token: Option<String>,
    tls: Option<Arc<ClientConfig>>,
}

/// Why there is no answer. Each says whom it is about, and what to try where there is something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The name has no address.
    #[error("{target} has no address: {cause}")]
    Lookup {
        /// Who was asked.
        target: Target,
        /// What the system said.
        cause: io::Error,
    },
    /// Nobody is there.
    #[error(
        "{target} cannot be reached: {cause}. Try: tidemill top HOST:PORT, with the address that the server's banner says behind \"admin\""
    )]
    Unreachable {
        /// Who was asked.
        target: Target,
        /// What the system said.
        cause: io::Error,
    },
    /// It takes too long.
    #[error("{target} has not answered in {} s", limits::TOP_LOOK_TIMEOUT.as_secs())]
    TimedOut {
        /// Who was asked.
        target: Target,
    },
    /// The connection broke.
    #[error("the connection to {target} broke: {cause}")]
    Broken {
        /// Who was asked.
        target: Target,
        /// What the system said.
        cause: io::Error,
    },
    /// TLS could not be agreed on.
    #[error(
        "{target} and this client find no TLS together: {cause}. Try: --tls-ca FILE, with the authority of its certificate"
    )]
    Tls {
        /// Who was asked.
        target: Target,
        /// What the library said.
        cause: rustls::Error,
    },
    /// What came is no HTTP.
    #[error("{target} does not speak HTTP as an admin listener does: {cause}")]
    NotHttp {
        /// Who was asked.
        target: Target,
        /// What is wrong with it.
        cause: Refusal,
    },
    /// More came than is read.
    #[error("{target} answers with more than {} MiB, which no admin listener does", limits::TOP_ANSWER_BYTES_MAX >> 20)]
    TooLarge {
        /// Who was asked.
        target: Target,
    },
    /// A token is missing, or is not good there.
    #[error("{target} {}. Try: --token-file FILE, or the environment's TIDEMILL_TOKEN", if *.shown { "does not take this token" } else { "asks for a token" })]
    Unauthorized {
        /// Who was asked.
        target: Target,
        /// Whether one was shown.
        shown: bool,
    },
    /// It answers, and not with what was asked for.
    #[error("{target} answers {path} with {status}, which no admin listener of Tidemill does")]
    Status {
        /// Who was asked.
        target: Target,
        /// For what.
        path: &'static str,
        /// With which status.
        status: u16,
    },
    /// The content is not what an admin listener of this version writes.
    #[error("{target} answers {path}, and not as an admin listener of Tidemill {} does: {cause}", env!("CARGO_PKG_VERSION"))]
    NotTidemill {
        /// Who was asked.
        target: Target,
        /// For what.
        path: &'static str,
        /// What is missing or wrong.
        cause: Clean,
    },
}

impl Asker {
    pub(super) fn new(target: Target, token: Option<String>, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { target, token, tls }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Asks for these pages, in one look: the name of each, and where it is.
    pub(super) fn ask<const N: usize>(
        &self,
        pages: [(&'static str, &str); N],
    ) -> Result<[Vec<u8>; N], AskError> {
        let deadline = clock::now().saturating_add(limits::TOP_LOOK_TIMEOUT);
        let mut wire = None;
        let mut contents = [const { Vec::new() }; N];
        for (content, (path, target)) in contents.iter_mut().zip(pages) {
            let mut open = match wire.take() {
                Some(open) => open,
                None => self.connect(deadline)?,
            };
            let answer = self.exchange(&mut open, target, deadline)?;
            if answer.keeps_alive {
                wire = Some(open);
            }
            *content = self.content(path, answer)?;
        }
        Ok(contents)
    }

    /// That the content of a page is not what it should be.
    pub(super) fn not_tidemill(&self, path: &'static str, cause: &serde_json::Error) -> AskError {
        AskError::NotTidemill {
            target: self.target.clone(),
            path,
            cause: Clean::from(cause.to_string().as_str()),
        }
    }

    fn content(&self, path: &'static str, answer: Answer) -> Result<Vec<u8>, AskError> {
        let target = self.target.clone();
        match answer.status {
            200 => Ok(answer.content),
            401 | 403 => Err(AskError::Unauthorized { target, shown: self.token.is_some() }),
            status => Err(AskError::Status { target, path, status }),
        }
    }

    fn exchange(&self, wire: &mut Wire, path: &str, deadline: Time) -> Result<Answer, AskError> {
        wire.set_timeout(deadline)
            .and_then(|()| wire.write_all(&self.request(path)))
            .map_err(|cause| self.broken(cause))?;
        let mut reading = Reading::new(limits::TOP_ANSWER_BYTES_MAX);
        let mut bytes = vec![0; 64 * 1024];
        loop {
            wire.set_timeout(deadline).map_err(|cause| self.broken(cause))?;
            let count =
                wire.read(&mut bytes).or_else(end_without_farewell).map_err(|cause| self.broken(cause))?;
            if count == 0 {
                return reading.finish().map_err(|refusal| self.not_http(refusal));
            }
            if let Some(answer) = reading.take(&bytes[..count]).map_err(|refusal| self.not_http(refusal))? {
                return Ok(answer);
            }
        }
    }

    fn request(&self, path: &str) -> Vec<u8> {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let field = authorization.as_ref().map(|value| (&b"Authorization"[..], value.as_bytes()));
        let headers: Vec<_> = field.into_iter().collect();
        let host = self.host();
        let head = RequestHead {
            method: Method::Get,
            target: path.as_bytes(),
            host: host.as_bytes(),
            persistence: Persistence::Implied,
            body: BodyLength::None,
            headers: &headers,
        };
        let mut request = Vec::new();
        encode_request(&mut request, &head).expect("paths are ours, hosts and tokens were read with care");
        request
    }

    /// The Host field. An interface's number, as in fe80::1%2, is of no concern to the peer.
    fn host(&self) -> String {
        let host = self.target.host().split('%').next().unwrap_or_default();
        match &self.target.place {
            Place::Port(_, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Port(_, port) => format!("{host}:{port}"),
            Place::Path(_) => host.to_owned(),
        }
    }

    fn connect(&self, deadline: Time) -> Result<Wire, AskError> {
        let (host, port) = match &self.target.place {
            Place::Path(path) => {
                return connect_unix(path).map(Wire::Unix).map_err(|cause| self.unreachable(cause));
            }
            Place::Port(host, port) => (host, *port),
        };
        let stream = self.connect_tcp(host, port, deadline)?;
        // Both requests are single writes, which need not wait for more.
        let _ = stream.set_nodelay(true);
        let Some(config) = &self.tls else { return Ok(Wire::Tcp(stream)) };
        let tls = |cause| AskError::Tls { target: self.target.clone(), cause };
        let name = ServerName::try_from(self.target.host().to_owned());
        let name = name.map_err(|error| tls(rustls::Error::General(error.to_string())))?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(tls)?;
        Ok(Wire::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    /// Connects to the first address of a host that takes it.
    fn connect_tcp(&self, host: &str, port: u16, deadline: Time) -> Result<TcpStream, AskError> {
        let lookup = |cause| AskError::Lookup { target: self.target.clone(), cause };
        let addresses = (host, port).to_socket_addrs().map_err(lookup)?;
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, left(deadline)) {
                Ok(stream) => return Ok(stream),
                Err(cause) => last = cause,
            }
        }
        Err(self.unreachable(last))
    }

    fn unreachable(&self, cause: io::Error) -> AskError {
        let target = self.target.clone();
        if is_timeout(&cause) {
            AskError::TimedOut { target }
        } else {
            AskError::Unreachable { target, cause }
        }
    }

    fn broken(&self, cause: io::Error) -> AskError {
        let target = self.target.clone();
        // What the library of TLS says comes wrapped.
        match cause.downcast::<rustls::Error>() {
            Ok(cause) => AskError::Tls { target, cause },
            Err(cause) if is_timeout(&cause) => AskError::TimedOut { target },
            Err(cause) => AskError::Broken { target, cause },
        }
    }

    fn not_http(&self, cause: Refusal) -> AskError {
        let target = self.target.clone();
        match cause {
            Refusal::BodyTooLong => AskError::TooLarge { target },
            cause => AskError::NotHttp { target, cause },
        }
    }
}

/// Connects to a socket whose queue may be full: then the kernel waits as long as a send might (unix(7)).
fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(limits::TOP_LOOK_TIMEOUT))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// A wait that was bounded ends with either, and a bounded connect with the other.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A peer that ends a connection of TLS without a word has ended it; whether the answer is whole is known from its length.
fn end_without_farewell(error: io::Error) -> io::Result<usize> {
    if error.kind() == ErrorKind::UnexpectedEof { Ok(0) } else { Err(error) }
}

/// The time that is left; never none at all, which would mean for ever.
fn left(deadline: Time) -> Duration {
    deadline.saturating_since(clock::now()).max(Duration::from_millis(1))
}

/// A connection.
enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// How long the next call may wait; over, when no time is left.
    fn set_timeout(&self, deadline: Time) -> io::Result<()> {
        if deadline <= clock::now() {
            return Err(ErrorKind::TimedOut.into());
        }
        let left = Some(left(deadline));
        let of_tcp =
            |stream: &TcpStream| stream.set_read_timeout(left).and_then(|()| stream.set_write_timeout(left));
        match self {
            Self::Tcp(stream) => of_tcp(stream),
            Self::Tls(stream) => of_tcp(&stream.sock),
            Self::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.set_write_timeout(left)),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Somebody who answers whatever comes with these bytes, and ends; and the address.
    fn somebody(answer: Vec<u8>) -> (thread::JoinHandle<()>, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().to_string().parse().unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(&answer);
        });
        (thread, target)
    }

    #[track_caller]
    fn check(answer: &[u8], token: Option<&str>, words: &str) {
        let (thread, target) = somebody(answer.to_vec());
        let shown = target.to_string();
        let error = Asker::new(target, token.map(str::to_owned), None).ask([("/varz", "/varz")]).unwrap_err();
        thread.join().unwrap();
        let sentence = error.to_string();
        assert!(sentence.starts_with(&shown) && sentence.contains(words), "{sentence}");
        assert!(!sentence.contains(['\n', '\x1b']), "{sentence:?}");
    }

    #[test]
    fn whoever_is_no_tidemill_is_told_in_a_sentence() {
        check(b"SSH-2.0-OpenSSH_9.6\r\n", None, "does not speak HTTP as an admin listener does");
        check(b"", None, "The connection ended within a message.");
        check(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", None, "answers /varz with 404");
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n", None, "with more than 16 MiB");
        check(
            b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
            None,
            "asks for a token. Try: --token-file FILE",
        );
        check(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", Some("x"), "does not take this token. Try: ");
    }

    #[test]
    fn nobody_is_told_in_a_sentence() {
        // A port that was given back, and that nobody has yet.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let asker = Asker::new(free.to_string().parse().unwrap(), None, None);
        let error = asker.ask([("/varz", "/varz")]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{free} cannot be reached: ")) && error.contains(" Try: "),
            "{error}"
        );
        let asker = Asker::new("unix:/nowhere/t".parse().unwrap(), None, None);
        let error = asker.ask([("/varz", "/varz")]).unwrap_err().to_string();
        assert!(error.starts_with("unix:/nowhere/t cannot be reached: No such file"), "{error}");
    }

    #[test]
    fn a_request_names_host_and_token() {
        let request = |target: &str, token: Option<&str>| {
            let asker = Asker::new(target.parse().unwrap(), token.map(str::to_owned), None);
            String::from_utf8(asker.request("/connz?limit=1")).unwrap()
        };
        assert_eq!(
            request("[fe80::1%2]:7", None),
            "GET /connz?limit=1 HTTP/1.1\r\nHost: [fe80::1]:7\r\n\r\n"
        );
        assert_eq!(
            request("unix:/t", Some("abc")),
            "GET /connz?limit=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer abc\r\n\r\n"
        );
    }
}
