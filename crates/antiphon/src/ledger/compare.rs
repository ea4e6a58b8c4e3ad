//! Two views of one log: consistent, or a fork and its proof.

use antiphon_ledger::TreeHead;
use antiphon_ledger::fork::{Branch, ForkProof, KeyRecord};
use antiphon_ledger::hash::Hash;
use antiphon_ledger::trust::Sealed;

use super::place::{Place, read_file};
use super::prove::SealedLog;
use super::run::key_records;
use crate::failure::Failure;

/// One view of a log.
pub(crate) enum View {
    /// A root or an exported folder.
    Whole(Box<SealedLog>),
    /// A signed checkpoint alone.
    Head(Box<Sealed>),
}

/// What two views show.
pub(crate) enum Shown {
    /// One is the beginning of the other.
    Consistent {
        /// The sizes at their checkpoints.
        sizes: [u64; 2],
    },
    /// They are of two histories.
    Fork(Box<ForkProof>),
}

impl View {
    /// The view at `place`.
    ///
    /// # Errors
    /// As [`SealedLog::open`]; [`Failure::Usage`] for a file that is no checkpoint.
    pub(crate) fn open(place: &Place) -> Result<Self, Failure> {
        let Place::File(path) = place else {
            return Ok(Self::Whole(Box::new(SealedLog::open(place)?)));
        };
        let sealed = Sealed::parse(&read_file(path)?);
        let sealed = sealed.map_err(|error| Failure::Usage {
            message: format!("{}: {error}", path.display()),
            hint: Some("name data roots, exported folders or checkpoints".to_owned()),
        })?;
        Ok(Self::Head(Box::new(sealed)))
    }

    /// Its checkpoint.
    pub(crate) fn sealed(&self) -> &Sealed {
        match self {
            Self::Whole(log) => &log.sealed,
            Self::Head(sealed) => sealed,
        }
    }

    fn head(&self) -> TreeHead {
        self.sealed().checkpoint().head()
    }

    /// The root at `size`, at most its own.
    fn root_at(&mut self, size: u64) -> Result<Hash, Failure> {
        match self {
            Self::Whole(log) => log.root_at(size),
            Self::Head(sealed) if sealed.checkpoint().size() == size => {
                Ok(*sealed.checkpoint().root())
            }
            Self::Head(_) => Err(Failure::Usage {
                message: "a checkpoint alone says nothing about a smaller one".to_owned(),
                hint: Some("name the log that the larger checkpoint is of".to_owned()),
            }),
        }
    }

    /// What it adds to the proof of a fork that shows at `size`.
    fn branch(&mut self, size: u64) -> Result<Branch, Failure> {
        let (checkpoint, root) = (self.sealed().to_string(), self.root_at(size)?);
        let (proof, keys) = match self {
            Self::Whole(log) => (log.consistency(size)?, keys(log)?),
            Self::Head(_) => (Vec::new(), Vec::new()),
        };
        Ok(Branch {
            checkpoint,
            root,
            proof,
            keys,
        })
    }
}

/// Compares two views.
///
/// # Errors
/// [`Failure::Usage`] when they are of different logs, or of two sizes and none of them is whole;
/// [`Failure::Store`].
pub(crate) fn compare(one: &mut View, other: &mut View) -> Result<Shown, Failure> {
    let origins = [one.sealed(), other.sealed()].map(|it| it.checkpoint().origin().to_owned());
    let [origin, of_other] = &origins;
    if origin != of_other {
        return Err(Failure::usage(format!(
            "these are two logs: {origin} and {of_other}"
        )));
    }
    let sizes = [one.head().size, other.head().size];
    let size = sizes.into_iter().min().unwrap_or_default();
    if one.root_at(size)? == other.root_at(size)? {
        return Ok(Shown::Consistent { sizes });
    }
    Ok(Shown::Fork(Box::new(ForkProof {
        origin: origin.clone(),
        size,
        branches: [one.branch(size)?, other.branch(size)?],
    })))
}

/// The sealed records about keys with their proofs.
fn keys(log: &mut SealedLog) -> Result<Vec<KeyRecord>, Failure> {
    let mut keys = Vec::new();
    for (seq, (envelope, body)) in key_records(log)? {
        keys.push(KeyRecord {
            seq,
            envelope,
            body: body.unwrap_or_default(),
            proof: log.inclusion(seq)?,
        });
    }
    Ok(keys)
}
