//! Messages to a shard, and the doorbell that wakes it for them.
//!
//! A message is put into the mailbox of the shard it is for; the bell is rung, by an operation on the sender's own ring,
//! only if that shard sleeps. A shard says that it sleeps *before* it looks into its mailbox for the last time, and a
//! sender looks whether the shard sleeps *after* it has put its message in; so one of the two sees the other.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::pace::DrainTimes;
use super::terms::Terms;
use crate::connection::{Listed, Order};
use crate::hub::{HubSizes, ListedFilter, Parcel};
use crate::limits;
use crate::metrics::Snapshot;
use crate::ring::Bell;

/// What a shard can be told.
#[derive(Debug)]
pub enum Message {
    /// Stop: accept nothing more, send all away in this time, then cut.
    Stop(DrainTimes),
    /// From now on these terms hold.
    Terms(Arc<Terms>),
    /// Here are all shards, in the order of their numbers, and you among them.
    Contacts(Arc<[Contact]>),
    /// What another shard has published, and what it listens to.
    Parcel(Arc<Parcel>),
    /// Send your counters there, with your number.
    Report(SyncSender<(usize, Snapshot)>),
    /// Send there how large your hub is, with your number.
    Sizes(SyncSender<(usize, HubSizes)>),
    /// Send there the filters at these places of your list.
    Filters(Range<usize>, SyncSender<Vec<ListedFilter>>),
    /// Send there how many connections you have, and the first so many of them in this order.
    List(Order, usize, SyncSender<(usize, Vec<Listed>)>),
}

/// A shard's own end.
#[derive(Debug)]
pub struct Mailbox {
    receiver: Receiver<Message>,
    shared: Arc<Shared>,
}

/// The end of those who write to it.
#[derive(Clone, Debug)]
pub struct Address {
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    sleeping: AtomicBool,
    waiting: AtomicUsize,
    gone: AtomicBool,
}

/// The message could not be delivered; here it is.
#[derive(Debug)]
pub enum Undelivered {
    /// The mailbox is full: try again when the shard has read some.
    Full(Message),
    /// The shard is gone.
    Gone(Message),
}

/// Whether the shard must be woken to read its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It is awake and will read it.
    Awake,
    /// It sleeps: ring its bell.
    Asleep,
}

/// A mailbox and its address.
pub fn mailbox() -> (Mailbox, Address) {
    let (sender, receiver) = sync_channel(limits::MAILBOX_MESSAGES);
    let shared = Arc::new(Shared::default());
    (Mailbox { receiver, shared: Arc::clone(&shared) }, Address { sender, shared })
}

impl Mailbox {
    /// Takes the next message out.
    pub fn take(&mut self) -> Option<Message> {
        let message = self.receiver.try_recv().ok()?;
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(message)
    }

    /// Says that the shard is going to sleep. Returns whether it may: not when a message has come.
    pub fn fall_asleep(&self) -> bool {
        // SeqCst, as in `Address::post`: of "I sleep, then is there a message?" and "here is a message, then does it
        // sleep?" at least one must see the other, which release and acquire do not promise.
        self.shared.sleeping.store(true, Ordering::SeqCst);
        self.shared.waiting.load(Ordering::SeqCst) == 0
    }

    /// Says that the shard is awake.
    pub fn wake_up(&self) {
        // A sender that still sees it asleep rings once too often, which is harmless.
        self.shared.sleeping.store(false, Ordering::Relaxed);
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // Relaxed: it is a hint, and guards nothing.
        self.shared.gone.store(true, Ordering::Relaxed);
    }
}

impl Address {
    /// Whether its shard has ended.
    pub fn is_gone(&self) -> bool {
        self.shared.gone.load(Ordering::Relaxed)
    }

    /// Puts a message in.
    ///
    /// # Errors
    /// Gives the message back when the mailbox is full or its shard gone.
    pub fn post(&self, message: Message) -> Result<Delivered, Undelivered> {
        // Counted first: a shard may wait in vain for a message, but never sleep on one.
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        self.sender.try_send(message).map_err(|error| {
            self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
            match error {
                TrySendError::Full(message) => Undelivered::Full(message),
                TrySendError::Disconnected(message) => Undelivered::Gone(message),
            }
        })?;
        let asleep = self.shared.sleeping.swap(false, Ordering::SeqCst);
        Ok(if asleep { Delivered::Asleep } else { Delivered::Awake })
    }
}

/// Where a shard can be reached.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its mailbox.
    pub address: Address,
    /// Its bell.
    pub bell: Bell,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stop() -> Message {
        Message::Stop(Duration::ZERO.into())
    }

    #[test]
    fn a_bell_is_rung_once_and_only_for_a_sleeper() {
        let (mut mailbox, address) = mailbox();
        assert_eq!(address.post(stop()).unwrap(), Delivered::Awake);
        assert!(!mailbox.fall_asleep(), "a message waits");
        mailbox.wake_up();
        assert!(mailbox.take().is_some());
        assert!(mailbox.fall_asleep());
        assert_eq!(address.post(stop()).unwrap(), Delivered::Asleep);
        assert_eq!(address.post(stop()).unwrap(), Delivered::Awake, "it was rung already");
    }

    #[test]
    fn a_full_mailbox_gives_the_message_back() {
        let (mut mailbox, address) = mailbox();
        for _ in 0..limits::MAILBOX_MESSAGES {
            address.post(stop()).unwrap();
        }
        assert!(matches!(address.post(stop()), Err(Undelivered::Full(_))));
        assert!(mailbox.take().is_some());
        address.post(stop()).unwrap();
        assert_eq!(std::iter::from_fn(|| mailbox.take()).count(), limits::MAILBOX_MESSAGES);
        assert!(mailbox.fall_asleep(), "nothing is left uncounted");
        drop(mailbox);
        assert!(matches!(address.post(stop()), Err(Undelivered::Gone(_))));
    }

    #[test]
    fn no_message_is_slept_on() {
        let (mut mailbox, address) = mailbox();
        let (bell, rung) = std::sync::mpsc::channel();
        const MESSAGES: usize = 20_000;
        let sender = std::thread::spawn(move || {
            for _ in 0..MESSAGES {
                let mut message = stop();
                loop {
                    match address.post(message) {
                        Ok(Delivered::Asleep) => bell.send(()).unwrap(),
                        Ok(Delivered::Awake) => {}
                        Err(Undelivered::Full(back)) => {
                            message = back;
                            std::thread::yield_now();
                            continue;
                        }
                        Err(Undelivered::Gone(_)) => panic!("the mailbox is there"),
                    }
                    break;
                }
            }
        });
        let mut received = 0;
        while received < MESSAGES {
            if mailbox.fall_asleep() {
                rung.recv_timeout(Duration::from_secs(10)).expect("a message is never slept on");
            }
            mailbox.wake_up();
            received += std::iter::from_fn(|| mailbox.take()).count();
        }
        sender.join().unwrap();
    }
}
