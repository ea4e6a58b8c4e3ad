//! A witness of many logs: judges, keeps, then cosigns.
//!
//! In: the bodies of `add-checkpoint` and the time. Out: cosignatures and refusals. Invariants: per
//! log, judging and keeping are one step behind one lock, and the folder has one witness; a
//! cosignature is given away only once its checkpoint is on disk; what is kept never gets smaller.
//! Not here: what makes a checkpoint acceptable (`antiphon_ledger::witness`), HTTP
//! ([`crate::serve`]).
//!
//! A folder holds `logs` ([`crate::logs`]), `lock`, and in `seen/` a file for each log: the
//! checkpoint that was cosigned last, with its signatures.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_ledger::TreeHead;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::cosignature::{CosignatureError, cosign};
use antiphon_ledger::hash::hex;
use antiphon_ledger::key::{Algorithm, SigningKey, VerifierKey};
use antiphon_ledger::note::Note;
use antiphon_ledger::witness::{AddCheckpoint, KnownLog, Refusal, cosignatures_text, judge};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::logs::Logs;
use crate::whole;

const LOCK: &str = "lock";
const SEEN: &str = "seen";

/// A witness of the logs in one folder.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    logs: Logs,
    seen: PathBuf,
    heads: Mutex<BTreeMap<String, Arc<Mutex<Kept>>>>,
    _lock: File,
}

/// What is kept of one log.
#[derive(Clone, Copy, Debug, Default)]
enum Kept {
    /// It was not read yet, or writing it failed: the disk knows.
    #[default]
    Unread,
    /// The head that was cosigned last; the empty one for none.
    Head(TreeHead),
}

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum NotCosigned {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was seen cannot be read or kept.
    #[error(transparent)]
    Failed(#[from] Error),
    /// The key or the clock cannot cosign.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
}

impl Witness {
    /// The witness of `folder`, made where it is missing, that cosigns with `key`.
    ///
    /// # Errors
    /// [`Error::Held`] when another process is; [`Error::Key`] when the key does not cosign; else
    /// when the folder cannot be used.
    pub fn open(folder: &Path, key: SigningKey) -> Result<Self, Error> {
        if key.verifier().algorithm() != Algorithm::CosignatureV1 {
            let name = key.verifier().name().to_owned();
            return Err(Error::Key { name });
        }
        let seen = folder.join(SEEN);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&seen)
            .map_err(|source| Error::io("create", &seen, source))?;
        Ok(Self {
            key,
            logs: Logs::open(folder)?,
            seen,
            heads: Mutex::default(),
            _lock: lock(&folder.join(LOCK))?,
        })
    }

    /// The key that its cosignatures are checked with.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// Judges the checkpoint in `body` and, when it extends what was seen, keeps it and gives the
    /// line of its cosignature, made at `time_s` seconds since 1970. Blocks.
    ///
    /// # Errors
    /// [`NotCosigned`]; nothing is changed then, but that after [`NotCosigned::Failed`] the
    /// checkpoint may be on disk although it was not cosigned.
    pub fn add_checkpoint(&self, body: &[u8], time_s: u64) -> Result<String, NotCosigned> {
        let request = AddCheckpoint::parse(body)?;
        let origin = request.checkpoint().origin();
        let keys = self.logs.keys(origin).ok_or(Refusal::UnknownLog)?;
        let log = Arc::clone(lock_of(&self.heads).entry(origin.to_owned()).or_default());
        let mut kept = lock_of(&log);
        let head = self.head(origin, &mut kept)?;
        let known = KnownLog { keys: &keys, head };
        let checkpoint = judge(&request, Some(&known))?;
        #[cfg(antiphon_plant)]
        if antiphon_ledger::plant::is("witness_in_two_steps") {
            drop(kept);
            std::thread::yield_now();
            kept = lock_of(&log);
        }
        let cosignature = cosign(request.note(), &self.key, time_s)?;
        if checkpoint.head() != head {
            // Until it is on disk, only the disk knows what was seen.
            *kept = Kept::Unread;
            let mut note = request.note().clone();
            // Without room it is kept as it came: what counts is the head.
            note.add(cosignature.clone()).ok();
            self.keep(origin, &note)?;
            *kept = Kept::Head(checkpoint.head());
        }
        tracing::debug!(ledger.size = checkpoint.size(), "checkpoint cosigned");
        Ok(cosignatures_text(&[cosignature]))
    }

    /// What was seen last of each log that is known, in the order of their origins.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    pub fn seen(&self) -> Result<Vec<(String, TreeHead)>, Error> {
        let origins = self.logs.all().into_keys();
        let head = |origin: String| Ok((origin.clone(), read(&self.path(&origin), &origin)?));
        origins.map(head).collect()
    }

    fn head(&self, origin: &str, kept: &mut Kept) -> Result<TreeHead, Error> {
        if let Kept::Head(head) = kept {
            return Ok(*head);
        }
        let head = read(&self.path(origin), origin)?;
        *kept = Kept::Head(head);
        Ok(head)
    }

    fn keep(&self, origin: &str, note: &Note) -> Result<(), Error> {
        let path = self.path(origin);
        whole::replace(&self.seen, &file_name(origin), note.to_string().as_bytes())
            .map_err(|source| Error::io("write", &path, source))
    }

    fn path(&self, origin: &str) -> PathBuf {
        self.seen.join(file_name(origin))
    }
}

/// A name that every origin has for itself, whatever is in it.
fn file_name(origin: &str) -> String {
    hex(&Sha256::digest(origin).into())
}

fn read(path: &Path, origin: &str) -> Result<TreeHead, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TreeHead::EMPTY),
        Err(source) => return Err(Error::io("read", path, source)),
    };
    let note = Note::parse(&bytes).ok();
    let checkpoint = note.and_then(|note| note.text().parse::<Checkpoint>().ok());
    let ours = checkpoint.filter(|checkpoint| checkpoint.origin() == origin);
    let damaged = || Error::Kept {
        path: path.to_owned(),
        origin: origin.to_owned(),
    };
    ours.map(|checkpoint| checkpoint.head()).ok_or_else(damaged)
}

fn lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options
        .open(path)
        .map_err(|source| Error::io("open", path, source))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(Error::Held {
            path: path.to_owned(),
        }),
        Err(errno) => Err(Error::io("lock", path, errno)),
    }
}

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
