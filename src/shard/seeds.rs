//! Running worlds by their seeds: many on all cores, or one that failed.

/// Says which seed it was when a world fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "seed {0}: run it alone with TIDEMILL_SEED={0}", self.0);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

/// Runs as many seeds as are asked for, or else the ordinary number, on all cores. Returns what `add` made of what they
/// reached; `None` when one seed was run alone, which reaches little.
pub(super) fn reached<T: Default + Send>(
    ordinary: u64,
    run: impl Fn(u64) -> T + Sync,
    add: impl Fn(&mut T, &T) + Sync,
) -> Option<T> {
    let alone = number("TIDEMILL_SEED");
    let seeds = match alone {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEMILL_SEEDS").unwrap_or(ordinary),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let part = |first: u64| {
        let mut total = T::default();
        for seed in seeds.clone().filter(|seed| seed % threads == first) {
            let _says_which = Seed(seed);
            add(&mut total, &run(seed));
        }
        total
    };
    let part = &part;
    let mut total = T::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
        for worker in workers {
            add(&mut total, &worker.join().expect("a seed failed, as said above"));
        }
    });
    alone.is_none().then_some(total)
}
