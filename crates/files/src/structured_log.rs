//! `structured.jsonl`: lines appended by a thread of their own, so that no loop waits for a disk.
//!
//! In: a bounded queue, appending, rotation, counting what had to be dropped. Out: what a line
//! says (`ts level event outcome duration_s` and ids, `spec/facts.md` A14), which its writer
//! formats. This log is for people and their tools; losing a line loses no truth, the truth is the
//! signed log. Source: reliability row F57.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::time::rfc3339;
use antiphon_engine::ports::clock::Clock;

use crate::error::Error;
use crate::root::Root;

mod file;

use file::LogFile;

/// Lines that may wait; more are dropped and counted.
pub const LINES_WAITING_MAX: usize = 4_096;
/// Bytes that may wait; more are dropped and counted.
pub const BYTES_WAITING_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one line; a longer one is dropped and counted.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The log: its thread runs until [`StructuredLog::close`] or until it is dropped.
#[derive(Debug)]
pub struct StructuredLog {
    shared: Arc<Shared>,
}

/// Writes lines; a clone writes to the same log and begins with an empty line. Never waits for the
/// disk, never fails.
///
/// Bytes are held until their line ends, so that lines of several writers never mix.
#[derive(Debug)]
pub struct StructuredWriter {
    shared: Arc<Shared>,
    line: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when the queue changes and when the thread ends.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    lines: usize,
    /// Lines lost since the log last said how many.
    dropped: u64,
    closing: bool,
    ended: bool,
}

impl StructuredLog {
    /// Opens `structured.jsonl` below the root and starts the thread.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened as a plain file of its own, or the thread not started.
    pub fn open(root: Root, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let path = root.path().join(file::NAME.to_string_lossy().as_ref());
        let file = LogFile::open(root).map_err(|source| Error::io("open", &path, source))?;
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            changed: Condvar::new(),
        });
        let thread_shared = Arc::clone(&shared);
        // Not joined: on a disk that hangs it would never end. `close` waits for its end, bounded.
        std::thread::Builder::new()
            .name("structured-log".into())
            .spawn(move || write_until_closed(&thread_shared, file, clock.as_ref()))
            .map_err(|source| Error::io("write", &path, source))?;
        Ok(Self { shared })
    }

    /// A writer of lines.
    #[must_use]
    pub fn writer(&self) -> StructuredWriter {
        StructuredWriter {
            shared: Arc::clone(&self.shared),
            line: Vec::new(),
        }
    }

    /// Writes what waits and ends the thread. Waits at most `wait`; says whether all is written.
    #[must_use]
    pub fn close(self, wait: Duration) -> bool {
        self.shared.begin_closing();
        let queue = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(queue, wait, |queue| !queue.ended);
        let (queue, _timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.ended && queue.dropped == 0
    }
}

impl Drop for StructuredLog {
    fn drop(&mut self) {
        self.shared.begin_closing();
    }
}

impl Clone for StructuredWriter {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            line: Vec::new(),
        }
    }
}

impl Write for StructuredWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One byte more than a line may have is enough to know that it is too long.
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                self.shared.push(&self.line);
                self.line.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut queue = self.lock();
        let fits = queue.lines < LINES_WAITING_MAX
            && queue.bytes.len().saturating_add(line.len()) <= BYTES_WAITING_MAX;
        if queue.closing || !fits || line.len() > LINE_BYTES_MAX {
            queue.dropped = queue.dropped.saturating_add(1);
            return;
        }
        queue.bytes.extend_from_slice(line);
        queue.lines += 1;
        drop(queue);
        self.changed.notify_all();
    }

    fn begin_closing(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// Waits for lines and takes them all, with the number of those dropped; `None` at the end.
    fn take(&self) -> Option<(Vec<u8>, usize, u64)> {
        let idle = |queue: &mut Queue| queue.lines == 0 && queue.dropped == 0 && !queue.closing;
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.lines == 0 && queue.dropped == 0 {
            return None;
        }
        let lines = std::mem::take(&mut queue.lines);
        let dropped = std::mem::take(&mut queue.dropped);
        Some((std::mem::take(&mut queue.bytes), lines, dropped))
    }

    fn give_back_dropped(&self, count: u64) {
        let mut queue = self.lock();
        queue.dropped = queue.dropped.saturating_add(count);
    }
}

fn write_until_closed(shared: &Shared, mut file: LogFile, clock: &dyn Clock) {
    while let Some((mut bytes, lines, dropped)) = shared.take() {
        if dropped > 0 {
            let ts = rfc3339(clock.now().wall_ms);
            let said = serde_json::json!({
                "ts": ts, "level": "WARN", "event": "log lines dropped", "count": dropped,
            });
            bytes.extend_from_slice(said.to_string().as_bytes());
            bytes.push(b'\n');
        }
        if file.append(&bytes).is_err() {
            let lost = dropped.saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
            shared.give_back_dropped(lost);
            let queue = shared.lock();
            if queue.closing {
                break;
            }
            // Nothing can be said of it here; with the next line it is tried again.
            let waited = shared
                .changed
                .wait_while(queue, |queue| queue.lines == 0 && !queue.closing);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
    shared.lock().ended = true;
    shared.changed.notify_all();
}

#[cfg(test)]
mod tests;
