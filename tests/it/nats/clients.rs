//! async-nats, as it is, over TCP and over WebSocket.

use async_nats::{Client, ConnectOptions, Event, HeaderMap, PublishErrorKind, RequestErrorKind, Subscriber};
use bytes::Bytes;

use super::client_kit::{await_event, connect, next, payload, run, settle, soon, text, waiting, watched};
use super::peer::{Hub, Settings};
use super::shared::alice;
use crate::support::quiet_port;

/// Runs a test over both transports, on a server of its own.
#[track_caller]
fn over_both(settings: &Settings, test: impl AsyncFn(&str)) {
    let Some(hub) = Hub::start(settings) else { return };
    for url in hub.urls() {
        run(test(&url));
    }
}

async fn subscribe(client: &Client, filter: &'static str) -> Subscriber {
    let subscriber = client.subscribe(filter).await.expect("it is a filter");
    settle(client).await;
    subscriber
}

async fn publish(client: &Client, subject: &'static str, payload: &'static str) {
    client.publish(subject, payload.into()).await.expect("it is a subject");
}

/// What is published is heard by whoever asked for it, in order, on this connection and on another.
#[test]
fn async_nats_publishes_and_subscribes() {
    over_both(&Settings::default(), async |url| {
        let (one, two) = (connect(url).await, connect(url).await);
        let mut heard = [subscribe(&one, "talk").await, subscribe(&two, "talk").await];
        let mut other = subscribe(&two, "talk.other").await;
        for number in 0..100 {
            one.publish("talk", number.to_string().into()).await.expect("it is a subject");
        }
        for subscriber in &mut heard {
            for number in 0..100 {
                let message = next(subscriber).await;
                assert_eq!((payload(&message), message.subject.as_str()), (number.to_string(), "talk"));
            }
        }
        settle(&two).await;
        assert_eq!(waiting(&mut other), [""; 0]);
    });
}

/// `*` stands for one token and `>` for one or more.
#[test]
fn async_nats_subscribes_by_wildcards() {
    over_both(&Settings::default(), async |url| {
        let client = connect(url).await;
        let subjects = ["a", "a.b", "a.c", "a.b.c", "b.b", "a.b.c.d"];
        let cases: [(_, &[&str]); 5] = [
            ("a.*", &["a.b", "a.c"]),
            ("a.>", &["a.b", "a.c", "a.b.c", "a.b.c.d"]),
            ("*.b", &["a.b", "b.b"]),
            ("*", &["a"]),
            ("*.*.>", &["a.b.c", "a.b.c.d"]),
        ];
        let mut subscribers = Vec::new();
        for (filter, expected) in cases {
            subscribers.push((subscribe(&client, filter).await, filter, expected));
        }
        for subject in subjects {
            publish(&client, subject, subject).await;
        }
        settle(&client).await;
        for (mut subscriber, filter, expected) in subscribers {
            assert_eq!(waiting(&mut subscriber), expected, "{filter}");
        }
    });
}

/// Of a queue group one member gets each message, and every group gets it.
#[test]
fn async_nats_shares_work_in_queue_groups() {
    over_both(&Settings::default(), async |url| {
        let clients = [connect(url).await, connect(url).await, connect(url).await];
        let mut groups = [Vec::new(), Vec::new()];
        for client in &clients {
            for (group, name) in groups.iter_mut().zip(["red", "blue"]) {
                let member = client.queue_subscribe("work", name.to_owned()).await.expect("it is a filter");
                group.push(member);
            }
            settle(client).await;
        }
        for number in 0..300 {
            clients[0].publish("work", number.to_string().into()).await.expect("it is a subject");
        }
        settle(&clients[0]).await;
        for client in &clients {
            settle(client).await;
        }
        for group in &mut groups {
            let mut heard = Vec::new();
            for member in group {
                let messages = waiting(member);
                assert!(!messages.is_empty(), "of 300, one has a share: the chance of none is below 10^-52");
                heard.extend(messages);
            }
            heard.sort_by_key(|number| number.parse::<u32>().expect("it is a number"));
            assert!(heard.into_iter().eq((0..300).map(|number| number.to_string())), "each once");
        }
    });
}

