//! Where a result goes: the table for the terminal, and each file that was asked for.
//!
//! All files are opened before the run, so that a wrong path does not cost one. What a file holds stays there until
//! there is something to put in its place.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;

use super::{Failure, NO_START, USAGE, WRONG, print};
use crate::cli::{FileFlags, OutputFlags, SeveralFlags};
use crate::report::{files, page, table};
use crate::result::{Interval, RunResult};

/// Most results that each have a table of their own; of more there are rows.
const TABLES_MAX: usize = 3;

/// The places that results go to, open.
#[derive(Debug)]
pub struct Outputs {
    places: Vec<(Kind, Place)>,
    has_table: bool,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Ndjson,
    Html,
    Csv,
    Points,
    Hgrm,
    Hlog,
}

/// Where it is.
#[derive(Debug)]
struct Place {
    name: String,
    /// None is standard output.
    file: Option<File>,
    /// Whether what was there before is gone.
    is_begun: bool,
}

impl Outputs {
    /// Opens what a run was asked to write.
    ///
    /// # Errors
    /// When a file cannot be opened, or the same one was given twice.
    pub fn open(flags: &OutputFlags) -> Result<Self, Failure> {
        let own = [(Kind::Json, &flags.json), (Kind::Ndjson, &flags.ndjson)];
        Self::open_all(own.into_iter().chain(of_files(&flags.files)))
    }

    /// Opens what a report was asked to write.
    ///
    /// # Errors
    /// As above.
    pub fn open_files(flags: &FileFlags) -> Result<Self, Failure> {
        Self::open_all(of_files(flags))
    }

    /// Opens what is to be made of several runs; the whole is written elsewhere, and its place is taken.
    ///
    /// # Errors
    /// As above.
    pub fn open_several(flags: &SeveralFlags) -> Result<Self, Failure> {
        let files = [(Kind::Html, &flags.html), (Kind::Points, &flags.csv)];
        let named = |name: &Option<String>| name.is_some() && *name == flags.whole.json;
        if let Some((_, name)) = files.iter().find(|(_, name)| named(name)) {
            return Err(twice(name.as_deref().unwrap_or_default()));
        }
        Self::open_all(files.into_iter())
    }

    /// Whether a table is printed, because nothing else goes to standard output.
    pub fn has_table(&self) -> bool {
        self.has_table
    }

    fn open_all<'a>(wanted: impl Iterator<Item = (Kind, &'a Option<String>)>) -> Result<Self, Failure> {
        let wanted: Vec<(Kind, &str)> =
            wanted.filter_map(|(kind, name)| Some((kind, name.as_deref()?))).collect();
        for (at, (_, name)) in wanted.iter().enumerate() {
            if wanted.iter().skip(at + 1).any(|(_, other)| other == name) {
                return Err(twice(name));
            }
        }
        let has_table = wanted.iter().all(|(_, name)| *name != "-");
        let open = |(kind, name): (Kind, &str)| Place::open(name).map(|place| (kind, place));
        let places = wanted.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        // The same file may have two names.
        for (at, (_, place)) in places.iter().enumerate() {
            let identity = place.identity();
            if identity.is_some() && places[..at].iter().any(|(_, other)| other.identity() == identity) {
                return Err(twice(&place.name));
            }
        }
        Ok(Self { places, has_table })
    }

    /// Takes an interval that is over, while the run goes on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn interval(&mut self, interval: &Interval) -> Result<(), Failure> {
        self.places.iter_mut().filter(|(kind, _)| *kind == Kind::Ndjson).try_for_each(|(_, place)| {
            let line = files::interval_line(interval).map_err(|error| place.unwritten(WRONG, error))?;
            place.write(line.as_bytes())
        })
    }

    /// Writes the result of a run: the table, unless standard output has something else, and all files.
    ///
    /// # Errors
    /// When one of them cannot be written; the others are.
    pub fn write(self, result: &RunResult) -> Result<(), Failure> {
        self.write_all(std::slice::from_ref(result), &[])
    }

    /// Writes several results: a table of each, what can hold several, and of the rest what the last one has.
    ///
    /// # Errors
    /// As above.
    pub fn write_all(self, results: &[RunResult], words: &[String]) -> Result<(), Failure> {
        let printed = if self.has_table { print_table(results) } else { Ok(()) };
        printed.and(self.write_files(results, words))
    }

    /// Writes the files of several results, with what was said of them together, and no table.
    ///
    /// # Errors
    /// As above.
    pub fn write_files(self, results: &[RunResult], words: &[String]) -> Result<(), Failure> {
        let mut done = Ok(());
        for (kind, mut place) in self.places {
            let written = text_of(kind, results, words)
                .map_err(|cause| place.unwritten(WRONG, cause))
                .and_then(|bytes| place.write(&bytes));
            done = done.and(written);
        }
        done
    }
}

fn twice(name: &str) -> Failure {
    let name = if name == "-" { "standard output (-)" } else { name };
    Failure::new(USAGE, format!("{name} can take one kind of result, and was given two"))
}

fn of_files(flags: &FileFlags) -> impl Iterator<Item = (Kind, &Option<String>)> {
    let all = [
        (Kind::Html, &flags.html),
        (Kind::Csv, &flags.csv),
        (Kind::Hgrm, &flags.hgrm),
        (Kind::Hlog, &flags.hlog),
    ];
    all.into_iter()
}

