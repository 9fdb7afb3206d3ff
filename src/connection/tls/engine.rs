//! The library's connection, either role, asked step by step until it has nothing more to say.
//!
//! The library keeps no bytes between two calls: it decrypts in the memory that it is shown and says what must be sent
//! next. Each step must bring something forward; one that does not ends the connection, so that no input can keep the
//! thread here.

use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedConnectionCommon, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{ClientConfig, CommonState, ServerConfig};

use super::error::TlsError;

/// A connection in one of the two roles, behind a pointer: it is larger than everything else that a connection is.
pub(super) enum Engine {
    /// It accepts.
    Server(Box<UnbufferedServerConnection>),
    /// It asks.
    Client(Box<UnbufferedClientConnection>),
}

/// What one look at the bytes brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pumped {
    /// Bytes that are not needed any more.
    pub(super) used: usize,
    /// The peer has said that it sends nothing more.
    pub(super) peer_closed: bool,
}

impl Engine {
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        let connection = UnbufferedServerConnection::new(config).map_err(TlsError::from_rustls)?;
        Ok(Self::Server(Box::new(connection)))
    }

    pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        let connection = UnbufferedClientConnection::new(config, name).map_err(TlsError::from_rustls)?;
        Ok(Self::Client(Box::new(connection)))
    }

    /// Takes all whole records of `wire`.
    pub(super) fn pump(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Pumped, TlsError> {
        match self {
            Self::Server(connection) => pump(&mut ***connection, wire, plain, out),
            Self::Client(connection) => pump(&mut ***connection, wire, plain, out),
        }
    }

    /// Encrypts `plain`. `wire` is what is unfinished of the other direction.
    pub(super) fn seal(&mut self, wire: &mut [u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        match self {
            Self::Server(connection) => write(&mut ***connection, wire, plain, out),
            Self::Client(connection) => write(&mut ***connection, wire, plain, out),
        }
    }

    /// Says that nothing more is sent.
    pub(super) fn close(&mut self, wire: &mut [u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        match self {
            Self::Server(connection) => close(&mut ***connection, wire, out),
            Self::Client(connection) => close(&mut ***connection, wire, out),
        }
    }

    /// What has been agreed upon so far.
    pub(super) fn facts(&self) -> &CommonState {
        match self {
            Self::Server(connection) => connection,
            Self::Client(connection) => connection,
        }
    }
}

/// What the two roles have in common.
trait Role {
    type Data;
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn wants_write(&self) -> bool;
}

impl Role for UnbufferedConnectionCommon<ServerConnectionData> {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

impl Role for UnbufferedConnectionCommon<ClientConnectionData> {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

/// Steps in a row that may change nothing that is seen from here: the end of a flight, and the peer's end.
const QUIET_STEPS_MAX: u32 = 4;

fn pump<R: Role>(
    role: &mut R,
    wire: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Pumped, TlsError> {
    let mut pumped = Pumped::default();
    let mut quiet_steps = 0;
    loop {
        let before = (pumped.used, plain.len(), out.len());
        let UnbufferedStatus { mut discard, state } = role.process(&mut wire[pumped.used..]);
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                pump_alert(role, out);
                return Err(TlsError::from_rustls(error));
            }
        };
        let goes_on = match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(TlsError::from_rustls)?;
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
                true
            }
            ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out).map(|()| true)?,
            ConnectionState::TransmitTlsData(flight) => {
                flight.done();
                true
            }
            ConnectionState::PeerClosed => {
                pumped.peer_closed = true;
                true
            }
            ConnectionState::BlockedHandshake
            | ConnectionState::WriteTraffic(_)
            | ConnectionState::Closed => false,
            // Early data is never offered; new states come with a new library.
            other => return Err(TlsError::Other(format!("TLS is in an unexpected state: {other:?}"))),
        };
        pumped.used += discard;
        if !goes_on {
            return Ok(pumped);
        }
        let stands_still = before == (pumped.used, plain.len(), out.len());
        quiet_steps = if stands_still { quiet_steps + 1 } else { 0 };
        if QUIET_STEPS_MAX < quiet_steps {
            return Err(TlsError::Other("TLS makes no progress".to_owned()));
        }
    }
}

/// Takes the alert that follows an error. What is queued comes before anything is looked at, so the library is shown
/// nothing: what it has failed on, it would fail on again.
fn pump_alert<R: Role>(role: &mut R, out: &mut Vec<u8>) {
    while role.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut data)) = role.process(&mut []).state else { return };
        if encode(&mut data, out).is_err() {
            return;
        }
    }
}

/// Appends one message of the library's own.
fn encode<D>(data: &mut EncodeTlsData<'_, D>, out: &mut Vec<u8>) -> Result<(), TlsError> {
    let at = out.len();
    let size = match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(error) => return Err(TlsError::Other(error.to_string())),
    };
    out.resize(at + size, 0);
    let written = data.encode(&mut out[at..]).map_err(|error| TlsError::Other(error.to_string()))?;
    out.truncate(at + written);
    Ok(())
}

fn write<R: Role>(role: &mut R, wire: &mut [u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
    let sealed = with_traffic(role, wire, out, |traffic, to| traffic.encrypt(plain, to));
    if sealed == Err(TlsError::KeysUsedUp) {
        pump_alert(role, out);
    }
    sealed
}

fn close<R: Role>(role: &mut R, wire: &mut [u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
    with_traffic(role, wire, out, |traffic, to| traffic.queue_close_notify(to))
}

/// Lets `produce` append to `out`: it is asked once for the size and once for the bytes.
fn with_traffic<R: Role>(
    role: &mut R,
    wire: &mut [u8],
    out: &mut Vec<u8>,
    produce: impl Fn(&mut WriteTraffic<'_, R::Data>, &mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), TlsError> {
    for _ in 0..=QUIET_STEPS_MAX {
        match role.process(wire).state.map_err(TlsError::from_rustls)? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let at = out.len();
                let size = match produce(&mut traffic, &mut []) {
                    Ok(_) => return Ok(()),
                    Err(EncryptError::InsufficientSize(size)) => size.required_size,
                    Err(EncryptError::EncryptExhausted) => return Err(TlsError::KeysUsedUp),
                };
                out.resize(at + size, 0);
                let written = produce(&mut traffic, &mut out[at..]).map_err(|_| TlsError::KeysUsedUp)?;
                out.truncate(at + written);
                return Ok(());
            }
            ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
            ConnectionState::TransmitTlsData(flight) => flight.done(),
            ConnectionState::BlockedHandshake => return Err(TlsError::NotReady),
            _ => return Err(TlsError::Ended),
        }
    }
    Err(TlsError::Other("TLS makes no progress".to_owned()))
}
