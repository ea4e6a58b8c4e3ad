//! The judgement of a whole log by what its verifier trusts.
//!
//! In: what is trusted, the checkpoint, every record in order, the tiles. Out: [`Audit`]: what the
//! log is, how far it is sealed and by whom, and every [`Finding`], the first of which is the first
//! by the order that the reference gives.
//!
//! Invariants: nothing that the log says of itself is believed against what is trusted; whatever
//! the bytes are, there is an audit; memory does not grow with the log.
//! Not here: reading files and databases; the judgement of a few records with proofs
//! ([`crate::bundle`]).
//! Source: `docs/reference/ledger.md`, "What a verifier checks".

mod checks;
mod findings;

use crate::envelope::Envelope;
use crate::hash::{Hash, SALT_BYTES};
use crate::keyring::Keyring;
use crate::signature::{LOG, RECOVERY};
use crate::tree::{Tree, TreeHead};
use crate::trust::{Sealed, Trust};
use crate::verify::{Examined, Problem, ProblemKind, Verifier, examine, tile_problem};

pub(crate) use checks::{check_signatures, check_trust, read_checkpoint};
pub use findings::Finding;
pub(crate) use findings::{Findings, Part};

/// What a log is, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The log's origin, as it is trusted or else as it says.
    pub origin: Option<String>,
    /// The number of records read.
    pub size: u64,
    /// The root over all of them.
    pub root: Hash,
    /// The size at the checkpoint: records beyond it are not sealed.
    pub checkpoint_size: Option<u64>,
    /// The root that the records make at that size; `None` when they do not reach it.
    pub checkpoint_root: Option<Hash>,
    /// The names of the trusted witnesses that cosigned the checkpoint, sorted.
    pub cosigned_by: Vec<String>,
    /// How many bodies were not there to be checked.
    pub pruned: u64,
    /// The first [`crate::verify::PROBLEMS_MAX`] findings, in the order of the reference.
    pub findings: Vec<Finding>,
    /// How many there were.
    pub finding_count: u64,
    /// What is to be trusted from now on, if nothing is wrong: what was, or else the log's own
    /// first keys; with the checkpoint as the head that was seen.
    pub trust: Option<Trust>,
}

impl Audit {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.finding_count == 0
    }
}

/// What is said of a log before its records are read.
#[derive(Clone, Debug, Default)]
pub struct Terms<'a> {
    /// What is trusted; `None` believes the log's own first keys.
    pub trust: Option<Trust>,
    /// The bytes of the log's newest checkpoint.
    pub checkpoint: Option<&'a [u8]>,
    /// Whether a log without a checkpoint is refused; one of which cosignatures are asked is
    /// always.
    pub is_checkpoint_required: bool,
}

/// Reads a log from its start to its end and judges it.
#[derive(Clone, Debug)]
pub struct Auditor {
    trust: Option<Trust>,
    sealed: Option<Sealed>,
    verifier: Verifier,
    keyring: Keyring,
    /// The root at the checkpoint's size, once it is reached.
    checkpoint_root: Option<Hash>,
    /// The root at the size of the head that was seen, once it is reached.
    head_root: Option<Hash>,
    findings: Findings,
}

impl Auditor {
    /// Judges by `terms`.
    #[must_use]
    pub fn new(terms: Terms<'_>) -> Self {
        let Terms {
            trust,
            checkpoint,
            is_checkpoint_required,
        } = terms;
        let mut findings = Findings::default();
        let is_asked = |trust: &Trust| trust.cosignatures_required > 0;
        let is_required = is_checkpoint_required || trust.as_ref().is_some_and(is_asked);
        let sealed = read_checkpoint(checkpoint, is_required, &mut findings);
        let sealed_origin = sealed.as_ref().map(|it| it.checkpoint().origin());
        let trusted_origin = trust.as_ref().map(|it| it.origin.as_str());
        if let (Some(sealed), Some(trusted)) = (sealed_origin, trusted_origin)
            && sealed != trusted
        {
            let detail = format!("the checkpoint is of {sealed}, {trusted} is trusted");
            findings.add_whole(Part::Checkpoint, ProblemKind::CheckpointOrigin, detail);
        }
        let keyring = Keyring::new(trusted_origin.or(sealed_origin));
        let mut auditor = Self {
            trust,
            sealed,
            verifier: Verifier::new().with_tiles(),
            keyring,
            checkpoint_root: None,
            head_root: None,
            findings,
        };
        auditor.note_roots();
        auditor
    }

