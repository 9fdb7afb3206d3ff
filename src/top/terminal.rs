//! The terminal: taken, painted, and always put back. A thin shell around crossterm; what is painted comes from elsewhere.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Color, Print, SetAttribute, SetForegroundColor};
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, queue};

use super::keys::{Wish, wish_of};
use super::table::{Line, Style, padded};

/// A terminal that is ours until this is dropped.
pub(super) struct Terminal {
    coloured: bool,
}

/// What somebody does at a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Wish(Wish),
    /// It has so many columns and lines now.
    Resized(usize, usize),
    /// Something that means nothing here.
    Other,
}

impl Terminal {
    /// Takes it: keys come one by one, and the screen that was there is kept for later.
    pub(super) fn take(coloured: bool) -> io::Result<Self> {
        put_back_on_panic();
        IS_OURS.store(true, Ordering::Relaxed);
        terminal::enable_raw_mode()?;
        // From here on a drop puts it back, also when one of these fails.
        let taken = Self { coloured };
        let mut output = io::stdout();
        queue!(output, EnterAlternateScreen, cursor::Hide, terminal::DisableLineWrap)?;
        output.flush()?;
        Ok(taken)
    }

    /// Paints all lines of the screen, in one write.
    pub(super) fn paint(&self, lines: Vec<Line>, width: usize) -> io::Result<()> {
        let mut bytes = Vec::new();
        queue!(bytes, terminal::BeginSynchronizedUpdate)?;
        for (number, line) in (0..).zip(lines) {
            // Blanks to the end of the line paint over what was there, and nothing flickers.
            queue!(bytes, cursor::MoveTo(0, number))?;
            for piece in padded(line, width) {
                self.set_style(&mut bytes, piece.style)?;
                queue!(bytes, Print(piece.text), SetAttribute(Attribute::Reset))?;
            }
        }
        queue!(bytes, terminal::EndSynchronizedUpdate)?;
        let mut output = io::stdout();
        output.write_all(&bytes)?;
        output.flush()
    }

    fn set_style(&self, bytes: &mut Vec<u8>, style: Style) -> io::Result<()> {
        let (attribute, colour) = match style {
            Style::Plain => return Ok(()),
            Style::Heading => (Attribute::Reverse, None),
            Style::Faint => (Attribute::Dim, None),
            Style::Strong => (Attribute::Bold, None),
            Style::Notable => (Attribute::Bold, Some(Color::Yellow)),
            Style::Wrong => (Attribute::Bold, Some(Color::Red)),
        };
        queue!(bytes, SetAttribute(attribute))?;
        match colour.filter(|_| self.coloured) {
            Some(colour) => queue!(bytes, SetForegroundColor(colour)),
            None => Ok(()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        put_back();
    }
}

/// Columns and lines.
pub(super) fn size() -> (usize, usize) {
    terminal::size().map_or((80, 24), |(columns, lines)| (columns.into(), lines.into()))
}

/// Waits for what is done at the terminal.
pub(super) fn next_input() -> io::Result<Input> {
    Ok(match event::read()? {
        Event::Resize(columns, lines) => Input::Resized(columns.into(), lines.into()),
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
            let wish = match key.code {
                KeyCode::Esc => Some(Wish::Leave),
                KeyCode::Char('c' | 'd') if is_control => Some(Wish::Leave),
                KeyCode::Char(letter) if !is_control => wish_of(letter),
                _ => None,
            };
            wish.map_or(Input::Other, Input::Wish)
        }
        _ => Input::Other,
    })
}

/// A panic says what it says on the screen that was there before, and leaves a terminal that can be used.
fn put_back_on_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        put_back();
        before(panic);
    }));
}

/// Once only: a second time the cursor would go back to where it was when the terminal was taken, over what a panic has said since.
/// Where the terminal has gone, there is nothing to put back.
fn put_back() {
    if !IS_OURS.swap(false, Ordering::Relaxed) {
        return;
    }
    let mut output = io::stdout();
    let _ = queue!(output, terminal::EnableLineWrap, cursor::Show, LeaveAlternateScreen);
    let _ = output.flush();
    let _ = terminal::disable_raw_mode();
}

/// Whether the terminal is still to be put back. Relaxed: whoever finds it so puts it back, and nothing else follows from it.
static IS_OURS: AtomicBool = AtomicBool::new(false);
