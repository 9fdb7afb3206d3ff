//! The timer wheel of one shard: one deadline per slot, and which slots are due.
//!
//! It must not know what a slot is or why it waits. Deadlines come from the connections; slots whose deadline has
//! passed go to the turn, which asks the connection again. The turn also learns here how long it may sleep.
//!
//! Time is cut into ticks of [`limits::TIMER_TICK`]. Seven levels of 64 buckets, each level 64 times coarser than the
//! one below, cover every tick that a [`Time`] can name, so nothing wraps and nothing lies too far ahead. A timer
//! lies on the lowest level whose buckets tell its tick from the cursor's, the tick up to which all is done; when
//! the cursor reaches a coarse bucket, its timers move down (George Varghese and Anthony Lauck, "Hashed and
//! Hierarchical Timing Wheels", 1987, scheme 7). One word of occupancy per level finds the next bucket in a few steps
//! however far it is, so a jump of days costs no more than a jump of one tick.

use std::cmp::max;

use crate::limits;
use crate::sys::clock::Time;

/// Deadlines by slot: scheduled, moved and cancelled in constant time, and never due early.
pub struct Timers {
    /// The tick up to which every bucket is done. Only ever grows.
    cursor: u64,
    /// One bit per bucket that holds a timer.
    occupied: [u64; LEVELS as usize],
    /// The heads of all buckets, then one node per slot: rings of neighbours by index.
    nodes: Vec<Node>,
    /// Slots that have a node.
    slots: u32,
    /// Slots that have a deadline.
    len: usize,
}

impl Timers {
    /// An empty wheel whose past ends at `now`.
    pub fn new(now: Time) -> Self {
        let nodes = (0..BUCKETS).map(Node::alone).collect();
        Self { cursor: ticks_passed(now), occupied: [0; LEVELS as usize], nodes, slots: 0, len: 0 }
    }

    /// Sets the slot's deadline, in place of the one it may have.
    pub fn schedule(&mut self, slot: u32, deadline: Time) {
        let node = self.reserve(slot);
        if self.is_linked(node) {
            self.unlink(node);
        } else {
            self.len += 1;
        }
        self.nodes[node as usize].deadline = deadline;
        self.link(node);
    }

    /// Sets the slot's deadline unless it has one that comes no later.
    pub fn schedule_earlier(&mut self, slot: u32, deadline: Time) {
        if self.deadline(slot).is_none_or(|present| deadline < present) {
            self.schedule(slot, deadline);
        }
    }

    /// Forgets the slot's deadline, if it has one.
    pub fn cancel(&mut self, slot: u32) {
        if let Some(node) = self.scheduled(slot) {
            self.remove(node);
        }
    }

    /// The slot's deadline, exactly as it was set.
    pub fn deadline(&self, slot: u32) -> Option<Time> {
        self.scheduled(slot).map(|node| self.nodes[node as usize].deadline)
    }

    /// When to call [`Timers::expire`] next: at most one tick after the first deadline, sometimes before it, when
    /// timers must move down a level. In the past while an earlier call left work over.
    pub fn next_deadline(&self) -> Option<Time> {
        self.next_bucket().map(|bucket| start_of(bucket.tick()))
    }

    /// Appends to `due` at most `most` slots whose deadline has passed, and forgets those deadlines. The work of one
    /// call is bounded; what is left over comes with the next.
    pub fn expire(&mut self, now: Time, most: usize, due: &mut Vec<u32>) {
        let present = ticks_passed(now);
        let mut budget = Budget { due: most, moves: limits::TIMER_MOVES_PER_TURN };
        while let Some(bucket) = self.next_bucket().filter(|bucket| bucket.tick() <= present) {
            self.cursor = bucket.tick();
            let done = match bucket.level {
                0 => self.hand_out(bucket.head(), &mut budget.due, due),
                _ => self.move_down(bucket.head(), &mut budget.moves),
            };
            if !done {
                return;
            }
        }
        self.cursor = max(self.cursor, present);
    }

    /// How many slots have a deadline.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot has a deadline.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Empties a bucket of the lowest level into `due`; false when the budget did not suffice.
    fn hand_out(&mut self, head: u32, budget: &mut usize, due: &mut Vec<u32>) -> bool {
        while let Some(node) = self.first(head) {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            self.remove(node);
            due.push(node - BUCKETS);
        }
        true
    }

