//! Words of strangers on a terminal: nothing that would move its cursor, and columns that stay where they are.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_width::UnicodeWidthChar;

use crate::limits;

/// A text without anything but letters that take room: what controls a terminal, what turns the direction of writing and
/// what has no width is shown as a question mark. Every text of a server becomes one as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Clean(String);

impl Clean {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Clean {
    fn from(text: &str) -> Self {
        Self(text.chars().take(limits::TOP_NAME_LETTERS_MAX).map(visible).collect())
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Clean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from(text.as_str()))
    }
}

fn visible(letter: char) -> char {
    match letter.width() {
        None | Some(0) => '?',
        Some(_) if letter.is_control() || is_private(letter) || matches!(letter, '\u{2028}' | '\u{2029}') => {
            '?'
        }
        Some(_) => letter,
    }
}

/// Whether nobody but a font knows how wide it is (the private use areas).
fn is_private(letter: char) -> bool {
    matches!(letter, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..)
}

/// Which letters a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// All of them.
    Unicode,
    /// Those of ASCII; another one is shown as a question mark.
    Ascii,
}

impl Alphabet {
    /// What the locale says: LC_ALL goes before LC_CTYPE, and that before LANG (POSIX, 8.2); empty ones say nothing.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let said =
            ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
        let locale = said.unwrap_or_default().to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Unicode } else { Self::Ascii }
    }

    /// The text in these letters.
    pub(super) fn spell(self, text: &str) -> String {
        let spelt = |letter: char| if self == Self::Ascii && !letter.is_ascii() { '?' } else { letter };
        text.chars().map(spelt).collect()
    }
}

/// How many columns it takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|letter| letter.width().unwrap_or(0)).sum()
}

/// The text in exactly so many columns, at their left. What is too long ends with a mark.
pub(super) fn left(text: &str, width: usize) -> String {
    let mut cut = cut(text, width);
    cut.extend(std::iter::repeat_n(' ', width - columns(&cut)));
    cut
}

/// The text in exactly so many columns, at their right.
pub(super) fn right(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    " ".repeat(width - columns(&cut)) + &cut
}

/// The text in at most so many columns.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut used = 1; // The mark.
    let fits = |letter: &char| {
        used += letter.width().unwrap_or(0);
        used <= width
    };
    let kept: String = text.chars().take_while(fits).collect();
    if width == 0 { kept } else { kept + "~" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_clean(text: &str, expected: &str) {
        assert_eq!(Clean::from(text).as_str(), expected, "{text:?}");
        let json = serde_json::to_string(text).unwrap();
        assert_eq!(serde_json::from_str::<Clean>(&json).unwrap().as_str(), expected, "{text:?}");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        check_clean("plain name 7", "plain name 7");
        check_clean("\x1b[2Jgone\x1b]0;title\x07", "?[2Jgone?]0;title?");
        check_clean("a\r\nb\tc\0d\x7f", "a??b?c?d?");
        check_clean("\u{9b}31m \u{90}q \u{85}", "?31m ?q ?");
        // Turning the direction of writing; an isolate; a mark without width; a soft hyphen; a variation of an emoji.
        check_clean("\u{202e}evil\u{202c}\u{2066}", "?evil??");
        check_clean("\u{200b}\u{feff}\u{200d}", "???");
        check_clean("\u{2028}\u{2029}", "??");
        check_clean("e\u{301}", "e?");
        check_clean("größe 東京 🦀", "größe 東京 🦀");
        check_clean("\u{e000}\u{f0000}", "??");
        check_clean("\u{1160}", "?");
        assert_eq!(Clean::from("x".repeat(9999).as_str()).as_str().len(), 256);
    }

    #[test]
    fn every_letter_is_either_visible_or_a_question_mark() {
        for letter in '\0'..=char::MAX {
            let cleaned = visible(letter);
            assert!(cleaned == '?' || cleaned == letter, "{letter:?}");
            let refused =
                letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
            assert!(!refused || cleaned == '?', "{letter:?}");
            assert!((1..=3).contains(&columns(&cleaned.to_string())), "{letter:?}");
        }
    }

    #[test]
    fn columns_are_kept_whatever_letters_take() {
        let check = |text: &str, width: usize, at_left: &str, at_right: &str| {
            assert_eq!(
                (left(text, width).as_str(), right(text, width).as_str()),
                (at_left, at_right),
                "{text}"
            );
            assert_eq!((columns(at_left), columns(at_right)), (width, width));
        };
        check("ab", 4, "ab  ", "  ab");
        check("abcd", 4, "abcd", "abcd");
        check("abcde", 4, "abc~", "abc~");
        check("東京", 4, "東京", "東京");
        check("東京都", 4, "東~ ", " 東~");
        check("東京都", 5, "東京~", "東京~");
        check("a東", 2, "a~", "a~");
        check("東京", 1, "~", "~");
        check("x", 0, "", "");
    }

    #[test]
    fn the_locale_says_which_letters_there_are() {
        let of = |set: &[(&str, &str)]| {
            Alphabet::of(|name| {
                set.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), Alphabet::Ascii);
        assert_eq!(of(&[("LANG", "en_US.UTF-8")]), Alphabet::Unicode);
        assert_eq!(of(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]), Alphabet::Ascii);
        assert_eq!(of(&[("LANG", "C"), ("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]), Alphabet::Unicode);
        assert_eq!(Alphabet::Ascii.spell("a東"), "a?");
        assert_eq!(Alphabet::Unicode.spell("a東"), "a東");
    }
}
