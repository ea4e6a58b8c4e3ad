//! Writing a sealed log as an exported folder: what any client of C2SP's tiles can read.
//!
//! Only what the folder lacks is written: bundles and full tiles never change, and the checkpoint
//! comes last, so that whoever reads the folder meanwhile, or after a crash, sees the export before.
//! Source: `docs/reference/ledger.md`, "Exported folder".

use std::io::Write as _;
use std::path::{Path, PathBuf};

use antiphon_ledger::exported;
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::tile::{TileKind, TilePath, encode_bodies, encode_entries};
use antiphon_ledger::tree::{FullTile, Tree, TreeError};
use antiphon_ledger::trust::Sealed;
use indicatif::ProgressBar;

use super::error::LedgerError;
use super::place::read;
use super::prove::{SealedLog, Stored};
use crate::failure::Failure;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exported {
    /// Records that the folder held before.
    pub(crate) before: u64,
    /// Records that it holds.
    pub(crate) size: u64,
}

/// Writes `log` below `folder`, or what an older export there lacks.
///
/// # Errors
/// [`LedgerError::Unlike`] when the folder holds another log or history; [`Failure::Usage`] when it
/// holds something else; [`Failure::File`]; [`Failure::Store`].
pub(crate) fn export(
    log: &mut SealedLog,
    folder: &Path,
    progress: &ProgressBar,
) -> Result<Exported, Failure> {
    let before = older(log, folder)?;
    let size = log.size();
    let from = before / 256 * 256;
    progress.set_length(size.saturating_sub(from));
    let mut tree = tree_at(log, from)?;
    let mut writing = Writing {
        folder,
        size,
        bundle: Vec::with_capacity(256),
        failure: None,
    };
    log.each_from(from, &mut |seq, envelope, body| {
        tree.push(&leaf_hash(envelope));
        writing.record(seq, (envelope.to_vec(), body.map(<[u8]>::to_vec)));
        writing.tiles(tree.take_full_tiles());
        progress.set_position(seq.saturating_sub(from));
    })?;
    for (level, index, hashes) in tree.partial_tiles() {
        writing.tiles(vec![(level, index, hashes.into_flattened())]);
    }
    progress.finish_and_clear();
    if let Some(failure) = writing.failure {
        return Err(failure);
    }
    if tree.head() != log.sealed.checkpoint().head() {
        return Err(antiphon_engine::ports::store::StoreError::Damaged {
            seq: size,
            what: "the records are not those of the checkpoint".to_owned(),
        }
        .into());
    }
    finish(folder, &log.sealed)?;
    forget_partial(folder, before, size);
    Ok(Exported { before, size })
}

/// The size of the older export of the same log in `folder`; 0 when it is empty.
fn older(log: &mut SealedLog, folder: &Path) -> Result<u64, Failure> {
    if !folder.exists() {
        return Ok(0);
    }
    let unlike = || {
        let folder = folder.to_owned();
        Failure::from(LedgerError::Unlike { folder })
    };
    let Some(note) = read(folder, exported::CHECKPOINT) else {
        let entries = std::fs::read_dir(folder).map_err(failed("read", folder))?;
        let ours = ["tile", "body"];
        let is_ours = |name: &std::ffi::OsStr| ours.iter().any(|ours| name == *ours);
        if entries.flatten().all(|entry| is_ours(&entry.file_name())) {
            return Ok(0);
        }
        return Err(Failure::Usage {
            message: format!("{} holds something else", folder.display()),
            hint: Some("name a folder that is empty or not there".to_owned()),
        });
    };
    let older = Sealed::parse(&note).map_err(|_not_ours| unlike())?;
    let (older, ours) = (older.checkpoint(), log.sealed.checkpoint());
    if older.origin() != ours.origin() || older.size() > ours.size() {
        return Err(unlike());
    }
    if log.root_at(older.size())? != *older.root() {
        return Err(unlike());
    }
    Ok(older.size())
}

