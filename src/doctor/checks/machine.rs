//! What the whole machine is set to: the pace of its cores, the size of its pages.

use std::collections::BTreeSet;

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use super::super::host::{garbled, if_there};

const CORES: &str = "/sys/devices/system/cpu";
const PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

pub(super) fn governor(sight: &Sight<'_>) -> Finding {
    let why = "Cores that are idle for a moment have to speed up first. Costs power and heat.";
    Topic::new("cpu_governor", "performance", why).judge(|topic| {
        let mut governors = BTreeSet::new();
        let mut drivers = BTreeSet::new();
        for core in &sight.needs.cores {
            let of = |file| if_there(sight.host.text(&format!("{CORES}/cpu{core}/cpufreq/{file}")));
            governors.extend(of("scaling_governor")?);
            drivers.extend(of("scaling_driver")?);
        }
        let found = governors.iter().cloned().collect::<Vec<_>>().join(", ");
        if governors.is_empty() {
            return Ok(topic.ok("frequencies are not scaled here"));
        }
        if governors.iter().all(|governor| governor == "performance") {
            return Ok(topic.ok(found));
        }
        let tune = "tuning/tune apply --role latency --global --knob cpu_governor";
        // These drivers scale by themselves whatever the name of the governor.
        let scales =
            drivers.iter().all(|driver| driver == "intel_pstate" || driver.starts_with("amd-pstate"));
        if governors.contains("powersave") && !scales {
            let why = "These cores stay at their lowest frequency.";
            return Ok(topic.because(why).warn(found).with(tune));
        }
        Ok(topic.note(found).with(tune))
    })
}

pub(super) fn huge_pages(sight: &Sight<'_>) -> Finding {
    let why = "With always, a process can stall while pages are put together.";
    Topic::new("transparent_hugepage", "madvise or never", why).judge(|topic| {
        let Some(text) = if_there(sight.host.text(PAGES))? else {
            return Ok(topic.ok("this kernel has none"));
        };
        let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        let (chosen, _) = chosen.ok_or_else(|| garbled(PAGES, &text))?;
        if chosen == "always" {
            let tune = "tuning/tune apply --role latency --global --knob transparent_hugepage";
            return Ok(topic.note(chosen).with(tune));
        }
        Ok(topic.ok(chosen))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, look};
    use super::super::super::finding::Severity;
    use super::*;

    #[test]
    fn governors_of_the_shards_cores_count() {
        let with = |first, second, driver| {
            let files = [
                ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", first),
                ("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", second),
                ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver),
                ("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave\n"),
            ];
            look(governor, &files)
        };
        let tune = "tuning/tune apply --role latency --global --knob cpu_governor";
        check(&look(governor, &[]), Severity::Ok, "not scaled here", "");
        check(&with("performance\n", "performance\n", "acpi-cpufreq"), Severity::Ok, "performance", "");
        let found = "performance, schedutil";
        check(&with("performance", "schedutil", "acpi-cpufreq"), Severity::Note, found, tune);
        check(&with("powersave", "powersave", "intel_pstate"), Severity::Note, "powersave", tune);
        check(&with("powersave", "powersave", "acpi-cpufreq"), Severity::Warn, "powersave", tune);
        let unreadable = look(governor, &[("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor/x", "")]);
        check(&unreadable, Severity::Note, "cannot be read", "sudo cat /sys/devices/system/cpu/cpu0");
    }

    #[test]
    fn the_size_of_pages_is_in_brackets() {
        let with = |text| look(huge_pages, &[(PAGES, text)]);
        check(&with("always [madvise] never\n"), Severity::Ok, "madvise", "");
        check(&with("always madvise [never]\n"), Severity::Ok, "never", "");
        let tune = "--global --knob transparent_hugepage";
        check(&with("[always] madvise never\n"), Severity::Note, "always", tune);
        check(&with("always madvise\n"), Severity::Note, "unknown, because", "cat /sys/kernel/mm");
        check(&look(huge_pages, &[]), Severity::Ok, "has none", "");
    }
}
