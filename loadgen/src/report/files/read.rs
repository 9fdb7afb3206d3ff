//! Results read back: from a file of JSON, or from a page that was made of them. A sweep, a search and a calibration
//! have the results of their runs within, a comparison has none.

use std::fs::File;
use std::io::{self, Read};

use serde_json::Value;

use crate::compare::{self, Comparison};
use crate::result::{RunResult, SCHEMA};
use crate::{calibrate, search, sweep};

/// Most bytes of a file that are read; a result has a few hundred kilobytes, a page as many for each of its results.
pub const READ_BYTES_MAX: u64 = 256 << 20;

/// The family of formats that [`SCHEMA`] is a version of.
const FAMILY: &str = "tidemill-loadgen/";

/// Why a file could not be read as a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It could not be opened or read.
    #[error("{path} cannot be read: {cause}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        cause: io::Error,
    },
    /// It is larger than a result can be.
    #[error("{0} is no result: it has more than {READ_BYTES_MAX} bytes")]
    TooLarge(String),
    /// It is not JSON, nor a page.
    #[error("{path} is no result: {cause}. Try: a file that `loadgen run --json` or `--html` wrote")]
    Syntax {
        /// The file.
        path: String,
        /// Where it ends to be JSON.
        cause: String,
    },
    /// It is JSON of something else.
    #[error(
        "{0} is no result: it has no \"schema\" of {SCHEMA}. Try: a file that `loadgen run --json` wrote"
    )]
    Foreign(String),
    /// It is a result of another version.
    #[error("{path} is a result of version {found}, and this program reads {SCHEMA}. Try: measure anew")]
    Version {
        /// The file.
        path: String,
        /// What it says it is.
        found: String,
    },
    /// It says that it is a result, and something is missing or wrong.
    #[error("{path} is a damaged result: {cause}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        cause: String,
    },
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The results of runs.
    pub runs: Vec<RunResult>,
    /// What was said of them together: the end of a search, or a whole comparison.
    pub words: Option<String>,
}

/// The results in a file: one from the JSON of a run, any number from a page or from the JSON of several runs.
///
/// # Errors
/// When it cannot be read, or is not a result of this version.
pub fn read(path: &str) -> Result<Kept, ReadError> {
    let failed = |cause| ReadError::Io { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(READ_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if READ_BYTES_MAX < bytes.len() as u64 {
        return Err(ReadError::TooLarge(path.to_owned()));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| ReadError::Syntax { path: path.to_owned(), cause: "it is not text".to_owned() })?;
    parse(path, &text)
}

/// The results in a text that came from this path.
///
/// # Errors
/// When it is not a result of this version.
pub fn parse(path: &str, text: &str) -> Result<Kept, ReadError> {
    let json = crate::report::page::embedded(text).unwrap_or(text);
    let value: Value = serde_json::from_str(json)
        .map_err(|error| ReadError::Syntax { path: path.to_owned(), cause: error.to_string() })?;
    match value {
        Value::Array(values) if json.len() < text.len() => {
            let runs = values.into_iter().map(|value| result(path, value)).collect::<Result<_, _>>()?;
            Ok(Kept { runs, words: None })
        }
        value => kept(path, value),
    }
}

/// What one document holds, which says itself what it is.
fn kept(path: &str, mut value: Value) -> Result<Kept, ReadError> {
    let damaged = |cause: String| ReadError::Damaged { path: path.to_owned(), cause };
    let words = value["sentence"].as_str().map(str::to_owned);
    let schema = value["schema"].as_str().unwrap_or_default().to_owned();
    let values = match schema.as_str() {
        compare::SCHEMA => {
            let comparison: Comparison =
                serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
            return Ok(Kept { runs: Vec::new(), words: Some(comparison.to_string().trim_end().to_owned()) });
        }
        sweep::SCHEMA => array(&mut value["points"]),
        search::SCHEMA => {
            let probes = array(&mut value["probes"]);
            probes.map(|probes| probes.into_iter().map(|mut probe| probe["result"].take()).collect())
        }
        calibrate::SCHEMA => array(&mut value["runs"]),
        _ => return Ok(Kept { runs: vec![result(path, value)?], words: None }),
    };
    let values = values.ok_or_else(|| damaged("its runs are missing".to_owned()))?;
    let runs = values.into_iter().map(|value| result(path, value)).collect::<Result<_, _>>()?;
    Ok(Kept { runs, words })
}

/// The values of an array, if it is one.
fn array(value: &mut Value) -> Option<Vec<Value>> {
    if let Value::Array(values) = value.take() { Some(values) } else { None }
}

fn result(path: &str, value: Value) -> Result<RunResult, ReadError> {
    let path = path.to_owned();
    match value.get("schema").and_then(Value::as_str) {
        Some(SCHEMA) => serde_json::from_value(value)
            .map_err(|error| ReadError::Damaged { path, cause: error.to_string() }),
        Some(found) if found.starts_with(FAMILY) => Err(ReadError::Version { path, found: found.to_owned() }),
        _ => Err(ReadError::Foreign(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::page;
    use crate::result::example::{example, example_at};

    #[test]
    fn what_was_written_is_read() {
        let json = serde_json::to_string_pretty(&example()).unwrap();
        assert_eq!(parse("a.json", &json).unwrap().runs, [example()]);
        let both = [example_at(5000.0), example()];
        assert_eq!(parse("a.html", &page(&both)).unwrap().runs, both);
    }

    #[test]
    fn the_runs_of_a_sweep_and_of_a_search_are_results() {
        let runs = [example_at(5000.0), example()];
        let sweep = serde_json::json!({"schema": "tidemill-loadgen-sweep/1", "points": runs});
        let kept = parse("a.json", &sweep.to_string()).unwrap();
        assert_eq!((kept.runs.as_slice(), kept.words), (runs.as_slice(), None));
        let probes = runs.clone().map(|run| serde_json::json!({"result": run}));
        let search = serde_json::json!(
            {"schema": "tidemill-loadgen-search/1", "probes": probes, "sentence": "so it ended"}
        );
        let kept = parse("a.json", &search.to_string()).unwrap();
        assert_eq!((kept.runs.as_slice(), kept.words.as_deref()), (runs.as_slice(), Some("so it ended")));
    }

    #[test]
    fn a_comparison_is_said_as_it_was() {
        let runs = [example()];
        let comparison = compare::compare(&runs, &runs, false, 1).unwrap();
        let kept = parse("a.json", &serde_json::to_string(&comparison).unwrap()).unwrap();
        assert_eq!((kept.runs.len(), kept.words), (0, Some(comparison.to_string().trim_end().to_owned())));
    }

    #[test]
    fn what_is_no_result_is_refused_in_a_sentence() {
        let check = |text: &str, words: &str| {
            let error = parse("a.json", text).unwrap_err().to_string();
            assert!(error.starts_with("a.json ") && error.contains(words), "{error}");
        };
        check("", "is no result: EOF");
        check("nonsense", "is no result");
        check("{\"schema\": \"tidemill-loadgen-sweep/1\"}", "its runs are missing");
        check("[]", "has no \"schema\"");
        check("{\"schema\": \"else/1\"}", "has no \"schema\" of tidemill-loadgen/2");
        check("{\"schema\": \"tidemill-loadgen/1\"}", "version tidemill-loadgen/1, and this program reads");
        check("{\"schema\": \"tidemill-loadgen/2\"}", "damaged result: missing field `verdict`");
        let error = read("/nowhere/at-all.json").unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/at-all.json cannot be read: "), "{error}");
    }
}
