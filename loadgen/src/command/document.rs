//! Where the result of a command goes that makes several runs: rows while they are made, JSON at the end.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Write};

use serde::Serialize;

use super::output::Outputs;
use super::{Failure, NO_START, WRONG, print, say};
use crate::cli::SeveralFlags;
use crate::result::RunResult;

/// Where the result goes.
pub(super) struct Document {
    /// Takes a row, or a sentence, for a person.
    pub(super) rows: fn(&str) -> io::Result<()>,
    /// Takes what is said beside it.
    pub(super) speech: fn(&str),
    /// Takes the whole, for a machine.
    pub(super) whole: Whole,
    /// Takes what is made of its runs.
    pub(super) files: Option<Outputs>,
}

/// Where the whole goes.
pub(super) enum Whole {
    /// Nowhere.
    Nowhere,
    /// To standard output, which then has nothing else: rows are speech.
    Output,
    /// To the file of this name.
    File(Place),
}

/// A file that waits for the result.
pub(super) struct Place {
    file: File,
    path: String,
    /// Whether it has been made for the result and does not have it yet.
    is_empty: Cell<bool>,
}

impl Document {
    /// Opens the file before the runs, so that a wrong path does not cost them; what it holds stays until the end.
    pub(super) fn open(json: Option<&str>) -> Result<Self, Failure> {
        let print_line: fn(&str) -> io::Result<()> = |text| print(&format!("{text}\n"));
        let say_line: fn(&str) -> io::Result<()> = |text| {
            say(text);
            Ok(())
        };
        Ok(match json {
            None => Self { rows: print_line, speech: say, whole: Whole::Nowhere, files: None },
            Some("-") => Self { rows: say_line, speech: say, whole: Whole::Output, files: None },
            Some(path) => {
                let place = Place::open(path).map_err(|error| unwritten(NO_START, path, &error))?;
                Self { rows: print_line, speech: say, whole: Whole::File(place), files: None }
            }
        })
    }

    /// The same for commands that make files of their runs besides.
    pub(super) fn open_several(flags: &SeveralFlags) -> Result<Self, Failure> {
        let files = Outputs::open_several(flags)?;
        let document = Self::open(flags.whole.json.as_deref())?;
        let rows = if files.has_table() { document.rows } else { Self::open(Some("-"))?.rows };
        Ok(Self { rows, files: Some(files), ..document })
    }

    /// What is made of the runs, at the end.
    pub(super) fn write_files(self, runs: &[RunResult], words: &[String]) -> Result<(), Failure> {
        self.files.map_or(Ok(()), |files| files.write_files(runs, words))
    }

    /// A row, or a sentence, for a person.
    pub(super) fn tell(&self, text: &str) -> Result<(), Failure> {
        (self.rows)(text).map_err(|error| unwritten(WRONG, "standard output", &error))
    }

    /// Progress, problems and warnings.
    pub(super) fn say(&self, sentence: &str) {
        (self.speech)(sentence);
    }

    /// The whole result.
    pub(super) fn write(&self, result: &impl Serialize) -> Result<(), Failure> {
        let json = || serde_json::to_string_pretty(result).map(|json| json + "\n").map_err(io::Error::from);
        match &self.whole {
            Whole::Nowhere => Ok(()),
            Whole::Output => json()
                .and_then(|json| print(&json))
                .map_err(|error| unwritten(WRONG, "standard output", &error)),
            Whole::File(place) => json()
                .and_then(|json| place.write(&json))
                .map_err(|error| unwritten(WRONG, &place.path, &error)),
        }
    }
}

impl Place {
    fn open(path: &str) -> io::Result<Self> {
        let is_new = !fs::exists(path)?;
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file, path: path.to_owned(), is_empty: Cell::new(is_new) })
    }

    fn write(&self, json: &str) -> io::Result<()> {
        // A device or a pipe has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.is_empty.set(false);
        (&self.file).write_all(json.as_bytes())
    }
}

impl Drop for Place {
    /// Where there is no result, there is no file of it either.
    fn drop(&mut self) {
        if self.is_empty.get() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn unwritten(code: u8, place: &str, error: &io::Error) -> Failure {
    Failure::new(code, format!("the result cannot be written to {place}: {error}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// For tests of commands, which look at the runs and the exit code.
    pub(in crate::command) fn silent() -> Document {
        Document { rows: |_| Ok(()), speech: |_| (), whole: Whole::Nowhere, files: None }
    }

    #[test]
    fn no_file_is_left_without_a_result() {
        let path = std::env::temp_dir().join(format!("loadgen-document-{}", std::process::id()));
        let name = path.to_str().unwrap();
        drop(Document::open(Some(name)).unwrap_or_else(|failure| panic!("{failure}")));
        assert!(!path.exists(), "it was made for a result that never came");
        Document::open(Some(name)).and_then(|document| document.write(&1)).unwrap();
        drop(Document::open(Some(name)).unwrap_or_else(|failure| panic!("{failure}")));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n", "what was there before stays");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_written_is_known_before_the_runs() {
        let Err(failure) = Document::open(Some("/nowhere/result.json")) else { panic!("it was opened") };
        assert_eq!(failure.code, NO_START);
        assert!(
            failure.sentence.starts_with("the result cannot be written to /nowhere/result.json: "),
            "{failure}"
        );
    }
}
