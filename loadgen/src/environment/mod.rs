//! Where a run takes place: the host, its clock, what it drops, and whether the server has cores of its own.
//!
//! All of it is read from `/proc` and `/sys` by the main thread, before and after the load. What cannot be found out
//! is absent and never guessed. The parsers take text, so that they are tested on what kernels have printed.

mod cores;
mod counters;
mod listeners;
mod neighbours;

use std::fs;

use tidemill::sys::clock;

pub use counters::HostCounters;
pub use listeners::{is_local, listening_processes};
pub use neighbours::Neighbours;

use crate::result::Environment;
use cores::core_list;

/// How many connections the host allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Descriptors that this process may have.
    pub descriptors: Option<u64>,
    /// Local ports that the kernel may choose from, for each address that connections come from.
    pub ports: Option<u64>,
    /// Addresses that connections come from, when each needs a port: 0 for Unix sockets.
    pub sources: u64,
}

/// Readings of the clock for [`clock_read_ns`].
const CLOCK_READINGS: usize = 10_000;
/// Readings that are timed together, since one takes about as long as the clock can tell apart.
const CLOCK_BATCH: u32 = 16;

impl Environment {
    /// Looks at this host. `cores` are the generator's, `tier` is that of its rings; who shares its cores is known when
    /// the load is over, to [`Neighbours`].
    pub fn look(cores: &[usize], tier: String) -> Self {
        let online = text("/sys/devices/system/cpu/online");
        let governor = cores
            .first()
            .and_then(|core| text(&format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor")));
        Self {
            kernel: text("/proc/sys/kernel/osrelease"),
            processor: text("/proc/cpuinfo").and_then(|text| processor_model(&text)),
            cores_online: online.map(|list| core_list(&list).len()),
            clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            governor,
            load_average: text("/proc/loadavg").and_then(|text| load_average(&text)),
            tier,
            shared_cores: None,
        }
    }
}

impl Room {
    /// Looks at this host, for connections that come from so many addresses.
    pub fn look(sources: u64) -> Self {
        Self {
            descriptors: text("/proc/self/limits").and_then(|text| descriptor_limit(&text)),
            ports: text("/proc/sys/net/ipv4/ip_local_port_range").and_then(|text| port_count(&text)),
            sources,
        }
    }
}

/// What one reading of the clock takes, in nanoseconds: the median of many.
pub fn clock_read_ns() -> f64 {
    let mut times: Vec<u64> = (0..CLOCK_READINGS / CLOCK_BATCH as usize)
        .map(|_| {
            let started = clock::now();
            let mut last = started;
            (0..CLOCK_BATCH).for_each(|_| last = std::hint::black_box(clock::now()));
            last.as_nanos() - started.as_nanos()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2] as f64 / f64::from(CLOCK_BATCH)
}

/// A file's text without the white space around it; `None` when there is none.
fn text(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The model of the first processor: `model name` on x86, where Arm has no name that could be shown.
fn processor_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

fn load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

/// The soft limit of `Max open files`; `None` also when there is no limit.
fn descriptor_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn port_count(range: &str) -> Option<u64> {
    let mut ends = range.split_whitespace().map(|number| number.parse::<u64>().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    last.checked_sub(first).map(|ports| ports + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as a kernel 6.18 printed them.
    #[test]
    fn the_files_of_the_host_are_understood() {
        let cpuinfo = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nstepping\t: 1\n";
        assert_eq!(processor_model(cpuinfo).as_deref(), Some("AMD EPYC"));
        assert_eq!(processor_model("processor : 0\nBogoMIPS : 50.00\n"), None);
        assert_eq!(load_average("0.84 0.68 0.54 1/124 18414\n"), Some(0.84));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             96365                96365                processes \n\
                      Max open files            20000                1048576              files     \n";
        assert_eq!(descriptor_limit(limits), Some(20_000));
        assert_eq!(descriptor_limit("Max open files unlimited unlimited files"), None);
        assert_eq!(port_count("32768\t60999\n"), Some(28_232));
        assert_eq!((port_count("9 5"), port_count("")), (None, None));
    }

    #[test]
    fn this_host_is_found() {
        let environment = Environment::look(&[0], "6.17".to_owned());
        assert!(environment.kernel.is_some_and(|kernel| kernel.contains('.')));
        assert!(environment.cores_online.is_some_and(|cores| 1 <= cores));
        assert!(environment.load_average.is_some_and(|load| 0.0 <= load));
        assert_eq!(environment.shared_cores, None);
        assert!(Room::look(1).ports.is_some_and(|ports| ports <= 65_536));
    }

    #[test]
    fn a_reading_of_the_clock_takes_some_time() {
        let nanos = clock_read_ns();
        assert!(0.0 < nanos && nanos.is_finite(), "{nanos}");
    }
}
