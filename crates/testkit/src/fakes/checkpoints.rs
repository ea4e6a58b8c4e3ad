//! A place for checkpoints in memory, which outlives its owners and can fail, and witnesses that do
//! as a test says.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use antiphon_engine::ports::checkpoints::Checkpoints;
use antiphon_engine::ports::executor::Answer;
use antiphon_engine::ports::witness::{AsksWitness, WitnessReply};
use antiphon_ledger::TreeHead;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::cosignature::cosign;
use antiphon_ledger::key::{Algorithm, SigningKey, VerifierKey};
use antiphon_ledger::note::Note;
use antiphon_ledger::witness::{
    AddCheckpoint, KnownLog, Refusal, cosignatures_text, judge, size_text,
};
use tokio::sync::watch;
use tokio::time::Instant;

/// A checkpoint that was saved, and when.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The note.
    pub note: Note,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// When.
    pub at: Instant,
}

/// Where checkpoints are saved. Clones are the same place.
#[derive(Clone, Debug)]
pub struct MemoryCheckpoints(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    file: Option<Vec<u8>>,
    saved: Vec<Saved>,
    is_failing: bool,
}

impl Default for MemoryCheckpoints {
    fn default() -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::default(),
            changed: watch::Sender::new(0),
        }))
    }
}

impl MemoryCheckpoints {
    /// The same file in a place of its own.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        copy.set(self.file());
        copy
    }

    /// What lies there.
    #[must_use]
    pub fn file(&self) -> Option<Vec<u8>> {
        self.lock().file.clone()
    }

    /// Puts something there behind the owner's back.
    pub fn set(&self, file: Option<Vec<u8>>) {
        self.lock().file = file;
    }

    /// From now on saving fails, or works again.
    pub fn fail(&self, is_failing: bool) {
        self.lock().is_failing = is_failing;
    }

    /// Every checkpoint that was saved, in order; one that was saved again with cosignatures stands
    /// there as often.
    #[must_use]
    pub fn saved(&self) -> Vec<Saved> {
        self.lock().saved.clone()
    }

    /// Waits until what was saved last is as `is_there` says, and gives it.
    pub async fn until(&self, is_there: impl Fn(&Saved) -> bool) -> Saved {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let last = self.lock().saved.last().cloned();
            if let Some(last) = last.filter(|last| is_there(last)) {
                return last;
            }
            changed.changed().await.unwrap();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap()
    }
}

impl Checkpoints for MemoryCheckpoints {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.file())
    }

    fn save(&self, note: &[u8]) -> io::Result<()> {
        {
            let mut inner = self.lock();
            if inner.is_failing {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let parsed = Note::parse(note).unwrap();
            let checkpoint = parsed.text().parse().unwrap();
            inner.file = Some(note.to_vec());
            inner.saved.push(Saved {
                note: parsed,
                checkpoint,
                at: Instant::now(),
            });
        }
        self.0
            .changed
            .send_modify(|changes| *changes = changes.wrapping_add(1));
        Ok(())
    }
}

/// How a witness answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WitnessManner {
    /// As specified.
    #[default]
    Honest,
    /// Not at all.
    Dead,
    /// Never.
    Silent,
    /// As specified, with another key.
    WrongKey,
    /// With this status, whatever it is asked.
    Status(u16),
}

/// A witness in memory of one log. Clones are the same witness.
#[derive(Clone, Debug)]
pub struct FakeWitness(Arc<Mutex<Remembered>>);

#[derive(Debug)]
struct Remembered {
    key: SigningKey,
    logs: Vec<VerifierKey>,
    head: TreeHead,
    manner: WitnessManner,
    asked: Vec<(u64, u64)>,
    answers: VecDeque<WitnessManner>,
}

impl FakeWitness {
    /// A witness of this name that trusts whatever key first asks it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let seed = [name.len().try_into().unwrap(); 32];
        Self(Arc::new(Mutex::new(Remembered {
            key: SigningKey::new(name, Algorithm::CosignatureV1, &seed).unwrap(),
            logs: Vec::new(),
            head: TreeHead::EMPTY,
            manner: WitnessManner::Honest,
            asked: Vec::new(),
            answers: VecDeque::new(),
        })))
    }

    /// The key that its cosignatures are checked with.
    #[must_use]
    pub fn key(&self) -> VerifierKey {
        self.lock().key.verifier().clone()
    }

    /// Trusts the log with this key.
    pub fn trust(&self, key: &str) {
        self.lock().logs.push(key.parse().unwrap());
    }

    /// From now on it answers so.
    pub fn set_manner(&self, manner: WitnessManner) {
        self.lock().manner = manner;
    }

    /// Before anything else, it answers so once.
    pub fn answer_once(&self, manner: WitnessManner) {
        self.lock().answers.push_back(manner);
    }

    /// What it has cosigned last.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.lock().head
    }

    /// It has cosigned this last.
    pub fn remember(&self, head: TreeHead) {
        self.lock().head = head;
    }

    /// Old and new size of everything that it was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<(u64, u64)> {
        self.lock().asked.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap()
    }
}

impl Remembered {
    fn answer(&mut self, body: &[u8]) -> Option<Result<WitnessReply, String>> {
        let request = AddCheckpoint::parse(body).unwrap();
        let sizes = (request.old_size(), request.checkpoint().size());
        self.asked.push(sizes);
        let manner = self.answers.pop_front().unwrap_or(self.manner);
        let key = match manner {
            WitnessManner::Dead => return Some(Err("nobody answers".to_owned())),
            WitnessManner::Silent => return None,
            WitnessManner::Status(status) => {
                let body = Vec::new();
                return Some(Ok(WitnessReply { status, body }));
            }
            WitnessManner::Honest => self.key.clone(),
            WitnessManner::WrongKey => {
                let name = self.key.verifier().name().to_owned();
                SigningKey::new(name, Algorithm::CosignatureV1, &[0x77; 32]).unwrap()
            }
        };
        let known = KnownLog {
            keys: &self.logs,
            head: self.head,
        };
        Some(Ok(match judge(&request, Some(&known)) {
            Ok(checkpoint) => {
                let line = cosign(request.note(), &key, 1_700_000_000).unwrap();
                self.head = checkpoint.head();
                WitnessReply {
                    status: 200,
                    body: cosignatures_text(&[line]).into_bytes(),
                }
            }
            Err(refusal) => refused(refusal),
        }))
    }
}

fn refused(refusal: Refusal) -> WitnessReply {
    let body = refusal.size().map(size_text).unwrap_or_default();
    WitnessReply {
        status: refusal.status(),
        body: body.into_bytes(),
    }
}

impl AsksWitness for FakeWitness {
    fn add_checkpoint(&self, body: Vec<u8>) -> Answer<'_, Result<WitnessReply, String>> {
        let answer = self.lock().answer(&body);
        Box::pin(async move {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}
