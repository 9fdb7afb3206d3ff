//! What serves: the kernel's release, io_uring and its tier, and what may forbid it.

use super::super::Sight;
use super::super::finding::{Finding, Severity, Topic};
use super::super::host::{garbled, if_there};
use super::super::process::{self, Ability};
use crate::error::StartError;
use crate::tier::{Engine, RingTier};

/// The oldest release whose io_uring has all that is needed.
const OLDEST: (u64, u64) = (6, 1);

pub(super) fn kernel(sight: &Sight<'_>) -> Finding {
    let why = "Its release says which abilities io_uring should have; which it has is found out by trying.";
    Topic::new("kernel", "6.1 or newer, best 6.17", why).judge(|topic| {
        let path = "/proc/sys/kernel/osrelease";
        let release = sight.host.text(path)?;
        let version = version(&release).ok_or_else(|| garbled(path, &release))?;
        if OLDEST <= version || sight.config.engine == Some(Engine::Epoll) {
            return Ok(topic.ok(release));
        }
        let (severity, why) = match (&sight.needs.engine, &sight.needs.refusal) {
            (Ok(_), None) => (Severity::Note, "It is old, and yet its io_uring passed its trial."),
            (Ok(_), Some(_)) => {
                (Severity::Warn, "Its io_uring is too old, and epoll costs more system calls.")
            }
            (Err(_), _) => {
                (Severity::Error, "Its io_uring is too old, and --engine uring asks for nothing else.")
            }
        };
        Ok(topic.because(why).say(severity, release).with("uname -r"))
    })
}

/// The first two numbers of a release, as in 6.18.44-cloud.
fn version(release: &str) -> Option<(u64, u64)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) fn io_uring(sight: &Sight<'_>) -> Finding {
    let newest = sight.config.engine_max.unwrap_or(RingTier::V6_17);
    let why = "It completes many operations with one system call.";
    let topic = Topic::new("io_uring", format!("tier {newest}"), why);
    match (&sight.needs.engine, &sight.needs.refusal) {
        (Ok(capabilities), None) if capabilities.engine == Engine::Epoll => topic
            .because("epoll costs more system calls; the configuration asks for it.")
            .note("epoll, as asked for"),
        (Ok(capabilities), None) => {
            let found = format!("tier {}: {capabilities}", capabilities.tier());
            if newest <= capabilities.tier() {
                return topic.ok(found);
            }
            let why = format!("A newer kernel brings {}.", what_comes(capabilities.tier()));
            topic.because(why).note(found).with("uname -r")
        }
        (Ok(_), Some(refusal)) => {
            refused(sight, topic, Severity::Warn, refusal, "epoll serves instead and costs more")
        }
        (Err(error @ StartError::RingMemory { .. }), _) => {
            let outcome = "The server does not start; or one of this user runs, and holds that memory";
            refused(sight, topic, Severity::Error, error, outcome)
        }
        (Err(error), _) => refused(sight, topic, Severity::Error, error, "The server does not start"),
    }
}

/// What the tiers above this one have.
fn what_comes(tier: RingTier) -> &'static str {
    match tier {
        RingTier::V6_1 => {
            "rings without a submission array (6.6), buffers that are filled incrementally (6.12), and \
             receives that end by credit (6.17)"
        }
        RingTier::V6_6 => {
            "buffers that are filled incrementally (6.12), and receives that end by credit (6.17)"
        }
        RingTier::V6_12 | RingTier::V6_17 => {
            "receives that end by credit (6.17), where now they are cancelled and armed again"
        }
    }
}

/// As the start says it; the first thing to try is the command.
fn refused(
    sight: &Sight<'_>,
    topic: Topic,
    severity: Severity,
    error: &StartError,
    outcome: &str,
) -> Finding {
    let (cause, remedy) = error.parts();
    let Some(remedy) = remedy else { return topic.because(format!("{outcome}.")).say(severity, cause) };
    let command = first_command(sight, &remedy);
    topic.because(format!("{outcome}. Try: {remedy}")).say(severity, cause).with(command)
}

