//! The counters that the server prints, read back from its text.

use std::collections::HashMap;

/// Counters by name: the total first, then each shard, if there are several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(HashMap<String, Vec<u64>>);

impl Counters {
    /// Reads a table, from its heading to the end of the list of zeros.
    pub(crate) fn parse(lines: &[String]) -> Self {
        let zeros = lines.iter().position(|line| line.starts_with("zero:")).expect("something is zero");
        let mut counters = HashMap::new();
        for line in &lines[1..zeros] {
            let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
            let name = cells.next().expect("a line has a name");
            let number = |cell: &str| cell.replace(',', "").parse().ok();
            // Ratios are no counters, and have a point.
            if let Some(values) = cells.map(number).collect::<Option<Vec<u64>>>() {
                counters.insert(name.to_owned(), values);
            }
        }
        let names = lines[zeros..].iter().flat_map(|line| line.trim_start_matches("zero:").split(','));
        for name in names.map(str::trim).filter(|name| !name.is_empty()) {
            counters.insert(name.to_owned(), vec![0]);
        }
        Self(counters)
    }

    /// The total of a counter.
    #[track_caller]
    pub(crate) fn total(&self, name: &str) -> u64 {
        self.values(name)[0]
    }

    /// The counter of each shard.
    #[track_caller]
    pub(crate) fn shards(&self, name: &str) -> &[u64] {
        &self.values(name)[1..]
    }

    #[track_caller]
    fn values(&self, name: &str) -> &[u64] {
        self.0.get(name).unwrap_or_else(|| panic!("no counter is called {name}: {self:#?}"))
    }
}

/// Whether this line is the heading of a table.
pub(crate) fn is_heading(line: &str) -> bool {
    line.starts_with(' ') && line.split_whitespace().next() == Some("total")
}

/// Whether the table is complete.
pub(crate) fn is_complete(lines: &[String]) -> bool {
    let last = lines.last().map_or("", String::as_str);
    lines.iter().any(|line| line.starts_with("zero:")) && !last.ends_with(',')
}
