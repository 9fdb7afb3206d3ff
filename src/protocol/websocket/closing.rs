//! The closing handshake (RFC 6455, 1.4 and 7.1): who has sent a close frame, who still may, when it is over.
//!
//! It holds two facts and answers questions; it makes no bytes and knows no time. How long a peer has for its own close
//! frame is the caller's business.

use super::Role;

/// Who has said goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    role: Role,
    sent: bool,
    received: bool,
    failed: bool,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nobody has said goodbye.
    Serve,
    /// Our close frame is on its way, the peer's is awaited; its messages may still come.
    AwaitClose,
    /// Both have said goodbye and we are the client: the server ends the connection first (RFC 6455, 7.1.1).
    AwaitEnd,
    /// End the connection once what is written has been sent.
    End,
}

impl Closing {
    /// Nobody has said goodbye.
    pub const fn new(role: Role) -> Self {
        Self { role, sent: false, received: false, failed: false }
    }

    /// Whether messages, pings and pongs may still be sent: nothing may follow a close frame.
    pub const fn may_send(&self) -> bool {
        !self.sent
    }

    /// We want to close. True when a close frame is to be sent now; there is never a second one.
    pub const fn start(&mut self) -> bool {
        let is_first = !self.sent;
        self.sent = true;
        is_first
    }

    /// The peer's close frame came. True when it is to be answered, with the code it carried: when ours is on its way
    /// it is the answer.
    pub const fn receive(&mut self) -> bool {
        self.received = true;
        self.start()
    }

    /// The peer broke the protocol: what it sends from now on is not read. True when a close frame is to be sent.
    pub const fn fail(&mut self) -> bool {
        self.failed = true;
        self.start()
    }

    /// What the connection waits for.
    pub const fn next(&self) -> Next {
        match (self.failed, self.sent, self.received) {
            (true, _, _) => Next::End,
            (false, true, true) => match self.role {
                Role::Server => Next::End,
                Role::Client => Next::AwaitEnd,
            },
            (false, true, false) => Next::AwaitClose,
            (false, false, _) => Next::Serve, // `receive` also sends.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_closes_first() {
        for (role, last) in [(Role::Server, Next::End), (Role::Client, Next::AwaitEnd)] {
            let mut closing = Closing::new(role);
            assert_eq!((closing.next(), closing.may_send()), (Next::Serve, true));
            assert!(closing.receive(), "the close is answered");
            assert_eq!((closing.next(), closing.may_send()), (last, false));
            assert!(!closing.start(), "never a second close");
        }
    }

    #[test]
    fn we_close_first() {
        for (role, last) in [(Role::Server, Next::End), (Role::Client, Next::AwaitEnd)] {
            let mut closing = Closing::new(role);
            assert!(closing.start());
            assert_eq!((closing.next(), closing.may_send()), (Next::AwaitClose, false));
            assert!(!closing.receive(), "ours was the answer");
            assert_eq!(closing.next(), last);
        }
    }

    #[test]
    fn a_failure_ends_the_connection_for_both_roles() {
        for role in [Role::Server, Role::Client] {
            let mut closing = Closing::new(role);
            assert!(closing.fail());
            assert_eq!(closing.next(), Next::End);
            let mut closing = Closing::new(role);
            closing.start();
            assert!(!closing.fail(), "never a second close");
            assert_eq!(closing.next(), Next::End);
        }
    }
}