/// The first of several remedies, in the words of the container that this is.
fn first_command(sight: &Sight<'_>, remedy: &str) -> String {
    let first = remedy.split(", ").next().unwrap_or(remedy);
    match process::container(sight.host) {
        Some("Podman") => first.replace("docker run", "podman run"),
        Some("Kubernetes") if first.starts_with("docker") => {
            "kubectl explain pod.spec.securityContext.seccompProfile".to_owned()
        }
        _ => first.to_owned(),
    }
}

pub(super) fn seccomp(sight: &Sight<'_>) -> Finding {
    let why = "A filter of system calls, as containers and units have it, may forbid io_uring.";
    Topic::new("seccomp", "none, or one that allows io_uring", why).judge(|topic| {
        let mode = match process::seccomp(sight.host)? {
            0 => return Ok(topic.ok("none")),
            1 => "strict",
            _ => "a filter",
        };
        let (severity, error) = match (&sight.needs.engine, &sight.needs.refusal) {
            (Ok(_), Some(refusal)) => (Severity::Warn, refusal),
            (Err(error), _) => (Severity::Error, error),
            (Ok(capabilities), None) if capabilities.engine == Engine::Epoll => {
                return Ok(topic.ok(format!("{mode}; io_uring is not asked for")));
            }
            (Ok(_), None) => return Ok(topic.ok(format!("{mode}, which allows io_uring"))),
        };
        if !matches!(error, StartError::RingForbidden | StartError::RingMissing) {
            return Ok(topic.ok(format!("{mode}; io_uring is refused for another reason")));
        }
        let (_, remedy) = StartError::RingForbidden.parts();
        let command = first_command(sight, &remedy.unwrap_or_default());
        Ok(topic.say(severity, format!("{mode}, and io_uring is refused")).with(command))
    })
}

