//! What the tests of async-nats share: a runtime, waits with a deadline, and a way to know that nothing more comes.

use std::future::Future;

use async_nats::{Client, ConnectOptions, Event, Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::DEADLINE;

/// Runs a test to its end, which must come before the deadline.
#[track_caller]
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    runtime.block_on(soon(test))
}

/// What this comes to, which must be before the deadline.
pub(super) async fn soon<T>(event: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(DEADLINE, event).await;
    result.unwrap_or_else(|_| panic!("it did not happen in {DEADLINE:?}"))
}

/// A client without credentials.
pub(super) async fn connect(url: &str) -> Client {
    ConnectOptions::new().connect(url).await.expect("anyone may come")
}

/// A client with these options, and what happens to it.
pub(super) async fn watched(options: ConnectOptions, url: &str) -> (Client, UnboundedReceiver<Event>) {
    let (sender, events) = unbounded_channel();
    let tell = move |event| {
        // Nobody may listen any more.
        let _ = sender.send(event);
        std::future::ready(())
    };
    (options.event_callback(tell).connect(url).await.expect("it may come"), events)
}

/// Waits for an event of this kind.
pub(super) async fn await_event(
    events: &mut UnboundedReceiver<Event>,
    is_it: impl Fn(&Event) -> bool,
) -> Event {
    soon(async {
        loop {
            let event = events.recv().await.expect("the client lives");
            if is_it(&event) {
                return event;
            }
        }
    })
    .await
}

/// The next message.
pub(super) async fn next(subscriber: &mut Subscriber) -> Message {
    soon(subscriber.next()).await.expect("a message, and not the end")
}

/// The payload of the next message.
pub(super) async fn text(subscriber: &mut Subscriber) -> String {
    payload(&next(subscriber).await)
}

/// The payload as text.
pub(super) fn payload(message: &Message) -> String {
    String::from_utf8(message.payload.to_vec()).expect("it was text")
}

/// When this is over, the server has done all that this client said before, and everything that it sent to it before
/// has arrived: it has a message of its own back.
pub(super) async fn settle(client: &Client) {
    let inbox = client.new_inbox();
    let mut own = client.subscribe(inbox.clone()).await.expect("it is a subject");
    client.publish(inbox, "settled".into()).await.expect("it is a subject");
    next(&mut own).await;
}

/// What has come and was not taken yet. Only after [`settle`] is that all.
pub(super) fn waiting(subscriber: &mut Subscriber) -> Vec<String> {
    // Unconstrained: a task that has taken many messages is otherwise told that there are none, so that others run.
    let come = || tokio::task::unconstrained(subscriber.next()).now_or_never().flatten();
    std::iter::from_fn(come).map(|message| payload(&message)).collect()
}
