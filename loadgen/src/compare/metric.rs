//! The figures that are compared, and for each whether more of it is better.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::report::{show_count, show_nanos};
use crate::result::{Latency, RunResult};
use crate::statistics::BEYOND_MIN;

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Good answers per second.
    RequestsPerSecond,
    /// Mean response time.
    ResponseMean,
    /// Median response time.
    ResponseP50,
    /// 90th percentile of response times.
    ResponseP90,
    /// 99th percentile of response times.
    ResponseP99,
    /// 99.9th percentile of response times.
    ResponseP999,
    /// Median service time.
    ServiceP50,
    /// 99th percentile of service times.
    ServiceP99,
    /// Processor time of the generator for each good answer.
    GeneratorCpu,
    /// Processor time of the server for each good answer.
    ServerCpu,
    /// Share of requests that did not get a good answer.
    Errors,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More of it.
    Higher,
    /// Less of it.
    Lower,
}

/// How two values of a figure are set against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// By their quotient: the difference is relative.
    Ratio,
    /// By their difference, in points: a share may be 0, which is half of nothing.
    Points,
}

impl Metric {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::RequestsPerSecond,
        Self::ResponseMean,
        Self::ResponseP50,
        Self::ResponseP90,
        Self::ResponseP99,
        Self::ResponseP999,
        Self::ServiceP50,
        Self::ServiceP99,
        Self::GeneratorCpu,
        Self::ServerCpu,
        Self::Errors,
    ];

    /// Its name on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests_per_second",
            Self::ResponseMean => "mean",
            Self::ResponseP50 => "p50",
            Self::ResponseP90 => "p90",
            Self::ResponseP99 => "p99",
            Self::ResponseP999 => "p99.9",
            Self::ServiceP50 => "service_p50",
            Self::ServiceP99 => "service_p99",
            Self::GeneratorCpu => "generator_cpu",
            Self::ServerCpu => "server_cpu",
            Self::Errors => "errors",
        }
    }

    /// Its name in a table.
    pub const fn label(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests per second",
            Self::ResponseMean => "response, mean",
            Self::ResponseP50 => "response, p50",
            Self::ResponseP90 => "response, p90",
            Self::ResponseP99 => "response, p99",
            Self::ResponseP999 => "response, p99.9",
            Self::ServiceP50 => "service, p50",
            Self::ServiceP99 => "service, p99",
            Self::GeneratorCpu => "generator's CPU per request",
            Self::ServerCpu => "server's CPU per request",
            Self::Errors => "requests without a good answer",
        }
    }

    /// Which way is better.
    pub const fn better(self) -> Better {
        match self {
            Self::RequestsPerSecond => Better::Higher,
            Self::ResponseMean
            | Self::ResponseP50
            | Self::ResponseP90
            | Self::ResponseP99
            | Self::ResponseP999
            | Self::ServiceP50
            | Self::ServiceP99
            | Self::GeneratorCpu
            | Self::ServerCpu
            | Self::Errors => Better::Lower,
        }
    }

    /// How two of its values are set against each other.
    pub const fn scale(self) -> Scale {
        match self {
            Self::Errors => Scale::Points,
            Self::RequestsPerSecond
            | Self::ResponseMean
            | Self::ResponseP50
            | Self::ResponseP90
            | Self::ResponseP99
            | Self::ResponseP999
            | Self::ServiceP50
            | Self::ServiceP99
            | Self::GeneratorCpu
            | Self::ServerCpu => Scale::Ratio,
        }
    }

    /// Its unit in JSON.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "1/s",
            Self::Errors => "share",
            Self::ResponseMean
            | Self::ResponseP50
            | Self::ResponseP90
            | Self::ResponseP99
            | Self::ResponseP999
            | Self::ServiceP50
            | Self::ServiceP99
            | Self::GeneratorCpu
            | Self::ServerCpu => "us",
        }
    }

    /// Which percentile it is, if it is one.
    pub const fn percentile(self) -> Option<f64> {
        match self {
            Self::ResponseP50 | Self::ServiceP50 => Some(50.0),
            Self::ResponseP90 => Some(90.0),
            Self::ResponseP99 | Self::ServiceP99 => Some(99.0),
            Self::ResponseP999 => Some(99.9),
            Self::RequestsPerSecond
            | Self::ResponseMean
            | Self::GeneratorCpu
            | Self::ServerCpu
            | Self::Errors => None,
        }
    }

    /// Its value in a run; `None` where there is none, or too few samples to speak of one.
    pub fn of(self, run: &RunResult) -> Option<f64> {
        let (response, service) = (&run.latency.response, &run.latency.service);
        match self {
            Self::RequestsPerSecond => Some(run.throughput.requests_per_second),
            Self::ResponseMean => (0 < response.count).then_some(response.mean_us),
            Self::ResponseP50 => self.founded(response, response.p50_us),
            Self::ResponseP90 => self.founded(response, response.p90_us),
            Self::ResponseP99 => self.founded(response, response.p99_us),
            Self::ResponseP999 => self.founded(response, response.p999_us),
            Self::ServiceP50 => self.founded(service, service.p50_us),
            Self::ServiceP99 => self.founded(service, service.p99_us),
            Self::GeneratorCpu => run.generator.cpu_us_per_request,
            Self::ServerCpu => run.server.as_ref().and_then(|server| server.cpu_us_per_request),
            Self::Errors => {
                let requests = &run.requests;
                let lost = requests.scheduled.saturating_sub(requests.ok);
                (0 < requests.scheduled).then(|| lost as f64 / requests.scheduled as f64)
            }
        }
    }

    /// A value as people read it.
    pub fn show(self, value: f64) -> String {
        match self.unit() {
            "1/s" => show_count(value),
            "us" => show_nanos(value * 1000.0),
            _ => format!("{:.3} %", value * 100.0),
        }
    }

    /// The value, if enough samples lie beyond the percentile.
    fn founded(self, latency: &Latency, value: f64) -> Option<f64> {
        let share = 1.0 - self.percentile()? / 100.0;
        (BEYOND_MIN - 1e-6 <= latency.count as f64 * share).then_some(value)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|metric| metric.name() == text);
        let names = || Self::ALL.map(Self::name).join(", ");
        named.ok_or_else(|| format!("a figure is one of {}", names()))
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
