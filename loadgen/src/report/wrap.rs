//! Sentences in lines that fit a terminal.

/// Longest line of a paragraph, in letters.
pub const COLUMNS: usize = 100;

/// A paragraph in lines of at most [`COLUMNS`], of which all but the first begin with so many blanks. Words longer than
/// a line, as paths may be, are not cut.
pub fn wrapped(text: &str, indent: usize) -> String {
    let lead = text.len() - text.trim_start().len();
    let mut wrapped = " ".repeat(lead);
    let mut column = lead;
    let mut is_first = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !is_first && COLUMNS < column + 1 + length {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
        is_first = false;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_longer_than_a_terminal() {
        let text = format!("  WARN {}", "word ".repeat(60));
        let lines: Vec<String> = wrapped(&text, 4).lines().map(str::to_owned).collect();
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
        assert!(lines[0].starts_with("  WARN word") && lines[0].len() + 5 > COLUMNS);
        assert!(lines[1..].iter().all(|line| line.starts_with("    word")));
        assert_eq!(lines.concat().matches("word").count(), 60);
        assert_eq!(wrapped(&"x".repeat(150), 2), "x".repeat(150));
        assert_eq!(wrapped("", 2), "");
    }
}
