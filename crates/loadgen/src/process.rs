//! What processes cost, read from `/proc`: CPU by group of threads, and memory.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use anyhow::Context as _;
use serde::Serialize;

/// Linux counts CPU time in hundredths of a second for user space, whatever the kernel's own tick is.
const TICK_US: u64 = 10_000;

/// Threads of the store: one for each kind of record, and those of its search index. Names that a process shows are cut to 15
/// bytes. Rows are committed in threads of the runtime, which share their name with all else; the server counts those itself.
const COMMIT_THREADS: [&str; 5] = ["store-", "segment_updater", "merge_thread", "thrd-tantivy", "thread-tantivy"];
const RECORD_THREADS: &str = "-records";

/// Follows processes from [`Meter::start`] on. Short-lived threads are seen only while [`Meter::sample`] is called often; what
/// they did in between is still in the total, which the kernel keeps.
#[derive(Debug)]
pub(crate) struct Meter {
    pids: Vec<u32>,
    at_start: Vec<u64>,
    /// By process, thread and the thread's start, since numbers are used again: when first seen, and last.
    threads: HashMap<(u32, u32, u64), Thread>,
    memory_at_start: Memory,
    memory_max: Memory,
    memory_last: Memory,
}

#[derive(Debug)]
struct Thread {
    group: String,
    /// CPU that it had used before the measurement.
    before_us: u64,
    last_us: u64,
}

/// Memory of all processes together, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    pub(crate) rss_bytes: u64,
    pub(crate) anonymous_bytes: u64,
}

/// CPU of all processes since the start of the measurement, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) total_us: u64,
    /// By group of threads: the name without the number at its end.
    pub(crate) groups_us: BTreeMap<String, u64>,
}

/// Memory at three moments.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct MemoryUse {
    pub(crate) before: Memory,
    pub(crate) max: Memory,
    pub(crate) after: Memory,
}

impl Meter {
    /// `Err` when one of the processes is not there.
    pub(crate) fn start(pids: &[u32]) -> anyhow::Result<Self> {
        let at_start = pids.iter().map(|&pid| process_us(pid)).collect::<Result<_, _>>()?;
        let (threads, memory) = (HashMap::new(), Memory::default());
        let mut meter = Meter {
            pids: pids.to_vec(),
            at_start,
            threads,
            memory_at_start: memory,
            memory_max: memory,
            memory_last: memory,
        };
        meter.look(true)?;
        meter.memory_at_start = meter.memory_last;
        Ok(meter)
    }

    /// Looks at every thread and at the memory. `Err` when one of the processes has ended.
    pub(crate) fn sample(&mut self) -> anyhow::Result<()> {
        self.look(false)
    }

    fn look(&mut self, first: bool) -> anyhow::Result<()> {
        let mut memory = Memory::default();
        for &pid in &self.pids {
            let status = read(&format!("/proc/{pid}/status"))?;
            memory.rss_bytes += kibibytes(&status, "VmRSS:") * 1_024;
            memory.anonymous_bytes += kibibytes(&status, "RssAnon:") * 1_024;
            for entry in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
                let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                // A thread may end while it is looked at.
                let Some((name, started, used_us)) = thread(pid, tid) else { continue };
                let before_us = if first { used_us } else { 0 };
                let thread = self.threads.entry((pid, tid, started)).or_insert(Thread {
                    group: String::new(),
                    before_us,
                    last_us: 0,
                });
                // Threads get their name after they have started.
                (thread.group, thread.last_us) = (group(&name).to_owned(), used_us);
            }
        }
        self.memory_last = memory;
        self.memory_max.rss_bytes = self.memory_max.rss_bytes.max(memory.rss_bytes);
        self.memory_max.anonymous_bytes = self.memory_max.anonymous_bytes.max(memory.anonymous_bytes);
        Ok(())
    }

    /// CPU until now.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let mut cpu = Cpu { total_us: self.total_us()?, groups_us: BTreeMap::new() };
        for thread in self.threads.values() {
            *cpu.groups_us.entry(thread.group.clone()).or_default() += thread.last_us.saturating_sub(thread.before_us);
        }
        cpu.groups_us.retain(|_, us| *us > 0);
        Ok(cpu)
    }

    /// CPU until now, of ended threads too.
    pub(crate) fn total_us(&self) -> anyhow::Result<u64> {
        let used =
            self.pids.iter().zip(&self.at_start).map(|(&pid, before)| Ok(process_us(pid)?.saturating_sub(*before)));
        used.sum()
    }

    pub(crate) fn memory(&self) -> MemoryUse {
        MemoryUse { before: self.memory_at_start, max: self.memory_max, after: self.memory_last }
    }
}

