//! An echo without a protocol: the position in the stream says which message a byte belongs to.

use super::{Book, Fault, Talk};
use crate::traffic::pattern::{Message, Pattern};
use crate::traffic::verify::StreamVerifier;

/// What the echoes of a worker share.
#[derive(Debug)]
pub struct EchoCommon {
    /// What is sent.
    pub pattern: Pattern,
    /// Whether every byte is compared.
    pub verify: bool,
}

/// One connection to an echo server.
#[derive(Debug)]
pub struct Echo {
    verifier: StreamVerifier,
}

impl Talk for Echo {
    type Common = EchoCommon;

    fn new(first: Message) -> Self {
        Self { verifier: StreamVerifier::from(first) }
    }

    fn open(&mut self, _: &mut EchoCommon, _: &mut Vec<u8>) {}

    fn is_open(&self) -> bool {
        true
    }

    fn request_bytes(common: &EchoCommon) -> usize {
        common.pattern.size()
    }

    fn ask(&mut self, common: &mut EchoCommon, first: Message, count: u64, out: &mut Vec<u8>) {
        first.and_following(count).for_each(|message| common.pattern.append(message, out));
    }

    fn receive(
        &mut self,
        common: &mut EchoCommon,
        bytes: &mut [u8],
        _: &mut Vec<u8>,
        book: &mut Book<'_>,
    ) -> Result<usize, Fault> {
        let checked = self.verifier.feed(&common.pattern, bytes, common.verify);
        if common.verify {
            book.compared(&common.pattern, checked.messages, checked.wrong_messages, checked.mismatch);
        }
        (0..checked.messages).for_each(|_| book.good());
        Ok(bytes.len())
    }

    fn end(&mut self, _: &mut EchoCommon, _: &mut Book<'_>) -> Result<(), Fault> {
        Err(Fault::closed_early())
    }

    fn is_over(&self) -> bool {
        false
    }

    fn part(&mut self, _: &mut EchoCommon, _: &mut Vec<u8>) -> bool {
        false
    }

    fn has_parted(&self) -> bool {
        true
    }
}
