//! Permissions: what nats-server 2.15.1 answered to the same on the wire, and where we differ.

use super::*;

fn lists(allow: &[&str], deny: &[&str]) -> Lists {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Lists { allow: (!allow.is_empty()).then(|| owned(allow)), deny: owned(deny) }
}

fn subscriber(allow: &[&str], deny: &[&str]) -> Permissions {
    Permissions::new(&Rules { subscribe: lists(allow, deny), ..Rules::default() }).unwrap()
}

fn publisher(allow: &[&str], deny: &[&str]) -> Permissions {
    Permissions::new(&Rules { publish: lists(allow, deny), ..Rules::default() }).unwrap()
}

/// Subscriptions as on the wire, with the queue group behind a space; those that are taken and those that are refused.
#[track_caller]
fn check_subscribe(permissions: &Permissions, taken: &[&str], refused: &[&str]) {
    for (texts, expected) in [(taken, true), (refused, false)] {
        for text in texts {
            let (filter, queue) = parts(text);
            assert_eq!(permissions.may_subscribe(filter, queue), expected, "SUB {text} by {permissions:?}");
        }
    }
}

#[track_caller]
fn check_publish(permissions: &Permissions, taken: &[&str], refused: &[&str]) {
    for (subjects, expected) in [(taken, true), (refused, false)] {
        for subject in subjects {
            let may = permissions.may_publish(subject.as_bytes());
            assert_eq!(may, expected, "PUB {subject} by {permissions:?}");
        }
    }
}

/// A subscription that is taken, and of the messages that it stands for those that arrive and those that do not.
#[track_caller]
fn check_delivery(permissions: &Permissions, subscription: &str, arrive: &[&str], hidden: &[&str]) {
    let (filter, queue) = parts(subscription);
    assert!(permissions.may_subscribe(filter, queue), "SUB {subscription}");
    let filters = permissions.hidden(filter, queue);
    for (subjects, expected) in [(arrive, false), (hidden, true)] {
        for subject in subjects {
            let is_hidden = filters.as_ref().is_some_and(|filters| filters.matches(subject.as_bytes()));
            assert_eq!(is_hidden, expected, "{subject} for {subscription}");
        }
    }
    assert_eq!(filters.is_some(), !hidden.is_empty(), "nothing is compared where nothing is hidden");
}

fn parts(text: &str) -> (&[u8], Option<&[u8]>) {
    let mut words = text.split(' ').map(str::as_bytes);
    (words.next().unwrap(), words.next())
}

#[test]
fn a_subscription_must_lie_within_what_is_allowed() {
    let one_token = subscriber(&["foo.*"], &[]);
    check_subscribe(
        &one_token,
        &["foo.a", "foo.*", "foo.* q", "foo.a q", "foo.*x"],
        &["foo", ">", "*", "*.*", "*.a", "foo.a.b", "bar"],
    );
    // nats-server takes this one and delivers foo.a.b to it, which is not allowed.
    check_subscribe(&one_token, &[], &["foo.>", "foo.> q"]);
    check_subscribe(
        &subscriber(&["foo.>"], &[]),
        &["foo.a", "foo.*", "foo.>", "foo.*.>", "foo.a.b"],
        &["foo", ">", "*.>", "*.a"],
    );
    check_subscribe(
        &subscriber(&["foo.*.bar"], &[]),
        &["foo.a.bar", "foo.*.bar"],
        &["foo.>", "foo.*.*", "foo.*.>"],
    );
    check_subscribe(&subscriber(&["foo"], &[]), &["foo", "foo q"], &["foo.a"]);
    check_subscribe(&Permissions::default(), &["foo", ">", "foo q"], &[]);
}

#[test]
fn queue_groups_may_be_named() {
    check_subscribe(&subscriber(&["foo q1"], &[]), &["foo q1"], &["foo", "foo q2"]);
    check_subscribe(&subscriber(&["foo", "foo q1"], &[]), &["foo", "foo q1"], &["foo q2"]);
    check_subscribe(
        &subscriber(&["foo.> v1.*"], &[]),
        &["foo.a v1.x", "foo.a v1.*", "foo.* v1.x"],
        &["foo.a", "foo.a v1", "foo.a v1.x.y", "foo.a v1.>", "> v1.x"],
    );
    check_subscribe(&subscriber(&["foo *.dev"], &[]), &["foo x.dev"], &["foo q"]);
    check_subscribe(&subscriber(&["> q"], &[]), &["foo q"], &["foo", "foo q2"]);
    check_subscribe(
        &subscriber(&[], &["foo q1"]),
        &["foo", "foo q2", "*", "* q1", "> q1", "* q2"],
        &["foo q1"],
    );
    check_subscribe(&subscriber(&[], &["foo", "foo q1"]), &[], &["foo", "foo q1", "foo q2"]);
    check_subscribe(&subscriber(&["foo q1"], &["foo"]), &[], &["foo", "foo q1", "foo q2"]);
    check_subscribe(&subscriber(&["foo"], &["foo q1"]), &["foo", "foo q2"], &["foo q1"]);
    check_subscribe(&subscriber(&["foo q1"], &["foo q1"]), &[], &["foo", "foo q1", "foo q2"]);
}

