//! What somebody hears in the end who does not keep up, under policies that drop.

use super::super::*;
use super::{Random, heard, seeds};
use crate::connection::Outbox;

/// A client that reads now and then hears the latest of each subject in the end, and never anything twice or backwards.
#[test]
fn whoever_keeps_the_latest_hears_it_in_the_end_for_all_seeds() {
    for seed in 0..seeds() / 4 {
        let mut random = Random::new(seed);
        let mut hub = Hub::new(0, 1, seed);
        let policy = [SlowPolicy::KeepLatest, SlowPolicy::DropOldest][random.index(2)];
        hub.set_rules(vec![(b"a.>".as_slice().into(), policy)]);
        let form = Form::Nats { headers: true, framed: false };
        let options =
            ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        let client = hub.join(ConnectionId::numbered(1), options);
        let wish = Subscribe { filter: b">", sid: b"1", ..Subscribe::default() };
        hub.subscribe(client, &wish).unwrap();
        let (mut outbox, mut all, mut published) = (Outbox::default(), Vec::new(), Vec::new());
        let mut number = 0;
        for turn in 0..60 {
            for _ in 0..random.index(6) {
                let subject = ["a.a", "a.b", "a.c", "b"][random.index(4)];
                number += 1;
                let filler = "x".repeat([0, 200, limits::SPLICE_BYTES_MIN][random.index(3)]);
                let payload = format!("{subject}:{number}:{filler}");
                published.push((subject, number));
                let message = Message {
                    subject: subject.as_bytes(),
                    payload: payload.as_bytes(),
                    ..Message::default()
                };
                hub.publish(None, &message);
            }
            let reads = 50 < turn || random.index(3) == 0;
            hub.close_turn();
            while let Some((client, _)) = hub.next_touched() {
                let waiting = outbox.pending_bytes();
                assert_eq!(hub.deliver(client, waiting, &mut outbox), Written::Fine);
            }
            hub.end_turn();
            if reads {
                all.extend(heard(&mut outbox));
                hub.resume(ConnectionId::numbered(1));
            }
        }
        let split = |payload: &str| {
            let mut words = payload.split(':');
            let subject = words.next().unwrap().to_owned();
            (subject, words.next().unwrap().parse::<u64>().unwrap())
        };
        let all: Vec<_> = all.iter().map(|(_, payload)| split(payload)).collect();
        for subject in ["a.a", "a.b", "a.c", "b"] {
            let of = |all: &[(String, u64)]| -> Vec<u64> {
                all.iter().filter(|(about, _)| about == subject).map(|(_, number)| *number).collect()
            };
            let said: Vec<_> =
                published.iter().map(|(about, number)| ((*about).to_owned(), *number)).collect();
            let (heard, said) = (of(&all), of(&said));
            assert!(heard.is_sorted_by(|one, next| one < next), "seed {seed}: {heard:?}");
            assert_eq!(heard.last(), said.last(), "seed {seed}: the latest of {subject}");
            if subject == "b" {
                assert_eq!(heard, said, "seed {seed}: what may not be left out is there");
            }
        }
        let dropped = published.len() - all.len();
        assert_eq!(hub.client_counts(client).unwrap().dropped, dropped as u64, "seed {seed}");
    }
}
