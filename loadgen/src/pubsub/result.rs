//! What came of a run with a hub: one value that holds all of it, and whose JSON is a published format.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::result::{Arrivals, Check, Environment, Latency, Status};

/// The name and version of the JSON's shape.
pub const SCHEMA: &str = "tidemill-loadgen-pubsub/1";

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PubsubResult {
    /// [`SCHEMA`].
    pub schema: String,
    /// The worst of the checks: whether the figures may be believed.
    pub verdict: Status,
    /// The version of this program.
    pub version: String,
    /// When the measured time began, in UTC (RFC 3339).
    pub started_at: String,
    /// What was asked for.
    pub config: Config,
    /// Where it ran.
    pub environment: Environment,
    /// How much was published and delivered.
    pub throughput: Throughput,
    /// What became of every message of the whole run.
    pub counts: Counts,
    /// How long deliveries took.
    pub latency: Latencies,
    /// What the generator cost.
    pub generator: Generator,
    /// What the server cost, if it was watched.
    pub server: Option<Server>,
    /// What became of subscribers that read nothing, if there were any.
    #[serde(default)]
    pub stuck: Option<Stuck>,
    /// Whether the figures may be believed, check by check.
    pub checks: Vec<Check>,
    /// What went wrong, in words; empty when nothing did.
    pub problems: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The command line.
    pub argv: Vec<String>,
    /// Where subscribers went.
    pub url: String,
    /// Where publishers went.
    pub publish_url: String,
    /// Publishers, or requesters.
    pub publishers: u32,
    /// Subscribers, or responders.
    pub subscribers: u32,
    /// Of these, the ones that read nothing.
    #[serde(default)]
    pub stuck: u32,
    /// Of the others, the ones with wildcards.
    pub wildcards: u32,
    /// Subjects.
    pub subjects: usize,
    /// Bytes of a payload.
    pub size: usize,
    /// Messages per second, in an open loop.
    pub rate: Option<f64>,
    /// The law of the intended times, in an open loop.
    pub arrivals: Option<Arrivals>,
    /// Messages that could be under way.
    pub window: u64,
    /// How subscriptions were named: same or distinct.
    pub sids: String,
    /// Whether messages were answered.
    pub request_reply: bool,
    /// Seconds that were to be measured; absent when messages were counted.
    pub duration_s: Option<f64>,
    /// Messages that were to be published; absent when time ended the run.
    pub count: Option<u64>,
    /// Seconds of load before anything was measured.
    pub warmup_s: f64,
    /// What intended times followed from.
    pub seed: u64,
    /// One message in so many was timed.
    pub sampled: u64,
    /// The core of the generator.
    pub core: usize,
    /// How it waited: sleep, hybrid or spin.
    pub idle: String,
}

/// How much happened in the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Seconds that were measured.
    pub duration_s: f64,
    /// Messages published.
    pub published: u64,
    /// Messages that arrived, at all subscribers together; of requests, answers.
    pub deliveries: u64,
    /// Published per second.
    pub published_per_second: f64,
    /// Delivered per second; of requests, round trips.
    pub deliveries_per_second: f64,
    /// Bytes of delivered payloads per second.
    pub bytes_per_second: f64,
}

/// What became of all messages, with warm-up and end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages published.
    pub published: u64,
    /// Deliveries that there should have been.
    pub expected: u64,
    /// Deliveries that there were, each counted once.
    pub delivered: u64,
    /// Deliveries that there were not.
    pub lost: u64,
    /// Deliveries that came once more.
    pub duplicated: u64,
    /// Deliveries that came behind a later message of the same publisher on the same subscription.
    pub reordered: u64,
    /// Deliveries of what was never published, or not for that subscription.
    pub corrupt: u64,
    /// Messages that were due and never sent.
    pub unsent: u64,
    /// Subscribers whose connection was lost.
    pub disconnected: u64,
    /// How often publishers had waited in vain and went on.
    pub stalls: u64,
    /// Errors by class.
    pub errors: BTreeMap<String, u64>,
    /// The first error in words.
    pub first_error: Option<String>,
    /// Whether a signal ended the run.
    pub interrupted: bool,
}

/// How long deliveries took, of messages that were due in the measured time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// From the intended time to the first subscriber that got the message.
    pub first: Latency,
    /// To the last one, of messages that all got.
    pub last: Latency,
    /// To every subscriber; of requests, round trips.
    pub every: Latency,
    /// From the intended time to the moment before sending: what the generator added, in an open loop.
    pub lag: Latency,
}

/// What the generator cost in the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Processor time in the program, in seconds.
    pub cpu_user_s: f64,
    /// Processor time in the kernel for it, in seconds.
    pub cpu_system_s: f64,
    /// Share of its core, in percent.
    pub cpu_percent: f64,
    /// Processor time for each delivery, in nanoseconds.
    pub cpu_ns_per_delivery: Option<f64>,
}