/// The tree over the first `size` records, a multiple of 256.
fn tree_at(log: &mut SealedLog, size: u64) -> Result<Tree, Failure> {
    let mut unread = None;
    let tree = Tree::from_tiles(
        size,
        |level, index| match log.tile(level, index) {
            Ok(tile) => tile,
            Err(error) => {
                unread.get_or_insert(error);
                None
            }
        },
        &[],
    );
    if let Some(error) = unread {
        return Err(error.into());
    }
    tree.map_err(|error: TreeError| {
        let what = error.to_string();
        antiphon_engine::ports::store::StoreError::Damaged { seq: size, what }.into()
    })
}

/// Files on their way; the first failure is kept, and nothing is written after it.
struct Writing<'a> {
    folder: &'a Path,
    size: u64,
    bundle: Vec<Stored>,
    failure: Option<Failure>,
}

impl Writing<'_> {
    fn record(&mut self, seq: u64, record: Stored) {
        self.bundle.push(record);
        if self.bundle.len() < 256 && seq + 1 < self.size {
            return;
        }
        #[cfg(antiphon_plant)]
        if antiphon_engine::plant::is("export_without_its_last_bundle") && self.bundle.len() < 256 {
            return;
        }
        let bundle = std::mem::take(&mut self.bundle);
        let entries = encode_entries(bundle.iter().map(|(envelope, _)| envelope.as_slice()));
        let bodies = encode_bodies(bundle.iter().map(|(_, body)| body.as_deref()));
        for (kind, bytes) in [(TileKind::Entries, entries), (TileKind::Bodies, bodies)] {
            match bytes {
                Ok(bytes) => self.file(kind, seq / 256, &bytes),
                Err(source) => {
                    self.failure.get_or_insert(Failure::Bug {
                        what: "a bundle could not be written".to_owned(),
                        source: Some(Box::new(source)),
                    });
                }
            }
        }
    }

    fn tiles(&mut self, tiles: Vec<FullTile>) {
        for (level, index, hashes) in tiles {
            self.file(TileKind::Hashes { level }, index, &hashes);
        }
    }

    fn file(&mut self, kind: TileKind, index: u64, bytes: &[u8]) {
        let Some(path) = TilePath::at(kind, index, self.size) else {
            return;
        };
        if self.failure.is_none() {
            self.failure = write(self.folder, &path.to_string(), bytes).err();
        }
    }
}

/// Writes a file below `folder`, whose folders are made.
///
/// # Errors
/// [`Failure::File`].
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    let write = || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, bytes)
    };
    write().map_err(failed("written", &path))
}

/// Makes all that was written below `folder` durable, then puts the checkpoint there, whole.
///
/// # Errors
/// [`Failure::File`].
pub(crate) fn finish(folder: &Path, sealed: &Sealed) -> Result<(), Failure> {
    let put = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let directory = std::fs::File::open(folder)?;
        rustix::fs::syncfs(&directory)?;
        let temporary = folder.join(format!(".{}", exported::CHECKPOINT));
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(sealed.to_string().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, folder.join(exported::CHECKPOINT))?;
        directory.sync_all()
    };
    put().map_err(failed("written", folder))
}

/// Removes the partial tiles and bundles of the export before, which nobody reads any more.
fn forget_partial(folder: &Path, before: u64, size: u64) {
    let levels = (0..8).map(|level| TileKind::Hashes { level });
    for kind in levels.chain([TileKind::Entries, TileKind::Bodies]) {
        let edge = kind.count(before) / 256;
        let (old, new) = (
            TilePath::at(kind, edge, before),
            TilePath::at(kind, edge, size),
        );
        let Some(old) = old.filter(|old| !old.is_full() && Some(old) != new.as_ref()) else {
            continue;
        };
        let path = folder.join(old.to_string());
        // Whatever cannot be removed is ignored by every reader, too.
        if std::fs::remove_file(&path).is_ok()
            && let Some(parent) = path.parent()
        {
            std::fs::remove_dir(parent).ok();
        }
    }
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path: PathBuf = path.to_owned();
    move |source| Failure::File { verb, path, source }
}
