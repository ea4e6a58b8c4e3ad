//! The corpus: every kind of damage that somebody might do on purpose, made by hand, with what a
//! verifier must say of it.
//!
//! In: nothing. Out: [`kinds`]; each changes one whole log, its checkpoint, its files or what is
//! trusted. The logs come from the testkit's maker, which shares nothing with the verifiers but
//! keys and hashes. Not here: random damage (`damage`), who judges (`judge`).

mod files;
mod keys;
mod records;
mod seals;

use std::fs;
use std::path::Path;

use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::leaf_hash;
use antiphon_testkit::ledger_maker::{LedgerMaker, Stored};
use serde_json::Value;

/// Records of the log that is damaged: two full bundles and one that is not.
const SIZE: u64 = 600;
/// The size at which the verifier saw it.
const SEEN: u64 = 400;

/// One kind of damage.
pub(crate) struct Kind {
    /// What was done.
    pub(crate) name: &'static str,
    /// The first code, `None` when the log must still verify.
    pub(crate) expected: Option<&'static str>,
    damage: fn(&mut Case),
}

/// Everything that damage can be done to.
pub(crate) struct Case {
    log: LedgerMaker,
    /// Instead of the one of all records, signed by the newest key of the log.
    checkpoint: Option<String>,
    trust: Value,
    /// Done to the exported files, in order.
    files: Vec<(&'static str, Change)>,
}

/// What is done to a file: its bytes, none when it is not there; `None` removes it.
type Change = Box<dyn Fn(Vec<u8>) -> Option<Vec<u8>>>;

/// All of them.
pub(crate) fn kinds() -> impl Iterator<Item = &'static Kind> {
    [records::KINDS, keys::KINDS, seals::KINDS, files::KINDS]
        .into_iter()
        .flatten()
}

impl Kind {
    /// Writes the damaged log and the trust file.
    pub(crate) fn write(&self, folder: &Path, trust: &Path) {
        let log = LedgerMaker::journey(usize::try_from(SIZE).unwrap());
        let mut case = Case {
            trust: log.trust(SEEN),
            log,
            checkpoint: None,
            files: Vec::new(),
        };
        (self.damage)(&mut case);
        let size = case.log.size();
        let sealed = case.checkpoint;
        let checkpoint = sealed.unwrap_or_else(|| case.log.checkpoint(size));
        case.log.export_with(folder, size, &checkpoint);
        for (name, change) in case.files {
            let path = folder.join(name);
            match change(fs::read(&path).unwrap_or_default()) {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
        }
        fs::write(trust, case.trust.to_string()).unwrap();
    }
}

impl Case {
    /// The checkpoint stays the one that the log has before what follows: whoever does that has no
    /// key of the log.
    fn keep_checkpoint(&mut self) {
        self.checkpoint = Some(self.log.checkpoint(self.log.size()));
    }

    /// The verifier has not seen the log before.
    fn forget_head(&mut self) {
        self.trust.as_object_mut().unwrap().remove("head");
    }

    fn records(&mut self) -> &mut Vec<Stored> {
        self.log.records_mut()
    }

    fn record(&mut self, seq: u64) -> &mut Stored {
        &mut self.log.records_mut()[usize::try_from(seq).unwrap()]
    }

    /// Changes members of a record's envelope.
    fn change(&mut self, seq: u64, change: impl Fn(&mut Envelope<'_>)) {
        let record = self.record(seq);
        let bytes = record.envelope.clone();
        let mut envelope = Envelope::decode(&bytes).unwrap();
        change(&mut envelope);
        record.envelope.clear();
        envelope.encode_into(&mut record.envelope).unwrap();
    }

    /// Replaces text in a record's envelope.
    fn edit(&mut self, seq: u64, from: &str, to: &str) {
        let record = self.record(seq);
        let text = String::from_utf8(record.envelope.clone()).unwrap();
        assert!(text.contains(from), "record {seq} has no {from}: {text}");
        record.envelope = text.replacen(from, to, 1).into_bytes();
    }

    fn file(&mut self, name: &'static str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>> + 'static) {
        self.files.push((name, Box::new(change)));
    }

    /// The signatures of a record as its envelope writes them.
    fn signatures(&mut self, seq: u64) -> String {
        let envelope = &self.record(seq).envelope;
        Envelope::decode(envelope).unwrap().sig.unwrap().to_owned()
    }

    /// Two leaves after one another: what a node is made of.
    fn two_leaves(&mut self, seq: u64) -> Vec<u8> {
        let left = leaf_hash(&self.record(seq).envelope);
        let right = leaf_hash(&self.record(seq + 1).envelope);
        [left, right].concat()
    }
}