impl Cpu {
    /// What threads did that [`COMMIT_THREADS`] and [`RECORD_THREADS`] name.
    pub(crate) fn commits_us(&self) -> u64 {
        let commits =
            |name: &str| name.ends_with(RECORD_THREADS) || COMMIT_THREADS.iter().any(|prefix| name.starts_with(prefix));
        self.groups_us.iter().filter(|(name, _)| commits(name)).map(|(_, us)| us).sum()
    }

    /// What no thread was seen doing: threads that lived too short.
    pub(crate) fn unseen_us(&self) -> u64 {
        self.total_us.saturating_sub(self.groups_us.values().sum())
    }
}

/// CPU that this process has used so far, in microseconds.
pub(crate) fn own_us() -> anyhow::Result<u64> {
    process_us(std::process::id())
}

fn process_us(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = read(&path)?;
    stat_fields(&stat)
        .map(|stat| stat.ticks * TICK_US)
        .with_context(|| format!("{path} has another shape than expected"))
}

fn thread(pid: u32, tid: u32) -> Option<(String, u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    let stat = stat_fields(&text)?;
    // Nanoseconds, where the kernel keeps them: a thread that merges for 8 ms would else have done nothing.
    let precise = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok();
    let nanos = precise.and_then(|line| line.split(' ').next()?.parse::<u64>().ok()).filter(|nanos| *nanos > 0);
    Some((stat.name.to_owned(), stat.started, nanos.map_or(stat.ticks * TICK_US, |nanos| nanos / 1_000)))
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{path}: the process to measure is not there"))
}

struct Stat<'a> {
    name: &'a str,
    /// User and system time.
    ticks: u64,
    /// When it started, in ticks since the machine did.
    started: u64,
}

fn stat_fields(line: &str) -> Option<Stat<'_>> {
    // The name stands in parentheses and may have some itself.
    let (start, rest) = line.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Fields 14, 15 and 22 of proc(5); the state, field 3, is the first one here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat { name, ticks: field(14)? + field(15)?, started: field(22)? })
}

fn kibibytes(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// The name without the number at its end.
fn group(name: &str) -> &str {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', '#', ':']);
    if bare.is_empty() { name } else { bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_parentheses_and_spaces() {
        let line = "42 (a (b) c 9) S 1 42 42 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 7 0 123456 1000 200";
        let stat = stat_fields(line).unwrap();
        assert_eq!((stat.name, stat.ticks, stat.started), ("a (b) c 9", 175, 123_456));
        assert!(stat_fields("42 (a) S 1").is_none());
    }

    #[test]
    fn threads_are_grouped_by_name_without_number() {
        let names = ["merge_thread_0", "merge_thread12", "segment-records", "skylark", "7", "thrd-tantivy-in"];
        let groups = ["merge_thread", "merge_thread", "segment-records", "skylark", "7", "thrd-tantivy-in"];
        assert_eq!(names.map(group), groups);
    }

    #[test]
    fn commits_are_the_threads_of_the_store_and_the_rest_is_not_lost() {
        let groups = [("segment-records", 5), ("segment_updater", 7), ("merge_thread", 11), ("tokio-runtime-w", 100)];
        let cpu = Cpu { total_us: 130, groups_us: groups.map(|(name, us)| (name.to_owned(), us)).into() };
        assert_eq!((cpu.commits_us(), cpu.unseen_us()), (23, 7));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmRSS:\t    2284 kB\nRssAnon:\t     156 kB\n";
        assert_eq!(
            (kibibytes(status, "VmRSS:"), kibibytes(status, "RssAnon:"), kibibytes(status, "Nope:")),
            (2284, 156, 0)
        );
    }

    #[test]
    fn a_process_that_works_is_seen_to_work() {
        let mut meter = Meter::start(&[std::process::id()]).unwrap();
        let worker = std::thread::Builder::new().name("worker-1".to_owned());
        // Until the clock that ticks in hundredths of a second has moved; the thread lives on until it was looked at.
        let (done, wait) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let (worked, seen) = std::sync::mpsc::channel();
            let before = own_us().unwrap();
            worker
                .spawn_scoped(scope, move || {
                    while own_us().unwrap() < before + 3 * TICK_US {}
                    worked.send(()).unwrap();
                    wait.recv().unwrap_err();
                })
                .unwrap();
            seen.recv().unwrap();
            meter.sample().unwrap();
            drop(done);
        });
        let cpu = meter.cpu().unwrap();
        assert!(cpu.total_us >= 2 * TICK_US, "{cpu:?}");
        assert!(cpu.groups_us.get("worker").is_some_and(|us| *us > 0), "{cpu:?}");
        assert!(meter.memory().max.anonymous_bytes > 0);
        assert!(Meter::start(&[u32::MAX]).is_err());
    }
}
