//! One witness: what it has seen, what it is asked, what its answers mean.

use std::sync::Arc;
use std::time::Duration;

use antiphon_ledger::Hash;
use antiphon_ledger::proof::ProveError;
use antiphon_ledger::witness::{AddCheckpoint, parse_cosignatures, parse_size};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::handle::Notes;
use crate::notary::{Cosignature, Sealing, Signed};
use crate::ports::store::{LogReader, StoreError};
use crate::ports::witness::Witness;
use crate::tiles;

/// The longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// The wait after a first failure; it doubles up to [`WAIT_MAX`].
const WAIT: Duration = Duration::from_secs(1);
/// The longest wait, and that after a refusal: somebody has to do something.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// Requests for one checkpoint: the second knows what the witness has seen.
const REQUESTS_MAX: u32 = 3;

/// Why a checkpoint was not cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// It has seen more than there is.
    #[error("it has seen {size} records of this log, more than there are: the log was rolled back")]
    Ahead {
        /// What it has seen.
        size: u64,
    },
    /// It has seen another history.
    #[error("it has seen another history of this log")]
    Forked,
    /// It will not cosign this log at all.
    #[error("{}", refused(*status))]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// What it gave is not its cosignature.
    #[error("what it answered is no cosignature by its key")]
    Cosignature,
    /// There was no answer, or no proof to ask with.
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    /// The code of the alarm; none for what may pass by itself.
    fn code(&self) -> Option<&'static str> {
        match self {
            Trouble::Ahead { .. } => Some("head.ahead"),
            Trouble::Forked => Some("head.fork"),
            Trouble::Refused { status: 404 } => Some("witness.unknown_log"),
            Trouble::Refused { status: 403 } => Some("witness.unsigned"),
            Trouble::Refused { .. } => Some("witness.malformed"),
            Trouble::Cosignature => Some("witness.cosignature"),
            Trouble::Failed(_) => None,
        }
    }
}

fn refused(status: u16) -> &'static str {
    match status {
        404 => "it does not know this log: its operator has to add the log's key",
        403 => "it does not trust the key of this log: its operator has to add the new one",
        _ => "it does not understand what it is asked",
    }
}

/// The reader of the log.
enum Log {
    Here(Box<dyn LogReader>),
    /// It makes a proof.
    Away(JoinHandle<(Box<dyn LogReader>, Proven)>),
    /// Making a proof panicked.
    Lost,
}

type Proven = Result<Vec<Hash>, ProveError<StoreError>>;

/// Asks one witness.
pub(super) struct Asking {
    witness: Witness,
    sealing: watch::Receiver<Arc<Sealing>>,
    cosignatures: mpsc::Sender<Cosignature>,
    notes: Arc<Notes>,
    log: Log,
    /// The size that it has cosigned, as far as is known here.
    seen: u64,
    /// The size of the last checkpoint that it has cosigned for us.
    cosigned: Option<u64>,
    alarm: Option<&'static str>,
}

impl Asking {
    pub(super) fn new(
        witness: Witness,
        sealing: watch::Receiver<Arc<Sealing>>,
        cosignatures: mpsc::Sender<Cosignature>,
        notes: Arc<Notes>,
        log: Box<dyn LogReader>,
    ) -> Self {
        let newest = sealing.borrow().newest.clone();
        let cosigned = newest.filter(|newest| newest.cosigned_by.contains(&witness.name));
        let cosigned = cosigned.map(|newest| newest.size());
        Self {
            witness,
            sealing,
            cosignatures,
            notes,
            log: Log::Here(log),
            seen: cosigned.unwrap_or(0),
            cosigned,
            alarm: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.witness.name
    }

    /// Asks about every newest checkpoint until `shutdown`; a request under way is dropped then.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        let mut wait = WAIT;
        loop {
            let Some(newest) = self.next().await else {
                return;
            };
            let trouble = match self.ask(&newest).await {
                Ok(()) => {
                    wait = WAIT;
                    self.raise(None);
                    continue;
                }
                Err(trouble) => trouble,
            };
            let name = self.name();
            tracing::warn!(witness.name = name, error.detail = %trouble, "not cosigned");
            let pause = if trouble.code().is_some() {
                WAIT_MAX
            } else {
                wait
            };
            self.raise(Some(&trouble));
            wait = WAIT_MAX.min(wait * 2);
            tokio::time::sleep(pause).await;
        }
    }

