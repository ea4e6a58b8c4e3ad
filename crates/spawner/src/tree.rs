//! Finds and signals the descendants of a process.
//!
//! In: `/proc`. Out: reaping. A look is not atomic, so whoever kills looks again after each death
//! until no child is left; a signal goes through a pidfd whose process is checked to be the one
//! that was seen.

use std::collections::BTreeMap;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal};

/// A process as `/proc` showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    /// Clock ticks after boot; with the id it names a process for ever.
    started: u64,
}

/// Sends `signals`, in this order, to every descendant of this process that is not in `spared` and
/// not below one that is. Returns how many there were.
pub(crate) fn signal_descendants(signals: &[Signal], spared: &[Pid]) -> io::Result<usize> {
    let processes = processes()?;
    let root = rustix::process::getpid().as_raw_pid();
    let mut count = 0_usize;
    for process in descendants(&processes, root, spared) {
        count = count.saturating_add(1);
        signal(process, signals);
    }
    Ok(count)
}

/// Signals `process` unless it is gone, in which case its id may be a stranger's by now.
fn signal(process: Process, signals: &[Signal]) {
    let Some(pid) = Pid::from_raw(process.pid) else {
        return;
    };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    if read(process.pid).is_some_and(|now| now.started == process.started) {
        for signal in signals {
            // It fails only when the process has ended, which is what was wanted.
            rustix::process::pidfd_send_signal(&pidfd, *signal).ok();
        }
    }
}

fn descendants(processes: &[Process], root: i32, spared: &[Pid]) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in processes {
        if !spared.iter().any(|pid| pid.as_raw_pid() == process.pid) {
            children.entry(process.parent).or_default().push(*process);
        }
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let below = children.remove(&process.pid).unwrap_or_default();
        found.extend(below);
        next = next.saturating_add(1);
    }
    found
}

fn processes() -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        found.extend(pid.and_then(read));
    }
    Ok(found)
}

fn read(pid: i32) -> Option<Process> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &stat)
}

/// Reads a line of `/proc/PID/stat` (man page `proc_pid_stat`): the name, which may hold anything, ends at
/// the last parenthesis; parent and start are the second and the twentieth field after it.
fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(name_end.checked_add(1)?..)?).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        started,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_holds() {
        let tail = b" 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9876 1 2";
        for name in ["sh", "a) S 1 (b", "", "x y)"] {
            let stat = [b"77 (", name.as_bytes(), b") S 42", tail.as_slice()].concat();
            assert_eq!(
                parse(77, &stat),
                Some(Process {
                    pid: 77,
                    parent: 42,
                    started: 9_876
                }),
                "{name}"
            );
        }
        assert_eq!(parse(77, b"77 (sh) S"), None);
    }

    #[test]
    fn this_process_is_found_with_its_parent() {
        let pid = rustix::process::getpid().as_raw_pid();
        let own = processes()
            .unwrap()
            .into_iter()
            .find(|process| process.pid == pid)
            .unwrap();
        let parent = rustix::process::getppid().unwrap().as_raw_pid();
        assert_eq!(own.parent, parent);
        assert!(own.started > 0);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_spared_with_all_below_them() {
        let process = |pid, parent| Process {
            pid,
            parent,
            started: 1,
        };
        let all = [
            process(2, 1),
            process(5, 4),
            process(3, 2),
            process(4, 2),
            process(9, 8),
            process(6, 5),
        ];
        let ids = |spared: &[Pid]| -> Vec<i32> {
            descendants(&all, 2, spared)
                .iter()
                .map(|process| process.pid)
                .collect()
        };
        assert_eq!(ids(&[]), [3, 4, 5, 6]);
        assert_eq!(ids(&[Pid::from_raw(4).unwrap()]), [3]);
    }
}
