//! A whole log, read in pieces of about a quarter of a megabyte: from the database of a root, or from the
//! bundles of an exported folder.
//!
//! The end of a root's log is the one that it had when it was opened: what an owner appends
//! meanwhile is left for the next time.

use std::path::{Path, PathBuf};

use antiphon_backend_sqlite::open_reader;
use antiphon_engine::ports::store::{Head, LogReader, StoreError, Turn};
use antiphon_ledger::TreeHead;
use antiphon_ledger::audit::{Auditor, Terms};
use antiphon_ledger::exported::{self, Bundle};
use antiphon_ledger::hash::SALT_BYTES;
use antiphon_ledger::trust::{Sealed, Trust};
use antiphon_ledger::verify::{BodyCheck, Examined, examine};
use serde::Deserialize;

use super::place::read;
use crate::failure::Failure;

/// Bytes of turns that are read at a time.
const READ_BYTES: usize = 256 * 1024;

/// A log that is read from its start to its end.
pub(crate) enum Source {
    /// The database of a root.
    Root(RootLog),
    /// An exported folder.
    Folder(FolderLog),
}

/// The log of a root.
pub(crate) struct RootLog {
    /// The root.
    pub(crate) path: PathBuf,
    log: Box<dyn LogReader>,
    /// Where it ends.
    pub(crate) head: Head,
    /// The bytes of the checkpoint, read before the end was.
    pub(crate) checkpoint: Option<Vec<u8>>,
    next_seq: u64,
}

/// The log of an exported folder.
pub(crate) struct FolderLog {
    /// The folder.
    pub(crate) path: PathBuf,
    next_index: u64,
    size: u64,
}

/// Neighbouring records that were read together.
pub(crate) enum Piece {
    /// Whole turns.
    Turns(Vec<Turn>),
    /// Bundles of a folder.
    Bundles(Vec<Bundle>),
}

impl Source {
    /// The log of the root at `path`.
    ///
    /// # Errors
    /// [`Failure::Root`] when it is none, [`Failure::Store`] when its log cannot be read.
    pub(crate) fn root(path: &Path) -> Result<Self, Failure> {
        antiphon_files::Root::open(path)?;
        // In this order: a checkpoint never lies beyond the end that is read behind it.
        let checkpoint = read(path, exported::CHECKPOINT);
        let mut log = open_reader(path)?;
        Ok(Self::Root(RootLog {
            path: path.to_owned(),
            head: log.head()?,
            log,
            checkpoint,
            next_seq: 0,
        }))
    }

    /// The log of the exported folder at `path`.
    pub(crate) fn folder(path: &Path) -> Self {
        Self::Folder(FolderLog {
            path: path.to_owned(),
            next_index: 0,
            size: 0,
        })
    }

    /// The origin that the log says is its own: its checkpoint's, else that of record 0.
    pub(crate) fn origin(&mut self) -> Option<String> {
        let sealed = match self {
            Self::Root(root) => root.checkpoint.clone(),
            Self::Folder(folder) => read(&folder.path, exported::CHECKPOINT),
        };
        let sealed = sealed.and_then(|note| Sealed::parse(&note).ok());
        if let Some(sealed) = sealed {
            return Some(sealed.checkpoint().origin().to_owned());
        }
        match self {
            Self::Root(root) => first_origin(&root.log.turns_from(0, 1).ok()?),
            Self::Folder(_) => None,
        }
    }

    /// Begins its judgement.
    pub(crate) fn auditor(&mut self, trust: Option<Trust>) -> Auditor {
        match self {
            Self::Root(root) => {
                let mut auditor = Auditor::new(Terms {
                    trust,
                    checkpoint: root.checkpoint.as_deref(),
                    is_checkpoint_required: false,
                });
                auditor.expect(&TreeHead {
                    size: root.head.next_seq,
                    root: root.head.root,
                });
                auditor
            }
            Self::Folder(folder) => {
                let auditor = exported::open(trust, |name| read(&folder.path, name));
                folder.size = auditor.checkpoint_size().unwrap_or_default();
                auditor
            }
        }
    }

