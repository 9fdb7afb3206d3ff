//! Tables that fit the columns there are: what matters least is left out first, and what is left over makes long cells whole.

use super::text;

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    #[default]
    Plain,
    /// What a table's columns are called.
    Heading,
    /// What names something, and what matters less.
    Faint,
    /// What stands out.
    Strong,
    /// What is worth a look.
    Notable,
    /// What is wrong.
    Wrong,
}

/// A text in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Piece {
    pub(super) fn new(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style }
    }
}

/// A line of the screen.
pub(super) type Line = Vec<Piece>;

/// Where a cell stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A column: its title in two lines, its width, and how much it matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Stands at the column's end, and may reach into columns before it that have none.
    pub(super) group: &'static str,
    pub(super) title: &'static str,
    pub(super) side: Side,
    /// Columns that it has at least, and at most when its cells are long.
    pub(super) widths: (usize, usize),
    /// 0 stays, and the highest goes first when there is no room.
    pub(super) rank: u8,
}

/// Two lines of titles, and a line for each row of cells.
pub(super) fn lines(columns: &[Column], rows: &[Vec<Piece>], width: usize) -> Vec<Line> {
    let gap = if WIDE <= width { 2 } else { 1 };
    let shown = fit(columns, rows, width, gap);
    let has_groups = shown.iter().any(|(at, _)| !columns[*at].group.is_empty());
    let mut lines = Vec::new();
    if has_groups {
        lines.push(vec![Piece::new(Style::Heading, groups(columns, &shown, gap))]);
    }
    let titles = |at: usize| Piece::new(Style::Heading, columns[at].title);
    lines.push(line(columns, &shown, gap, titles));
    lines.extend(rows.iter().map(|row| line(columns, &shown, gap, |at| row[at].clone())));
    lines
}

/// From this width on there is room for wider gaps.
const WIDE: usize = 100;

/// Which columns are shown, and how wide each is. Which ones follows from the width of the screen alone, so that none comes and goes.
fn fit(columns: &[Column], rows: &[Vec<Piece>], width: usize, gap: usize) -> Vec<(usize, usize)> {
    let mut shown: Vec<(usize, usize)> = columns.iter().map(|column| column.widths.0).enumerate().collect();
    let needed = |shown: &[(usize, usize)]| {
        shown.iter().map(|(_, width)| width + gap).sum::<usize>().saturating_sub(gap)
    };
    while width < needed(&shown) {
        let rank = |(at, _): &(usize, usize)| columns[*at].rank;
        let Some(worst) = shown.iter().map(rank).max().filter(|rank| 0 < *rank) else { break };
        shown.retain(|(at, _)| columns[*at].rank != worst);
    }
    let longest = |at: usize| rows.iter().map(|row| text::columns(&row[at].text)).max().unwrap_or(0);
    for (at, given) in &mut shown {
        // Words that are all short leave room to others; numbers stay where they are from one look to the next.
        if columns[*at].side == Side::Left {
            *given = (*given).min(longest(*at).max(columns[*at].title.len()));
        }
    }
    let left = width.saturating_sub(needed(&shown));
    let wanted =
        |(at, given): &(usize, usize)| longest(*at).min(columns[*at].widths.1).saturating_sub(*given);
    let wanted = shown.iter().map(wanted).collect();
    widen(&mut shown, wanted, left);
    shown
}

/// Gives what is left over to columns whose cells are longer than they are, in turns, so that none takes all of it.
fn widen(shown: &mut [(usize, usize)], mut wanted: Vec<usize>, mut left: usize) {
    while 0 < left && wanted.iter().any(|more| 0 < *more) {
        for ((_, given), more) in shown.iter_mut().zip(&mut wanted) {
            let one = (*more).min(left).min(1);
            *given += one;
            *more -= one;
            left -= one;
        }
    }
}

