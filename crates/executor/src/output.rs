//! One output stream: hashed and counted whole, kept in part.
//!
//! In: a pipe. Out: where what is kept goes (`evidence`), what too much of it means (`attempt`).
//! Memory is bounded by [`HEAD_BYTES_MAX`] and twice [`TAIL_BYTES_MAX`].

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use antiphon_core::id::Digest;
use antiphon_core::limits::INLINE_OUTPUT_BYTES_MAX;
use antiphon_core::report::Output;
use sha2::{Digest as _, Sha256};
use tokio::net::unix::pipe::Receiver;

/// Bytes kept of the beginning.
pub(crate) const HEAD_BYTES_MAX: usize = 512 * 1024;
/// Bytes kept of the end.
pub(crate) const TAIL_BYTES_MAX: usize = 512 * 1024;
/// Stands in a text for what is not shown of it.
const GAP: &str = "\n[...]\n";

/// Bytes that are read at one time; more would keep others waiting longer.
const READ_BYTES: usize = 32 * 1024;
/// Bytes that are read of a pipe when its writers are dead: more than a pipe holds.
const DRAIN_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Our end of a pipe and what came through it.
#[derive(Debug)]
pub(crate) struct Stream {
    /// `None` when it has ended.
    pipe: Option<Receiver>,
    /// Made when there is something to read.
    buffer: Vec<u8>,
    capture: Capture,
}

impl Stream {
    /// A stream from `pipe`, which must not block. Must be called within a runtime.
    pub(crate) fn new(pipe: OwnedFd) -> io::Result<Self> {
        let pipe = Receiver::from_owned_fd_unchecked(pipe)?;
        Ok(Self {
            pipe: Some(pipe),
            buffer: Vec::new(),
            capture: Capture::default(),
        })
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.capture.bytes
    }

