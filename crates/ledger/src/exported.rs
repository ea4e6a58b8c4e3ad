//! The exported folder: a whole log as static files, and the judgement of one.
//!
//! In: files by their paths, as whoever has them reads them. Out: the records of each bundle, and
//! [`Audit`]. A folder is read up to the size of its checkpoint; other files are ignored.
//!
//! Invariants: whatever the files hold, there is an audit; one bundle is held at a time.
//! Not here: writing a folder, and where it lies (the callers).
//! Source: `docs/reference/ledger.md`, C2SP tlog-tiles.

use crate::audit::{Audit, Auditor, Terms};
use crate::tile::{TileKind, TilePath};
use crate::trust::Trust;
use crate::verify::{BodyCheck, Examined, examine};

/// The name of the file with the checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// The length that stands for a body that was pruned.
const PRUNED: [u8; 4] = [0xff; 4];

/// Judges the folder whose files `read` gives, `None` for one that is not there; `check` is asked
/// about the JSON of each body.
pub fn audit(
    trust: Option<Trust>,
    mut read: impl FnMut(&str) -> Option<Vec<u8>>,
    check: Option<&BodyCheck>,
) -> Audit {
    let mut auditor = open(trust, &mut read);
    let size = auditor.checkpoint_size().unwrap_or_default();
    for index in 0.. {
        let Some(bundle) = Bundle::read(index, size, &mut read) else {
            break;
        };
        let examined = bundle.examine(check);
        let is_whole = bundle.fold(&mut auditor, &examined);
        verify_tiles(&mut auditor, &mut read);
        if !is_whole {
            break;
        }
    }
    close(auditor, &mut read)
}

/// Begins the judgement of a folder.
pub fn open(trust: Option<Trust>, mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Auditor {
    Auditor::new(Terms {
        trust,
        checkpoint: read(CHECKPOINT).as_deref(),
        is_checkpoint_required: true,
    })
}

/// Compares the full tiles that the records have filled.
pub fn verify_tiles(auditor: &mut Auditor, mut read: impl FnMut(&str) -> Option<Vec<u8>>) {
    auditor.verify_tiles(|level, index| read(&tile(level, index, u64::MAX)?.to_string()));
}

/// Compares the tiles at the right edge, and ends the judgement.
pub fn close(mut auditor: Auditor, mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Audit {
    let size = auditor.tree().size();
    auditor.verify_partial_tiles(|level, index, _| read(&tile(level, index, size)?.to_string()));
    auditor.finish()
}

fn tile(level: u8, index: u64, size: u64) -> Option<TilePath> {
    TilePath::at(TileKind::Hashes { level }, index, size)
}

/// Up to 256 neighbouring records of a folder.
#[derive(Clone, Debug)]
pub struct Bundle {
    width: usize,
    entries: Vec<u8>,
    bodies: Vec<u8>,
}

/// One record of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleRecord<'a> {
    /// The envelope.
    pub envelope: &'a [u8],
    /// The body as stored, `None` when it was pruned.
    pub body: Option<&'a [u8]>,
}

impl Bundle {
    /// The bundle at place `index` of a log of `size` records; `None` when it has none there.
    pub fn read(
        index: u64,
        size: u64,
        mut read: impl FnMut(&str) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let entries = TilePath::at(TileKind::Entries, index, size)?;
        let bodies = TilePath::at(TileKind::Bodies, index, size)?;
        Some(Self {
            width: entries.width().into(),
            entries: read(&entries.to_string()).unwrap_or_default(),
            bodies: read(&bodies.to_string()).unwrap_or_default(),
        })
    }

    /// Bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.len().saturating_add(self.bodies.len())
    }

    /// Its records; a body that is not whole is empty, which no body is.
    #[must_use]
    pub fn records(&self) -> Vec<BundleRecord<'_>> {
        let (entries, _) = self.entries();
        let (bodies, _) = self.bodies();
        let bodies = bodies.into_iter().chain(std::iter::repeat(Some(&[][..])));
        let records = entries.into_iter().zip(bodies);
        records
            .map(|(envelope, body)| BundleRecord { envelope, body })
            .collect()
    }

    /// What each record is by itself.
    #[must_use]
    pub fn examine(&self, check: Option<&BodyCheck>) -> Vec<Examined> {
        let records = self.records().into_iter();
        records
            .map(|it| examine(it.envelope, it.body, check))
            .collect()
    }

    /// Gives the records to `auditor`, as they were examined; whether all that should be are there.
    pub fn fold<'a>(
        &self,
        auditor: &mut Auditor,
        examined: impl IntoIterator<Item = &'a Examined>,
    ) -> bool {
        let records = self.records();
        for (record, examined) in records.iter().zip(examined) {
            auditor.take(examined, record.envelope, record.body);
        }
        let is_whole = records.len() == self.width;
        if is_whole {
            if self.entries().1 > 0 {
                auditor.bytes_behind(false);
            }
            if self.bodies().1 > 0 {
                auditor.bytes_behind(true);
            }
        }
        is_whole
    }

    /// The entries that are whole, and how many bytes stand behind the last that should be there.
    fn entries(&self) -> (Vec<&[u8]>, usize) {
        let mut rest = self.entries.as_slice();
        let mut entries = Vec::with_capacity(self.width);
        while entries.len() < self.width {
            let Some((length, after)) = rest.split_first_chunk() else {
                return (entries, 0);
            };
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((entry, after)) = after.split_at_checked(length) else {
                return (entries, 0);
            };
            entries.push(entry);
            rest = after;
        }
        (entries, rest.len())
    }

    /// The bodies in the same way.
    fn bodies(&self) -> (Vec<Option<&[u8]>>, usize) {
        let mut rest = self.bodies.as_slice();
        let mut bodies = Vec::with_capacity(self.width);
        while bodies.len() < self.width {
            let Some((length, after)) = rest.split_first_chunk::<4>() else {
                return (bodies, 0);
            };
            rest = after;
            if *length == PRUNED {
                bodies.push(None);
                continue;
            }
            let length = usize::try_from(u32::from_be_bytes(*length)).ok();
            let Some((body, after)) = length.and_then(|length| after.split_at_checked(length))
            else {
                return (bodies, 0);
            };
            bodies.push(Some(body));
            rest = after;
        }
        (bodies, rest.len())
    }
}
