//! One thread that writes a kilobyte and syncs it, again and again.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::commands::bench::place::written;
use crate::commands::bench::samples::Samples;
use crate::failure::Failure;

/// Bytes of one message: a signal of one kilobyte as the log stores it.
pub(in super::super) const MESSAGE_BYTES: usize = 1_200;
/// Bytes of a segment; when it is full it is overwritten from its start.
pub(super) const SEGMENT_BYTES: usize = 64 << 20;

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Until {
    /// So many messages.
    Count(u32),
    /// So long.
    Over(Duration),
}

/// Appends to a file that grows, and syncs it.
pub(in super::super) fn append(folder: &Path, until: Until) -> Result<Samples, Failure> {
    let path = folder.join("appended");
    let failed = |source| written(&path, source);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .map_err(failed)?;
    let message = vec![b'x'; MESSAGE_BYTES];
    time(until, || {
        file.write_all(&message).and_then(|()| file.sync_data())
    })
    .map_err(failed)
}

/// Overwrites a file that has its size, and syncs it.
pub(in super::super) fn preallocated(folder: &Path, until: Until) -> Result<Samples, Failure> {
    let path = folder.join("preallocated");
    let failed = |source| written(&path, source);
    let file = segment(&path).map_err(failed)?;
    let message = vec![b'x'; MESSAGE_BYTES];
    let places = (0..SEGMENT_BYTES - MESSAGE_BYTES).step_by(MESSAGE_BYTES);
    let mut places = places.cycle();
    time(until, || {
        let place = places.next().unwrap_or(0);
        write_at(&file, &message, place)?;
        file.sync_data()
    })
    .map_err(failed)
}

/// A file of zeros that are on the disk.
pub(super) fn segment(path: &Path) -> std::io::Result<File> {
    let mut file = File::create(path)?;
    let zeros = vec![0; 1 << 20];
    for _part in 0..SEGMENT_BYTES / zeros.len() {
        file.write_all(&zeros)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// Writes all of `bytes` at `place`.
pub(super) fn write_at(file: &File, bytes: &[u8], place: usize) -> std::io::Result<()> {
    let place = u64::try_from(place).map_err(std::io::Error::other)?;
    file.write_all_at(bytes, place)
}

fn time(until: Until, mut write: impl FnMut() -> std::io::Result<()>) -> std::io::Result<Samples> {
    let mut samples = Samples::default();
    let started = Instant::now();
    let mut before = started;
    let mut count = 0;
    loop {
        let is_over = match until {
            Until::Count(most) => count >= most,
            Until::Over(longest) => before.duration_since(started) >= longest,
        };
        if is_over {
            return Ok(samples.end(before.duration_since(started)));
        }
        write()?;
        let now = Instant::now();
        samples.add(now.duration_since(before));
        before = now;
        count += 1;
    }
}