    /// The size at the checkpoint, if there is one that can be read.
    #[must_use]
    pub fn checkpoint_size(&self) -> Option<u64> {
        self.sealed.as_ref().map(|it| it.checkpoint().size())
    }

    /// Expects the log to be at least as long as `head`, and to have its root there. To be called
    /// before the first record.
    pub fn expect(&mut self, head: &TreeHead) {
        // At the start no head lies behind.
        let is_ahead = self.verifier.expect(head);
        debug_assert!(is_ahead, "an auditor expects heads before it reads records");
    }

    /// Takes the next record: its envelope, and its body as stored, `None` when it was pruned.
    pub fn record(&mut self, envelope: &[u8], body: Option<&[u8]>) {
        self.take(&examine(envelope, body, None), envelope, body);
    }

    /// Takes the next record, which was examined before.
    pub fn take(&mut self, examined: &Examined, envelope: &[u8], body: Option<&[u8]>) {
        let seq = self.verifier.tree().size();
        self.verifier.take(examined);
        if (examined.concerns_keys || seq == 0)
            && let Ok(envelope) = Envelope::decode(envelope)
        {
            let json = body.and_then(|stored| stored.get(SALT_BYTES..));
            for problem in self.keyring.record(seq, &envelope, json) {
                self.findings.add(Part::Records, seq, problem.into());
            }
        }
        self.note_roots();
    }

    /// Compares the root recorded with the turn that the last record ends.
    pub fn turn_root(&mut self, recorded: &Hash) {
        self.verifier.turn_root(recorded);
    }

    /// Reports bytes that stand behind the last record where none should: `is_body` when they are
    /// among bodies.
    pub fn bytes_behind(&mut self, is_body: bool) {
        let seq = self.verifier.tree().size();
        let (kind, what) = if is_body {
            (ProblemKind::BodyLength, "bodies")
        } else {
            (ProblemKind::EnvelopeMalformed, "entries")
        };
        let detail = format!("bytes stand behind the last of the {what}");
        let finding = Problem { seq, kind, detail }.into();
        self.findings.add(Part::Records, seq, finding);
    }

    /// Compares every full tile that the records have filled since the last call with the stored
    /// one; `stored` answers for a level and an index, `None` when there is no such tile.
    pub fn verify_tiles(&mut self, mut stored: impl FnMut(u8, u64) -> Option<Vec<u8>>) {
        for (level, index, hashes) in self.verifier.take_full_tiles() {
            self.compare_tile(level, index, &hashes, stored(level, index));
        }
    }

    /// The same for the tiles that are not full, after the last record; `stored` answers for a
    /// level, an index and how many hashes.
    pub fn verify_partial_tiles(
        &mut self,
        mut stored: impl FnMut(u8, u64, usize) -> Option<Vec<u8>>,
    ) {
        for (level, index, hashes) in self.verifier.tree().partial_tiles() {
            let found = stored(level, index, hashes.len());
            self.compare_tile(level, index, &hashes.into_flattened(), found);
        }
    }

