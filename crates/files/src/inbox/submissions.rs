//! What was handed over and waits for its answer: a queue in the order of submission.
//!
//! In: at most [`SUBMISSIONS_MAX`] files and [`BYTES_MAX`] bytes, answers in order. Out: what an
//! answer leads to. Only the first is waited for: the call alone hands a file over, and answers come
//! with the commits, in the order of the calls.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, CString};
use std::sync::Arc;

use antiphon_engine::ports::executor::Answer;
use antiphon_engine::ports::intake::IntakeAnswer;

use super::place::Place;
use crate::identity::Identity;

/// Files that may wait for their answers: as many as one turn of the engine takes.
pub(super) const SUBMISSIONS_MAX: usize = 512;
/// Bytes of them.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// A file that was handed over.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) name: CString,
    pub(super) place: Arc<Place>,
    pub(super) identity: Identity,
    pub(super) key: [u8; 16],
    pub(super) bytes: usize,
}

/// A file that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) file: Submitted,
    pub(super) answer: IntakeAnswer,
    /// Whether something happened to its name since it was handed over.
    pub(super) is_touched: bool,
}

/// All that wait.
#[derive(Default)]
pub(super) struct Submissions<'a> {
    queue: VecDeque<Waiting<'a>>,
    /// Their names, and whether something happened to one since.
    touched: BTreeMap<CString, bool>,
    bytes: usize,
}

struct Waiting<'a> {
    file: Submitted,
    answer: Answer<'a, IntakeAnswer>,
}

impl<'a> Submissions<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < SUBMISSIONS_MAX && self.bytes < BYTES_MAX
    }

    /// Whether a file of this name waits for its answer.
    pub(super) fn holds(&self, name: &CStr) -> bool {
        self.touched.contains_key(name)
    }

    /// Notes that something happened to this name.
    pub(super) fn touch(&mut self, name: &CStr) {
        if let Some(touched) = self.touched.get_mut(name) {
            *touched = true;
        }
    }

    /// Notes that something happened to all names.
    pub(super) fn touch_all(&mut self) {
        self.touched
            .values_mut()
            .for_each(|touched| *touched = true);
    }

    /// Adds a file that was handed over.
    pub(super) fn add(&mut self, file: Submitted, answer: Answer<'a, IntakeAnswer>) {
        self.bytes = self.bytes.saturating_add(file.bytes);
        self.touched.insert(file.name.clone(), false);
        self.queue.push_back(Waiting { file, answer });
    }

    /// Waits for the answer to the oldest; for ever when there is none.
    ///
    /// # Cancel safety
    /// Nothing is taken unless the future resolves.
    pub(super) async fn answered(&mut self) -> Answered {
        let Some(first) = self.queue.front_mut() else {
            return std::future::pending().await;
        };
        let answer = first.answer.as_mut().await;
        let Some(Waiting { file, answer: _ }) = self.queue.pop_front() else {
            return std::future::pending().await;
        };
        self.bytes = self.bytes.saturating_sub(file.bytes);
        let is_touched = self.touched.remove(&file.name).unwrap_or(false);
        Answered {
            file,
            answer,
            is_touched,
        }
    }
}