pub(super) fn io_uring_disabled(sight: &Sight<'_>) -> Finding {
    let name = "kernel.io_uring_disabled";
    let why = "With 2 nobody may make rings, with 1 only root and the group kernel.io_uring_group.";
    Topic::new(name, "0, or 1 and the server's group in kernel.io_uring_group", why).judge(|topic| {
        let allow = "sysctl -w kernel.io_uring_disabled=0";
        let refused = match sight.config.engine {
            Some(Engine::Epoll) => Severity::Note,
            Some(Engine::Uring) => Severity::Error,
            None => Severity::Warn,
        };
        let Some(disabled) = if_there(sight.host.sysctl_number(name))? else {
            return Ok(topic.ok("not there: this kernel is older than 6.6, and allows it"));
        };
        if disabled == 0 {
            return Ok(topic.ok("0"));
        }
        if disabled != 1 {
            return Ok(topic.say(refused, disabled.to_string()).with(allow));
        }
        let group = sight.host.sysctl("kernel.io_uring_group")?;
        if group.parse().is_ok_and(|group| process::groups(sight.host).is_ok_and(|own| own.contains(&group)))
        {
            return Ok(topic.ok(format!("1, and the group {group} is ours")));
        }
        if process::may_everywhere(sight.host, Ability::AdministrateSystem)? {
            let why =
                "root may make rings here, and other users may not: run the doctor as the server's user.";
            return Ok(topic.because(why).note(format!("1, and the group is {group}")));
        }
        Ok(topic.say(refused, format!("1, and the group {group} is not ours")).with(allow))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, look, look_with, needs};
    use super::*;
    use crate::config::Config;
    use crate::ring::Capabilities;
    use crate::server::Needs;

    fn fallen_back(refusal: StartError) -> Needs {
        let engine = Ok(Capabilities::of_epoll(RingTier::V6_17));
        Needs { engine, refusal: Some(refusal), ..needs() }
    }

    fn failed(error: StartError) -> Needs {
        Needs { engine: Err(error), ..needs() }
    }

    fn asking(engine: Engine) -> Config {
        Config { engine: Some(engine), ..Config::default() }
    }

    #[test]
    fn the_release_is_read_as_numbers() {
        let check = |release, expected| assert_eq!(version(release), expected, "{release}");
        check("6.18.44-cloud-amd64", Some((6, 18)));
        check("6.1-rc3", Some((6, 1)));
        check("5.14.0-427.el9.x86_64", Some((5, 14)));
        check("6", None);
        check("next", None);
        check("", None);
    }

    #[test]
    fn an_old_kernel_matters_as_much_as_its_ring() {
        let release = |text| [("/proc/sys/kernel/osrelease", text)];
        let config = Config::default();
        check(&look(kernel, &release("6.1.0\n")), Severity::Ok, "6.1.0", "");
        check(&look(kernel, &release("10.0.0\n")), Severity::Ok, "10.0.0", "");
        check(&look(kernel, &release("5.14.0-427.el9\n")), Severity::Note, "5.14.0-427.el9", "uname -r");
        let old = |needs: &Needs, config| look_with(kernel, &release("5.14.0"), config, needs);
        check(&old(&fallen_back(StartError::RingTooOld), &config), Severity::Warn, "5.14.0", "uname -r");
        let uring = asking(Engine::Uring);
        check(&old(&failed(StartError::RingTooOld), &uring), Severity::Error, "5.14.0", "uname -r");
        check(&old(&needs(), &asking(Engine::Epoll)), Severity::Ok, "5.14.0", "");
        let unknown = "unknown, because /proc/sys/kernel/osrelease";
        check(&look(kernel, &[]), Severity::Note, unknown, "");
        check(&look(kernel, &release("next")), Severity::Note, unknown, "cat /proc/sys/kernel/osrelease");
    }

    #[test]
    fn a_lower_tier_says_what_is_missing() {
        let config = Config::default();
        let with = |tier| Needs { engine: Ok(Capabilities::of_tier(tier)), ..needs() };
        let found = "tier 6.17: deferred task work, no submission array, incremental buffers, receive credit";
        check(&look(io_uring, &[]), Severity::Ok, found, "");
        for tier in [RingTier::V6_1, RingTier::V6_6, RingTier::V6_12] {
            let finding = look_with(io_uring, &[], &config, &with(tier));
            check(&finding, Severity::Note, &format!("tier {tier}"), "uname -r");
            assert!(finding.why.contains("receives that end by credit (6.17)"), "{finding:#?}");
        }
        let capped = Config { engine_max: Some(RingTier::V6_6), ..Config::default() };
        check(&look_with(io_uring, &[], &capped, &with(RingTier::V6_6)), Severity::Ok, "tier 6.6", "");
    }

    #[test]
    fn a_refused_ring_is_told_as_the_start_tells_it() {
        let config = Config::default();
        let say = |needs: &Needs| look_with(io_uring, &[], &config, needs);
        let sysctl = "sysctl -w kernel.io_uring_disabled=0";
        let disabled = say(&fallen_back(StartError::RingDisabled { sysctl: 2 }));
        check(&disabled, Severity::Warn, "the kernel refuses it (kernel.io_uring_disabled = 2)", sysctl);
        let forbidden = say(&fallen_back(StartError::RingForbidden));
        let docker = "docker run --security-opt seccomp=FILE";
        check(&forbidden, Severity::Warn, "a security profile refuses it", docker);
        assert!(forbidden.why.contains("SystemCallFilter=@aio in the unit"), "{forbidden:#?}");
        let memory = say(&failed(StartError::RingMemory { memlock: Some(65_536) }));
        check(&memory, Severity::Error, "no memory for its rings (it may lock 64KiB)", "ulimit -l unlimited");
        let strange = say(&failed(StartError::RingUnexpected(std::io::Error::from_raw_os_error(5))));
        check(&strange, Severity::Error, "Input/output error", "");
        let twin = Needs { engine: Ok(Capabilities::of_epoll(RingTier::V6_17)), ..needs() };
        check(
            &look_with(io_uring, &[], &asking(Engine::Epoll), &twin),
            Severity::Note,
            "epoll, as asked",
            "",
        );
    }

    #[test]
    fn remedies_fit_the_container() {
        let config = Config::default();
        let say = |path| look_with(io_uring, &[(path, "")], &config, &fallen_back(StartError::RingForbidden));
        let refused = "a security profile refuses it";
        check(&say("/run/.containerenv"), Severity::Warn, refused, "podman run --security-opt seccomp=FILE");
        check(&say("/var/run/secrets/kubernetes.io/x"), Severity::Warn, refused, "kubectl explain pod.spec");
    }

    #[test]
    fn a_filter_matters_where_it_forbids_the_ring() {
        let config = Config::default();
        let mode = |mode: &str, config: &Config, needs: &Needs| {
            look_with(seccomp, &[("/proc/self/status", &format!("Seccomp:\t{mode}\n"))], config, needs)
        };
        check(&mode("0", &config, &needs()), Severity::Ok, "none", "");
        check(&mode("2", &config, &needs()), Severity::Ok, "a filter, which allows io_uring", "");
        let forbidden = fallen_back(StartError::RingForbidden);
        check(
            &mode("2", &config, &forbidden),
            Severity::Warn,
            "a filter, and io_uring is refused",
            "docker run",
        );
        let hidden = failed(StartError::RingMissing);
        check(
            &mode("2", &asking(Engine::Uring), &hidden),
            Severity::Error,
            "io_uring is refused",
            "docker run",
        );
        let disabled = fallen_back(StartError::RingDisabled { sysctl: 2 });
        check(&mode("2", &config, &disabled), Severity::Ok, "refused for another reason", "");
        let twin = Needs { engine: Ok(Capabilities::of_epoll(RingTier::V6_17)), ..needs() };
        check(&mode("2", &asking(Engine::Epoll), &twin), Severity::Ok, "not asked for", "");
        check(&mode("x", &config, &needs()), Severity::Note, "unknown, because", "cat /proc/self/status");
        check(&look(seccomp, &[]), Severity::Note, "/proc/self/status is not there", "");
    }

    #[test]
    fn the_sysctl_is_weighed_with_its_group() {
        let with = |disabled: &str, group: &str, effective: &str, config: &Config| {
            let status = format!("Gid:\t5\t5\t5\t5\nGroups:\t7 8\nCapEff:\t{effective}\n");
            let files = [
                ("/proc/sys/kernel/io_uring_disabled", disabled),
                ("/proc/sys/kernel/io_uring_group", group),
                ("/proc/self/status", &status),
                ("/proc/self/uid_map", "0 0 4294967295"),
            ];
            look_with(io_uring_disabled, &files, config, &needs())
        };
        let (config, nobody, root) = (Config::default(), "0000000000000000", "000001ffffffffff");
        let allow = "sysctl -w kernel.io_uring_disabled=0";
        check(&with("0", "-1", nobody, &config), Severity::Ok, "0", "");
        check(&with("1", "8", nobody, &config), Severity::Ok, "1, and the group 8 is ours", "");
        check(&with("1", "-1", nobody, &config), Severity::Warn, "1, and the group -1 is not ours", allow);
        check(&with("1", "9", root, &config), Severity::Note, "1, and the group is 9", "");
        check(&with("2", "-1", root, &config), Severity::Warn, "2", allow);
        check(&with("2", "-1", root, &asking(Engine::Uring)), Severity::Error, "2", allow);
        check(&with("2", "-1", root, &asking(Engine::Epoll)), Severity::Note, "2", allow);
        check(&with("off", "-1", root, &config), Severity::Note, "says \"off\"", "cat /proc/sys/kernel");
        check(&look(io_uring_disabled, &[]), Severity::Ok, "older than 6.6", "");
    }
}
