//! The judge with comparisons that a test counts and lets end.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::super::{Circumstances, Credentials, UserSetting, UserSettings, Users, Verdict};
use super::*;
use crate::sys::clock;

/// A hash of a good form; what fits it says the comparison of the test.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A judge for whom only "secret" fits, and whose comparisons each wait until the test lets them end.
struct Court {
    judge: Arc<Judge>,
    users: Users,
    /// The passwords that are being compared, in their order.
    begun: Receiver<String>,
    go_on: Sender<()>,
}

impl Court {
    fn new(threads: usize) -> Self {
        let (begins, begun) = channel();
        let (go_on, goes_on) = channel::<()>();
        let goes_on = Mutex::new(goes_on);
        let compare = move |password: &str, _: &str| {
            // The test may be over.
            let _ = begins.send(password.to_owned());
            let _ = goes_on.lock().unwrap().recv();
            password == "secret"
        };
        let judge = Judge::comparing(threads, || {}, Arc::new(compare)).unwrap();
        let bob = UserSetting {
            name: "bob".to_owned(),
            password_hash: Some(HASH.to_owned()),
            ..UserSetting::default()
        };
        let settings = UserSettings { users: vec![bob], ..UserSettings::default() };
        let users = Users::load(&settings, &Arc::default()).unwrap();
        Self { judge, users, begun, go_on }
    }

    fn ask_as(&self, user: &str, password: &str, from: &str) -> Asker {
        let credentials = Credentials { user: Some(user), pass: Some(password), ..Credentials::default() };
        let at = Circumstances { authenticator: None, no_auth_user: None, nonce: b"", unix_now: 0 };
        let Verdict::Later(question) = self.users.judge(&credentials, &at) else {
            panic!("what is kept as a hash is compared elsewhere");
        };
        self.judge.ask(question, from.parse().ok(), clock::now())
    }

    fn ask(&self, password: &str, from: &str) -> Asker {
        self.ask_as("bob", password, from)
    }

    /// The next password that is compared.
    #[track_caller]
    fn next(&self) -> String {
        self.begun.recv_timeout(PATIENCE).expect("something waits to be compared")
    }

    /// The next password that is compared, which is let end.
    #[track_caller]
    fn compare(&self) -> String {
        let password = self.next();
        self.go_on.send(()).unwrap();
        password
    }
}

/// Whom the answer lets in, once it has come.
#[track_caller]
fn answer(asker: &Asker) -> Result<String, Denied> {
    let deadline = clock::now().saturating_add(PATIENCE);
    loop {
        if let Some(answer) = asker.answer() {
            return answer.map(|grant| grant.name.to_string());
        }
        assert!(clock::now() < deadline, "an answer comes");
        thread::yield_now();
    }
}

fn bob() -> Result<String, Denied> {
    Ok("bob".to_owned())
}

/// After a start all clients of a user come at once, on all shards and from everywhere.
#[test]
fn two_hundred_clients_with_one_password_cost_one_comparison() {
    let court = Court::new(2);
    let first = court.ask("secret", "192.0.2.1");
    assert_eq!(court.next(), "secret");
    let others: Vec<Asker> =
        (0..199).map(|number| court.ask("secret", &format!("192.0.2.{}", number % 100))).collect();
    assert!(first.answer().is_none() && others.iter().all(|asker| asker.answer().is_none()));
    court.go_on.send(()).unwrap();
    assert_eq!(answer(&first), bob());
    assert!(others.iter().all(|asker| answer(asker) == bob()));
    // Who comes later is let in at once; and what is compared next is what somebody else has asked.
    assert_eq!(court.ask("secret", "198.51.100.1").answer().unwrap().unwrap().name.as_ref(), "bob");
    let wrong = court.ask("wrong", "192.0.2.1");
    assert_eq!(court.compare(), "wrong");
    assert_eq!(answer(&wrong), Err(Denied::WrongPassword));
    assert!(court.begun.try_recv().is_err());
}