    /// Moves the timers of a coarse bucket to the levels below; false when the budget did not suffice. The cursor
    /// stands at the bucket's first tick until it is empty, so nothing is linked there again.
    fn move_down(&mut self, head: u32, budget: &mut usize) -> bool {
        while let Some(node) = self.first(head) {
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            self.unlink(node);
            self.link(node);
        }
        true
    }

    /// The occupied bucket that starts first; of several that start together, any.
    fn next_bucket(&self) -> Option<Bucket> {
        let next = |level| Bucket::first_occupied(level, self.cursor, self.occupied[level as usize]);
        (0..LEVELS).filter_map(next).min_by_key(Bucket::tick)
    }

    /// The slot's node, made when it is first asked for.
    fn reserve(&mut self, slot: u32) -> u32 {
        assert!(slot < SLOTS_MAX, "slot {slot} is beyond the {SLOTS_MAX} that a shard may use");
        let node = BUCKETS + slot;
        if slot >= self.slots {
            self.make_room(node as usize + 1);
            self.nodes.extend((BUCKETS + self.slots..=node).map(Node::alone));
            self.slots = slot + 1;
        }
        node
    }

    /// The slab grows by half at a time, so that no slot costs more than one node and a half.
    fn make_room(&mut self, nodes: usize) {
        let room = self.nodes.capacity();
        if room < nodes {
            self.nodes.reserve_exact(max(nodes, room + room / 2) - self.nodes.len());
        }
    }

    /// The slot's node, if the slot is scheduled.
    fn scheduled(&self, slot: u32) -> Option<u32> {
        (slot < self.slots && self.is_linked(BUCKETS + slot)).then(|| BUCKETS + slot)
    }

    fn remove(&mut self, node: u32) {
        self.unlink(node);
        self.len -= 1;
    }

    /// The first node of a bucket's ring.
    fn first(&self, head: u32) -> Option<u32> {
        self.is_linked(head).then(|| self.nodes[head as usize].next)
    }

    fn is_linked(&self, node: u32) -> bool {
        self.nodes[node as usize].next != node
    }

    /// Puts a node at the end of the bucket that its deadline and the cursor ask for.
    fn link(&mut self, node: u32) {
        let bucket = Bucket::of(ticks_until(self.nodes[node as usize].deadline), self.cursor);
        let head = bucket.head();
        let last = self.nodes[head as usize].previous;
        self.join(last, node);
        self.join(node, head);
        self.occupied[bucket.level as usize] |= 1 << bucket.index();
    }

    /// Takes a node out of its ring. When both neighbours are one node, that is the head, left alone.
    fn unlink(&mut self, node: u32) {
        let Node { previous, next, .. } = self.nodes[node as usize];
        self.join(previous, next);
        self.join(node, node);
        if previous == next {
            self.occupied[(previous / WIDTH) as usize] &= !(1 << (previous % WIDTH));
        }
    }

    fn join(&mut self, left: u32, right: u32) {
        self.nodes[left as usize].next = right;
        self.nodes[right as usize].previous = left;
    }
}

/// A place in a ring: of a bucket (its head) or of a slot (its timer). A node that is its own neighbour is in none.
#[derive(Clone, Copy)]
struct Node {
    deadline: Time,
    previous: u32,
    next: u32,
}

impl Node {
    fn alone(index: u32) -> Self {
        Self { deadline: Time::ZERO, previous: index, next: index }
    }
}

/// What one call of [`Timers::expire`] may still do.
struct Budget {
    due: usize,
    moves: usize,
}

/// A bucket: its level, and its number on that level since the beginning of time.
struct Bucket {
    level: u32,
    number: u64,
}

impl Bucket {
    /// Where a timer for `tick` lies while the cursor stands at `cursor`: on the level of the highest digit, to the
    /// base of 64, in which the two differ. What is overdue lies at the cursor.
    fn of(tick: u64, cursor: u64) -> Self {
        let tick = max(tick, cursor);
        let level = ((tick ^ cursor) | 1).ilog2() / DIGIT_BITS;
        Self { level, number: tick >> (level * DIGIT_BITS) }
    }

