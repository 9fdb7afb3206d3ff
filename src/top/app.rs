//! The screen's story: looks and failures come, keys change what is shown, and each moment has one picture. It knows time as an
//! argument, and no terminal.

use std::time::Duration;

use super::answers::{Connz, Look, Varz};
use super::ask::AskError;
use super::figures::age;
use super::keys::{Sort, Wish};
use super::page::{Frame, screen};
use super::table::{Line, Piece, Style};
use super::text::{Alphabet, cut};
use super::view::View;
use crate::sys::clock::Time;

/// What the screen knows.
pub(super) struct App {
    source: String,
    interval: String,
    alphabet: Alphabet,
    /// Columns and lines.
    pub(super) size: (usize, usize),
    sort: Sort,
    is_paused: bool,
    last: Option<Look>,
    view: Option<View>,
    /// What went on while the picture was held.
    unseen: Option<View>,
    trouble: Option<Trouble>,
    /// Until when it is said that the server was started anew.
    renewed_until: Option<Time>,
}

/// The server does not answer.
struct Trouble {
    since: Time,
    sentence: String,
}

/// How long it is said that the server was started anew.
const NEWS: Duration = Duration::from_secs(10);

impl App {
    pub(super) fn new(
        (source, interval): (String, String),
        alphabet: Alphabet,
        sort: Sort,
        size: (usize, usize),
    ) -> Self {
        Self {
            source,
            interval,
            alphabet,
            size,
            sort,
            is_paused: false,
            last: None,
            view: None,
            unseen: None,
            trouble: None,
            renewed_until: None,
        }
    }

    /// Takes in what the server has answered, or why it has not.
    pub(super) fn take(&mut self, looked: Result<(Varz, Connz), AskError>, now: Time) {
        match looked {
            Ok((varz, connz)) => self.take_look(Look::new(varz, connz, self.last.as_ref()), now),
            Err(error) => {
                let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
                self.trouble = Some(Trouble { since, sentence: self.briefly(&error.to_string()) });
            }
        }
    }

    /// The sentence without what stands on the screen already, and without what to try: it is tried.
    fn briefly(&self, sentence: &str) -> String {
        let cause = sentence.split(". Try: ").next().unwrap_or_default();
        cause.strip_prefix(&self.source).map_or(cause.to_owned(), |rest| format!("it{rest}"))
    }

    fn take_look(&mut self, look: Look, now: Time) {
        self.trouble = None;
        if self.last.as_ref().is_some_and(|last| !look.varz.continues(&last.varz)) {
            self.renewed_until = Some(now.saturating_add(NEWS));
        }
        let view = View::between(self.last.as_ref(), &look);
        self.last = Some(look);
        if self.is_paused {
            self.unseen = Some(view);
        } else {
            self.view = Some(view);
        }
    }

