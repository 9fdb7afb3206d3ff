//! What comes from a result becomes text of the page, and never its markup.

/// Text for elements and for attributes in double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Nothing else has a meaning; control characters are not text.
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

/// The same for a sentence, whose flags, as in `--rate`, stay in one piece where a line ends.
pub(super) fn sentence(text: &str) -> String {
    let word = |word: &str| match word.contains("--") {
        true => format!("<span class=\"flag\">{}</span>", escaped(word)),
        false => escaped(word),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// JSON within a script element: without `<` it can neither end the element nor begin a comment, and means the same.
pub(super) fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escaped("<a href=\"x\">'&'\n"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;\u{fffd}");
    }

    #[test]
    fn flags_stay_in_one_piece() {
        assert_eq!(sentence("a <b>, --rate 5"), "a &lt;b&gt;, <span class=\"flag\">--rate</span> 5");
        assert_eq!(sentence("(--x<) y"), "<span class=\"flag\">(--x&lt;)</span> y");
    }

    #[test]
    fn json_cannot_end_its_element() {
        let safe = script_safe("\"</script><!-- \"");
        assert_eq!(safe, "\"\\u003c/script>\\u003c!-- \"");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), "</script><!-- ");
    }
}
