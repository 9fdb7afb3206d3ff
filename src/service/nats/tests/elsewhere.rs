//! What another shard has said, and what a client says who knows of it.

use super::*;
use crate::connection::ConnectionId;
use crate::hub::{ClientOptions, Form, Hub, SlowPolicy, Subscribe};

/// A subscriber on another shard may hear, by whatever way, that its subscription stands, and tell a publisher here: that
/// shard has posted its news before it has sent anything. So news that lie in the mailbox when a message comes in are older
/// than the message.
#[test]
fn news_of_another_shard_come_before_messages_that_know_of_them() {
    let mut world = World::among(2, Settings::default());
    let (publisher, _) = world.connect();
    world.write(publisher, b"CONNECT {\"verbose\":false}\r\nPUB a 1\r\nx\r\n");
    assert_eq!(world.shard.snapshot().counters.hub_crossed, 0, "nobody listens yet");
    let mut other = Hub::new(1, 2, 1);
    let form = Form::Nats { headers: true, framed: false };
    let options = ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
    let subscriber = other.join(ConnectionId::numbered(0), options);
    let wish = Subscribe { filter: b"a", sid: b"1", ..Subscribe::default() };
    other.subscribe(subscriber, &wish).expect("it is its first");
    let news = other.take_parcel().expect("there are news");
    assert_eq!(other.readers(&news).collect::<Vec<_>>(), [0]);
    world.address.post(Message::Parcel(news)).expect("there is room");
    world.write(publisher, b"PUB a 1\r\nx\r\n");
    assert_eq!(world.shard.snapshot().counters.hub_crossed, 1);
}
