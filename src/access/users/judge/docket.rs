//! Which questions wait, and whose turn it is.
//!
//! Whoever asks stands in the line of his address, and the addresses have turns: a thousand questions from one of them wait
//! for one another, and make nobody else wait for more than one. Equal questions are one case: whoever's turn comes first
//! has it answered for all. It knows neither threads nor time, and holds each question for as long as somebody waits for it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use super::verified::Tag;
use crate::access::address_key::AddressKey;

/// Whether a password fits, once that is known: for all who ask the same.
pub(super) type Finding = Arc<OnceLock<bool>>;

/// The questions that wait.
#[derive(Debug, Default)]
pub(super) struct Docket {
    cases: HashMap<Tag, Case>,
    /// Who stands in line, by address and from the oldest on; and what each waits for, which may be answered in another's
    /// turn.
    line: BTreeMap<(AddressKey, u64), Tag>,
    /// Whose turn was last.
    last: Option<AddressKey>,
    /// Those who have asked so far.
    asked: u64,
}

/// A question, and how many ask it.
#[derive(Debug)]
struct Case {
    /// The password and the hash; nothing while they are compared.
    question: Option<Compared>,
    finding: Finding,
    askers: usize,
}

/// What is compared.
pub(super) struct Compared {
    pub(super) hash: Arc<str>,
    pub(super) password: String,
}

/// The place of one who asks. It is to be [given back](Docket::leave).
#[derive(Debug)]
pub(super) struct Place {
    at: (AddressKey, u64),
    tag: Tag,
    pub(super) finding: Finding,
}

/// What the next one in line waits for.
#[derive(Debug)]
pub(super) enum Turn {
    /// Nobody stands in line.
    Nobody,
    /// It is being answered, or has been: the turn goes on.
    Known,
    /// To be compared, and then to be [settled](Docket::settle).
    Case(Tag, Compared),
}

impl Docket {
    /// Puts one who asks from this address into line, unless his question is being answered already.
    pub(super) fn ask(&mut self, from: AddressKey, tag: Tag, question: Compared) -> Place {
        let at = (from, self.asked);
        self.asked += 1;
        let new = || Case { question: Some(question), finding: Finding::default(), askers: 0 };
        let case = self.cases.entry(tag.clone()).or_insert_with(new);
        case.askers += 1;
        if case.question.is_some() {
            self.line.insert(at, tag.clone());
        }
        Place { at, tag, finding: Arc::clone(&case.finding) }
    }

    /// Takes the next one out of the line. One step, so that whoever holds a lock holds it for that long only.
    pub(super) fn next(&mut self) -> Turn {
        let behind = |last: AddressKey| (Bound::Excluded((last, u64::MAX)), Bound::Unbounded);
        let next = self.last.and_then(|last| self.line.range(behind(last)).next());
        let next = next.or_else(|| self.line.first_key_value());
        let Some((at, tag)) = next.map(|(at, tag)| (*at, tag.clone())) else { return Turn::Nobody };
        self.line.remove(&at);
        let question = self.cases.get_mut(&tag).and_then(|case| case.question.take());
        let Some(question) = question else { return Turn::Known };
        self.last = Some(at.0);
        Turn::Case(tag, question)
    }

    /// Tells all who ask what was found.
    pub(super) fn settle(&mut self, tag: &Tag, fits: bool) {
        if let Some(case) = self.cases.remove(tag) {
            // It is settled once.
            let _ = case.finding.set(fits);
        }
    }

    /// One who has asked waits no more. What nobody asks any more is forgotten, unless it is being compared.
    pub(super) fn leave(&mut self, place: &Place) {
        self.line.remove(&place.at);
        if place.finding.get().is_some() {
            return; // The case is gone; one of the same tag is another.
        }
        let Some(case) = self.cases.get_mut(&place.tag) else { return };
        case.askers -= 1;
        if case.askers == 0 && case.question.is_some() {
            self.cases.remove(&place.tag);
        }
    }
}

#[cfg(test)]
impl Docket {
    /// Whether nobody waits and nothing is being compared.
    pub(super) fn is_empty(&self) -> bool {
        self.cases.is_empty() && self.line.is_empty()
    }
}

