//! What is shown of who listens to what.

use super::super::*;
use std::collections::BTreeMap;

use super::Random;

const FORM: Form = Form::Nats { headers: true, framed: false };
const OPTIONS: ClientOptions =
    ClientOptions { form: FORM, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };

fn subscribe(hub: &mut Hub, client: ClientId, filter: &str, queue: Option<&str>, sid: u32) {
    let (queue, sid) = (queue.map(str::as_bytes), sid.to_string());
    let wish = Subscribe { filter: filter.as_bytes(), queue, sid: sid.as_bytes(), hidden: None };
    hub.subscribe(client, &wish).unwrap();
}

/// Each of 3 clients listens to `a` twice under names of its own and once under one that they share, and is twice a member of
/// `q` and once of `r`.
#[test]
fn a_filter_is_shown_with_all_its_subscriptions() {
    let mut hub = Hub::new(0, 1, 1);
    for slot in 0..3 {
        let client = hub.join(ConnectionId::numbered(slot), OPTIONS);
        for (number, queue) in (10..).zip([None, None, Some("q"), Some("q"), Some("r")]) {
            subscribe(&mut hub, client, "a", queue, 10 * slot + number);
        }
        subscribe(&mut hub, client, "a", None, 0);
        subscribe(&mut hub, client, "b.*", Some("q"), 1);
        // It goes on with messages of its own to come, and is one all the same.
        assert!(hub.unsubscribe(client, b"0", Some(5)));
    }
    let mut listed = hub.filters(0..100);
    listed.sort_by(ListedFilter::most_first);
    let queues = |all: &[(&str, usize)]| -> Vec<(Box<[u8]>, usize)> {
        all.iter().map(|(name, members)| (name.as_bytes().into(), *members)).collect()
    };
    let filter = |text: &str, plain, queued, queues| ListedFilter {
        filter: text.as_bytes().into(),
        plain,
        queued,
        queues,
    };
    let expected =
        [filter("a", 9, 9, queues(&[("q", 6), ("r", 3)])), filter("b.*", 0, 3, queues(&[("q", 3)]))];
    assert_eq!(listed, expected);
    let HubSizes { subscriptions, filters, clients, .. } = hub.sizes();
    assert_eq!((subscriptions, filters, clients), (21, 2, 3));
}

/// Of 100,000 filters a page has what was asked for; pages neither overlap nor leave one out, and behind the last there is none.
#[test]
fn pages_of_filters_do_not_overlap() {
    let mut hub = Hub::new(0, 1, 1);
    let client = hub.join(ConnectionId::numbered(1), OPTIONS);
    (0..100_000).for_each(|number| subscribe(&mut hub, client, &format!("s.{number}"), None, number));
    let mut found = std::collections::BTreeSet::new();
    for offset in (0..100_000).step_by(1000) {
        let page = hub.filters(offset..offset + 1000);
        assert_eq!(page.len(), 1000);
        found.extend(page.into_iter().map(|listed| listed.filter));
    }
    assert_eq!(found.len(), 100_000);
    assert_eq!(hub.filters(99_990..100_090).len(), 10);
    assert_eq!(hub.filters(100_000..usize::MAX), []);
    assert_eq!(hub.filters(usize::MAX..usize::MAX), []);
}

/// Strangers choose the names of queue groups: some are shown, and all of their members counted.
#[test]
fn of_very_many_queue_groups_some_are_shown() {
    let mut hub = Hub::new(0, 1, 1);
    let client = hub.join(ConnectionId::numbered(1), OPTIONS);
    (0..10_000).for_each(|number| subscribe(&mut hub, client, "a", Some(&format!("q{number}")), number));
    let [listed] = &hub.filters(0..10)[..] else { panic!("there is one filter") };
    assert_eq!((listed.plain, listed.queued, listed.queues.len()), (0, 10_000, 64));
}

/// Whatever comes and goes, the list has each filter once, with the counts of a naive model.
#[test]
fn the_list_is_true_whatever_comes_and_goes() {
    let mut random = Random::new(7);
    let mut hub = Hub::new(0, 1, 1);
    let client = hub.join(ConnectionId::numbered(1), OPTIONS);
    let mut model: Vec<(u32, String, Option<String>)> = Vec::new();
    for sid in 0..3000 {
        if random.index(5) < 2 && !model.is_empty() {
            let (gone, ..) = model.swap_remove(random.index(model.len()));
            assert!(hub.unsubscribe(client, gone.to_string().as_bytes(), None));
        } else {
            let filter = format!("s.{}", random.index(40));
            let queue = (random.index(3) == 0).then(|| format!("q{}", random.index(3)));
            subscribe(&mut hub, client, &filter, queue.as_deref(), sid);
            model.push((sid, filter, queue));
        }
        let mut expected: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (_, filter, queue) in &model {
            let (plain, queued) = expected.entry(filter).or_default();
            *if queue.is_some() { queued } else { plain } += 1;
        }
        let listed = hub.filters(0..100);
        let counts: BTreeMap<&str, (usize, usize)> = listed
            .iter()
            .map(|one| (std::str::from_utf8(&one.filter).unwrap(), (one.plain, one.queued)))
            .collect();
        assert_eq!((listed.len(), counts), (expected.len(), expected));
    }
}
