//! What it means that a run failed: that its figures are not the server's, or that there are none.

use crate::result::{RunResult, Status};

/// Checks that blame no measurement when they fail: too few answers came, wrong ones, or from too few connections.
const ABSENT: [&str; 3] = ["payload", "sample-size", "connections"];

/// Why figures of failed runs may not be believed.
pub fn why_not(results: &[RunResult]) -> &'static str {
    let failed =
        results.iter().flat_map(|result| &result.checks).filter(|check| check.status == Status::Fail);
    let mut names = failed.map(|check| check.name.as_str()).peekable();
    if names.peek().is_some() && names.all(|name| ABSENT.contains(&name)) {
        "there are no figures to believe"
    } else {
        "these are not the server's figures"
    }
}
