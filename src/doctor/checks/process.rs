//! What this process is given: files, ports, descriptors, memory that it may lock, and what it is contained in.

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use super::super::host::if_there;
use super::super::process::{self, Ability};
use crate::config::units::say_size;
use crate::sys::address::Listen;
use crate::sys::descriptors::DescriptorsError;
use crate::tier::Engine;

pub(super) fn container(sight: &Sight<'_>) -> Finding {
    let why =
        "A container's limits and sysctls are set where it is started, and its profile may forbid io_uring.";
    let topic = Topic::new("container", "none, or one that gives what is asked for here", why);
    let wanted = sight.needs.descriptors;
    let run = |program: &str| {
        format!(
            "{program} run --ulimit nofile={wanted} --ulimit memlock=-1 --sysctl net.core.somaxconn=4096 IMAGE"
        )
    };
    match process::container(sight.host) {
        None => topic.ok("none seen"),
        Some("Docker") => topic.note("Docker").with(run("docker")),
        Some("Podman") => topic.note("Podman").with(run("podman")),
        Some(other) => topic.note(other),
    }
}

pub(super) fn files(sight: &Sight<'_>) -> Finding {
    let topic = Topic::new("files", "certificates, keys and tokens that can be used", "A start reads them.");
    let check = "tidemill check";
    match &sight.needs.files {
        Ok(odd) if odd.is_empty() => topic.ok("all can be used"),
        Ok(odd) => topic.warn(odd.join("; ")).with(check),
        Err(error) => topic.error(error.to_string()).with(check),
    }
}

pub(super) fn ports(sight: &Sight<'_>) -> Finding {
    let name = "net.ipv4.ip_unprivileged_port_start";
    let why = "Ports below net.ipv4.ip_unprivileged_port_start are for those with CAP_NET_BIND_SERVICE \
               (AmbientCapabilities=CAP_NET_BIND_SERVICE in a unit).";
    Topic::new("ports", "ports that this user may listen at", why).judge(|topic| {
        let ports = sight.config.listeners.iter().filter_map(|listener| listener.listen.ip());
        let Some(lowest) = ports.map(|address| address.port()).filter(|port| *port != 0).min() else {
            return Ok(topic.ok("any free ones"));
        };
        // Before 4.11 it was no sysctl.
        let start = if_there(sight.host.sysctl_number(name))?.unwrap_or(1024);
        if start <= u64::from(lowest) {
            return Ok(topic.ok(format!("from {lowest} on")));
        }
        if process::may(sight.host, Ability::BindPrivilegedPorts)? {
            return Ok(topic.ok(format!("from {lowest} on, which this user may")));
        }
        let found = format!("port {lowest}, and this user may from {start} on");
        Ok(topic.error(found).with(format!("sysctl -w {name}={lowest}")))
    })
}

pub(super) fn descriptors(sight: &Sight<'_>) -> Finding {
    let wanted = sight.needs.descriptors;
    let why =
        "A table of connections may not be larger; by epoll each has a descriptor. In a unit: LimitNOFILE=.";
    Topic::new("LimitNOFILE", format!("at least {wanted}"), why).judge(|topic| {
        let (soft, hard) = process::limit(sight.host, "Max open files")?;
        let Some(hard) = hard.filter(|hard| *hard < wanted) else {
            let soft = soft.map_or_else(|| "unlimited".to_owned(), |soft| soft.to_string());
            let hard = hard_said(hard);
            return Ok(topic.ok(if soft == hard {
                soft
            } else {
                format!("{soft}, raised up to {hard} at the start")
            }));
        };
        let sentence = DescriptorsError::HardLimit { wanted, hard }.to_string();
        let (cause, _) = sentence.split_once(". Try: ").unwrap_or((&sentence, ""));
        let raise = format!("ulimit -n {wanted}");
        let most = if_there(sight.host.sysctl_number("fs.nr_open"))?.unwrap_or(u64::MAX);
        let command = if most < wanted { format!("sysctl -w fs.nr_open={wanted} && {raise}") } else { raise };
        Ok(topic.error(cause).with(command))
    })
}

fn hard_said(hard: Option<u64>) -> String {
    hard.map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string())
}

pub(super) fn locked_memory(sight: &Sight<'_>) -> Finding {
    let wanted = sight.needs.ring_sizes(None).bytes_full;
    let why = "Rings count as locked memory (since Linux 6.14 again), for all processes of a user together. In a unit: \
               LimitMEMLOCK=infinity.";
    Topic::new("LimitMEMLOCK", format!("at least {}", say_size(wanted)), why).judge(|topic| {
        if sight.needs.engine.as_ref().is_ok_and(|capabilities| capabilities.engine == Engine::Epoll) {
            return Ok(topic.ok("not needed by epoll"));
        }
        let (soft, _) = process::limit(sight.host, "Max locked memory")?;
        let Some(soft) = soft else { return Ok(topic.ok("unlimited")) };
        let sizes = sight.needs.ring_sizes(Some(soft));
        let said = say_size(soft);
        let command = format!("ulimit -l {}", wanted.div_ceil(1024));
        let unlimited = process::may_everywhere(sight.host, Ability::LockMemory)?;
        if soft < sizes.bytes && !unlimited {
            return Ok(topic.error(format!("{said}, too little for the smallest rings")).with(command));
        }
        if sizes.submissions < sizes.submissions_full {
            let found =
                format!("{said}: rings have {} entries for {}", sizes.submissions, sizes.submissions_full);
            return Ok(topic.warn(found).with(command));
        }
        Ok(topic.ok(said))
    })
}

