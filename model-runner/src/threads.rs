//! How many threads llama.cpp gets where nobody says.

use std::{collections::HashSet, fs, num::NonZeroUsize, path::Path, thread};

/// The number of physical cores that this process may use, at least 1.
///
/// Two threads on one core share its vector units, so a thread for each hyper-thread only adds waiting at barriers.
pub(crate) fn physical_cores() -> u32 {
    let available = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let cores = core_count(Path::new("/sys/devices/system/cpu")).unwrap_or(available);
    u32::try_from(cores.min(available)).unwrap_or(u32::MAX).max(1)
}

/// Counts the different sets of sibling threads; none where the system does not tell (anything but Linux).
fn core_count(cpus: &Path) -> Option<usize> {
    let siblings: HashSet<String> = fs::read_dir(cpus)
        .ok()?
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("topology/thread_siblings_list")).ok())
        .collect();
    (!siblings.is_empty()).then_some(siblings.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyper_threads_of_a_core_count_once() {
        let cpus = tempfile::tempdir().unwrap();
        for (cpu, siblings) in [("cpu0", "0,2\n"), ("cpu1", "1,3\n"), ("cpu2", "0,2\n"), ("cpu3", "1,3\n")] {
            let topology = cpus.path().join(cpu).join("topology");
            fs::create_dir_all(&topology).unwrap();
            fs::write(topology.join("thread_siblings_list"), siblings).unwrap();
        }
        assert_eq!(core_count(cpus.path()), Some(2));
        assert_eq!(core_count(&cpus.path().join("absent")), None);
    }
}
