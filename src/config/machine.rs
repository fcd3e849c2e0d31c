//! What the machine offers: cores and memory, as far as the process may use
//! them. Read once, at start.

use std::path::Path;

/// How many passwords to hash at once when the configuration does not say:
/// one fewer than there are cores, within a quarter of the memory, but one.
pub(super) fn hash_threads(memory_kib_each: u32) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    suitable(cores, memory_kib(), memory_kib_each)
}

/// The machine's name, in lower case; `None` where nobody says.
pub(super) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

fn suitable(cores: usize, memory_kib: Option<u64>, memory_kib_each: u32) -> usize {
    let fitting = memory_kib.map_or(u64::MAX, |all| all / 4 / u64::from(memory_kib_each.max(1)));
    let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
    cores.saturating_sub(1).min(fitting).max(1)
}

/// The memory the process may have: the least of the machine's and of the
/// limits of the control groups it is in. `None` where nobody says.
fn memory_kib() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.as_deref().and_then(total_kib);
    let group = std::fs::read_to_string("/proc/self/cgroup").ok();
    let group = group.as_deref().and_then(group_of);
    let limits = group
        .into_iter()
        .flat_map(|group| group_limits(Path::new(group)));
    machine.into_iter().chain(limits).min()
}

/// `MemTotal` of `/proc/meminfo`.
fn total_kib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The group of the unified hierarchy, from `/proc/self/cgroup`.
fn group_of(cgroup: &str) -> Option<&str> {
    let group = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(group.trim_start_matches('/'))
}

/// The limits of a group and of those above it.
fn group_limits(group: &Path) -> Vec<u64> {
    let limit = |group: &Path| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        // "max" is no limit, and the topmost group has no such file.
        std::fs::read_to_string(file)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    group
        .ancestors()
        .filter_map(limit)
        .map(|bytes| bytes / 1024)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * 1024;

    #[test]
    fn one_core_is_left_to_the_others_and_three_quarters_of_the_memory() {
        for (cores, memory, threads) in [
            (1, Some(16 * GIB), 1),
            (2, Some(16 * GIB), 1),
            (8, Some(16 * GIB), 7),
            (8, Some(GIB / 4), 3),
            (8, Some(GIB / 64), 1),
            (8, Some(0), 1),
            (64, None, 63),
        ] {
            assert_eq!(
                suitable(cores, memory, 19 * 1024),
                threads,
                "{cores} {memory:?}"
            );
        }
    }

    #[test]
    fn the_systems_files_are_read() {
        assert_eq!(
            total_kib("MemTotal:       16314384 kB\nMemFree: 1 kB\n"),
            Some(16_314_384)
        );
        assert_eq!(total_kib("MemFree: 1 kB\n"), None);
        assert_eq!(
            group_of("1:name=x:/y\n0::/system.slice/a.service\n"),
            Some("system.slice/a.service")
        );
        assert_eq!(group_of("1:name=x:/y\n"), None);
        assert!(hash_threads(19 * 1024) >= 1);
        assert!(memory_kib().is_none_or(|kib| kib > 1024));
    }
}
