//! What is known of the newest checkpoints: which there are, who has cosigned them, what is missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use antiphon_ledger::TreeHead;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::note::{Note, NoteSignature};
use tokio::time::Instant;

/// Checkpoints that late cosignatures are kept for: a witness that is slower answers for nothing.
const RECENT_MAX: usize = 16;

/// A signed checkpoint and its witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// With its signatures: the log's key first, a deprecated one next, then cosignatures.
    pub note: Note,
    /// The witnesses that have cosigned it, by name, in the order of their answers.
    pub cosigned_by: Vec<String>,
}

impl Signed {
    /// How many records it covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoint.size()
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }
}

/// A witness's word about one checkpoint, verified.
#[derive(Clone, Debug)]
pub struct Cosignature {
    /// Who.
    pub witness: String,
    /// Which checkpoint.
    pub head: TreeHead,
    /// The line that is added to its note.
    pub signature: NoteSignature,
}

/// How far the log is sealed.
#[derive(Clone, Debug, Default)]
pub struct Sealing {
    /// The newest checkpoint; it is on disk.
    pub newest: Option<Arc<Signed>>,
    /// The newest one that enough witnesses have cosigned.
    pub cosigned: Option<Arc<Signed>>,
    /// Since when there are durable records that no checkpoint covers.
    pub behind_since: Option<Instant>,
    /// Since when there is a checkpoint that too few witnesses have cosigned.
    pub uncosigned_since: Option<Instant>,
    /// Why the last checkpoint could not be signed or saved.
    pub failure: Option<String>,
    /// The size of the largest checkpoint that each witness has cosigned, by name.
    pub witnesses: BTreeMap<String, u64>,
    recent: VecDeque<Recent>,
}

#[derive(Clone, Debug)]
struct Recent {
    signed: Arc<Signed>,
    shown: Instant,
}

impl Sealing {
    /// How it stands when an owner starts.
    pub(super) fn begin(stored: Option<Signed>, quorum: usize) -> Self {
        let mut sealing = Self::default();
        if let Some(stored) = stored {
            let size = stored.size();
            let cosigned = stored.cosigned_by.iter();
            sealing.witnesses = cosigned.map(|name| (name.clone(), size)).collect();
            let is_cosigned = quorum > 0 && stored.cosigned_by.len() >= quorum;
            sealing.show(stored);
            if is_cosigned {
                sealing.cosigned.clone_from(&sealing.newest);
                sealing.uncosigned_since = None;
            }
        }
        sealing
    }

    /// How many records the newest checkpoint covers.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.newest.as_ref().map(|newest| newest.size())
    }

    /// ms since the first record became durable that no checkpoint covers; 0 when there is none.
    #[must_use]
    pub fn age_ms(&self) -> u64 {
        let age = self.behind_since.map(|since| since.elapsed());
        age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }

    /// The best proof that record `seq` stands in the log: the cosigned checkpoint when it covers
    /// it, else the newest; `None` when neither does.
    #[must_use]
    pub fn covering(&self, seq: u64) -> Option<&Arc<Signed>> {
        let covers = |signed: &&Arc<Signed>| signed.size() > seq;
        let cosigned = self.cosigned.as_ref().filter(covers);
        cosigned.or_else(|| self.newest.as_ref().filter(covers))
    }

    /// The checkpoint of `size` records, if it is one of the newest.
    #[must_use]
    pub fn of_size(&self, size: u64) -> Option<&Arc<Signed>> {
        let recent = self.recent.iter().map(|recent| &recent.signed);
        let all = recent.chain(&self.cosigned);
        all.into_iter().find(|signed| signed.size() == size)
    }

    /// `signed` is on disk.
    pub(super) fn show(&mut self, signed: Signed) {
        self.failure = None;
        // The same one with more cosignatures is known already, perhaps with more yet.
        if self
            .newest
            .as_ref()
            .is_some_and(|newest| newest.head() == signed.head())
        {
            return;
        }
        let (signed, shown) = (Arc::new(signed), Instant::now());
        self.newest = Some(signed.clone());
        self.uncosigned_since.get_or_insert(shown);
        self.recent.push_back(Recent { signed, shown });
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// Adds a cosignature to its checkpoint, if that is known still; says whether that is the newest,
    /// and whether it was taken at all.
    pub(super) fn cosigned(&mut self, cosignature: Cosignature, quorum: usize) -> (bool, bool) {
        let at = self
            .recent
            .iter()
            .rposition(|it| it.signed.head() == cosignature.head);
        let Some(recent) = at.and_then(|at| self.recent.get_mut(at)) else {
            return (false, false);
        };
        let signed = Arc::make_mut(&mut recent.signed);
        if signed.cosigned_by.contains(&cosignature.witness)
            || signed.note.add(cosignature.signature).is_err()
        {
            return (false, false);
        }
        let size = self
            .witnesses
            .entry(cosignature.witness.clone())
            .or_default();
        *size = signed.size().max(*size);
        signed.cosigned_by.push(cosignature.witness);
        let signed = recent.signed.clone();
        let is_newest = self.size() == Some(signed.size());
        if is_newest {
            self.newest = Some(signed.clone());
        }
        let is_further = self
            .cosigned
            .as_ref()
            .is_none_or(|before| before.size() <= signed.size());
        if signed.cosigned_by.len() >= quorum.max(1) && is_further {
            let next = at.and_then(|at| self.recent.get(at.saturating_add(1)));
            self.uncosigned_since = next.map(|next| next.shown);
            self.cosigned = Some(signed);
        }
        (is_newest, true)
    }
}