#[test]
fn what_is_denied_is_refused() {
    check_subscribe(
        &subscriber(&[], &["foo.bar"]),
        &["foo.*", "foo.>", ">", "*.bar", "foo.baz"],
        &["foo.bar"],
    );
    check_subscribe(
        &subscriber(&[], &["foo.*"]),
        &[">", "*.bar", "*.*", "foo.*.*", "foo"],
        &["foo.bar", "foo.*", "foo.>"],
    );
    check_subscribe(
        &subscriber(&[], &["foo.*.x"]),
        &["foo.bar.*", "foo.*.*", "foo.bar.>"],
        &["foo.bar.x", "foo.*.x"],
    );
    check_subscribe(&subscriber(&[], &["foo.>"]), &["foo", "*.bar", "*.>"], &["foo.bar", "foo.*", "foo.>"]);
    check_subscribe(&subscriber(&["foo.>"], &["foo.bar"]), &["foo.*", "foo.>"], &["foo.bar", ">"]);
    check_subscribe(&subscriber(&[], &[">"]), &[], &["foo", ">", "*", "foo.> q"]);
    check_subscribe(&subscriber(&[], &["*"]), &["foo.a"], &["foo", ">", "*"]);
}

#[test]
fn what_is_denied_within_a_wider_subscription_is_kept_back() {
    let bar = subscriber(&[], &["foo.bar"]);
    check_delivery(&bar, "foo.*", &["foo.baz"], &["foo.bar"]);
    check_delivery(&bar, ">", &["foo.baz", "x"], &["foo.bar"]);
    check_delivery(&bar, "*.bar", &["x.bar"], &["foo.bar"]);
    check_delivery(&bar, "foo.* q1", &["foo.x"], &["foo.bar"]);
    check_delivery(&bar, "foo.baz.*", &["foo.baz.bar"], &[]);
    let star = subscriber(&[], &["foo.*"]);
    check_delivery(&star, ">", &["x", "foo.a.b", "foo"], &["foo.bar"]);
    check_delivery(&star, "*.bar", &["x.bar"], &["foo.bar"]);
    check_delivery(&star, "*.*", &["x.bar"], &["foo.bar"]);
    let middle = subscriber(&[], &["foo.*.x"]);
    check_delivery(&middle, "foo.bar.*", &["foo.bar.y"], &["foo.bar.x"]);
    check_delivery(&middle, "foo.bar.>", &["foo.bar.y"], &["foo.bar.x"]);
    check_delivery(&middle, "foo.>", &["foo.bar.y"], &["foo.bar.x"]);
    let below = subscriber(&[], &["foo.>"]);
    check_delivery(&below, "*.bar", &["x.bar"], &["foo.bar"]);
    check_delivery(&below, "*.>", &["x.bar"], &["foo.bar"]);
    let both = subscriber(&["foo.>"], &["foo.bar"]);
    check_delivery(&both, "foo.>", &["foo.b"], &["foo.bar"]);
    let group = subscriber(&[], &["foo q1"]);
    check_delivery(&group, "*", &["foo", "bar"], &[]);
    check_delivery(&group, "* q2", &["foo", "bar"], &[]);
    check_delivery(&group, "* q1", &["bar"], &["foo"]);
}

#[test]
fn publishing_is_allowed_and_denied_by_subject() {
    // A subject that looks like a filter is published as it stands.
    check_publish(
        &publisher(&["foo.*"], &[]),
        &["foo.a", "foo.*", "foo.>"],
        &["foo", "foo.a.b", "bar", "foo."],
    );
    check_publish(
        &publisher(&[], &["foo.*"]),
        &["foo", "foo.a.b", "foo.>.x", "bar", "foo."],
        &["foo.a", "foo.*", "foo.>"],
    );
    check_publish(&publisher(&["foo.>"], &["foo.a"]), &["foo.b", "foo.*"], &["foo.a", "bar"]);
    check_publish(&publisher(&["foo"], &[]), &["foo"], &["bar"]);
    let of_nothing = Lists { allow: Some(Vec::new()), deny: Vec::new() };
    let nothing = Rules { publish: of_nothing.clone(), subscribe: of_nothing, responses: None };
    let nothing = Permissions::new(&nothing).unwrap();
    // nats-server takes an empty list for no list.
    check_publish(&nothing, &[], &["foo"]);
    check_subscribe(&nothing, &[], &["foo", ">", "foo q"]);
}

#[test]
fn who_may_answer_may_say_nothing_else() {
    let responses = Some(Responses::default());
    let with = |publish| Permissions::new(&Rules { publish, responses, ..Rules::default() }).unwrap();
    check_publish(&with(Lists::default()), &[], &["foo"]);
    check_publish(&with(lists(&[], &["foo"])), &[], &["foo", "bar"]);
    check_publish(&with(lists(&["r.1"], &[])), &["r.1"], &["r.2"]);
    assert_eq!(with(Lists::default()).responses(), responses.as_ref());
    assert_eq!(Permissions::default().responses(), None);
}

#[test]
fn lists_that_cannot_be_are_named() {
    let check = |rules: Rules, list: List, words: &str| {
        let error = Permissions::new(&rules).unwrap_err();
        assert_eq!(error.list, list);
        assert!(error.to_string().contains(words), "{error}");
    };
    for entry in ["", " ", "a b", "a..b", ".a", "a.>.b", "a b c"] {
        let publish = lists(&[entry], &[]);
        let words = format!("names {entry:?}: it takes subjects such as chat.room");
        check(Rules { publish, ..Rules::default() }, List::PublishAllow, &words);
    }
    for entry in ["", "a b c", "a..b q", "a q..r"] {
        let subscribe = lists(&[], &[entry]);
        check(Rules { subscribe, ..Rules::default() }, List::SubscribeDeny, "behind a space");
    }
    let many = vec!["a"; 257];
    let publish = lists(&[], &many);
    check(Rules { publish, ..Rules::default() }, List::PublishDeny, "has 257 entries: the most is 256");
    let long = "a".repeat(1025);
    let subscribe = lists(&[&long], &[]);
    check(Rules { subscribe, ..Rules::default() }, List::SubscribeAllow, "at most 1024 bytes");
}