/// The ports of listeners of one kind, each once.
pub(super) fn ports_of(sight: &Sight<'_>, is_kind: impl Fn(&Listen) -> bool) -> Vec<u16> {
    let listeners = sight.config.listeners.iter().map(|listener| &listener.listen);
    let addresses = listeners.filter(|listen| is_kind(listen)).filter_map(Listen::ip);
    let mut ports: Vec<u16> = addresses.map(|address| address.port()).filter(|port| *port != 0).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, listening, look, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;
    use crate::config::Config;
    use crate::error::StartError;
    use crate::ring::Capabilities;
    use crate::server::Needs;
    use crate::tier::RingTier;

    fn limits(name: &str, soft: &str, hard: &str) -> String {
        format!(
            "Limit                     Soft Limit           Hard Limit           Units\n{name}  {soft}  {hard}  files\n"
        )
    }

    #[test]
    fn a_container_is_a_note_with_its_options() {
        check(&look(container, &[]), Severity::Ok, "none seen", "");
        let run =
            "docker run --ulimit nofile=16588 --ulimit memlock=-1 --sysctl net.core.somaxconn=4096 IMAGE";
        check(&look(container, &[("/.dockerenv", "")]), Severity::Note, "Docker", run);
        check(&look(container, &[("/run/.containerenv", "")]), Severity::Note, "Podman", "podman run");
        check(&look(container, &[("/proc/self/cgroup", "0::/kubepods/x")]), Severity::Note, "Kubernetes", "");
    }

    #[test]
    fn files_are_told_as_check_tells_them() {
        let with = |answer| {
            let needs = Needs { files: answer, ..needs() };
            look_with(files, &[], &Config::default(), &needs)
        };
        check(&with(Ok(vec![])), Severity::Ok, "all can be used", "");
        check(&with(Ok(vec!["a is odd".to_owned()])), Severity::Warn, "a is odd", "tidemill check");
        let error = StartError::Credentials("key.pem is not there".to_owned());
        check(&with(Err(error)), Severity::Error, "key.pem is not there", "tidemill check");
    }

    #[test]
    fn privileged_ports_need_the_privilege() {
        let config = listening(&["tcp://[::]:443", "udp://[::]:7000"]);
        let with = |start: &str, effective: &str| {
            let status = format!("CapEff:\t{effective}\n");
            let files =
                [("/proc/sys/net/ipv4/ip_unprivileged_port_start", start), ("/proc/self/status", &status)];
            look_with(ports, &files, &config, &needs())
        };
        let lower = "sysctl -w net.ipv4.ip_unprivileged_port_start=443";
        check(&with("1024", "0"), Severity::Error, "port 443, and this user may from 1024 on", lower);
        check(&with("1024", "400"), Severity::Ok, "which this user may", "");
        check(&with("443", "0"), Severity::Ok, "from 443 on", "");
        check(&with("none", "0"), Severity::Note, "says \"none\"", "cat /proc/sys/net/ipv4");
        check(&with("1024", "none"), Severity::Note, "says \"none\"", "cat /proc/self/status");
        check(&look_with(ports, &[], &config, &needs()), Severity::Note, "unknown", "");
        let unix = listening(&["unix:/run/t.sock", "tcp://[::]:0"]);
        check(&look_with(ports, &[], &unix, &needs()), Severity::Ok, "any free ones", "");
    }

    #[test]
    fn descriptors_are_compared_with_the_hard_limit() {
        let with = |soft, hard, most: &str| {
            let text = limits("Max open files", soft, hard);
            look(descriptors, &[("/proc/self/limits", &text), ("/proc/sys/fs/nr_open", most)])
        };
        check(&with("1024", "1048576", "1048576"), Severity::Ok, "1024, raised up to 1048576", "");
        check(&with("20000", "20000", "1048576"), Severity::Ok, "20000", "");
        check(&with("unlimited", "unlimited", "1048576"), Severity::Ok, "unlimited", "");
        let found = "16588 descriptors are needed and the hard limit is 4096";
        check(&with("1024", "4096", "1048576"), Severity::Error, found, "ulimit -n 16588");
        let both = "sysctl -w fs.nr_open=16588 && ulimit -n 16588";
        check(&with("1024", "4096", "8192"), Severity::Error, found, both);
        check(&with("few", "4096", "8192"), Severity::Note, "unknown, because", "cat /proc/self/limits");
        check(&look(descriptors, &[]), Severity::Note, "/proc/self/limits is not there", "");
    }

    /// Three rings of 196,608 bytes at full size, and half of the limit is left to others.
    #[test]
    fn rings_fit_shrink_or_do_not_fit() {
        let with = |soft: &str, effective: &str| {
            let text = limits("Max locked memory", soft, "unlimited");
            let status = format!("CapEff:\t{effective}\n");
            let map = ("/proc/self/uid_map", "0 0 4294967295");
            look(locked_memory, &[("/proc/self/limits", &text), ("/proc/self/status", &status), map])
        };
        check(&with("unlimited", "0"), Severity::Ok, "unlimited", "");
        check(&with("8388608", "0"), Severity::Ok, "8MiB", "");
        check(&with("1179648", "0"), Severity::Ok, "1152KiB", "");
        check(&with("1179647", "0"), Severity::Warn, "rings have 512 entries for 1024", "ulimit -l 1152");
        check(&with("65536", "0"), Severity::Error, "64KiB, too little for the smallest", "ulimit -l 1152");
        check(&with("65536", "4000"), Severity::Warn, "rings have 128 entries", "ulimit -l 1152");
        check(&with("some", "0"), Severity::Note, "unknown, because", "cat /proc/self/limits");
        check(&look(locked_memory, &[]), Severity::Note, "unknown", "");
        let twin = Needs { engine: Ok(Capabilities::of_epoll(RingTier::V6_17)), ..needs() };
        check(&look_with(locked_memory, &[], &Config::default(), &twin), Severity::Ok, "not needed", "");
    }
}