    /// Does what a key asks for; returns whether to go on.
    pub(super) fn obey(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Leave => return false,
            Wish::Order(sort) => self.sort = sort,
            Wish::Pause => {
                self.is_paused = !self.is_paused;
                self.view = self.unseen.take().or(self.view.take());
            }
        }
        true
    }

    /// In which order connections are wanted.
    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    /// The picture of this moment.
    pub(super) fn picture(&self, now: Time) -> Vec<Line> {
        let (width, height) = self.size;
        let frame = Frame {
            width,
            height,
            alphabet: self.alphabet,
            source: &self.source,
            interval: &self.interval,
            sort: self.sort,
            notice: self.notice(now).map(|piece| Piece { text: cut(&piece.text, width), ..piece }),
            is_old: self.trouble.is_some(),
        };
        screen(self.view.as_ref(), &frame)
    }

    fn notice(&self, now: Time) -> Option<Piece> {
        if let Some(trouble) = &self.trouble {
            let span = age(now.saturating_since(trouble.since).as_secs_f64());
            let sentence = format!("No answer for {span}, trying again; {}", trouble.sentence);
            return Some(Piece::new(Style::Wrong, self.alphabet.spell(&sentence)));
        }
        if self.is_paused {
            return Some(Piece::new(Style::Notable, "Paused: space goes on."));
        }
        match (&self.view, self.renewed_until) {
            (None, _) => Some(Piece::new(Style::Faint, "Looking for the first time.")),
            (_, Some(until)) if now < until => {
                Some(Piece::new(Style::Notable, "The server was started anew; its figures begin again."))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{connz, shard, varz};
    use super::super::table::plain;
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn app() -> App {
        App::new(("127.0.0.1:9180".to_owned(), "1s".to_owned()), Alphabet::Ascii, Sort::Rate, (80, 24))
    }

    /// A look at a process at so many seconds after its start, with so many connections accepted.
    fn looked(process: u32, seconds: u64, accepted: u64) -> Result<(Varz, Connz), AskError> {
        let shard = shard(0, &format!(r#""accepted": {accepted}, "connections_open": 1"#));
        Ok((varz(process, seconds * 1_000_000, "", &[shard]), connz(1, &[])))
    }

    fn gone() -> Result<(Varz, Connz), AskError> {
        let cause = std::io::Error::from_raw_os_error(111);
        Err(AskError::Unreachable { target: "127.0.0.1:9180".parse().unwrap(), cause })
    }

    #[track_caller]
    fn check(app: &App, now: u64, notice: &str, accepts: &str) {
        let lines: Vec<String> = app.picture(at(now)).iter().map(plain).collect();
        assert_eq!(lines.len(), 24);
        assert_eq!(lines[3], notice, "{lines:#?}");
        assert!(lines[1].contains(&format!("accepts/s {accepts} ")), "{lines:#?}");
    }

    /// It goes, comes back as another process, and nothing absurd is shown.
    #[test]
    fn a_server_may_go_and_come_back() {
        let mut app = app();
        app.take(looked(7, 50, 100), at(1));
        check(&app, 1, "", "-");
        app.take(looked(7, 51, 104), at(2));
        check(&app, 2, "", "4");
        app.take(gone(), at(3));
        let sentence = "trying again; it cannot be reached: Connection refused (os er~";
        check(&app, 3, &format!("No answer for 0s, {sentence}"), "4");
        app.take(gone(), at(8));
        check(&app, 8, &format!("No answer for 5s, {sentence}"), "4");
        app.take(looked(8, 1, 2), at(9));
        check(&app, 9, "The server was started anew; its figures begin again.", "-");
        app.take(looked(8, 3, 3), at(11));
        check(&app, 11, "The server was started anew; its figures begin again.", "0.5");
        check(&app, 19, "", "0.5");
    }

    /// One that was only away for a while goes on where it was: the rate is over all of the time.
    #[test]
    fn a_server_may_be_silent_for_a_while() {
        let mut app = app();
        app.take(looked(7, 50, 100), at(1));
        app.take(gone(), at(2));
        app.take(looked(7, 60, 150), at(11));
        check(&app, 11, "", "5");
    }

    #[test]
    fn a_held_picture_stays_and_what_follows_is_the_latest() {
        let mut app = app();
        app.take(looked(7, 50, 100), at(1));
        app.take(looked(7, 51, 101), at(2));
        assert!(app.obey(Wish::Pause));
        app.take(looked(7, 52, 121), at(3));
        app.take(looked(7, 53, 123), at(4));
        check(&app, 4, "Paused: space goes on.", "1");
        assert!(app.obey(Wish::Pause));
        check(&app, 4, "", "2");
        assert!(app.obey(Wish::Order(Sort::Age)) && app.sort() == Sort::Age);
        assert!(!app.obey(Wish::Leave));
    }

    #[test]
    fn before_the_first_answer_there_is_a_picture() {
        let mut app = app();
        let lines: Vec<String> = app.picture(at(1)).iter().map(plain).collect();
        assert_eq!(lines[1], "Looking for the first time.");
        assert!(lines[23].starts_with("q quit"), "{lines:#?}");
        app.take(gone(), at(1));
        assert!(plain(&app.picture(at(1))[1]).starts_with("No answer for 0s"));
        for (width, height) in [(0, 0), (1, 1), (5, 3), (80, 2), (1000, 1000)] {
            app.size = (width, height);
            assert_eq!(app.picture(at(1)).len(), height);
        }
    }
}
