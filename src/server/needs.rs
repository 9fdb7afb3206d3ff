//! What a start would ask of the host, found out without opening anything: for those who look before they start.

use super::plan;
use crate::config::Config;
use crate::error::StartError;
use crate::ring::{self, Capabilities, Setup};
use crate::sys::sandbox::Walls;
use crate::tier::{Engine, RingTier};

/// What a start of one configuration asks of the host.
#[derive(Debug)]
pub struct Needs {
    /// The cores of the shards, one for each shard.
    pub cores: Vec<usize>,
    /// What the engine can do that would be chosen, or why there is none.
    pub engine: Result<Capabilities, StartError>,
    /// Why it is not io_uring, when nobody asked for another.
    pub refusal: Option<StartError>,
    /// What is odd about the files of certificates, keys and tokens, or why one cannot be used.
    pub files: Result<Vec<String>, StartError>,
    /// Descriptors of the process.
    pub descriptors: u64,
    /// With what the server can shut itself in here.
    pub walls: Walls,
}

/// The rings of all shards, as far as memory for them may be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSizes {
    /// Entries of each submission queue.
    pub submissions: u32,
    /// Entries that it has where memory is not short.
    pub submissions_full: u32,
    /// Bytes that are charged for all of them.
    pub bytes: u64,
    /// Bytes that may be locked where none is made smaller: half of them is left to others of the same user.
    pub bytes_full: u64,
}

impl Needs {
    /// Tries the engine and the walls, and reads the files; opens no listener and leaves no thread.
    pub fn of(config: &Config) -> Self {
        let (engine, refusal) = match plan::find_engine(config) {
            Ok((capabilities, refusal)) => (Ok(capabilities), refusal),
            Err(error) => (Err(error), None),
        };
        let cores = plan::cores_of_shards(config);
        let descriptors = plan::descriptors_wanted(config, engine.as_ref().ok(), cores.len());
        let rings =
            engine.as_ref().is_ok_and(|found| found.engine == Engine::Epoll || ring::can_seal(*found));
        let walls = Walls { rings, ..Walls::of_host() };
        Self { cores, engine, refusal, files: super::check(config), descriptors, walls }
    }

    /// How large rings become where this many bytes may be locked; `None` stands for no limit.
    pub fn ring_sizes(&self, memlock: Option<u64>) -> RingSizes {
        let rings = self.cores.len() as u64 + 1; // One more behind the operators' pages.
        let full = Setup::shard(Capabilities::of_tier(RingTier::V6_17), 0, false);
        let fitted = plan::fit(full, memlock, rings);
        RingSizes {
            submissions: fitted.submissions,
            submissions_full: full.submissions,
            bytes: plan::ring_bytes(&fitted) * rings,
            bytes_full: plan::ring_bytes(&full) * rings * 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of full size is charged 1024 * 64 + 8192 * 16 = 196,608 bytes, the smallest an eighth of it.
    #[test]
    fn rings_take_no_more_than_half_of_what_may_be_locked() {
        let needs = Needs::of(&Config { shards: Some(3), ..Config::default() });
        assert_eq!(needs.cores.len(), 3);
        let sizes = |memlock| {
            let sizes = needs.ring_sizes(memlock);
            (sizes.submissions, sizes.bytes)
        };
        assert_eq!(needs.ring_sizes(None).bytes_full, 4 * 196_608 * 2);
        assert_eq!(sizes(None), (1024, 4 * 196_608));
        assert_eq!(sizes(Some(4 * 196_608 * 2)), (1024, 4 * 196_608));
        assert_eq!(sizes(Some(4 * 196_608 * 2 - 1)), (512, 2 * 196_608));
        assert_eq!(sizes(Some(0)), (128, 4 * 24_576));
    }
}
