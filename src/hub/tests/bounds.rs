//! What a shard's hub refuses because it would be too much.

use super::super::*;

/// Of three subscriptions a fourth is refused until one of them ends; and long filters meet a bound of their own.
#[test]
fn a_shard_has_so_many_subscriptions() {
    let mut hub = Hub::new(0, 1, 1);
    hub.set_subscriptions_max(3);
    let form = Form::Nats { headers: true, framed: false };
    let options = ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
    let clients = [1, 2].map(|slot| hub.join(ConnectionId::numbered(slot), options));
    let subscribe = |hub: &mut Hub, client: usize, filter: &str, sid: &str| {
        let wish = Subscribe { filter: filter.as_bytes(), sid: sid.as_bytes(), ..Subscribe::default() };
        hub.subscribe(clients[client], &wish)
    };
    for (client, sid) in [(0, "1"), (0, "2"), (1, "1")] {
        assert_eq!(subscribe(&mut hub, client, "a", sid), Ok(()));
    }
    assert_eq!(subscribe(&mut hub, 1, "a", "2"), Err(NotSubscribed::Full));
    hub.leave(clients[0]);
    assert_eq!(subscribe(&mut hub, 1, "a", "1"), Err(NotSubscribed::Duplicate));
    assert_eq!(subscribe(&mut hub, 1, "a.b.c.d.e.f.g.h.i.j.k", "2"), Ok(()));
    // Those are 11 tokens of 12, and here are 11 more; then it is enough.
    assert_eq!(subscribe(&mut hub, 1, "b.b.c.d.e.f.g.h.i.j.k", "3"), Ok(()));
    assert_eq!(subscribe(&mut hub, 1, "a", "4"), Err(NotSubscribed::Full));
    hub.unsubscribe(clients[1], b"1", None);
    assert_eq!(subscribe(&mut hub, 1, "a", "4"), Err(NotSubscribed::Full), "for its 22 tokens");
    hub.unsubscribe(clients[1], b"2", None);
    assert_eq!(subscribe(&mut hub, 1, "a", "4"), Ok(()));
}

/// However few the subscriptions, their names have a bound: the sixteenth of 4,096 bytes fills 64 KiB.
#[test]
fn a_shard_has_so_many_bytes_of_names() {
    let mut hub = Hub::new(0, 1, 1);
    hub.set_subscriptions_max(100);
    let form = Form::Nats { headers: true, framed: false };
    let options = ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
    let client = hub.join(ConnectionId::numbered(1), options);
    let subscribe = |hub: &mut Hub, number: usize| {
        let (name, sid) = (format!("{number:04}"), number.to_string());
        let queue = name.repeat(1024);
        let wish =
            Subscribe { filter: b"a", queue: Some(queue.as_bytes()), sid: sid.as_bytes(), hidden: None };
        hub.subscribe(client, &wish)
    };
    assert!((0..16).all(|number| subscribe(&mut hub, number) == Ok(())));
    assert_eq!(subscribe(&mut hub, 16), Err(NotSubscribed::Full));
    hub.unsubscribe(client, b"3", None);
    assert_eq!(subscribe(&mut hub, 16), Ok(()));
}
