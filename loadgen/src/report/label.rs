//! Short names for several results, each as different from the others as the results are.

use super::show_count;
use crate::result::{LoopModel, RunResult};

/// One name for each result: its rate where all else is equal, or else its server; numbered where that is not enough.
pub fn labels(results: &[RunResult]) -> Vec<String> {
    let first = results.first();
    let same_url =
        results.iter().all(|result| Some(&result.config.url) == first.map(|first| &first.config.url));
    let loads: Vec<String> = results.iter().map(load).collect();
    let same_load = loads.iter().all(|load| Some(load) == loads.first());
    let names: Vec<String> = results
        .iter()
        .zip(&loads)
        .map(|(result, load)| match (same_url, same_load) {
            (true, false) => load.clone(),
            (_, true) => result.config.url.clone(),
            (false, false) => format!("{} at {load}", result.config.url),
        })
        .collect();
    let is_twice = |name: &String| 1 < names.iter().filter(|other| *other == name).count();
    let numbered = |(at, name): (usize, &String)| {
        if is_twice(name) { format!("{name} (run {})", at + 1) } else { name.clone() }
    };
    names.iter().enumerate().map(numbered).collect()
}

/// How much was asked for, in a word or two.
fn load(result: &RunResult) -> String {
    let config = &result.config;
    match (config.loop_model, config.rate) {
        (LoopModel::Open, Some(rate)) => format!("{}/s", show_count(rate)),
        _ => format!("{} × {}", show_count(f64::from(config.connections)), config.depth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::{example, example_at};

    #[test]
    fn names_tell_results_apart() {
        let runs = [example_at(5000.0), example_at(10_000.0)];
        assert_eq!(labels(&runs), ["5,000/s", "10,000/s"]);
        let mut other = example();
        other.config.url = "tcp://127.0.0.1:7001".to_owned();
        assert_eq!(labels(&[example(), other]), ["tcp://127.0.0.1:7000", "tcp://127.0.0.1:7001"]);
        assert_eq!(
            labels(&[example(), example()]),
            ["tcp://127.0.0.1:7000 (run 1)", "tcp://127.0.0.1:7000 (run 2)"]
        );
        let mut closed = example();
        closed.config.loop_model = LoopModel::Closed;
        assert_eq!(labels(&[closed, example()]), ["200 × 1", "10,000/s"]);
        assert!(labels(&[]).is_empty());
    }
}
