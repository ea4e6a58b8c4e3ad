//! What was handed over and waits for its answer: a queue in the order of submission.
//!
//! In: at most [`SUBMISSIONS_MAX`] files and [`BYTES_MAX`] bytes, answers in order. Out: what an
//! answer leads to. Each future is polled once at once, so that it takes its place, and then when
//! it is the first; answers come with the commits, in that same order.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, CString};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

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
    future: Answer<'a, IntakeAnswer>,
    answer: Option<IntakeAnswer>,
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

    /// Adds a file and lets its future take its place.
    pub(super) async fn add(&mut self, file: Submitted, mut future: Answer<'a, IntakeAnswer>) {
        let first = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        let answer = match first {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        };
        self.bytes = self.bytes.saturating_add(file.bytes);
        self.touched.insert(file.name.clone(), false);
        self.queue.push_back(Waiting {
            file,
            future,
            answer,
        });
    }

    /// Waits for the answer to the oldest; for ever when there is none.
    ///
    /// # Cancel safety
    /// Nothing is taken unless the future resolves.
    pub(super) async fn answered(&mut self) -> Answered {
        poll_fn(|context| {
            let Some(first) = self.queue.front_mut() else {
                return Poll::Pending;
            };
            if first.answer.is_none() {
                first.answer = Some(ready!(first.future.as_mut().poll(context)));
            }
            let Some(Waiting {
                file,
                answer: Some(answer),
                ..
            }) = self.queue.pop_front()
            else {
                return Poll::Pending;
            };
            self.bytes = self.bytes.saturating_sub(file.bytes);
            let is_touched = self.touched.remove(&file.name).unwrap_or(false);
            Poll::Ready(Answered {
                file,
                answer,
                is_touched,
            })
        })
        .await
    }
}