/// Thousands of wrong passwords of one address, and a right one of another.
#[test]
fn who_floods_waits_for_himself() {
    let court = Court::new(1);
    let _flood: Vec<Asker> = (0..5000).map(|number| court.ask(&number.to_string(), "2001:db8::1")).collect();
    let _neighbour = court.ask("one more", "2001:db8::ffff:1");
    let right = court.ask("secret", "192.0.2.1");
    let compared: Vec<String> = (0..3).map(|_| court.compare()).collect();
    assert!(compared.contains(&"secret".to_owned()), "{compared:?}");
    assert_eq!(answer(&right), bob());
}

/// As many as may wait: each gets the right answer in the end.
#[test]
fn nobody_is_refused_because_many_wait() {
    let court = Court::new(3);
    let passwords: Vec<String> = (0..300).map(|number| format!("wrong {number}")).collect();
    let mut askers: Vec<_> = passwords
        .iter()
        .map(|password| (court.ask(password, "192.0.2.1"), Err(Denied::WrongPassword)))
        .collect();
    askers.push((court.ask("secret", "192.0.2.1"), bob()));
    for _ in 0..askers.len() {
        court.compare();
    }
    for (asker, expected) in askers {
        assert_eq!(answer(&asker), expected);
    }
}

#[test]
fn who_has_left_costs_nothing() {
    let court = Court::new(1);
    let first = court.ask("first", "192.0.2.1");
    assert_eq!(court.next(), "first");
    let gone: Vec<Asker> = (0..100).map(|number| court.ask(&number.to_string(), "192.0.2.1")).collect();
    let last = court.ask("last", "192.0.2.1");
    drop(gone);
    court.go_on.send(()).unwrap();
    assert_eq!(court.compare(), "last");
    assert_eq!((answer(&first), answer(&last)), (Err(Denied::WrongPassword), Err(Denied::WrongPassword)));
    drop((first, last));
    assert!(court.judge.bench.lock().docket.is_empty());
}

/// The hash that nobody's password is compared with is bob's; his password lets nobody else in, and is not known at once.
#[test]
fn a_password_lets_in_whose_it_is() {
    let court = Court::new(1);
    let right = court.ask("secret", "192.0.2.1");
    assert_eq!((court.compare(), answer(&right)), ("secret".to_owned(), bob()));
    let mallory = court.ask_as("mallory", "secret", "192.0.2.1");
    assert!(mallory.answer().is_none());
    assert_eq!((court.compare(), answer(&mallory)), ("secret".to_owned(), Err(Denied::WrongPassword)));
}

/// The time is a client's to wait, and to look less often the longer it takes.
#[test]
fn who_waits_looks_less_and_less_often() {
    let court = Court::new(0);
    let asker = court.ask("secret", "192.0.2.1");
    let check = |waited_ms: u64, pause_ms: u64| {
        let now = asker.since.saturating_add(Duration::from_millis(waited_ms));
        let pause = asker.next_look(now).saturating_since(now);
        assert_eq!(pause, Duration::from_millis(pause_ms), "after {waited_ms} ms");
    };
    check(0, 5);
    check(40, 5);
    check(80, 10);
    check(800, 100);
    check(20_000, 250);
    let after = |seconds| asker.since.saturating_add(Duration::from_secs(seconds));
    assert!(!asker.is_late(after(29)) && asker.is_late(after(30)));
}

/// The threads end with the judge, and do not finish what waits.
#[test]
fn the_threads_end_with_their_last_owner() {
    let court = Court::new(2);
    let _askers = ["a", "b", "c", "d"].map(|password| court.ask(password, "192.0.2.1"));
    let begun = [court.next(), court.next()];
    let Court { judge, users: _, begun: more, go_on } = court;
    drop(judge);
    for _ in 0..4 {
        // Who needs no more of them is gone.
        let _ = go_on.send(());
    }
    // The channel ends when both threads have let go of it.
    assert_eq!(more.recv_timeout(PATIENCE).ok(), None);
    assert!(begun.contains(&"a".to_owned()) && begun.contains(&"b".to_owned()), "{begun:?}");
}

/// As it is in use.
#[test]
fn bcrypt_compares() {
    let judge = Judge::start(1, || {}).unwrap();
    let court = Court { judge, ..Court::new(0) };
    let (right, wrong) = (court.ask("secret", "192.0.2.1"), court.ask("Secret", "192.0.2.1"));
    assert_eq!((answer(&right), answer(&wrong)), (bob(), Err(Denied::WrongPassword)));
}
