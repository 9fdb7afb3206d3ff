//! From a completion entry to a completion; what was lent comes home.

use io_uring::cqueue::{self, Entry};

use super::{Memory, token_of};
use crate::ring::buffers::{Pool, RecvBuf};
use crate::ring::completion::{Accepted, Completion, Errno, Outcome, ReceiveError, Received, outcome_of};
use crate::ring::datagram::{Datagram, NAME_BYTES, parse_name};
use crate::ring::files::Descriptor;
use crate::ring::leases::Gather;
use crate::ring::token::Kind;

impl Memory {
    /// Reads one entry; `None` when it answers nothing of ours.
    pub(super) fn translate(&mut self, entry: &Entry) -> Option<Completion> {
        let token = token_of(entry)?;
        let more = cqueue::more(entry.flags());
        let result = outcome_of(entry.result());
        let outcome = match token.kind() {
            Kind::Accept => Outcome::Accepted(self.accepted(token.slot(), result)),
            Kind::Connect => {
                drop(self.loans.connects.take(token.slot()));
                Outcome::Connected(result.map(drop).map_err(Into::into))
            }
            Kind::Receive => Outcome::Received(self.received(entry, result)),
            Kind::Send => self.sent(token.slot(), result),
            Kind::ReceiveFrom => Outcome::ReceivedFrom(self.received_from(entry, result)),
            Kind::SendTo => {
                self.release_datagram(token.slot());
                Outcome::SentTo(result.map(|bytes| bytes as usize).map_err(Into::into))
            }
            Kind::Shutdown => Outcome::ShutDown(result.map(drop)),
            Kind::Cancel => Outcome::Cancelled,
            Kind::CloseCancel => Outcome::CloseCancelled,
            Kind::Close => Outcome::Closed(result.map(drop)),
            Kind::Doorbell => Outcome::Doorbell,
            Kind::DoorbellSent => Outcome::DoorbellSent(result.map(drop)),
        };
        Some(Completion { token, more, outcome })
    }

    fn accepted(
        &mut self,
        slot: u32,
        result: Result<u32, Errno>,
    ) -> Result<Accepted, crate::ring::AcceptError> {
        let descriptor = Descriptor::new(result?);
        let lent = self.loans.accepts.place(slot).as_ref().expect("an accept has a place for the address");
        // SAFETY: the accept is over, so the kernel does not write to it any more; it lives in its slot.
        let name = unsafe { &*lent.as_ptr() };
        let name = std::ptr::from_ref(&name.name).cast::<[u8; NAME_BYTES]>();
        // SAFETY: `sockaddr_storage` has 128 bytes, all of them initialised by us and then by the kernel.
        let address = parse_name(unsafe { &*name });
        self.one_by_one[descriptor.place() as usize] = address.is_none();
        Ok(Accepted { descriptor, address })
    }

    fn received(&self, entry: &Entry, result: Result<u32, Errno>) -> Result<Received, ReceiveError> {
        let buffer = take_buffer(&self.streams.pool, self.streams.incremental, entry, result);
        match (result?, buffer) {
            (0, _) => Ok(Received::End),
            (_, Some(buffer)) => Ok(Received::Bytes(buffer)),
            (_, None) => unreachable!("the kernel puts received bytes into a buffer"),
        }
    }

    fn received_from(&self, entry: &Entry, result: Result<u32, Errno>) -> Result<Datagram, ReceiveError> {
        let pool = &self.datagrams.as_ref().expect("datagrams are received with buffers").pool;
        let buffer = take_buffer(pool, false, entry, result);
        result?;
        buffer.and_then(Datagram::parse).ok_or(ReceiveError::Unexpected(Errno(libc::EAFNOSUPPORT)))
    }

    fn sent(&mut self, slot: u32, result: Result<u32, Errno>) -> Outcome {
        let parked = self.loans.sends.take(slot).expect("a send is parked until it is answered");
        self.loans.headers.extend(parked.header);
        let gather: Gather = parked.gather;
        Outcome::Sent { gather, result: result.map(|bytes| bytes as usize).map_err(Into::into) }
    }

    /// A quiet send with this number is over: if it has not answered, all of it was taken.
    pub(super) fn sent_quietly(&mut self, slot: u32, entry: u64) -> Option<Outcome> {
        let parked = self.loans.sends.place(slot);
        // Another send may stand there by now.
        let parked = parked.take_if(|parked| parked.entry == entry)?;
        self.loans.headers.extend(parked.header);
        let bytes = parked.gather.len();
        Some(Outcome::Sent { gather: parked.gather, result: Ok(bytes) })
    }

    fn release_datagram(&mut self, slot: u32) {
        let parked =
            self.loans.datagrams.place(slot).as_mut().expect("a datagram is parked until it is answered");
        drop(parked.payload.take());
    }
}

/// Takes over the buffer that a completion names, filled or not. A receive that brought nothing has not used up an
/// incremental buffer, though kernels exist that forget to say so (axboe/liburing#1545).
fn take_buffer(pool: &Pool, incremental: bool, entry: &Entry, result: Result<u32, Errno>) -> Option<RecvBuf> {
    let id = cqueue::buffer_select(entry.flags())?;
    let partly = cqueue::buffer_more(entry.flags());
    match result {
        Ok(bytes) if 0 < bytes => Some(pool.receive(id, bytes, partly)),
        Ok(_) | Err(_) => {
            pool.give_back(id, partly || incremental);
            None
        }
    }
}
