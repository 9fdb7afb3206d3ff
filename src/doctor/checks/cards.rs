//! Where packets enter: the queues of network cards and the cores that take their interrupts, beside the shards' cores.

use std::collections::BTreeSet;

use super::super::Sight;
use super::super::finding::{Finding, Severity, Topic};
use super::super::host::{Host, Unknown, garbled, if_there};
use crate::config::units::Cores;

const CARDS: &str = "/sys/class/net";
const INTERRUPTS: &str = "/proc/interrupts";

/// A network card that is in use.
struct Card {
    name: String,
    /// Its receive queues, each with whether other cores share its packets.
    spread: Vec<bool>,
    /// The interrupts of its receive queues, each with its core.
    interrupts: Vec<(u64, usize)>,
}

pub(super) fn irq_affinity(sight: &Sight<'_>) -> Finding {
    let why = "A packet's interrupt and the shard that reads it share a cache when they share a core. irqbalance moves \
               interrupts again: stop it first, or set IRQBALANCE_BANNED_CPULIST.";
    Topic::new("irq_affinity", "each queue's interrupt beside its shard", why).judge(|topic| {
        if !sight.is_open() {
            return Ok(topic.ok("listeners are on loopback only"));
        }
        let judged: Vec<_> =
            cards(sight.host)?.iter().map(|card| card.laid_out(&sight.needs.cores)).collect();
        let Some((severity, _, _)) = judged.iter().max_by_key(|(severity, ..)| *severity) else {
            return Ok(topic.ok("no network card is up"));
        };
        let severity = *severity;
        let found = judged.iter().map(|(_, found, _)| found.as_str()).collect::<Vec<_>>().join("; ");
        let commands: Vec<&str> = judged.iter().filter_map(|(.., command)| command.as_deref()).collect();
        let finding = topic.say(severity, found);
        Ok(if commands.is_empty() { finding } else { finding.with(commands.join("; ")) })
    })
}

pub(super) fn rps_cpus(sight: &Sight<'_>) -> Finding {
    let why = "One core takes the packets of a queue; with fewer queues than shards, others can help it.";
    Topic::new("rps_cpus", "a queue for each shard, or the other cores", why).judge(|topic| {
        if !sight.is_open() {
            return Ok(topic.ok("listeners are on loopback only"));
        }
        let shards: BTreeSet<usize> = sight.needs.cores.iter().copied().collect();
        let cards = cards(sight.host)?;
        let short: Vec<&Card> = cards.iter().filter(|card| card.is_short_of_queues(shards.len())).collect();
        let said =
            |cards: &mut dyn Iterator<Item = &Card>| cards.map(Card::queues).collect::<Vec<_>>().join("; ");
        if cards.is_empty() {
            return Ok(topic.ok("no network card is up"));
        }
        if short.is_empty() {
            return Ok(topic.ok(said(&mut cards.iter())));
        }
        let found = format!("{} for {} cores with shards", said(&mut short.iter().copied()), shards.len());
        let commands: Vec<String> = short.iter().map(|card| card.spread_over(&shards)).collect();
        Ok(topic.note(found).with(commands.join("; ")))
    })
}

impl Card {
    fn read(host: &Host, name: &str, interrupts: &str) -> Result<Self, Unknown> {
        let queues = host.names(&format!("{CARDS}/{name}/queues"))?;
        let receive = queues.iter().filter(|queue| queue.starts_with("rx-"));
        let spread = receive.map(|queue| {
            let mask = if_there(host.text(&format!("{CARDS}/{name}/queues/{queue}/rps_cpus")))?;
            Ok(mask.is_some_and(|mask| mask.contains(|digit| !matches!(digit, '0' | ','))))
        });
        let spread = spread.collect::<Result<_, Unknown>>()?;
        Ok(Self { name: name.to_owned(), spread, interrupts: interrupts_of(host, name, interrupts)? })
    }

    /// How its interrupts lie beside these cores, and what would lay them out.
    fn laid_out(&self, shards: &[usize]) -> (Severity, String, Option<String>) {
        let cores: BTreeSet<usize> = self.interrupts.iter().map(|(_, core)| *core).collect();
        let shards: BTreeSet<usize> = shards.iter().copied().collect();
        if cores.is_empty() {
            let found = format!("{}: unknown, because {INTERRUPTS} names no interrupt of it", self.name);
            return (Severity::Note, found, Some(format!("cat {INTERRUPTS}")));
        }
        let shown = Cores(cores.iter().copied().collect()).to_string();
        let found =
            format!("{}: {} on {}", self.name, queues(self.interrupts.len()), core_said(cores.len(), &shown));
        let severity = if 1 < self.interrupts.len() && cores.len() == 1 && 1 < shards.len() {
            Severity::Warn
        } else if cores.is_subset(&shards) && cores.len() == self.interrupts.len().min(shards.len()) {
            return (Severity::Ok, found, None);
        } else {
            Severity::Note
        };
        let pairs = self.interrupts.iter().zip(shards.iter().cycle());
        let moves =
            pairs.map(|((number, _), core)| format!("echo {core} > /proc/irq/{number}/smp_affinity_list"));
        let command = moves.collect::<Vec<_>>().join("; ");
        (
            severity,
            format!("{found}, and shards on {}", Cores(shards.iter().copied().collect())),
            Some(command),
        )
    }

