//! With what the server can shut itself in.

use super::super::Sight;
use super::super::finding::{Finding, Topic};

pub(super) fn sandbox(sight: &Sight<'_>) -> Finding {
    let why = "Whoever finds a mistake in the server finds little beyond, where walls stand around it.";
    let topic = Topic::new("sandbox", "files, ports, processes, rings, system calls", why);
    let walls = sight.needs.walls;
    let found = walls.to_string();
    if !sight.config.sandbox {
        return topic
            .note("off, as asked for")
            .with("tidemill serve, without --no-sandbox and sandbox = false");
    }
    if walls.are_complete() {
        return topic.ok(found);
    }
    // Landlock has to be in the kernel and in the list of the start; what it knows comes with newer kernels.
    let command = match (walls.files, walls.calls) {
        (false, _) => "cat /sys/kernel/security/lsm",
        (true, false) => "cat /proc/sys/kernel/seccomp/actions_avail",
        (true, true) => "uname -r",
    };
    topic.note(found).with(command)
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, look, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;
    use crate::config::Config;
    use crate::server::Needs;
    use crate::sys::sandbox::Walls;

    #[test]
    fn walls_that_are_missing_are_named() {
        check(&look(sandbox, &[]), Severity::Ok, "files, ports, processes, rings, system calls", "");
        let without = |walls: Walls| look_with(sandbox, &[], &Config::default(), &Needs { walls, ..needs() });
        let all = needs().walls;
        let old = without(Walls { ports: false, processes: false, ..all });
        check(&old, Severity::Note, "files, rings, system calls; not ports, processes", "uname -r");
        let closed = without(Walls { calls: false, ..all });
        check(&closed, Severity::Note, "not system calls", "cat /proc/sys/kernel/seccomp/actions_avail");
        let none = without(Walls::default());
        check(&none, Severity::Note, "none", "cat /sys/kernel/security/lsm");
    }

    #[test]
    fn one_that_is_not_wanted_is_told() {
        let config = Config { sandbox: false, ..Config::default() };
        check(
            &look_with(sandbox, &[], &config, &needs()),
            Severity::Note,
            "off, as asked for",
            "tidemill serve",
        );
    }
}
