//! HTTP/1.1 (RFC 9110, RFC 9112), for both roles.
//!
//! A server reads with [`parse_request`] and answers with [`encode_response`]; a client asks with [`encode_request`] and
//! reads with [`parse_response`]; both read content with a [`Body`] decoder. Heads are borrowed from the bytes they
//! came in, nothing is allocated per message, and each byte is looked at a small, fixed number of times however it was
//! cut on its way.
//!
//! What two readers could understand in two ways is refused, never guessed: that is how requests are smuggled past a
//! proxy. After a [`Refusal`] the connection is to be closed. It must not know sockets, clocks or services.
//!
//! What stands between a caller and the lines of a head is always inlined: the results are large, and to copy them from
//! function to function took a third of the time (five header lines: 138 ns before, 90 ns after).

mod body;
mod encode;
mod escape;
mod facts;
mod head;
mod headers;
mod host;
mod message;
mod refusal;
mod request;
mod response;
mod target;
mod token;

pub use body::{Body, Decoded};
pub use encode::{
    CONTINUE, Persistence, RequestHead, ResponseHead, Unsendable, encode_answer, encode_chunk,
    encode_last_chunk, encode_request, encode_response, reason_phrase,
};
pub use escape::{Parameters, parameters, unescape};
pub use head::{HeadLimits, Progress};
pub use headers::{Headers, Table};
pub use message::{BodyLength, Method, Version};
pub use refusal::Refusal;
pub use request::{Request, parse_request};
pub use response::{Response, parse_response};
pub use target::{Form, Target};

#[cfg(test)]
mod tests;
