//! Reads what recovery did not: the records before the snapshot, in the background, gently.
//!
//! Recovery checks everything since the snapshot. The rest is checked here, once after a start,
//! against the head that recovery trusted; a mismatch stops the owner.

use std::time::Duration;

use antiphon_ledger::TreeHead;
use antiphon_ledger::verify::Verifier;
use tokio_util::sync::CancellationToken;

use crate::error::EngineError;
use crate::ports::store::LogReader;

/// Bytes of records that are read at one time.
const READ_BYTES: usize = 1 << 20;
/// Rest between two reads: at most a third of one core is used.
const REST: Duration = Duration::from_millis(10);
/// The start has the machine to itself for this long.
const WAIT: Duration = Duration::from_secs(5);

/// Verifies a log up to a head.
pub struct Scrubber {
    log: Box<dyn LogReader>,
    head: TreeHead,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrubber")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Scrubber {
    /// Verifies `log` up to `head`.
    #[must_use]
    pub fn new(log: Box<dyn LogReader>, head: TreeHead) -> Self {
        Self { log, head }
    }

    /// Reads all of it once, or until `shutdown`.
    ///
    /// # Errors
    /// [`EngineError::Unverified`] names the first bad record; [`EngineError::Store`] when the log
    /// cannot be read.
    ///
    /// # Cancel safety
    /// Nothing is changed; dropping the future stops the reading.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), EngineError> {
        let Self { mut log, head } = self;
        let mut verifier = Verifier::new();
        if !verifier.expect(&head) || !rest(WAIT, &shutdown).await {
            return Ok(());
        }
        while verifier.tree().size() < head.size {
            let read = tokio::task::spawn_blocking(move || {
                let read = step(log.as_mut(), &mut verifier, head.size);
                (log, verifier, read)
            });
            let (log_back, verifier_back, read) = read
                .await
                .map_err(|error| EngineError::Bug(error.to_string()))?;
            read?;
            (log, verifier) = (log_back, verifier_back);
            if !rest(REST, &shutdown).await {
                return Ok(());
            }
        }
        match verifier.finish().first_problem() {
            None => {
                tracing::info!(log.seq = head.size, "the log was read and verifies");
                Ok(())
            }
            Some(problem) => Err(EngineError::Unverified(format!(
                "record {}: {} ({})",
                problem.seq,
                problem.detail,
                problem.kind.code()
            ))),
        }
    }
}

/// Reads some turns; those beyond `size` are the next owner's to check.
fn step(log: &mut dyn LogReader, verifier: &mut Verifier, size: u64) -> Result<(), EngineError> {
    let next = verifier.tree().size();
    let turns = log.turns_from(next, READ_BYTES)?;
    if turns.is_empty() {
        return Err(EngineError::Unverified(format!("record {next} is missing")));
    }
    for turn in turns.iter().take_while(|turn| turn.first_seq < size) {
        for stored in turn.records()? {
            verifier.record(stored.envelope, stored.body);
        }
        verifier.turn_root(&turn.root);
    }
    Ok(())
}

/// Rests; says whether to go on.
async fn rest(time: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