/// The line above the titles: each group's name ends where its last column does.
fn groups(columns: &[Column], shown: &[(usize, usize)], gap: usize) -> String {
    let mut line = String::new();
    let mut end = 0;
    for (at, width) in shown {
        end += width;
        let name = columns[*at].group;
        if !name.is_empty() {
            let room = end.saturating_sub(line.len());
            line.push_str(&text::right(name, room));
        }
        end += gap;
    }
    line
}

fn line(columns: &[Column], shown: &[(usize, usize)], gap: usize, cell: impl Fn(usize) -> Piece) -> Line {
    let mut line = Line::new();
    for (place, (at, width)) in shown.iter().enumerate() {
        let piece = cell(*at);
        let aligned = match columns[*at].side {
            Side::Left => text::left(&piece.text, *width),
            Side::Right => text::right(&piece.text, *width),
        };
        let gap = if place == 0 { 0 } else { gap };
        line.push(Piece::new(piece.style, " ".repeat(gap) + &aligned));
    }
    line
}

/// The line as it is read: in exactly so many columns.
pub(super) fn padded(mut line: Line, width: usize) -> Line {
    let mut left = width;
    for piece in &mut line {
        piece.text = text::cut(&piece.text, left);
        left -= text::columns(&piece.text);
    }
    line.push(Piece::new(Style::Plain, " ".repeat(left)));
    line.retain(|piece| !piece.text.is_empty());
    line
}

/// The line without its looks, and without blanks at its end.
pub(super) fn plain(line: &Line) -> String {
    let text: String = line.iter().map(|piece| piece.text.as_str()).collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column { group: "", title: "id", side: Side::Left, widths: (2, 5), rank: 0 },
        Column { group: "", title: "in", side: Side::Right, widths: (3, 3), rank: 0 },
        Column { group: "bytes", title: "out", side: Side::Right, widths: (3, 3), rank: 2 },
        Column { group: "", title: "who", side: Side::Left, widths: (4, 20), rank: 1 },
    ];

    fn rows() -> Vec<Vec<Piece>> {
        let row = |cells: [&str; 4]| cells.iter().map(|cell| Piece::new(Style::Plain, *cell)).collect();
        vec![row(["1", "5", "12", "alice"]), row(["1234567", "1000", "", "東京都庁"])]
    }

    #[track_caller]
    fn check(width: usize, expected: &[&str]) {
        let shown: Vec<String> = lines(&COLUMNS, &rows(), width).iter().map(plain).collect();
        assert_eq!(shown, expected, "{width}");
        assert!(shown.iter().all(|line| text::columns(line) <= width.max(6)), "{shown:#?}");
    }

    #[test]
    fn what_is_left_over_makes_cells_whole_and_what_is_missing_takes_columns_away() {
        let whole = ["        bytes", "id     in out who", "1       5  12 alice", "1234~ 10~     東京都庁"];
        check(40, &whole);
        check(22, &whole);
        check(18, &["       bytes", "id    in out who", "1      5  12 alice", "123~ 10~     東京~"]);
        check(14, &["id    in who", "1      5 alice", "123~ 10~ 東京~"]);
        check(6, &["id  in", "1    5", "1~ 10~"]);
        check(3, &["id  in", "1    5", "1~ 10~"]);
    }

    #[test]
    fn wide_screens_have_wide_gaps() {
        let wide = [
            "          bytes",
            "id      in  out  who",
            "1        5   12  alice",
            "1234~  10~       東京都庁",
        ];
        check(100, &wide);
    }

    #[test]
    fn a_line_is_as_wide_as_the_screen() {
        let line = || vec![Piece::new(Style::Strong, "abc"), Piece::new(Style::Plain, "東京")];
        let check = |width: usize, expected: &str| {
            let text: String = padded(line(), width).iter().map(|piece| piece.text.as_str()).collect();
            assert_eq!((text.as_str(), text::columns(&text)), (expected, width));
        };
        check(9, "abc東京  ");
        check(7, "abc東京");
        check(6, "abc東~");
        check(3, "abc");
        check(2, "a~");
        check(0, "");
    }
}