    /// The first occupied bucket of a level, from the cursor's own on.
    fn first_occupied(level: u32, cursor: u64, occupied: u64) -> Option<Self> {
        let present = Self { level, number: cursor >> (level * DIGIT_BITS) };
        let ahead = occupied >> present.index();
        (ahead != 0).then(|| Self { level, number: present.number + u64::from(ahead.trailing_zeros()) })
    }

    /// The first tick that belongs to it.
    fn tick(&self) -> u64 {
        self.number << (self.level * DIGIT_BITS)
    }

    /// Its place among the buckets of its level.
    fn index(&self) -> u32 {
        (self.number & INDEX_MASK) as u32
    }

    /// The node that stands for it.
    fn head(&self) -> u32 {
        self.level * WIDTH + self.index()
    }
}

/// Whole ticks that have passed at `now`.
fn ticks_passed(now: Time) -> u64 {
    now.as_nanos() / TICK_NANOS
}

/// Ticks that must pass until `deadline` has passed too.
fn ticks_until(deadline: Time) -> u64 {
    deadline.as_nanos().div_ceil(TICK_NANOS)
}

fn start_of(tick: u64) -> Time {
    Time::from_nanos(tick.saturating_mul(TICK_NANOS))
}

const TICK_NANOS: u64 = limits::TIMER_TICK.subsec_nanos() as u64;
const DIGIT_BITS: u32 = 6;
const WIDTH: u32 = 1 << DIGIT_BITS;
const INDEX_MASK: u64 = WIDTH as u64 - 1;
const LEVELS: u32 = 7;
const BUCKETS: u32 = LEVELS * WIDTH;
/// Room for the connections of a shard and as much again for whatever else waits. More is a mistake of ours.
const SLOTS_MAX: u32 = 2 * limits::CONNECTIONS_PER_SHARD_MAX;

