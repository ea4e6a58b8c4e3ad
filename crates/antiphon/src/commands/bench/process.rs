//! What processes hold and do, as the kernel counts it. Source: `proc(5)`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Watches a process and all that it started.
#[derive(Debug)]
pub(super) struct Meter {
    root: u32,
    threads: BTreeMap<u32, Thread>,
}

/// What a thread did since it began.
#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    cpu_ns: u64,
    wakeups: u64,
}

/// What threads did between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Activity {
    /// On a processor.
    pub(super) cpu: Duration,
    /// Times that one went to sleep of its own will: so often it woke.
    pub(super) wakeups: u32,
}

impl Activity {
    pub(super) fn add(&mut self, more: Activity) {
        self.cpu += more.cpu;
        self.wakeups = self.wakeups.saturating_add(more.wakeups);
    }
}

/// What processes hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// How many they are.
    pub(super) processes: u32,
    /// Pages in memory, those that are shared counted in each, MB.
    pub(super) resident_mb: f64,
    /// The same, those that are shared counted once, MB.
    pub(super) proportional_mb: f64,
}

impl Meter {
    /// Watches the process `root` and its descendants from now on.
    pub(super) fn start(root: u32) -> io::Result<Self> {
        let mut meter = Self {
            root,
            threads: BTreeMap::new(),
        };
        meter.look()?;
        Ok(meter)
    }

    /// What was done since the last look. What a thread did between that and its end is not seen.
    pub(super) fn look(&mut self) -> io::Result<Activity> {
        let mut seen = BTreeMap::new();
        let mut activity = Activity::default();
        for process in tree(self.root)? {
            for thread in threads(process)? {
                let Some(now) = thread_of(process, thread) else {
                    continue;
                };
                let before = self.threads.get(&thread).copied().unwrap_or_default();
                let wakeups = now.wakeups.saturating_sub(before.wakeups);
                activity.add(Activity {
                    cpu: Duration::from_nanos(now.cpu_ns.saturating_sub(before.cpu_ns)),
                    wakeups: u32::try_from(wakeups).unwrap_or(u32::MAX),
                });
                seen.insert(thread, now);
            }
        }
        self.threads = seen;
        Ok(activity)
    }

    /// What they hold.
    pub(super) fn memory(&self) -> io::Result<Memory> {
        let mut memory = Memory::default();
        for process in tree(self.root)? {
            let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
            let mb = |name: &str| field(&text, name).map_or(0.0, |kib| f64::from(kib) / 1_024.0);
            memory.processes = memory.processes.saturating_add(1);
            memory.resident_mb += mb("Rss:");
            memory.proportional_mb += mb("Pss:");
        }
        Ok(memory)
    }
}

/// The most pages that a process has had in memory so far, MB; `None` when it has ended.
pub(super) fn resident_mb_max(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    field(&text, "VmHWM:").map(|kib| f64::from(kib) / 1_024.0)
}

/// The process and all its descendants.
fn tree(root: u32) -> io::Result<Vec<u32>> {
    let mut found = vec![root];
    let mut looked = 0;
    while let Some(process) = found.get(looked).copied() {
        looked += 1;
        for thread in threads(process)? {
            let path = format!("/proc/{process}/task/{thread}/children");
            // A thread that has just ended has none.
            let children = std::fs::read_to_string(path).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    Ok(found)
}

fn threads(process: u32) -> io::Result<Vec<u32>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/task"))? {
        threads.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok()),
        );
    }
    Ok(threads)
}

/// `None` when it has just ended.
fn thread_of(process: u32, thread: u32) -> Option<Thread> {
    let read =
        |name: &str| std::fs::read_to_string(format!("/proc/{process}/task/{thread}/{name}")).ok();
    let cpu_ns = read("schedstat")?.split(' ').next()?.parse().ok()?;
    let wakeups = field(&read("status")?, "voluntary_ctxt_switches:").map(u64::from)?;
    Some(Thread { cpu_ns, wakeups })
}

/// The number behind `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_with_its_threads_and_memory() {
        let mut meter = Meter::start(std::process::id()).unwrap();
        let mut number = 1_u64;
        for step in 0..2_000_000_u64 {
            number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(step));
        }
        assert!(meter.look().unwrap().cpu > Duration::ZERO);
        let memory = meter.memory().unwrap();
        assert!(memory.processes >= 1 && memory.resident_mb > 0.0);
        assert!(resident_mb_max(std::process::id()).unwrap() > 1.0);
    }

    #[test]
    fn a_field_is_the_number_behind_its_name() {
        let text = "Rss:                1234 kB\nPss:   56 kB\n";
        assert_eq!(field(text, "Rss:"), Some(1_234));
        assert_eq!(field(text, "Pss:"), Some(56));
        assert_eq!(field(text, "Pss_Dirty:"), None);
    }
}
