//! What the operating system says of this process: CPU time, memory, descriptors.

/// CPU and memory of this process. Zero where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time, microseconds.
    pub cpu_micros: u64,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Resident memory that no file backs, bytes.
    pub anonymous_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// Reads the process's own figures.
pub fn usage() -> Usage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
            .unwrap_or(0)
            * 1_024
    };
    Usage {
        cpu_micros: cpu_micros(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default()),
        resident_bytes: kilobytes("VmRSS:"),
        anonymous_bytes: kilobytes("RssAnon:"),
        descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, |dir| u64::try_from(dir.count()).unwrap_or(0)),
    }
}

/// Fields 14 and 15 of `stat` are ticks of 1/100 s; the command in field 2 may hold spaces, so fields are counted behind it.
fn cpu_micros(stat: &str) -> u64 {
    let Some((_, fields)) = stat.rsplit_once(") ") else { return 0 };
    let ticks: u64 = fields.split_ascii_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    ticks * 10_000
}

/// Raises the soft limit on open descriptors to the hard one and answers what it is then; `None` where the system refuses.
pub fn raise_descriptor_limit() -> Option<u64> {
    rlimit::increase_nofile_limit(u64::MAX).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_command_with_spaces() {
        assert_eq!(cpu_micros("7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"), 2_000_000);
        assert_eq!(cpu_micros("nonsense"), 0);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let usage = usage();
        assert!(usage.resident_bytes > 0 && usage.anonymous_bytes > 0 && usage.descriptors > 0, "{usage:?}");
    }
}