    /// The keys of the log so far.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The tree over the records read.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        self.verifier.tree()
    }

    /// Ends the log here.
    #[must_use]
    pub fn finish(mut self) -> Audit {
        self.check_sealed_root();
        self.check_head();
        self.check_trust();
        let cosigned_by = match &self.sealed {
            Some(sealed) => {
                let key = self.keyring.valid_at(LOG, sealed.checkpoint().size());
                let key = key.map(|it| &it.key);
                check_signatures(sealed, key, self.trust.as_ref(), &mut self.findings)
            }
            None => Vec::new(),
        };
        let trust = self.next_trust();
        let Self {
            sealed,
            verifier,
            keyring,
            checkpoint_root,
            mut findings,
            ..
        } = self;
        let (statement, found) = verifier.finish_found();
        findings.add_found(found, statement.problem_count);
        let (findings, finding_count) = findings.into_order();
        Audit {
            origin: keyring.origin().map(str::to_owned),
            size: statement.size,
            root: statement.root,
            checkpoint_size: sealed.as_ref().map(|it| it.checkpoint().size()),
            checkpoint_root,
            cosigned_by,
            pruned: statement.pruned,
            trust: trust.filter(|_| finding_count == 0),
            findings,
            finding_count,
        }
    }

    /// Notes the roots at the sizes at which they are compared.
    fn note_roots(&mut self) {
        let tree = self.verifier.tree();
        let size = tree.size();
        if self
            .sealed
            .as_ref()
            .is_some_and(|it| it.checkpoint().size() == size)
        {
            self.checkpoint_root = Some(tree.root());
        }
        let head = self.trust.as_ref().and_then(|it| it.head.as_ref());
        if head.is_some_and(|it| it.checkpoint().size() == size) {
            self.head_root = Some(tree.root());
        }
    }

    /// Tiles are told by level, then by index.
    fn compare_tile(&mut self, level: u8, index: u64, hashes: &[u8], found: Option<Vec<u8>>) {
        if let Some(problem) = tile_problem(level, index, hashes, found) {
            let place = u64::from(level).wrapping_shl(56) | index;
            self.findings.add(Part::Tiles, place, problem.into());
        }
    }

    fn check_sealed_root(&mut self) {
        let Some(checkpoint) = self.sealed.as_ref().map(Sealed::checkpoint) else {
            return;
        };
        let read = self.verifier.tree().size();
        match &self.checkpoint_root {
            None => {
                let detail = format!("the log ends before {}", checkpoint.size());
                let (seq, kind) = (read, ProblemKind::CheckpointSize);
                let finding = Problem { seq, kind, detail }.into();
                self.findings.add(Part::Records, read, finding);
            }
            Some(root) if root != checkpoint.root() => {
                let detail = format!("the first {} records make another", checkpoint.size());
                self.findings
                    .add_whole(Part::Root, ProblemKind::CheckpointRoot, detail);
            }
            Some(_) => {}
        }
    }

    fn check_head(&mut self) {
        #[cfg(antiphon_plant)]
        if crate::plant::is("seen_head_not_compared") {
            return;
        }
        let head = self.trust.as_ref().and_then(|it| it.head.as_ref());
        let Some(head) = head.map(|it| it.checkpoint().head()) else {
            return;
        };
        let size = self.verifier.tree().size();
        match self.head_root {
            None => {
                let detail = format!("it has {size} records, a head of {} was seen", head.size);
                self.findings
                    .add_whole(Part::Head, ProblemKind::HeadAhead, detail);
            }
            Some(root) if root != head.root => {
                let detail = format!("another root was seen at size {}", head.size);
                self.findings
                    .add_whole(Part::Head, ProblemKind::HeadFork, detail);
            }
            Some(_) => {}
        }
    }

    fn check_trust(&mut self) {
        if let Some(trust) = &self.trust {
            let size = self.verifier.tree().size();
            check_trust(trust, &self.keyring, size, &mut self.findings);
        }
    }

    /// What is to be trusted after this, whether or not something is wrong.
    fn next_trust(&self) -> Option<Trust> {
        let mut trust = match &self.trust {
            Some(trust) => trust.clone(),
            None => Trust {
                origin: self.keyring.origin()?.to_owned(),
                log_key: self.keyring.first(LOG)?.key.clone(),
                key_size: 0,
                recovery_key: self.keyring.first(RECOVERY).map(|it| it.key.clone()),
                witnesses: Vec::new(),
                cosignatures_required: 0,
                head: None,
            },
        };
        let seen = |head: &Sealed| head.checkpoint().size();
        let is_newer = |sealed: &&Sealed| trust.head.as_ref().map(seen) <= Some(seen(sealed));
        if let Some(sealed) = self.sealed.as_ref().filter(is_newer) {
            trust.head = Some(sealed.clone());
        }
        Some(trust)
    }
}
