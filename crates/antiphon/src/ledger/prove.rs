//! A sealed log that proofs are made from: its checkpoint, its tiles, its records.
//!
//! In: a root or an exported folder. Out: the checkpoint, roots, proofs, single records. What lies
//! there is taken at its word, save that it makes the checkpoint's root.

use std::path::{Path, PathBuf};

use antiphon_backend_sqlite::open_reader;
use antiphon_engine::ports::store::{LogReader, StoreError};
use antiphon_engine::{read, tiles};
use antiphon_ledger::exported::{self, Bundle};
use antiphon_ledger::hash::Hash;
use antiphon_ledger::proof::{ProveError, Prover};
use antiphon_ledger::tile::{TileKind, TilePath};
use antiphon_ledger::tlog_proof::TlogProof;
use antiphon_ledger::trust::Sealed;

use super::error::LedgerError;
use super::place::{self, Place};
use crate::failure::Failure;

/// A log with a checkpoint.
pub(crate) struct SealedLog {
    /// The newest checkpoint.
    pub(crate) sealed: Sealed,
    records: Records,
}

/// Where its records lie.
enum Records {
    Root(Box<dyn LogReader>),
    Folder { path: PathBuf, size: u64 },
}

/// An envelope, and a body as stored unless it was pruned.
pub(crate) type Stored = (Vec<u8>, Option<Vec<u8>>);
/// Is shown records: place, envelope, body unless it was pruned.
pub(crate) type Show<'a> = dyn FnMut(u64, &[u8], Option<&[u8]>) + 'a;

impl SealedLog {
    /// The log at `place`.
    ///
    /// # Errors
    /// [`LedgerError::Unsealed`] when it has no checkpoint, [`Failure::Store`] when its records are
    /// not those of the checkpoint or cannot be read, [`Failure::Usage`] for a place without a log.
    pub(crate) fn open(place: &Place) -> Result<Self, Failure> {
        let path = match place {
            Place::Root(path) | Place::Folder(path) => path,
            Place::Bundle(_) | Place::File(_) => {
                return Err(Failure::Usage {
                    message: format!("{} holds no whole log", place.path().display()),
                    hint: Some("name a data root or an exported folder".to_owned()),
                });
            }
        };
        let note = place::read(path, exported::CHECKPOINT).ok_or(LedgerError::Unsealed)?;
        let sealed = Sealed::parse(&note).map_err(|error| damaged(0, &error.to_string()))?;
        let records = match place {
            Place::Root(path) => {
                antiphon_files::Root::open(path)?;
                Records::Root(open_reader(path)?)
            }
            Place::Folder(_) | Place::Bundle(_) | Place::File(_) => Records::Folder {
                path: path.clone(),
                size: sealed.checkpoint().size(),
            },
        };
        let mut log = Self { sealed, records };
        let size = log.size();
        if log.root_at(size)? != *log.sealed.checkpoint().root() {
            return Err(damaged(size, "the records are not those of the checkpoint"));
        }
        Ok(log)
    }

    /// The size at the checkpoint.
    pub(crate) fn size(&self) -> u64 {
        self.sealed.checkpoint().size()
    }

    /// The root over the first `size` records.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn root_at(&mut self, size: u64) -> Result<Hash, Failure> {
        let records = &mut self.records;
        let mut prover = Prover::new(|level, index| records.tile(level, index));
        prover.root(size).map_err(unproven)
    }

    /// The proof that the record at `seq` is in the checkpoint.
    ///
    /// # Errors
    /// [`LedgerError::NotYet`] when it is not, [`Failure::Store`].
    pub(crate) fn inclusion(&mut self, seq: u64) -> Result<Vec<Hash>, Failure> {
        let size = self.size();
        if seq >= size {
            return Err(LedgerError::NotYet { seq, size }.into());
        }
        let records = &mut self.records;
        let mut prover = Prover::new(|level, index| records.tile(level, index));
        prover.inclusion(seq, size).map_err(unproven)
    }

    /// The proof that the checkpoint extends the tree of the first `size` records.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn consistency(&mut self, size: u64) -> Result<Vec<Hash>, Failure> {
        let whole = self.size();
        let records = &mut self.records;
        let mut prover = Prover::new(|level, index| records.tile(level, index));
        prover.consistency(size, whole).map_err(unproven)
    }

    /// The tlog-proof of the record at `seq`.
    ///
    /// # Errors
    /// As [`SealedLog::inclusion`].
    pub(crate) fn tlog_proof(&mut self, seq: u64) -> Result<TlogProof, Failure> {
        let hashes = self.inclusion(seq)?;
        let note = self.sealed.note().clone();
        TlogProof::new(seq, hashes, note).map_err(|source| Failure::Bug {
            what: "a proof could not be written".to_owned(),
            source: Some(Box::new(source)),
        })
    }

    /// The record at `seq`; `None` when it is not there.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn record(&mut self, seq: u64) -> Result<Option<Stored>, Failure> {
        let mut found = None;
        self.walk(seq, 1, &mut |_, envelope, body| {
            found = Some((envelope.to_vec(), body.map(<[u8]>::to_vec)));
        })?;
        Ok(found)
    }

    /// Shows every sealed record from `seq` on, in order.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn each_from(&mut self, seq: u64, show: &mut Show<'_>) -> Result<(), Failure> {
        let count = self.size().saturating_sub(seq);
        self.walk(seq, count, show)
    }

    /// The tile of hashes at a place, if it is stored or follows from records.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn tile(&mut self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.records.tile(level, index)
    }

    fn walk(&mut self, seq: u64, count: u64, show: &mut Show<'_>) -> Result<(), Failure> {
        let end = seq.saturating_add(count);
        match &mut self.records {
            Records::Root(log) => {
                read::each(log.as_mut(), seq..end, |at, stored| {
                    show(at, stored.envelope, stored.body);
                    Ok::<_, StoreError>(())
                })?;
                Ok(())
            }
            Records::Folder { path, size } => {
                walk_bundles(path, *size, seq, end, show);
                Ok(())
            }
        }
    }
}

impl Records {
    fn tile(&mut self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Records::Root(log) => tiles::hashes(log.as_mut(), level, index),
            Records::Folder { path, size } => {
                let tile = TilePath::at(TileKind::Hashes { level }, index, *size);
                Ok(tile.and_then(|tile| place::read(path, &tile.to_string())))
            }
        }
    }
}

fn walk_bundles(path: &Path, size: u64, seq: u64, end: u64, show: &mut Show<'_>) {
    for index in seq / 256..end.div_ceil(256) {
        let Some(bundle) = Bundle::read(index, size, |name| place::read(path, name)) else {
            break;
        };
        for (at, record) in (index * 256..).zip(bundle.records()) {
            if (seq..end).contains(&at) {
                show(at, record.envelope, record.body);
            }
        }
    }
}

fn damaged(seq: u64, what: &str) -> Failure {
    StoreError::Damaged {
        seq,
        what: what.to_owned(),
    }
    .into()
}

fn unproven(error: ProveError<StoreError>) -> Failure {
    match error {
        ProveError::Read(error) => error.into(),
        error => damaged(0, &error.to_string()),
    }
}
