//! What connections say first, and what is known of a subscriber from then on.

use tidemill::protocol::nats::client::write::{self, Connect};
use tidemill::protocol::websocket::{Kind, sender};

use crate::cli::Sids;
use crate::pubsub::endpoint::Spoken;
use crate::pubsub::ledger::Ledger;
use crate::pubsub::listener::{Listener, Subscription};
use crate::pubsub::plan::Plan;
use crate::pubsub::shape::Shape;
use crate::pubsub::subjects::{Interest, Subjects};

/// The queue group of several responders.
const QUEUE: &[u8] = b"loadgen";

/// What a subscriber asks for.
pub(super) fn interests(plan: &Plan, subjects: &Subjects, number: usize) -> Vec<Interest> {
    let subscriber = u32::try_from(number).expect("subscribers are counted in 32 bits");
    subjects.interests(plan.audience, subscriber)
}

/// The number of the next subscriber's first subscription.
pub(super) fn first_sid(plan: &Plan, before: &[Listener]) -> u64 {
    match plan.sids {
        Sids::Same => 1,
        Sids::Distinct => 1 + before.iter().map(|listener| listener.subscriptions() as u64).sum::<u64>(),
    }
}

/// Where the answers of a requester go; a stamp follows. The process is in it, since others may use the same hub.
pub(super) fn inbox(number: usize) -> Vec<u8> {
    format!("_INBOX.{:08x}{number:04x}.", std::process::id()).into_bytes()
}

/// What a subscriber says first.
pub(super) fn subscriber(plan: &Plan, interests: &[Interest], first_sid: u64) -> Vec<u8> {
    let mut words = introduction(plan);
    let queue = (plan.is_request_reply && 1 < plan.audience.subscribers).then_some(QUEUE);
    for (sid, interest) in (first_sid..).zip(interests) {
        subscribe(&mut words, interest.subject.as_bytes(), queue, sid);
    }
    words.extend_from_slice(write::PING);
    words
}

/// What a publisher says first.
pub(super) fn publisher(plan: &Plan, inbox: Option<&[u8]>) -> Vec<u8> {
    let mut words = introduction(plan);
    if let Some(inbox) = inbox {
        subscribe(&mut words, &[inbox, b"*"].concat(), None, 1);
    }
    words.extend_from_slice(write::PING);
    words
}

/// What a subscriber is to hear.
pub(super) fn listener(plan: &Plan, ledger: &Ledger, interests: &[Interest], first_sid: u64) -> Listener {
    let subscription = |(sid, interest): (u64, &Interest)| {
        let shape = shape(plan, ledger, interest, sid);
        Subscription::new(interest, plan.publishers, Some(shape))
    };
    Listener::new((first_sid..).zip(interests).map(subscription).collect(), first_sid)
}

/// What the frames of a subscription look like.
fn shape(plan: &Plan, ledger: &Ledger, interest: &Interest, sid: u64) -> Shape {
    let fill = &*ledger.fill;
    match plan.endpoint.spoken {
        Spoken::Nats | Spoken::NatsOverWebSocket => {
            let line = format!("MSG {} {sid} {}\r\n", interest.subject, plan.size);
            Shape::new(line.as_bytes(), &[fill, b"\r\n"].concat())
        }
        Spoken::WebSocket => Shape::new(&sender::message_header(Kind::Binary, plan.size, None), fill),
        Spoken::Events => Shape::new(b"data: ", &[fill, b"\n\n"].concat()),
    }
}

fn introduction(plan: &Plan) -> Vec<u8> {
    let (user, pass) = plan.user.as_ref().map(|(user, pass)| (user.as_str(), pass.as_str())).unzip();
    let mut words = Vec::new();
    let connect = Connect {
        echo: true,
        headers: true,
        no_responders: true,
        protocol: 1,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        name: Some("loadgen"),
        user,
        pass,
        auth_token: plan.token.as_deref(),
        ..Connect::default()
    };
    write::connect(&mut words, &connect);
    words
}

fn subscribe(words: &mut Vec<u8>, subject: &[u8], queue: Option<&[u8]>, sid: u64) {
    let written = write::subscribe(words, subject, queue, sid.to_string().as_bytes());
    debug_assert!(written.is_ok(), "the plan has checked the names of subjects");
}