    /// How many records it has, as it says.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Root(root) => root.head.next_seq,
            Self::Folder(folder) => folder.size,
        }
    }

    /// Another reader of its tiles.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn tiles(&self) -> Result<Tiles, Failure> {
        match self {
            Self::Root(root) => Ok(Tiles::Root {
                log: open_reader(&root.path)?,
                unread: None,
            }),
            Self::Folder(folder) => Ok(Tiles::Folder(folder.path.clone())),
        }
    }

    /// The next records; `None` behind the last.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Failure> {
        match self {
            Self::Root(root) => Ok(root.next()?.map(Piece::Turns)),
            Self::Folder(folder) => Ok(folder.next().map(Piece::Bundles)),
        }
    }
}

impl RootLog {
    fn next(&mut self) -> Result<Option<Vec<Turn>>, StoreError> {
        if self.next_seq >= self.head.next_seq {
            return Ok(None);
        }
        let mut turns = self.log.turns_from(self.next_seq, READ_BYTES)?;
        turns.retain(|turn| turn.first_seq < self.head.next_seq);
        let Some(last) = turns.last() else {
            return Ok(None);
        };
        self.next_seq = last.next_seq();
        Ok(Some(turns))
    }
}

impl FolderLog {
    fn next(&mut self) -> Option<Vec<Bundle>> {
        let mut bundles = Vec::new();
        let mut bytes = 0;
        while bytes < READ_BYTES {
            let read = |name: &str| read(&self.path, name);
            let Some(bundle) = Bundle::read(self.next_index, self.size, read) else {
                break;
            };
            bytes += bundle.bytes().max(1);
            self.next_index += 1;
            bundles.push(bundle);
        }
        (!bundles.is_empty()).then_some(bundles)
    }
}

impl Piece {
    /// What each record is by itself.
    ///
    /// # Errors
    /// [`Failure::Store`] when a turn is no list of records.
    pub(crate) fn examine(&self, check: Option<&BodyCheck>) -> Result<Vec<Examined>, Failure> {
        let mut examined = Vec::new();
        match self {
            Self::Turns(turns) => {
                for turn in turns {
                    let records = turn.records()?.into_iter();
                    examined.extend(records.map(|it| examine(it.envelope, it.body, check)));
                }
            }
            Self::Bundles(bundles) => {
                examined.extend(bundles.iter().flat_map(|bundle| bundle.examine(check)));
            }
        }
        Ok(examined)
    }

    /// Gives the records to `auditor`, as they were examined; whether the log goes on.
    ///
    /// # Errors
    /// [`Failure::Store`] when a turn is no list of records.
    pub(crate) fn fold(
        &self,
        auditor: &mut Auditor,
        examined: &[Examined],
    ) -> Result<bool, Failure> {
        let mut examined = examined.iter();
        match self {
            Self::Turns(turns) => {
                for turn in turns {
                    for (record, examined) in turn.records()?.into_iter().zip(&mut examined) {
                        auditor.take(examined, record.envelope, record.body);
                    }
                    auditor.turn_root(&turn.root);
                }
            }
            Self::Bundles(bundles) => {
                for bundle in bundles {
                    if !bundle.fold(auditor, &mut examined) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}

/// Reads the tiles of a log.
pub(crate) enum Tiles {
    /// Those of a root.
    Root {
        /// Its log.
        log: Box<dyn LogReader>,
        /// Why one could not be read.
        unread: Option<StoreError>,
    },
    /// Those of the exported folder here.
    Folder(PathBuf),
}

impl Tiles {
    /// Compares what `auditor` has filled since the last call.
    pub(crate) fn verify(&mut self, auditor: &mut Auditor) {
        match self {
            Self::Root { log, unread } => auditor.verify_tiles(|level, index| {
                let tiles = log.tiles(level, index, 1);
                let tiles = tiles.map_err(|error| unread.get_or_insert(error)).ok()?;
                let tile = tiles.into_iter().find(|tile| tile.index == index);
                tile.map(|tile| tile.hashes)
            }),
            Self::Folder(path) => exported::verify_tiles(auditor, |name| read(path, name)),
        }
    }
}

/// What record 0 says.
#[derive(Deserialize)]
struct Created {
    origin: String,
}

fn first_origin(turns: &[Turn]) -> Option<String> {
    let turn = turns.first().filter(|turn| turn.first_seq == 0)?;
    let records = turn.records().ok()?;
    let json = records.first()?.body?.get(SALT_BYTES..)?;
    let created: Created = serde_json::from_slice(json).ok()?;
    Some(created.origin)
}
