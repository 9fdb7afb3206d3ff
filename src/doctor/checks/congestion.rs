//! Which congestion control connections get, and whether its queue is there.

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use super::super::host::{Host, Unknown, if_there};
use super::super::process::{self, Ability};

const NAME: &str = "net.ipv4.tcp_congestion_control";
const QUEUE: &str = "net.core.default_qdisc";

pub(super) fn congestion_control(sight: &Sight<'_>) -> Finding {
    let why = "bbr without the fq queue keeps a timer for each socket; messages of 64 KiB were 7 % dearer than with cubic.";
    Topic::new(NAME, "cubic, or bbr with fq", why).judge(|topic| {
        if !sight.has_tcp() {
            return Ok(topic.ok("no listener is TCP"));
        }
        let Some(asked) = &sight.config.congestion else {
            return pace(sight, topic, &sight.host.sysctl(NAME)?, &without_bbr(sight.host)?);
        };
        let known = words(sight.host, "net.ipv4.tcp_available_congestion_control")?;
        if !known.contains(asked) {
            let why = "The configuration asks for it, and the server does not start without it.";
            let found = format!("{asked} is not here; {} are", known.join(", "));
            return Ok(topic.because(why).error(found).with(format!("modprobe tcp_{asked}")));
        }
        if !is_allowed(sight.host, asked)? {
            let why = "The configuration asks for it, and the server does not start without it.";
            let name = "net.ipv4.tcp_allowed_congestion_control";
            let allowed = words(sight.host, name)?.join(" ");
            let found = format!("{asked} is not allowed to this user");
            return Ok(topic.because(why).error(found).with(format!("sysctl -w {name}='{allowed} {asked}'")));
        }
        pace(sight, topic, asked, &format!("sysctl -w {QUEUE}=fq"))
    })
}

/// Whether what is used finds the queue that it wants.
fn pace(sight: &Sight<'_>, topic: Topic, used: &str, command: &str) -> Result<Finding, Unknown> {
    if used != "bbr" {
        return Ok(topic.ok(used));
    }
    match if_there(sight.host.sysctl(QUEUE))? {
        Some(queue) if queue == "fq" => Ok(topic.ok("bbr, and new devices get fq")),
        Some(queue) => Ok(topic.warn(format!("bbr, and devices get {queue}")).with(command)),
        // A network namespace does not show what belongs to the whole machine.
        None => Ok(topic
            .note(format!("bbr; the queue is unknown, because {QUEUE} is not shown here"))
            .with("tc qdisc show")),
    }
}

/// How the server gets another one than the host's.
fn without_bbr(host: &Host) -> Result<String, Unknown> {
    if is_allowed(host, "cubic")? {
        return Ok("tidemill serve --congestion cubic".to_owned());
    }
    Ok(format!("sysctl -w {NAME}=cubic"))
}

/// As tcp(7) has it: what the sysctl lists is for everybody.
fn is_allowed(host: &Host, name: &str) -> Result<bool, Unknown> {
    let allowed = words(host, "net.ipv4.tcp_allowed_congestion_control")?;
    Ok(allowed.iter().any(|word| word == name) || process::may(host, Ability::AdministrateNetwork)?)
}

fn words(host: &Host, name: &str) -> Result<Vec<String>, Unknown> {
    Ok(host.sysctl(name)?.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, listening, look, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;
    use crate::config::Config;

    fn with(asked: Option<&str>, used: &str, queue: &str, allowed: &str, effective: &str) -> Finding {
        let status = format!("CapEff:\t{effective}\n");
        let mut files = vec![
            ("/proc/sys/net/ipv4/tcp_congestion_control", used),
            ("/proc/sys/net/ipv4/tcp_available_congestion_control", "reno bbr cubic"),
            ("/proc/sys/net/ipv4/tcp_allowed_congestion_control", allowed),
            ("/proc/self/status", &status),
        ];
        if !queue.is_empty() {
            files.push(("/proc/sys/net/core/default_qdisc", queue));
        }
        let config = Config { congestion: asked.map(str::to_owned), ..Config::default() };
        look_with(congestion_control, &files, &config, &needs())
    }

    #[test]
    fn bbr_wants_its_queue() {
        let of_host = |used, queue| with(None, used, queue, "reno cubic bbr", "0");
        check(&of_host("cubic", "pfifo_fast"), Severity::Ok, "cubic", "");
        check(&of_host("bbr", "fq"), Severity::Ok, "bbr, and new devices get fq", "");
        let pin = "tidemill serve --congestion cubic";
        check(&of_host("bbr", "pfifo_fast"), Severity::Warn, "bbr, and devices get pfifo_fast", pin);
        check(&of_host("bbr", "fq_codel"), Severity::Warn, "fq_codel", pin);
        check(&of_host("bbr", ""), Severity::Note, "the queue is unknown, because", "tc qdisc show");
        check(&look(congestion_control, &[]), Severity::Note, "unknown", "");
        let config = listening(&["unix:/run/t.sock"]);
        check(&look_with(congestion_control, &[], &config, &needs()), Severity::Ok, "no listener is TCP", "");
    }

    #[test]
    fn the_command_is_one_that_this_user_can_use() {
        let sysctl = "sysctl -w net.ipv4.tcp_congestion_control=cubic";
        let found = "bbr, and devices get pfifo_fast";
        check(&with(None, "bbr", "pfifo_fast", "reno bbr", "0"), Severity::Warn, found, sysctl);
        let pin = "tidemill serve --congestion cubic";
        check(&with(None, "bbr", "pfifo_fast", "reno bbr", "1000"), Severity::Warn, found, pin);
    }

    #[test]
    fn what_is_asked_for_must_be_there_and_allowed() {
        let asked = |name, allowed, effective| with(Some(name), "reno", "pfifo_fast", allowed, effective);
        check(&asked("cubic", "reno cubic", "0"), Severity::Ok, "cubic", "");
        check(&asked("cubic", "reno", "1000"), Severity::Ok, "cubic", "");
        let allow = "sysctl -w net.ipv4.tcp_allowed_congestion_control='reno bbr cubic'";
        check(&asked("cubic", "reno bbr", "0"), Severity::Error, "cubic is not allowed to this user", allow);
        check(&asked("vegas", "reno", "0"), Severity::Error, "vegas is not here", "modprobe tcp_vegas");
        let queue = "sysctl -w net.core.default_qdisc=fq";
        check(&asked("bbr", "reno bbr", "0"), Severity::Warn, "bbr, and devices get pfifo_fast", queue);
        check(&asked("cubic", "reno", "none"), Severity::Note, "says \"none\"", "cat /proc/self/status");
    }
}
