//! Between two instants, told by processes: the kernel gives them numbers in order, so one that is forked
//! at an instant tells those before from those after. Sharper than the times that the kernel keeps.

use std::process::Command;

use anyhow::{Context as _, Result};

/// The processes numbered strictly between two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Window {
    /// Whether a process was forked within it. Numbers begin again behind the largest.
    pub(crate) fn holds(self, process: u32, modulus: u32) -> bool {
        let since = |number: u32| (number + modulus - self.from) % modulus;
        (1..since(self.to)).contains(&since(process))
    }
}

/// The number of a process that is forked now, and gone when this returns.
pub(crate) fn fork() -> Result<u32> {
    let mut child = Command::new("true").spawn().context("true")?;
    child.wait()?;
    Ok(child.id())
}

/// How many numbers processes have.
pub(crate) fn process_numbers() -> Result<u32> {
    let text = std::fs::read_to_string("/proc/sys/kernel/pid_max")?;
    Ok(text.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_what_was_forked_within_it_also_when_numbers_begin_again() {
        let check = |from: u32, to: u32, process: u32, expected: bool| {
            let window = Window { from, to };
            assert_eq!(
                window.holds(process, 32_768),
                expected,
                "{window:?} {process}"
            );
        };
        for (process, expected) in [
            (99, false),
            (100, false),
            (101, true),
            (109, true),
            (110, false),
        ] {
            check(100, 110, process, expected);
        }
        for (process, expected) in [
            (32_760, false),
            (32_767, true),
            (300, true),
            (310, false),
            (400, false),
        ] {
            check(32_760, 310, process, expected);
        }
        check(100, 101, 100, false);
    }
}
