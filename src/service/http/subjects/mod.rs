//! The hub for those who come by HTTP and have no library: plain WebSocket, events, a POST, a request with its answer.
//!
//! | request | does |
//! |---|---|
//! | `GET /ws/SUBJECT` as a WebSocket | Publishes each message there, and sends whatever is published there. |
//! | `GET /ws` or `/ws/SUBJECT` with the subprotocol `tidemill.v1` | JSON commands: see [`command`]. |
//! | `GET /sse?subject=SUBJECT` | Sends whatever is published there as Server-Sent Events: see [`events`]. |
//! | `POST /publish/SUBJECT` | Publishes the content: see [`exchange`]. |
//! | `GET` or `POST /request/SUBJECT` | Publishes the content, and answers with the first reply. |
//!
//! A subject is made of tokens with dots between them. In a path a `/` may stand for the dot, and escapes (`%3E` for `>`)
//! are decoded afterwards, so that `%2F` is a slash within a token.
//!
//! [`errand`] reads what a request wants, and knows no connection; [`seat`] is one WebSocket connection; what needs HTTP's
//! own turn of phases is in [`events`] and [`exchange`]. What anybody may do is asked in [`permission`], which pages of
//! other sites may do in [`origin`].

mod command;
mod desk;
mod errand;
mod events;
mod exchange;
mod letterbox;
mod origin;
mod permission;
mod seat;
mod subject;

pub(super) use self::errand::kind_of;
pub use self::errand::{Enquiry, Errand, Listen, Opening, Publication};
pub(super) use self::events::Subscriber;
pub(super) use self::exchange::Exchange;
pub(super) use self::letterbox::{Letterbox, Names};
pub use self::origin::Origin;
pub(super) use self::permission::{Asked, Unsaid, Who};
pub use self::seat::Seat;

/// The subprotocol of JSON commands.
pub const SUBPROTOCOL: &str = "tidemill.v1";