/// A request is answered by whoever serves the subject; where nobody does, the client hears that at once.
#[test]
fn async_nats_asks_and_answers() {
    over_both(&Settings::default(), async |url| {
        let (asking, serving) = (connect(url).await, connect(url).await);
        let mut service = subscribe(&serving, "double").await;
        let serve = async {
            for _ in 0..20 {
                let request = next(&mut service).await;
                let inbox = request.reply.clone().expect("it wants an answer");
                let answer = payload(&request).repeat(2);
                serving.publish(inbox, answer.into()).await.expect("an inbox is a subject");
            }
        };
        let ask = async {
            for number in 0..20 {
                let answer = asking.request("double", number.to_string().into()).await.expect("it is served");
                assert_eq!(payload(&answer), format!("{number}{number}"));
            }
        };
        soon(async { tokio::join!(serve, ask) }).await;
        let error = soon(asking.request("nobody", "?".into())).await.expect_err("nobody serves it");
        assert_eq!(error.kind(), RequestErrorKind::NoResponders);
    });
}

/// Headers arrive as they were sent: several values, empty ones, a message of headers alone.
#[test]
fn async_nats_sends_headers() {
    over_both(&Settings::default(), async |url| {
        let client = connect(url).await;
        let mut subscriber = subscribe(&client, "letter").await;
        let mut headers = HeaderMap::new();
        headers.append("Colour", "red");
        headers.append("Colour", "blue");
        headers.insert("Empty", "");
        for body in ["dear", ""] {
            let sent = client.publish_with_headers("letter", headers.clone(), body.into()).await;
            sent.expect("it is a subject");
            let message = next(&mut subscriber).await;
            assert_eq!((message.headers.as_ref(), payload(&message).as_str()), (Some(&headers), body));
        }
        publish(&client, "letter", "plain").await;
        let message = next(&mut subscriber).await;
        assert_eq!((message.headers, &message.payload[..]), (None, &b"plain"[..]));
    });
}

/// A subscription ends after so many messages, counted from its beginning, or at once.
#[test]
fn async_nats_unsubscribes() {
    over_both(&Settings::default(), async |url| {
        let client = connect(url).await;
        let mut three = subscribe(&client, "count").await;
        let mut one = subscribe(&client, "count").await;
        publish(&client, "count", "1").await;
        settle(&client).await;
        three.unsubscribe_after(3).await.expect("the client lives");
        one.unsubscribe().await.expect("the client lives");
        for payload in ["2", "3", "4", "5"] {
            publish(&client, "count", payload).await;
        }
        settle(&client).await;
        assert_eq!(waiting(&mut three), ["1", "2", "3"]);
        assert_eq!(waiting(&mut one), ["1"]);
    });
}

/// What was published before a drain still arrives, and then it ends; so does the whole client.
#[test]
fn async_nats_drains() {
    over_both(&Settings::default(), async |url| {
        let (one, (two, mut events)) = (connect(url).await, watched(ConnectOptions::new(), url).await);
        let mut first = subscribe(&two, "last.words").await;
        let mut second = subscribe(&two, "last.*").await;
        for number in 0..50 {
            one.publish("last.words", number.to_string().into()).await.expect("it is a subject");
        }
        settle(&one).await;
        first.drain().await.expect("the client lives");
        two.drain().await.expect("the client lives");
        for subscriber in [&mut first, &mut second] {
            for number in 0..50 {
                assert_eq!(text(subscriber).await, number.to_string());
            }
            let end = soon(futures_util::StreamExt::next(subscriber)).await;
            assert!(end.is_none(), "{end:?}");
        }
        await_event(&mut events, |event| *event == Event::Closed).await;
    });
}