    /// The newest checkpoint, once there is one that it has not cosigned; none when the owner goes.
    async fn next(&mut self) -> Option<Arc<Signed>> {
        let cosigned = self.cosigned;
        let is_new = |sealing: &Arc<Sealing>| sealing.size() > cosigned;
        let sealing = self.sealing.wait_for(is_new).await.ok()?;
        sealing.newest.clone()
    }

    /// Asks for a cosignature of `signed`, from wherever the witness says that it is.
    pub(super) async fn ask(&mut self, signed: &Signed) -> Result<(), Trouble> {
        let size = signed.size();
        for _request in 0..REQUESTS_MAX {
            if self.seen > size {
                return Err(Trouble::Ahead { size: self.seen });
            }
            let proof = self.proof(self.seen, size).await.map_err(Trouble::Failed)?;
            let request = AddCheckpoint::new(self.seen, proof, signed.note.clone())
                .map_err(|error| Trouble::Failed(error.to_string()))?;
            let reply = self
                .witness
                .way
                .add_checkpoint(request.to_string().into_bytes());
            let reply = tokio::time::timeout(ANSWER_MAX, reply).await;
            let reply = reply
                .map_err(|_elapsed| Trouble::Failed("it does not answer".to_owned()))?
                .map_err(Trouble::Failed)?;
            match reply.status {
                200 => return self.take(signed, &reply.body).await,
                409 => {
                    let told = parse_size(&reply.body);
                    let seen =
                        told.ok_or_else(|| Trouble::Failed("it tells no size".to_owned()))?;
                    // The same size and yet a conflict: the roots differ.
                    if seen == self.seen {
                        return Err(Trouble::Forked);
                    }
                    self.seen = seen;
                }
                422 => return Err(Trouble::Forked),
                status @ (400 | 403 | 404) => return Err(Trouble::Refused { status }),
                status => return Err(Trouble::Failed(format!("it answered {status}"))),
            }
        }
        Err(Trouble::Failed(
            "it says something else each time".to_owned(),
        ))
    }

    async fn take(&mut self, signed: &Signed, body: &[u8]) -> Result<(), Trouble> {
        let given = parse_cosignatures(body, &signed.note, &self.witness.key);
        let signature = given.ok().and_then(|given| given.into_iter().next());
        let signature = signature.ok_or(Trouble::Cosignature)?;
        self.seen = signed.size();
        self.cosigned = Some(signed.size());
        let cosignature = Cosignature {
            witness: self.witness.name.clone(),
            head: signed.head(),
            signature,
        };
        // The notary is gone when the owner goes: then nobody needs it.
        self.cosignatures.send(cosignature).await.ok();
        Ok(())
    }

    /// The proof that the first `size` records extend the first `old_size`, made off the loop's
    /// thread.
    async fn proof(&mut self, old_size: u64, size: u64) -> Result<Vec<Hash>, String> {
        if old_size == 0 || old_size == size {
            return Ok(Vec::new());
        }
        let mut log = match std::mem::replace(&mut self.log, Log::Lost) {
            Log::Here(log) => log,
            Log::Away(proving) => proving.await.map_err(|error| error.to_string())?.0,
            Log::Lost => return Err("no reader of the log is left".to_owned()),
        };
        self.log = Log::Away(tokio::task::spawn_blocking(move || {
            let proof = tiles::prover(log.as_mut()).consistency(old_size, size);
            (log, proof)
        }));
        let Log::Away(proving) = &mut self.log else {
            return Err("no reader of the log is left".to_owned());
        };
        let (log, proof) = proving.await.map_err(|error| error.to_string())?;
        self.log = Log::Here(log);
        proof.map_err(|error| error.to_string())
    }

    /// One alarm about this witness stands, or none.
    fn raise(&mut self, trouble: Option<&Trouble>) {
        let code = trouble.and_then(Trouble::code);
        if let Some(before) = self.alarm.filter(|before| Some(*before) != code) {
            self.notes.set_alarm(before, &self.witness.name, None);
        }
        if let (Some(code), Some(trouble)) = (code, trouble) {
            let detail = format!("the witness {}: {trouble}", self.witness.name);
            self.notes.set_alarm(code, &self.witness.name, Some(detail));
        }
        self.alarm = code;
    }
}
