//! This process, as the kernel describes it: what it may do, and how much.

use super::host::{Host, Unknown, garbled};

const STATUS: &str = "/proc/self/status";
const LIMITS: &str = "/proc/self/limits";

/// What may be done besides what everybody may: numbers of linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ability {
    BindPrivilegedPorts = 10, // CAP_NET_BIND_SERVICE
    AdministrateNetwork = 12, // CAP_NET_ADMIN
    LockMemory = 14,          // CAP_IPC_LOCK
    AdministrateSystem = 21,  // CAP_SYS_ADMIN
}

/// Whether this process has it, in its own user namespace.
pub(super) fn may(host: &Host, ability: Ability) -> Result<bool, Unknown> {
    let text = host.field(STATUS, "CapEff")?;
    let effective = u64::from_str_radix(&text, 16).map_err(|_| garbled(STATUS, &text))?;
    Ok(effective & (1 << ability as u32) != 0)
}

/// Whether it has it on the whole host: in a user namespace, as containers without root have it, it does not count for more
/// than the namespace.
pub(super) fn may_everywhere(host: &Host, ability: Ability) -> Result<bool, Unknown> {
    let map = host.text("/proc/self/uid_map").unwrap_or_default();
    let first: Vec<&str> = map.split_whitespace().take(2).collect();
    Ok(first == ["0", "0"] && may(host, ability)?)
}

/// The groups of this process.
pub(super) fn groups(host: &Host) -> Result<Vec<u64>, Unknown> {
    let mut groups = Vec::new();
    for key in ["Gid", "Groups"] {
        let text = host.field(STATUS, key)?;
        for word in text.split_whitespace() {
            groups.push(word.parse().map_err(|_| garbled(STATUS, &text))?);
        }
    }
    Ok(groups)
}

/// The mode of seccomp(2): 0 for none, 1 for strict, 2 for a filter.
pub(super) fn seccomp(host: &Host) -> Result<u64, Unknown> {
    let text = host.field(STATUS, "Seccomp")?;
    text.parse().map_err(|_| garbled(STATUS, &text))
}

/// The soft and the hard value of a limit, by its name in `/proc/self/limits`; `None` stands for no limit.
pub(super) fn limit(host: &Host, name: &str) -> Result<(Option<u64>, Option<u64>), Unknown> {
    let text = host.text(LIMITS)?;
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.ok_or_else(|| Unknown::Missing(format!("the line {name} of {LIMITS}")))?;
    let mut words = line[name.len()..].split_whitespace().map(|word| match word {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    });
    match (words.next().flatten(), words.next().flatten()) {
        (Some(soft), Some(hard)) => Ok((soft, hard)),
        _ => Err(garbled(LIMITS, line)),
    }
}

/// What this process is contained in, as far as that can be seen from within.
pub(super) fn container(host: &Host) -> Option<&'static str> {
    let told = host.text("/run/systemd/container").unwrap_or_default();
    let cgroup = host.text("/proc/self/cgroup").unwrap_or_default();
    let is = |name: &str| told == name || cgroup.contains(name);
    if host.has("/var/run/secrets/kubernetes.io") || cgroup.contains("kubepods") {
        Some("Kubernetes")
    } else if host.has("/run/.containerenv") || is("podman") || cgroup.contains("libpod") {
        Some("Podman")
    } else if host.has("/.dockerenv") || is("docker") {
        Some("Docker")
    } else if is("lxc") {
        Some("LXC")
    } else if told.is_empty() {
        None
    } else {
        Some("another container")
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Tree;
    use super::*;

    // As the kernel prints them for root, for nobody, and for root in a user namespace.
    #[test]
    fn abilities_are_read_from_their_bits() {
        let check = |effective: &str, map: &str, expected: [bool; 2]| {
            let status = format!("CapEff:\t{effective}\n");
            let tree = Tree::new(&[(STATUS, &status), ("/proc/self/uid_map", map)]);
            let ability = Ability::LockMemory;
            let found = [may(&tree.host(), ability).unwrap(), may_everywhere(&tree.host(), ability).unwrap()];
            assert_eq!(found, expected, "{effective} {map}");
        };
        check("000001ffffffffff", "         0          0 4294967295", [true, true]);
        check("0000000000000000", "         0          0 4294967295", [false, false]);
        check("000001ffffffffff", "         0       1000          1", [true, false]);
        check("0000000000004000", "         0          0 4294967295", [true, true]);
        check("ffffffffffffbfff", "         0          0 4294967295", [false, false]);
        let tree = Tree::new(&[(STATUS, "CapEff:\tmany\n")]);
        assert!(may(&tree.host(), Ability::LockMemory).is_err());
    }

    #[test]
    fn limits_are_read_with_their_names_of_two_words() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 unlimited            files     \n\
                    Max locked memory         strange              8388608              bytes     \n";
        let tree = Tree::new(&[(LIMITS, text)]);
        assert_eq!(limit(&tree.host(), "Max open files").unwrap(), (Some(1024), None));
        assert!(limit(&tree.host(), "Max locked memory").is_err());
        assert!(limit(&tree.host(), "Max processes").is_err());
    }

    #[test]
    fn containers_are_told_apart() {
        let check = |path: &str, text: &str, expected: Option<&str>| {
            assert_eq!(container(&Tree::new(&[(path, text)]).host()), expected, "{path} {text}");
        };
        check("/.dockerenv", "", Some("Docker"));
        check("/run/.containerenv", "", Some("Podman"));
        check("/proc/self/cgroup", "0::/kubepods.slice/pod1/cri-containerd-9.scope", Some("Kubernetes"));
        check("/proc/self/cgroup", "12:pids:/docker/0123", Some("Docker"));
        check("/proc/self/cgroup", "0::/system.slice/tidemill.service", None);
        check("/run/systemd/container", "lxc\n", Some("LXC"));
        check("/run/systemd/container", "systemd-nspawn\n", Some("another container"));
    }
}