/// Who does not want its own messages does not get them, and others do.
#[test]
fn async_nats_without_echo_does_not_hear_itself() {
    over_both(&Settings::default(), async |url| {
        let deaf = ConnectOptions::new().no_echo().connect(url).await.expect("anyone may come");
        let other = connect(url).await;
        let mut own = deaf.subscribe("shout").await.expect("it is a filter");
        let mut others = subscribe(&other, "shout").await;
        publish(&deaf, "shout", "from me").await;
        assert_eq!(text(&mut others).await, "from me");
        publish(&other, "shout", "from you").await;
        assert_eq!(text(&mut own).await, "from you");
    });
}

/// A payload may have as many bytes as INFO says and not one more: the client holds itself to that.
#[test]
fn async_nats_fills_a_message_to_the_brim() {
    const MOST: u32 = 100_000;
    let settings = Settings { max_payload: Some(MOST), ..Settings::default() };
    over_both(&settings, async |url| {
        let client = connect(url).await;
        assert_eq!(client.max_payload(), MOST as usize);
        let mut subscriber = subscribe(&client, "large").await;
        let payload: Bytes = (0..MOST).map(|byte| byte.to_le_bytes()[0]).collect();
        client.publish("large", payload.clone()).await.expect("it is as large as may be");
        assert!(next(&mut subscriber).await.payload == payload, "it is another");
        let more = [&payload[..], b"x"].concat();
        let error = client.publish("large", more.into()).await.expect_err("it is too large");
        assert_eq!(error.kind(), PublishErrorKind::MaxPayloadExceeded);
        settle(&client).await;
    });
}

/// When the server comes back on its port, clients do, and their subscriptions are as before.
#[test]
fn async_nats_comes_back() {
    let settings = Settings { port: quiet_port(), ..Settings::default() };
    let Some(mut hub) = Hub::start(&settings) else { return };
    run(async {
        let url = format!("nats://{}", hub.address());
        let (client, mut events) = watched(ConnectOptions::new(), &url).await;
        let mut subscriber = subscribe(&client, "still.*").await;
        drop(hub);
        await_event(&mut events, |event| *event == Event::Disconnected).await;
        hub = Hub::start(&settings).expect("it started before");
        await_event(&mut events, |event| *event == Event::Connected).await;
        let other = connect(&url).await;
        soon(async {
            // The client takes up its subscriptions after it has told that it is back.
            settle(&client).await;
            publish(&other, "still.here", "after").await;
            assert_eq!(text(&mut subscriber).await, "after");
        })
        .await;
        drop(hub);
    });
}

/// What one may not do is said, and the connection stays.
#[test]
fn async_nats_hears_what_it_may_not_do() {
    let settings = Settings { users: vec![alice()], ..Settings::default() };
    let Some(hub) = Hub::start(&settings) else { return };
    run(async {
        let options = ConnectOptions::with_user_and_password("alice".into(), "wonderland".into());
        let (client, mut events) = watched(options, &format!("nats://{}", hub.address())).await;
        let mut allowed = client.subscribe("open.*").await.expect("it is a filter");
        let _denied = client.subscribe("closed").await.expect("the client does not know");
        let mut refusal = async |words: &str| {
            let event = await_event(&mut events, |event| matches!(event, Event::ServerError(_))).await;
            assert!(event.to_string().to_lowercase().contains(&words.to_lowercase()), "{words}: {event}");
        };
        refusal("Permissions Violation for Subscription to \"closed\"").await;
        publish(&client, "open.not", "denied").await;
        refusal("Permissions Violation for Publish to \"open.not\"").await;
        publish(&client, "elsewhere", "not allowed").await;
        refusal("Permissions Violation for Publish to \"elsewhere\"").await;
        publish(&client, "open.door", "welcome").await;
        assert_eq!(text(&mut allowed).await, "welcome");
    });
}