    /// Whether there are cores with shards that no packet comes to by itself.
    fn is_short_of_queues(&self, shards: usize) -> bool {
        self.spread.len() < shards && !self.spread.contains(&true)
    }

    fn queues(&self) -> String {
        let shared = if self.spread.contains(&true) { ", shared by rps_cpus" } else { "" };
        format!("{}: {}{shared}", self.name, queues(self.spread.len()))
    }

    /// Lets the cores of the shards, but for those that have the interrupts, share its packets.
    fn spread_over(&self, shards: &BTreeSet<usize>) -> String {
        let busy = |core: &&usize| self.interrupts.iter().any(|(_, taken)| taken == *core);
        let mask = mask(shards.iter().filter(|core| !busy(core)).copied());
        let files =
            (0..self.spread.len()).map(|queue| format!("{CARDS}/{}/queues/rx-{queue}/rps_cpus", self.name));
        files.map(|file| format!("echo {mask} > {file}")).collect::<Vec<_>>().join("; ")
    }
}

fn queues(count: usize) -> String {
    if count == 1 { "1 queue".to_owned() } else { format!("{count} queues") }
}

fn core_said(count: usize, shown: &str) -> String {
    format!("{} {shown}", if count == 1 { "core" } else { "cores" })
}

/// Cores as the kernel takes them: hexadecimal, 32 of them between commas (cpumask of core-api/printk-formats.rst).
fn mask(cores: impl Iterator<Item = usize>) -> String {
    let mut groups = vec![0_u32];
    for core in cores {
        groups.resize(groups.len().max(core / 32 + 1), 0);
        groups[core / 32] |= 1 << (core % 32);
    }
    let mut shown = format!("{:x}", groups[groups.len() - 1]);
    for group in groups.iter().rev().skip(1) {
        shown += &format!(",{group:08x}");
    }
    shown
}

/// Cards that are up. What has no device is made by software: loopback, bridges, pairs.
fn cards(host: &Host) -> Result<Vec<Card>, Unknown> {
    let interrupts = host.text(INTERRUPTS)?;
    let mut cards = Vec::new();
    for name in host.names(CARDS)? {
        let is_up = || host.text(&format!("{CARDS}/{name}/operstate")).is_ok_and(|state| state != "down");
        if host.has(&format!("{CARDS}/{name}/device")) && is_up() {
            cards.push(Card::read(host, &name, &interrupts)?);
        }
    }
    Ok(cards)
}

/// The interrupts of a card's receive queues: those that have its name, or its device's, or are its alone.
fn interrupts_of(host: &Host, card: &str, interrupts: &str) -> Result<Vec<(u64, usize)>, Unknown> {
    let device = host.link(&format!("{CARDS}/{card}/device")).unwrap_or_default();
    let own = if_there(host.names(&format!("{CARDS}/{card}/device/msi_irqs")))?.unwrap_or_default();
    let mut found = Vec::new();
    for line in interrupts.lines() {
        let Some((number, rest)) = line.split_once(':') else { continue };
        let Ok(number) = number.trim().parse::<u64>() else { continue };
        let action = rest.split_whitespace().last().unwrap_or_default();
        let is_ours = own.contains(&number.to_string()) || names(action, card) || names(action, &device);
        if !is_ours || OTHER_WORK.iter().any(|word| action.contains(word)) {
            continue;
        }
        if let Some(core) = core_of(host, number)? {
            found.push((number, core));
        }
    }
    Ok(found)
}

/// Whether an interrupt's action has a name as a word, as in `eth0-TxRx-0` or `virtio2-input.0`.
fn names(action: &str, name: &str) -> bool {
    !name.is_empty() && action.split(['-', '@', '.']).any(|word| word == name)
}

/// Interrupts of cards that bring no packets.
const OTHER_WORK: &[&str] = &["-output", "-tx-", "-config", "-control", "-event", "mgmnt", "async"];

