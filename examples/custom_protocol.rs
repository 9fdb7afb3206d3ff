//! A protocol of one's own in a hundred lines: messages with their length in front, as four bytes, big end first. Each is
//! answered with itself, turned round.
//!
//! Start it with `cargo run --example custom_protocol`, and it says what to type.

use std::error::Error;
use std::io::Write;

use tidemill::config::{Config, Listener};
use tidemill::connection::Inbox;
use tidemill::server::Server;
use tidemill::service::{Context, Service};
use tidemill::sys::address::Listen;

/// Longest message, in bytes. What waits for the rest of its message takes private memory, and one message has to fit
/// into an inbox (`limits::INBOX_BYTES_MAX`): so a longer one is refused by its first four bytes, before it is kept.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// One value of it lives on each shard; it is never shared, so it needs no lock.
struct Reverse;

/// What is remembered of one connection.
#[derive(Default)]
struct Session {
    messages: u64,
}

impl Service for Reverse {
    type Session = Session;

    fn open(&mut self, _: &mut Context<'_>) -> Session {
        Session::default()
    }

    /// Called whenever bytes came in, and when there is room again after `hold_for_room`. Bytes come as the network cuts
    /// them: half a length, three messages and a half.
    fn receive(&mut self, session: &mut Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        while let Some((&header, rest)) = inbox.bytes().split_first_chunk::<LENGTH_BYTES>() {
            // Who does not read its answers gets no new ones, and is not read from until it has read most of them.
            if context.room() == 0 {
                return context.hold_for_room();
            }
            let length = u32::from_be_bytes(header) as usize;
            if MESSAGE_BYTES_MAX < length {
                // What is a message and what is not cannot be known any more. What was answered is still sent.
                return context.finish();
            }
            // What is not consumed comes again, joined with what follows.
            let Some(message) = rest.get(..length) else { return };
            session.messages += 1;
            // All answers of a turn leave in one send.
            context.outbox.write_with(|out| {
                out.extend_from_slice(&header);
                out.extend(message.iter().rev());
            });
            inbox.consume(LENGTH_BYTES + length);
        }
    }

    /// The server stops, and everything was answered: say goodbye with an empty message.
    fn drain(&mut self, session: &mut Session, context: &mut Context<'_>) {
        if 0 < session.messages {
            context.outbox.write(&[0; LENGTH_BYTES]);
        }
        context.finish();
    }

    fn protocol(&self, _: &Session) -> &'static str {
        "reverse"
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "7070".to_owned());
    let listeners = vec![Listener::echo(format!("tcp://127.0.0.1:{port}").parse()?)];
    let config = Config { listeners, ..Config::default() };
    let server = Server::start(&config, |_shard| Reverse)?;

    let mut out = std::io::stdout();
    for address in server.addresses() {
        let Listen::Tcp(address) = address else { continue };
        writeln!(out, "listening on {address}")?;
        writeln!(out, "Try: printf '\\0\\0\\0\\5hello' | nc -q 1 {} {} | xxd", address.ip(), address.port())?;
    }
    out.flush()?;
    server.join()?;
    Ok(())
}