const _: () = assert!(TICK_NANOS > 0 && limits::TIMER_TICK.as_secs() == 0);
const _: () = assert!((u64::MAX / TICK_NANOS + 1) >> (LEVELS * DIGIT_BITS) == 0);
const _: () = assert!(BUCKETS.checked_add(SLOTS_MAX).is_some());
const _: () = assert!(size_of::<Node>() == 16);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_millis(8);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// A wheel beside the plainest thing that could do its work.
    struct Pair {
        wheel: Timers,
        model: BTreeMap<u32, Time>,
        now: Time,
    }

    impl Pair {
        fn new(now: Time) -> Self {
            Self { wheel: Timers::new(now), model: BTreeMap::new(), now }
        }

        fn schedule(&mut self, slot: u32, deadline: Time) {
            self.wheel.schedule(slot, deadline);
            self.model.insert(slot, deadline);
        }

        fn schedule_earlier(&mut self, slot: u32, deadline: Time) {
            self.wheel.schedule_earlier(slot, deadline);
            let kept = self.model.entry(slot).or_insert(deadline);
            *kept = deadline.min(*kept);
        }

        fn cancel(&mut self, slot: u32) {
            self.wheel.cancel(slot);
            self.model.remove(&slot);
        }

        /// Expires once, checks that nothing came early or twice, and returns how many slots were due.
        fn expire(&mut self, most: usize) -> usize {
            let mut due = Vec::new();
            self.wheel.expire(self.now, most, &mut due);
            assert!(due.len() <= most);
            for slot in &due {
                let deadline = self.model.remove(slot).expect("only what was scheduled is due");
                assert!(deadline <= self.now, "slot {slot} is early");
            }
            due.len()
        }

        /// Expires until the wheel asks to wait; then nothing may be overdue by a tick.
        fn settle(&mut self, most: usize) {
            while self.wheel.next_deadline().is_some_and(|next| next <= self.now) {
                self.expire(most);
            }
            let late = |deadline: &Time| deadline.saturating_add(TICK) <= self.now;
            assert_eq!(self.model.values().copied().find(late), None, "overdue at {:?}", self.now);
        }

        /// Sleeps as the wheel asks, until it is empty; returns how often it woke.
        fn run_out(&mut self, most: usize) -> usize {
            let mut wakes = 0;
            while let Some(next) = self.wheel.next_deadline() {
                let first = *self.model.values().min().expect("a wheel that waits has a timer");
                assert!(next < max(first, self.now).saturating_add(TICK), "would sleep past {first:?}");
                self.now = max(self.now, next);
                self.settle(most);
                wakes += 1;
            }
            assert!(self.model.is_empty());
            wakes
        }

        fn compare(&self, slot: u32) {
            assert_eq!(self.wheel.deadline(slot), self.model.get(&slot).copied());
            assert_eq!(self.wheel.len(), self.model.len());
            assert_eq!(self.wheel.is_empty(), self.wheel.next_deadline().is_none());
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Schedule(u32, i64),
        ScheduleEarlier(u32, i64),
        Cancel(u32),
        Pass(i64),
        Expire(usize),
        Sleep(usize),
    }

    /// From milliseconds ago to weeks ahead, every size of distance equally likely.
    fn distance() -> impl Strategy<Value = i64> {
        (0_u32..52, any::<i64>()).prop_map(|(bits, value)| value.rem_euclid(1 << bits) - (1 << (bits / 2)))
    }

    fn step() -> impl Strategy<Value = Step> {
        let slot = || 0_u32..24;
        prop_oneof![
            5 => (slot(), distance()).prop_map(|(slot, ahead)| Step::Schedule(slot, ahead)),
            2 => (slot(), distance()).prop_map(|(slot, ahead)| Step::ScheduleEarlier(slot, ahead)),
            1 => slot().prop_map(Step::Cancel),
            2 => distance().prop_map(Step::Pass),
            2 => (0_usize..8).prop_map(Step::Expire),
            2 => (1_usize..8).prop_map(Step::Sleep),
        ]
    }

    fn shifted(time: Time, nanos: i64) -> Time {
        Time::from_nanos(time.as_nanos().saturating_add_signed(nanos))
    }

    fn take(pair: &mut Pair, step: Step) {
        match step {
            Step::Schedule(slot, ahead) => pair.schedule(slot, shifted(pair.now, ahead)),
            Step::ScheduleEarlier(slot, ahead) => pair.schedule_earlier(slot, shifted(pair.now, ahead)),
            Step::Cancel(slot) => pair.cancel(slot),
            Step::Pass(nanos) => pair.now = max(pair.now, shifted(pair.now, nanos)),
            Step::Expire(most) => drop(pair.expire(most)),
            Step::Sleep(most) => {
                pair.now = max(pair.now, pair.wheel.next_deadline().unwrap_or(pair.now));
                pair.settle(most);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_steps_agree_with_the_model(start in any::<u64>(), steps in prop::collection::vec(step(), 1..200)) {
            let mut pair = Pair::new(Time::from_nanos(start >> 1));
            for step in steps {
                take(&mut pair, step);
                (0..24).for_each(|slot| pair.compare(slot));
            }
            pair.settle(3);
            pair.run_out(3);
        }

        #[test]
        fn all_deadlines_are_met_within_a_tick(delays in prop::collection::vec(distance(), 1..100)) {
            let mut pair = Pair::new(Time::from_nanos(7));
            for (slot, delay) in (0..).zip(&delays) {
                pair.schedule(slot, shifted(pair.now, *delay));
            }
            let wakes = pair.run_out(usize::MAX);
            prop_assert!(wakes <= delays.len() * 7, "{wakes} wakes for {} timers", delays.len());
        }
    }

    /// Schedules one timer, looks at two instants: at the first it must not be due, at the second it must.
    fn check(start: Duration, deadline: Duration, not_yet: Duration, due_at: Duration) {
        let mut wheel = Timers::new(at(start));
        wheel.schedule(5, at(deadline));
        assert_eq!(expired(&mut wheel, not_yet), [0u32; 0], "early for {deadline:?}");
        assert_eq!(expired(&mut wheel, due_at), [5], "late for {deadline:?}");
        assert_eq!(wheel.next_deadline(), None);
    }

    fn at(since: Duration) -> Time {
        Time::ZERO.saturating_add(since)
    }

    fn expired(wheel: &mut Timers, now: Duration) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.expire(at(now), usize::MAX, &mut due);
        due
    }

    #[test]
    fn due_after_the_deadline_and_within_a_tick() {
        let ms = Duration::from_millis;
        let ns = Duration::from_nanos;
        check(ms(0), ms(8), ms(8) - ns(1), ms(8));
        check(ms(0), ms(8) + ns(1), ms(8), ms(16));
        check(ms(0), ms(16) - ns(1), ms(16) - ns(2), ms(16));
        check(ms(7), ms(9), ms(8), ms(16));
        check(ms(0), ms(504), ms(503), ms(504)); // The last bucket of the lowest level,
        check(ms(0), ms(512), ms(511), ms(512)); // and the first of the next.
        check(ms(500), ms(516), ms(515), ms(520)); // Over that border.
        check(ms(0), ms(32_768), ms(32_767), ms(32_768)); // The third level.
        check(DAY, DAY + ms(800), DAY + ms(799), DAY + ms(800));
        check(DAY, DAY * 8, DAY * 8 - ns(1), DAY * 8);
        check(ms(0), DAY * 365 * 500, DAY * 365 * 499, DAY * 365 * 501);
    }

    #[test]
    fn what_is_overdue_is_due_at_once() {
        let mut wheel = Timers::new(at(DAY));
        wheel.schedule(1, Time::ZERO);
        wheel.schedule(2, at(DAY));
        assert!(wheel.next_deadline() <= Some(at(DAY)));
        assert_eq!(expired(&mut wheel, DAY), [1, 2]);
        wheel.schedule(3, at(DAY - TICK));
        assert_eq!(expired(&mut wheel, DAY), [3]);
    }

    #[test]
    fn a_wheel_that_slept_sorts_by_the_present() {
        let mut wheel = Timers::new(Time::ZERO);
        assert_eq!(expired(&mut wheel, DAY), [0u32; 0]);
        wheel.schedule(0, at(DAY + TICK));
        assert_eq!(wheel.next_deadline(), Some(at(DAY + TICK)), "no move on the way");
    }

    #[test]
    fn the_end_of_time_never_comes() {
        let mut wheel = Timers::new(Time::ZERO);
        wheel.schedule(0, Time::from_nanos(u64::MAX));
        assert_eq!(expired(&mut wheel, DAY * 365 * 580), [0u32; 0]);
        assert_eq!(wheel.deadline(0), Some(Time::from_nanos(u64::MAX)));
    }

    #[test]
    fn a_later_deadline_replaces_only_by_schedule() {
        let mut wheel = Timers::new(Time::ZERO);
        wheel.schedule_earlier(9, at(DAY * 2));
        wheel.schedule_earlier(9, at(DAY));
        wheel.schedule_earlier(9, at(DAY * 3));
        assert_eq!(wheel.deadline(9), Some(at(DAY)));
        wheel.schedule(9, at(DAY * 3));
        assert_eq!((wheel.deadline(9), wheel.len()), (Some(at(DAY * 3)), 1));
        wheel.cancel(9);
        wheel.cancel(9);
        wheel.cancel(u32::MAX);
        assert_eq!((wheel.deadline(9), wheel.deadline(u32::MAX), wheel.len()), (None, None, 0));
    }

    #[test]
    fn a_bounded_call_leaves_the_rest_for_the_next() {
        let mut wheel = Timers::new(Time::ZERO);
        (0..5).for_each(|slot| wheel.schedule(slot, at(TICK * (10 - slot))));
        let mut due = Vec::new();
        wheel.expire(at(DAY), 2, &mut due);
        assert_eq!(due, [4, 3]);
        assert!(wheel.next_deadline() <= Some(at(DAY)));
        wheel.expire(at(DAY), 2, &mut due);
        wheel.expire(at(DAY), 2, &mut due);
        assert_eq!((due, wheel.next_deadline()), (vec![4, 3, 2, 1, 0], None));
    }

    #[test]
    fn half_a_million_slots_take_what_is_stated() {
        let mut pair = Pair::new(Time::ZERO);
        for slot in 0..limits::CONNECTIONS_PER_SHARD_MAX {
            pair.schedule(slot, at(limits::IDLE_TIMEOUT + Duration::from_micros(u64::from(slot))));
            let bytes = pair.wheel.nodes.capacity() * 16;
            assert!(bytes <= 24 * (slot as usize + 449), "{bytes} bytes for {} slots", slot + 1);
        }
        pair.now = at(DAY * 3);
        let mut calls = 0;
        while pair.wheel.next_deadline().is_some() {
            assert!(pair.expire(1024) <= 1024);
            calls += 1;
        }
        assert!(calls >= 512 && pair.model.is_empty());
    }

    #[test]
    #[should_panic(expected = "beyond")]
    fn a_slot_beyond_the_shard_is_our_mistake() {
        Timers::new(Time::ZERO).schedule(1 << 20, Time::ZERO);
    }
}
