//! What the system says of this process, under the names that every
//! Prometheus client uses. What a system does not say is left out.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::text::{Exposition, Kind, seconds};

/// Writes it. Reads files of the kernel, so not on a serving thread.
pub(super) fn write(text: &mut Exposition) {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u64::try_from(used.tv_sec)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000);
    let nanos = nanos.saturating_add(u64::try_from(used.tv_nsec).unwrap_or(0));
    text.counter(
        "process_cpu_seconds_total",
        "CPU time of the process, in and for it.",
        seconds(nanos),
    );
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.known(
        "process_resident_memory_bytes",
        "Memory of the process that is in RAM.",
        number(&status, "VmRSS:").map(|kib| kib * 1024),
    );
    text.known(
        "process_virtual_memory_bytes",
        "Address space of the process.",
        number(&status, "VmSize:").map(|kib| kib * 1024),
    );
    text.known(
        "process_threads",
        "Threads of the process.",
        number(&status, "Threads:"),
    );
    text.known(
        "process_open_fds",
        "Open files, sockets among them.",
        fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
    );
    text.known(
        "process_max_fds",
        "Files that may be open.",
        getrlimit(Resource::Nofile).current,
    );
    if let Some(started) = started() {
        text.family(
            "process_start_time_seconds",
            Kind::Gauge,
            "When the process began, by the computer's clock, since 1970.",
        )
        .sample("", started);
    }
}

/// The number of a line of `/proc/self/status`.
fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the process began, in seconds since 1970.
fn started() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    let all = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = all
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .parse()
        .ok()?;
    Some(boot + ticks_after_boot(&own)? / rustix::param::clock_ticks_per_second())
}

/// The 22nd field of `/proc/self/stat`. The second is a name in parentheses,
/// which may hold anything.
fn ticks_after_boot(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 2 1 0 0 20 0 9 0 4711 1 1";
        assert_eq!(ticks_after_boot(stat), Some(4711));
    }

    #[test]
    fn a_line_of_the_status_is_found_by_its_whole_name() {
        let status = "Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t     512 kB\nThreads:\t7\n";
        assert_eq!(number(status, "VmRSS:"), Some(512));
        assert_eq!(number(status, "Threads:"), Some(7));
        assert_eq!(number(status, "VmSwap:"), None);
    }
}