fn print_table(results: &[RunResult]) -> Result<(), Failure> {
    let colour = io::stdout().is_terminal() && table::wants_colour(std::env::var_os("NO_COLOR").as_deref());
    let tables: Vec<String> = results
        .iter()
        .filter(|_| results.len() <= TABLES_MAX)
        .map(|result| table::table(result, colour))
        .collect();
    let rows = if 1 < results.len() { table::rows(results) } else { String::new() };
    let text =
        tables.into_iter().chain(Some(rows)).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    print(&text).map_err(|error| {
        Failure::new(WRONG, format!("the result cannot be written to standard output: {error}"))
    })
}

fn text_of(kind: Kind, results: &[RunResult], words: &[String]) -> Result<Vec<u8>, String> {
    let Some(last) = results.last() else { return Ok(Vec::new()) };
    let text = match kind {
        Kind::Json => {
            serde_json::to_string_pretty(last).map(|json| json + "\n").map_err(|error| error.to_string())?
        }
        Kind::Ndjson => files::total_line(last).map_err(|error| error.to_string())?,
        Kind::Html => page::page_with(results, words),
        // The runs of a search are kept without their intervals.
        Kind::Csv if results.iter().any(|result| !result.series.is_empty()) => files::csv(results),
        Kind::Csv | Kind::Points => files::points(results),
        Kind::Hgrm => files::hgrm(last).map_err(|error| error.to_string())?,
        Kind::Hlog => return files::hlog(last).map_err(|error| error.to_string()),
    };
    Ok(text.into_bytes())
}

impl Place {
    fn open(name: &str) -> Result<Self, Failure> {
        let mut place = Self { name: name.to_owned(), file: None, is_begun: false };
        if name != "-" {
            let opened = File::options().write(true).create(true).truncate(false).open(name);
            place.file = Some(opened.map_err(|error| place.unwritten(NO_START, error))?);
        }
        Ok(place)
    }

    /// Which file it is, whatever its name; devices and pipes take more than one result.
    fn identity(&self) -> Option<(u64, u64)> {
        let found = self.file.as_ref()?.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((found.dev(), found.ino()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.file {
            None => std::str::from_utf8(bytes).map_err(io::Error::other).and_then(print),
            Some(file) => begin(file, self.is_begun).and_then(|()| file.write_all(bytes)),
        };
        self.is_begun = true;
        written.map_err(|error| self.unwritten(WRONG, error))
    }

    fn unwritten(&self, code: u8, cause: impl std::fmt::Display) -> Failure {
        let name = if self.name == "-" { "standard output" } else { &self.name };
        Failure::new(code, format!("the result cannot be written to {name}: {cause}"))
    }
}

/// Makes room for the first write; a device or a pipe has no length.
fn begin(file: &File, is_begun: bool) -> io::Result<()> {
    if !is_begun && file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example;

    fn flags(json: &str, csv: &str) -> OutputFlags {
        let files = FileFlags { csv: Some(csv.to_owned()), ..FileFlags::default() };
        OutputFlags { json: Some(json.to_owned()), files, ..OutputFlags::default() }
    }

    #[test]
    fn a_place_takes_one_thing() {
        let failure = Outputs::open(&flags("-", "-")).unwrap_err();
        assert_eq!(failure.code, USAGE);
        assert!(
            failure.sentence.starts_with("standard output (-) can take one kind"),
            "{}",
            failure.sentence
        );
        assert_eq!(Outputs::open(&flags("/dev/null", "/dev/null")).unwrap_err().code, USAGE);
        assert!(!Outputs::open(&flags("-", "/dev/null")).unwrap().has_table);
        assert!(Outputs::open(&OutputFlags::default()).unwrap().has_table);
    }

    #[test]
    fn intervals_are_written_as_they_come_and_the_whole_at_the_end() {
        let path = std::env::temp_dir().join(format!("loadgen-ndjson-{}", std::process::id()));
        fs::write(&path, "what was here before").unwrap();
        let place = Place::open(path.to_str().unwrap()).unwrap();
        let mut outputs = Outputs { places: vec![(Kind::Ndjson, place)], has_table: false };
        let result = example();
        let read = || fs::read_to_string(&path).unwrap();
        assert_eq!(read(), "what was here before");
        for (at, interval) in result.series.iter().enumerate() {
            outputs.interval(interval).unwrap();
            assert_eq!(read().lines().count(), at + 1);
        }
        outputs.write(&result).unwrap();
        let text = read();
        fs::remove_file(&path).unwrap();
        assert_eq!(text.lines().count(), 12);
        let starts =
            text.lines().map(|line| serde_json::from_str::<Interval>(line).map(|line| line.start_s).ok());
        let expected = (-1..10).map(|start| Some(f64::from(start))).chain([None]);
        assert!(starts.eq(expected), "{text}");
        assert!(text.lines().last().unwrap().starts_with("{\"schema\":\"tidemill-loadgen/2\""));
    }

    #[test]
    fn a_file_with_two_names_is_one_place() {
        let name = std::env::temp_dir().join(format!("loadgen-twice-{}", std::process::id()));
        let (name, other) = (
            name.display().to_string(),
            format!("{}/./{}", name.parent().unwrap().display(), name.file_name().unwrap().display()),
        );
        let failure = Outputs::open(&flags(&name, &other)).unwrap_err();
        fs::remove_file(&name).unwrap();
        assert_eq!(failure.code, USAGE, "{}", failure.sentence);
    }

    #[test]
    fn a_wrong_path_is_found_before_the_run() {
        let failure = Outputs::open(&flags("-", "/nowhere/at.all")).unwrap_err();
        assert_eq!(failure.code, NO_START);
        assert!(failure.sentence.contains("written to /nowhere/at.all: "), "{}", failure.sentence);
    }
}