    /// Waits for bytes and takes them; waits for ever once the stream has ended.
    ///
    /// # Cancel safety
    /// No byte is lost.
    pub(crate) async fn fill(&mut self) {
        let Some(pipe) = &self.pipe else {
            return std::future::pending().await;
        };
        let readable = pipe.readable().await;
        self.buffer.resize(READ_BYTES, 0);
        match readable.and_then(|()| pipe.try_read(&mut self.buffer)) {
            Ok(length) if length > 0 => self.absorb(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Its end; a pipe does not fail otherwise.
            Ok(_) | Err(_) => self.pipe = None,
        }
    }

    /// Takes what dead writers have left, without waiting for an end that a stranger withholds.
    /// Asks the pipe itself: the runtime may not have heard of the last bytes yet.
    pub(crate) fn drain(&mut self) {
        let Some(pipe) = self.pipe.take() else { return };
        self.buffer.resize(READ_BYTES, 0);
        let enough = self.bytes().saturating_add(DRAIN_BYTES_MAX);
        while self.bytes() < enough {
            match rustix::io::retry_on_intr(|| rustix::io::read(&pipe, &mut self.buffer)) {
                Ok(length) if length > 0 => self.absorb(length),
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// The end of the stream.
    pub(crate) fn finish(self) -> Captured {
        self.capture.finish()
    }

    fn absorb(&mut self, length: usize) {
        self.capture
            .absorb(self.buffer.get(..length).unwrap_or_default());
    }
}

/// A stream while it is written.
#[derive(Debug, Default)]
struct Capture {
    hash: Sha256,
    bytes: u64,
    head: Vec<u8>,
    /// Holds the end, and up to as much again before it is trimmed.
    tail: Vec<u8>,
    cut: bool,
}

/// A stream that has ended.
#[derive(Debug)]
pub(crate) struct Captured {
    /// What goes into the report; `evidence` names the kept bytes when they must be stored.
    pub(crate) output: Output,
    /// What was kept.
    pub(crate) kept: Arc<[u8]>,
}

impl Capture {
    /// Takes the next bytes.
    fn absorb(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let room = HEAD_BYTES_MAX.saturating_sub(self.head.len());
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > TAIL_BYTES_MAX.saturating_mul(2) {
            self.trim();
        }
    }

    /// The end of the stream.
    fn finish(mut self) -> Captured {
        self.trim();
        let mut kept = self.head;
        kept.append(&mut self.tail);
        let whole = std::str::from_utf8(&kept)
            .ok()
            .filter(|_| kept.len() <= INLINE_OUTPUT_BYTES_MAX);
        let (text, evidence) = match whole {
            Some(text) => (text.to_owned(), None),
            None => (excerpt(&kept), Some(Digest::of(&kept))),
        };
        let sha256 = Digest(self.hash.finalize().into());
        let output = Output {
            bytes: self.bytes,
            cut: self.cut,
            evidence,
            sha256,
            text,
        };
        Captured {
            output,
            kept: kept.into(),
        }
    }

    fn trim(&mut self) {
        let excess = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
        if excess > 0 {
            self.tail.drain(..excess);
            self.cut = true;
        }
    }
}

/// Beginning and end of `kept` as text of at most [`INLINE_OUTPUT_BYTES_MAX`] bytes.
fn excerpt(kept: &[u8]) -> String {
    let all = String::from_utf8_lossy(kept);
    if all.len() <= INLINE_OUTPUT_BYTES_MAX {
        return all.into_owned();
    }
    let half = INLINE_OUTPUT_BYTES_MAX.saturating_sub(GAP.len()) / 2;
    let head = all.floor_char_boundary(half);
    let tail = all.ceil_char_boundary(all.len().saturating_sub(half));
    let (head, tail) = (all.get(..head), all.get(tail..));
    [head.unwrap_or_default(), GAP, tail.unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(bytes: &[u8], chunk: usize) -> Captured {
        let mut capture = Capture::default();
        bytes.chunks(chunk).for_each(|part| capture.absorb(part));
        capture.finish()
    }

    #[test]
    fn a_small_text_stands_in_the_report_whole() {
        let Captured { output, .. } = captured("hällo\n".as_bytes(), 1);
        assert_eq!(
            (output.text.as_str(), output.bytes, output.cut),
            ("hällo\n", 7, false)
        );
        assert_eq!(output.evidence, None);
        assert_eq!(output.sha256, Digest::of("hällo\n".as_bytes()));
    }

    #[test]
    fn what_text_cannot_hold_is_evidence() {
        let binary = captured(&[0xff, 0xfe, b'a'], 2);
        assert_eq!(
            binary.output.evidence,
            Some(Digest::of(&[0xff, 0xfe, b'a']))
        );
        let long = vec![b'x'; INLINE_OUTPUT_BYTES_MAX + 1];
        let long = captured(&long, 1_000);
        assert_eq!(long.output.evidence, Some(Digest::of(&long.kept)));
        assert!(long.output.text.len() <= INLINE_OUTPUT_BYTES_MAX);
        assert!(!long.output.cut);
        let wide = captured("€".repeat(9_000).as_bytes(), 7);
        assert!(wide.output.text.len() <= INLINE_OUTPUT_BYTES_MAX);
        assert!(
            !wide.output.text.contains('\u{fffd}'),
            "cut within a character"
        );
    }

    #[test]
    fn f46_of_a_flood_all_is_hashed_and_head_and_tail_are_kept() {
        let flood: Vec<u8> = (0..5_000_000_u32)
            .map(|n| n.to_le_bytes()[n as usize % 3])
            .collect();
        for chunk in [1_000_003, 32 * 1024, 4_097] {
            let Captured { output, kept } = captured(&flood, chunk);
            assert_eq!((output.bytes, output.cut), (5_000_000, true));
            assert_eq!(output.sha256, Digest::of(&flood));
            assert_eq!(kept.len(), HEAD_BYTES_MAX + TAIL_BYTES_MAX);
            assert_eq!(kept[..HEAD_BYTES_MAX], flood[..HEAD_BYTES_MAX]);
            assert_eq!(
                kept[HEAD_BYTES_MAX..],
                flood[flood.len() - TAIL_BYTES_MAX..]
            );
        }
        let fits = HEAD_BYTES_MAX + TAIL_BYTES_MAX;
        assert!(!captured(&flood[..fits], 4_096).output.cut);
        assert!(captured(&flood[..=fits], 4_096).output.cut);
    }
}