/// The first core that takes an interrupt, where the kernel tells it.
fn core_of(host: &Host, number: u64) -> Result<Option<usize>, Unknown> {
    for file in ["effective_affinity_list", "smp_affinity_list"] {
        let path = format!("/proc/irq/{number}/{file}");
        // Empty until the interrupt is used for the first time.
        let Some(text) = if_there(host.text(&path))?.filter(|text| !text.is_empty()) else { continue };
        let first = text.split([',', '-']).next().unwrap_or_default();
        return first.parse().map(Some).map_err(|_| garbled(&path, &text));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{Tree, check, listening, needs};
    use super::*;
    use crate::config::Config;

    const ACTIONS: &str =
        "           CPU0       CPU1       \n 24:          1          0  IO-APIC   5-edge      ACPI:Ged\n";

    /// A card on a virtual machine, with so many queues, whose interrupts from 40 on these cores take.
    fn virtual_card(queues: usize, cores: &[&str]) -> Tree {
        let tree = Tree::new(&[("/sys/class/net/lo/operstate", "unknown")]);
        tree.write("/sys/devices/virtio2/vendor", "");
        tree.link("/sys/class/net/eth0/device", "../../../devices/virtio2");
        tree.write("/sys/class/net/eth0/operstate", "up\n");
        for queue in 0..queues {
            tree.write(&format!("/sys/class/net/eth0/queues/rx-{queue}/rps_cpus"), "00000000,00000000\n");
            tree.write(&format!("/sys/class/net/eth0/queues/tx-{queue}/xps_cpus"), "0\n");
        }
        let mut interrupts = ACTIONS.to_owned();
        interrupts += " 38:          0          7  PCI-MSIX-0000:00:03.0   2-edge      virtio2-output.0\n";
        interrupts += " 39:          0          7  PCI-MSIX-0000:00:03.0   0-edge      virtio21-input.0\n";
        for (queue, core) in cores.iter().enumerate() {
            let number = 40 + queue;
            interrupts += &format!(
                " {number}:     0      7  PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.{queue}\n"
            );
            tree.write(&format!("/proc/irq/{number}/effective_affinity_list"), core);
        }
        tree.write(INTERRUPTS, &(interrupts + "NMI:          0          0   Non-maskable interrupts\n"));
        tree
    }

    fn say(tree: &Tree, look: fn(&Sight<'_>) -> Finding, config: &Config) -> Finding {
        look(&Sight { host: &tree.host(), config, needs: &needs() })
    }

    #[test]
    fn interrupts_are_laid_beside_shards() {
        let open = listening(&["tcp://[::]:7000"]);
        let with = |cores: &[&str]| say(&virtual_card(cores.len(), cores), irq_affinity, &open);
        check(&with(&["0"]), Severity::Ok, "eth0: 1 queue on core 0", "");
        check(&with(&["0", "1"]), Severity::Ok, "eth0: 2 queues on cores 0-1", "");
        let both = "echo 0 > /proc/irq/40/smp_affinity_list; echo 1 > /proc/irq/41/smp_affinity_list";
        let found = "eth0: 2 queues on core 0, and shards on 0-1";
        check(&with(&["0", "0"]), Severity::Warn, found, both);
        check(&with(&["2", "3"]), Severity::Note, "eth0: 2 queues on cores 2-3, and shards on 0-1", both);
        check(&with(&["many"]), Severity::Note, "says \"many\"", "cat /proc/irq/40");
        let nameless = say(&virtual_card(1, &[]), irq_affinity, &open);
        check(&nameless, Severity::Note, "names no interrupt of it", "cat /proc/interrupts");
    }

    #[test]
    fn few_queues_can_be_shared() {
        let open = listening(&["udp://0.0.0.0:7000"]);
        let two = virtual_card(2, &["0", "1"]);
        check(&say(&two, rps_cpus, &open), Severity::Ok, "eth0: 2 queues", "");
        let one = virtual_card(1, &["0"]);
        let share = "echo 2 > /sys/class/net/eth0/queues/rx-0/rps_cpus";
        check(&say(&one, rps_cpus, &open), Severity::Note, "eth0: 1 queue for 2 cores with shards", share);
        one.write("/sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,00000002\n");
        check(&say(&one, rps_cpus, &open), Severity::Ok, "1 queue, shared by rps_cpus", "");
    }

    #[test]
    fn loopback_has_no_card() {
        let local = Config::default();
        let nothing = Tree::new(&[]);
        check(&say(&nothing, irq_affinity, &local), Severity::Ok, "on loopback only", "");
        check(&say(&nothing, rps_cpus, &local), Severity::Ok, "on loopback only", "");
        let open = listening(&["tcp://[::]:7000"]);
        let unknown = "/proc/interrupts is not there";
        check(&say(&nothing, irq_affinity, &open), Severity::Note, unknown, "");
        check(&say(&nothing, rps_cpus, &open), Severity::Note, unknown, "");
        let soft = Tree::new(&[("/sys/class/net/lo/operstate", "unknown"), (INTERRUPTS, ACTIONS)]);
        check(&say(&soft, irq_affinity, &open), Severity::Ok, "no network card is up", "");
        check(&say(&soft, rps_cpus, &open), Severity::Ok, "no network card is up", "");
    }

    // As drivers name them.
    #[test]
    fn actions_are_told_by_whole_words() {
        for action in ["eth0", "eth0-rx-0", "eth0-TxRx-3", "i40e-eth0-TxRx-0", "ena-eth0@pci", "eth0-Tx-Rx-0"]
        {
            assert!(names(action, "eth0"), "{action}");
        }
        for action in ["eth01-rx-0", "veth0", "", "virtio2-input.0"] {
            assert!(!names(action, "eth0"), "{action}");
        }
        assert!(!names("eth0", ""));
    }

    #[test]
    fn masks_are_written_as_the_kernel_reads_them() {
        let check = |cores: &[usize], expected| assert_eq!(mask(cores.iter().copied()), expected);
        check(&[], "0");
        check(&[0, 1, 3], "b");
        check(&[31], "80000000");
        check(&[0, 32], "1,00000001");
        check(&[64], "1,00000000,00000000");
    }
}
