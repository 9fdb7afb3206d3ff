//! Whether the server works on the generator's cores.
//!
//! It is looked at before the load and after it: only between the two it shows which threads of a server work. A thread
//! that started the others, and may use all cores, only waits since then.

use tidemill::sys::address::Listen;

use super::cores::Threads;
use super::listeners::{is_local, listening_processes};

/// The server's processes on this host, as they were before the load.
#[derive(Debug)]
pub struct Neighbours {
    is_local: bool,
    processes: Vec<(u32, Threads)>,
}

impl Neighbours {
    /// Looks for the server: at this process, or else at whoever listens at the address.
    pub fn find(listen: &Listen, server_pid: Option<u32>) -> Self {
        let is_local = is_local(listen);
        let pids = match server_pid {
            Some(pid) => vec![pid],
            None if is_local => listening_processes(listen),
            None => Vec::new(),
        };
        let processes = pids.into_iter().filter_map(|pid| Some((pid, Threads::read(pid)?))).collect();
        Self { is_local: is_local || server_pid.is_some(), processes }
    }

    /// Those of the generator's cores that the server has worked on since then. Empty when it runs on another host;
    /// `None` when it was not found, or has ended.
    pub fn shared_cores(&self, cores: &[usize]) -> Option<Vec<usize>> {
        if !self.is_local {
            return Some(Vec::new());
        }
        let now = self.processes.iter().filter_map(|(pid, earlier)| Some((Threads::read(*pid)?, earlier)));
        let worked: Vec<_> = now.map(|(threads, earlier)| threads.working_cores(earlier)).collect();
        let is_shared = |core: &&usize| worked.iter().any(|cores| cores.contains(core));
        (!worked.is_empty()).then(|| cores.iter().filter(is_shared).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use tidemill::sys::cpu;

    use super::*;

    #[test]
    fn a_process_shares_the_cores_that_it_may_use() {
        let local = "tcp://127.0.0.1:1".parse().unwrap();
        let shared = Neighbours::find(&local, Some(process::id())).shared_cores(&[4095]);
        assert_eq!(shared, Some(Vec::new()));
        assert_eq!(Neighbours::find(&local, Some(u32::MAX)).shared_cores(&[0]), None);
    }

    #[test]
    fn another_host_has_other_cores() {
        // Documentation addresses (RFC 5737) belong to nobody.
        let far = "tcp://192.0.2.1:1".parse().unwrap();
        assert_eq!(Neighbours::find(&far, None).shared_cores(&cpu::allowed_cores()), Some(Vec::new()));
    }
}
