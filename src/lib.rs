//! Tidemill: a socket server for Linux, directly on io_uring. One pinned thread per core, each with its own ring and
//! its own listeners; nothing is shared on the path of a message.
//!
//! Most will run the binary. This library is for those who write a protocol of their own: implement
//! [`Service`](service::Service), and start it.
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use std::time::Duration;
//!
//! use tidemill::config::{Config, Listener};
//! use tidemill::connection::Inbox;
//! use tidemill::server::Server;
//! use tidemill::service::{Context, Service};
//! use tidemill::sys::address::Listen;
//!
//! /// Answers each line with its length.
//! struct Lengths;
//!
//! impl Service for Lengths {
//!     type Session = ();
//!
//!     fn open(&mut self, _: &mut Context<'_>) {}
//!
//!     fn receive(&mut self, _: &mut (), inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
//!         // What is left of an unfinished line comes again, joined with what follows.
//!         while let Some(end) = inbox.bytes().iter().position(|byte| *byte == b'\n') {
//!             context.outbox.write(format!("{end}\n").as_bytes());
//!             inbox.consume(end + 1);
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listeners = vec![Listener::echo("tcp://127.0.0.1:0".parse()?)];
//! let config = Config { listeners, shards: Some(1), ..Config::default() };
//! let mut server = Server::start(&config, |_shard| Lengths)?;
//!
//! let Listen::Tcp(address) = server.addresses()[0] else { unreachable!() };
//! let mut peer = std::net::TcpStream::connect(address)?;
//! peer.write_all(b"hello\nworld!\n")?;
//! let answers: Result<Vec<_>, _> = BufReader::new(&peer).lines().take(2).collect();
//! assert_eq!(answers?, ["5", "6"]);
//!
//! drop(peer);
//! server.stop(Duration::from_secs(1));
//! server.join()?;
//! # Ok(())
//! # }
//! ```
//!
//! Pages and WebSocket of one's own need less: implement [`Site`](service::http::Site), and give it to
//! [`Http`](service::http::Http), the service in front of it. [`server::http_settings`] makes its settings from the
//! configuration. The examples `custom_protocol` and `chat_room` are whole programs of either kind.
//!
//! Without a kernel, and with a seed, a service can be tried on a [`Shard`](shard::Shard) of the simulated kernel,
//! [`Sim`](ring::sim::Sim).
//!
//! Read the modules in this order to know how it works: [`server`] starts the threads, [`shard`] is the turn that each
//! of them makes, [`ring`] speaks with the kernel, [`connection`] is one socket's life, [`service`] is what the server
//! is for. Below them stands [`sys`], the edge of the process; beside them [`protocol`], what is on the wire, [`access`], who
//! may come, [`tls`], certificates and keys, and [`limits`], every bound with its reason.

#[forbid(unsafe_code)]
pub mod access;
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod connection;
#[forbid(unsafe_code)]
pub mod doctor;
#[forbid(unsafe_code)]
pub mod error;
#[forbid(unsafe_code)]
pub mod hub;
#[forbid(unsafe_code)]
pub mod limits;
#[forbid(unsafe_code)]
pub mod log;
#[forbid(unsafe_code)]
pub mod metrics;
#[forbid(unsafe_code)]
pub mod protocol;
pub mod ring;
#[forbid(unsafe_code)]
pub mod server;
#[forbid(unsafe_code)]
pub mod service;
#[forbid(unsafe_code)]
pub mod shard;
pub mod sys;
#[forbid(unsafe_code)]
pub mod tier;
#[forbid(unsafe_code)]
pub mod tls;
#[forbid(unsafe_code)]
pub mod top;
#[forbid(unsafe_code)]
pub mod upgrade;
