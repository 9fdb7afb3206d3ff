//! A page of figures, as Prometheus and OpenMetrics write it: one figure on a line.

use std::fmt;
use std::str::FromStr;

use tidemill::sys::clock::Time;

use super::fetch::fetch;
use super::{MetricsPage, Sample, SourceError};
use crate::target::{Scheme, Target};

/// Processor time, by the name that all client libraries of Prometheus use.
const CPU: &str = "process_cpu_seconds_total";
/// Resident memory, likewise.
const RESIDENT: &str = "process_resident_memory_bytes";

impl MetricsPage {
    pub(super) fn read(&self, now: Time) -> Result<Sample, SourceError> {
        let page = || self.to_string();
        let text =
            fetch(self.address, &self.path).map_err(|cause| SourceError::Fetch { page: page(), cause })?;
        let figure = |name| figure(&text, name).ok_or_else(|| SourceError::Missing { page: page(), name });
        let (cpu_s, rss) = (figure(CPU)?, figure(RESIDENT)?);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bytes")]
        let rss_bytes = rss as u64;
        Ok(Sample { at: now, cpu_s, rss_bytes, voluntary_switches: None, involuntary_switches: None })
    }
}

impl FromStr for MetricsPage {
    type Err = SourceError;

    /// An address as in `http://127.0.0.1:9090`; without a path it is `/metrics`.
    fn from_str(text: &str) -> Result<Self, SourceError> {
        let refused = || SourceError::Url(text.to_owned());
        let target: Target = text.parse().map_err(|_| refused())?;
        if target.scheme != Scheme::Http {
            return Err(refused());
        }
        let address = target.listen.ip().ok_or_else(refused)?;
        let path = if target.path == "/" { "/metrics".to_owned() } else { target.path };
        Ok(Self { address, path })
    }
}

impl fmt::Display for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.path)
    }
}

/// The figure of this name, which has no labels. A time stamp may follow it.
fn figure(page: &str, name: &str) -> Option<f64> {
    let mut rests = page.lines().filter_map(|line| line.strip_prefix(name));
    let rest = rests.find(|rest| rest.starts_with(char::is_whitespace))?;
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    (value.is_finite() && 0.0 <= value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as the Go client of Prometheus writes them.
    const PAGE: &str = "\
        # HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n\
        # TYPE process_cpu_seconds_total counter\n\
        process_cpu_seconds_total 12.34\n\
        process_cpu_seconds_total_other 7\n\
        # TYPE process_resident_memory_bytes gauge\n\
        process_resident_memory_bytes 4.6579712e+07 1700000000\n\
        broken NaN\n";

    #[test]
    fn figures_stand_behind_their_names() {
        assert_eq!(figure(PAGE, CPU), Some(12.34));
        assert_eq!(figure(PAGE, RESIDENT), Some(46_579_712.0));
        assert_eq!((figure(PAGE, "broken"), figure(PAGE, "process"), figure("", CPU)), (None, None, None));
    }

    #[test]
    fn a_page_has_an_address() {
        let shown = |text: &str| text.parse::<MetricsPage>().unwrap().to_string();
        assert_eq!(shown("http://127.0.0.1:9090"), "http://127.0.0.1:9090/metrics");
        assert_eq!(shown("http://[::1]:9090/figures?x"), "http://[::1]:9090/figures?x");
        for text in ["http://localhost:9090/metrics", "https://127.0.0.1:9090", "unix:/run/t", ""] {
            let error = text.parse::<MetricsPage>().unwrap_err().to_string();
            assert!(error.contains("is not where figures are"), "{text}: {error}");
        }
    }
}