impl fmt::Debug for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compared")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address of its own for each number.
    const fn from(number: u128) -> AddressKey {
        AddressKey::numbered(number)
    }

    fn ask(docket: &mut Docket, address: u128, password: &str) -> Place {
        let question = Compared { hash: "hash".into(), password: password.to_owned() };
        docket.ask(from(address), Tag::of_text(password), question)
    }

    /// What is compared next, over all that needs no comparison.
    fn next(docket: &mut Docket) -> Option<String> {
        loop {
            match docket.next() {
                Turn::Nobody => return None,
                Turn::Known => {}
                Turn::Case(_, question) => return Some(question.password),
            }
        }
    }

    fn rest(docket: &mut Docket) -> Vec<String> {
        std::iter::from_fn(|| next(docket)).collect()
    }

    #[test]
    fn addresses_have_turns() {
        let mut docket = Docket::default();
        let many: Vec<_> = (0..1000).map(|number| ask(&mut docket, 5, &format!("many {number}"))).collect();
        let _few = [ask(&mut docket, 7, "few 0"), ask(&mut docket, 7, "few 1"), ask(&mut docket, 3, "one")];
        let order: Vec<_> = (0..6).map_while(|_| next(&mut docket)).collect();
        assert_eq!(order, ["one", "many 0", "few 0", "many 1", "few 1", "many 2"]);
        // Who comes then waits for one of the many.
        let _late = [ask(&mut docket, 4, "late"), ask(&mut docket, 9, "later")];
        assert_eq!((0..3).map_while(|_| next(&mut docket)).collect::<Vec<_>>(), ["later", "late", "many 3"]);
        assert_eq!(rest(&mut docket).len(), many.len() - 4);
    }

    #[test]
    fn one_address_is_served_in_the_order_of_its_questions() {
        let mut docket = Docket::default();
        let _places = ["c", "a", "b"].map(|password| ask(&mut docket, 1, password));
        assert_eq!(rest(&mut docket), ["c", "a", "b"]);
    }

    #[test]
    fn equal_questions_are_one_case() {
        let mut docket = Docket::default();
        let mut places: Vec<_> = (0..100).map(|address| ask(&mut docket, address, "same")).collect();
        let other = ask(&mut docket, 0, "other");
        let Turn::Case(tag, _) = docket.next() else { panic!("it waits") };
        // Who asks while it is compared hears of it, too.
        places.push(ask(&mut docket, 200, "same"));
        assert!(places.iter().all(|place| place.finding.get().is_none()));
        docket.settle(&tag, true);
        assert!(places.iter().all(|place| place.finding.get() == Some(&true)));
        assert_eq!(rest(&mut docket), ["other"]);
        assert_eq!(other.finding.get(), None);
        docket.settle(&Tag::of_text("other"), false);
        assert_eq!(other.finding.get(), Some(&false));
        assert!(docket.is_empty());
    }

    #[test]
    fn a_case_is_compared_in_the_first_turn_of_those_who_ask_it() {
        let mut docket = Docket::default();
        let _many: Vec<_> = (0..10).map(|number| ask(&mut docket, 1, &format!("many {number}"))).collect();
        let _at_the_end = ask(&mut docket, 1, "same");
        let _elsewhere = ask(&mut docket, 2, "same");
        let order = rest(&mut docket);
        assert_eq!(order[..3], ["many 0", "same", "many 1"]);
        assert_eq!(order.len(), 11, "and not once more in the other's turn");
    }

    #[test]
    fn what_nobody_asks_any_more_is_not_compared() {
        let mut docket = Docket::default();
        let places = ["a", "b", "c"].map(|password| ask(&mut docket, 1, password));
        let twice = ask(&mut docket, 2, "b");
        docket.leave(&places[0]);
        docket.leave(&places[1]);
        assert_eq!(rest(&mut docket), ["c", "b"], "somebody else asks that");
        docket.leave(&twice);
        docket.leave(&places[2]);
        docket.settle(&Tag::of_text("b"), true);
        docket.settle(&Tag::of_text("c"), true);
        assert!(docket.is_empty());
    }

    #[test]
    fn who_leaves_late_takes_nothing_from_those_who_ask_the_same_again() {
        let mut docket = Docket::default();
        let first = ask(&mut docket, 1, "same");
        let Turn::Case(tag, _) = docket.next() else { panic!("it waits") };
        docket.settle(&tag, false);
        let again = ask(&mut docket, 1, "same");
        docket.leave(&first);
        assert_eq!(rest(&mut docket), ["same"]);
        docket.leave(&again);
        // It is being compared, and there may be one who asks before it is known.
        let last = ask(&mut docket, 1, "same");
        assert_eq!(rest(&mut docket), [""; 0]);
        docket.settle(&tag, true);
        assert_eq!((again.finding.get(), last.finding.get()), (Some(&true), Some(&true)));
        docket.leave(&last);
        assert!(docket.is_empty());
    }

    #[test]
    fn what_waits_is_bounded_by_those_who_ask() {
        let mut docket = Docket::default();
        for number in 0..10_000 {
            // A peer that asks and goes, again and again, while nothing is compared.
            let place = ask(&mut docket, number % 3, &number.to_string());
            docket.leave(&place);
        }
        assert!(docket.is_empty());
    }
}
