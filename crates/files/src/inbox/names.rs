//! Names that wait for their turn, so many and no more.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};

/// Names kept in memory; more are left in the directory and found again.
const NAMES_MAX: usize = 512;

/// A queue of names without repetition.
#[derive(Debug, Default)]
pub(super) struct Names {
    queue: VecDeque<CString>,
    are_left: bool,
}

impl Names {
    /// Adds a name, unless there are as many as may be; says whether it is in.
    pub(super) fn push(&mut self, name: CString) -> bool {
        if self.queue.contains(&name) {
            return true;
        }
        if self.queue.len() >= NAMES_MAX {
            self.are_left = true;
            return false;
        }
        self.queue.push_back(name);
        true
    }

    pub(super) fn pop(&mut self) -> Option<CString> {
        self.queue.pop_front()
    }

    pub(super) fn remove(&mut self, name: &CStr) {
        self.queue.retain(|other| other.as_c_str() != name);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether there are more in the directory than here; forgets it, since who asks looks there.
    pub(super) fn take_left(&mut self) -> bool {
        std::mem::take(&mut self.are_left)
    }

    /// Whether there are more in the directory than here.
    pub(super) fn are_left(&self) -> bool {
        self.are_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_left_and_that_is_known() {
        let mut names = Names::default();
        let name = |number: usize| CString::new(number.to_string()).unwrap();
        for number in 0..NAMES_MAX {
            assert!(names.push(name(number)));
        }
        assert!(names.push(name(0)), "a name that is in stands there once");
        assert!(!names.are_left());
        assert!(!names.push(name(NAMES_MAX)));
        assert!(names.take_left());
        assert!(!names.take_left());
        names.remove(&name(0));
        assert_eq!(names.pop(), Some(name(1)));
        assert!(names.push(name(NAMES_MAX)));
    }
}