/// What the server cost in the measured time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Where this comes from: `pid 1234`, or the address of its metrics.
    pub source: String,
    /// Processor time, in seconds.
    pub cpu_s: f64,
    /// Processor time for each delivery, in nanoseconds.
    pub cpu_ns_per_delivery: Option<f64>,
    /// Deliveries for each second of processor time.
    pub deliveries_per_cpu_second: Option<f64>,
    /// Largest resident memory that was seen, in bytes.
    pub rss_bytes: u64,
    /// Voluntary context switches; absent where the source does not tell.
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches; absent where the source does not tell.
    pub involuntary_switches: Option<u64>,
}

/// What became of subscribers that subscribed and read nothing. Nothing else in a result counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    /// How many they were.
    pub subscribers: u32,
    /// Of these, the ones that the server has cut, as far as that was seen.
    pub cut: u32,
    /// When the first was seen to be cut, in seconds from when the load began, warm-up included.
    pub first_cut_s: Option<f64>,
    /// The same of the last one.
    pub last_cut_s: Option<f64>,
}

impl PubsubResult {
    /// Whether nothing went wrong.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Counts {
    /// What went wrong, in sentences.
    pub fn problems(&self, request_reply: bool) -> Vec<String> {
        let (message, lost) = if request_reply {
            ("answers", "requests were never answered")
        } else {
            ("deliveries", "deliveries were lost")
        };
        let faults = [
            (self.lost, lost.to_owned()),
            (self.duplicated, format!("{message} came twice")),
            (self.reordered, format!("{message} came out of order")),
            (self.corrupt, format!("{message} were not what was published")),
            (self.unsent, "messages were due and never sent".to_owned()),
            (self.disconnected, "subscribers lost their connection".to_owned()),
        ];
        let faults = faults.into_iter().filter(|(count, _)| *count != 0);
        let mut problems: Vec<String> = faults.map(|(count, what)| format!("{count} {what}")).collect();
        let errors: u64 = self.errors.values().sum();
        if let Some(first) = &self.first_error {
            problems.push(format!("errors: {errors}; the first: {first}"));
        }
        problems
    }
}

/// A result without a fault, for tests of what is made of it.
pub fn example() -> PubsubResult {
    PubsubResult {
        schema: SCHEMA.to_owned(),
        verdict: Status::Pass,
        version: "0.1.0".to_owned(),
        started_at: "2026-11-20T12:00:00Z".to_owned(),
        config: Config {
            argv: vec!["loadgen".to_owned(), "pubsub".to_owned()],
            url: "nats://127.0.0.1:4222".to_owned(),
            publish_url: "nats://127.0.0.1:4222".to_owned(),
            publishers: 1,
            subscribers: 100,
            stuck: 0,
            wildcards: 0,
            subjects: 1,
            size: 16,
            rate: Some(1000.0),
            arrivals: Some(Arrivals::Constant),
            window: 10_485,
            sids: "same".to_owned(),
            request_reply: false,
            duration_s: Some(5.0),
            count: None,
            warmup_s: 1.0,
            seed: 1,
            sampled: 1,
            core: 1,
            idle: "sleep".to_owned(),
        },
        environment: Environment { tier: "6.17".to_owned(), ..Environment::default() },
        throughput: Throughput {
            duration_s: 5.0,
            published: 5000,
            deliveries: 500_000,
            published_per_second: 1000.0,
            deliveries_per_second: 100_000.0,
            bytes_per_second: 1_600_000.0,
        },
        counts: Counts { published: 6000, expected: 600_000, delivered: 600_000, ..Counts::default() },
        latency: Latencies::default(),
        generator: Generator {
            cpu_user_s: 0.2,
            cpu_system_s: 0.3,
            cpu_percent: 10.0,
            cpu_ns_per_delivery: Some(1000.0),
        },
        server: Some(Server {
            source: "pid 1".to_owned(),
            cpu_s: 0.25,
            cpu_ns_per_delivery: Some(500.0),
            deliveries_per_cpu_second: Some(2e6),
            rss_bytes: 1 << 24,
            voluntary_switches: Some(1),
            involuntary_switches: None,
        }),
        stuck: None,
        checks: vec![Check {
            name: "conservation".to_owned(),
            status: Status::Pass,
            sentence: "600,000 deliveries were expected, 600,000 came, 0 are lost.".to_owned(),
        }],
        problems: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_sentence() {
        assert!(example().counts.problems(false).is_empty());
        let counts = Counts {
            lost: 3,
            duplicated: 1,
            errors: [("server".to_owned(), 2)].into(),
            first_error: Some("the server said so".to_owned()),
            ..Counts::default()
        };
        let sentences =
            ["3 deliveries were lost", "1 deliveries came twice", "errors: 2; the first: the server said so"];
        assert_eq!(counts.problems(false), sentences);
        assert_eq!(counts.problems(true)[0], "3 requests were never answered");
    }
}
