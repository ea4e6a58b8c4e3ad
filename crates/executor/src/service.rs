//! The executor's one loop: hears the spawner and drives every attempt.
//!
//! It ends when the executor is dropped: then it kills what still runs, sees every attempt to its
//! report, lets the spawner go and reaps it.

use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;

use antiphon_engine::ports::executor::ExecutorEvent;
use antiphon_spawner::wire::SpawnerAnswer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::channel::Channel;
use crate::keepers::Keeper;
use crate::{Error, Shared, Work};

/// Bytes of the longest answer of the spawner, with room.
const ANSWER_BYTES_MAX: usize = 128;

/// The executor's loop. The owner must drive [`Service::run`] for anything to happen.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    work: mpsc::Receiver<Work>,
    spawner: Arc<Channel>,
    child: Child,
}

/// What woke the loop.
enum Woken {
    Work(Option<Work>),
    Ended(Result<(), tokio::task::JoinError>),
    Answer(std::io::Result<(SpawnerAnswer, Option<OwnedFd>)>),
}

impl Service {
    pub(crate) fn new(
        shared: Arc<Shared>,
        work: mpsc::Receiver<Work>,
        spawner: Arc<Channel>,
        child: Child,
    ) -> Self {
        Self {
            shared,
            work,
            spawner,
            child,
        }
    }

    /// Serves until the executor is dropped and everything is over.
    ///
    /// # Errors
    /// [`Error`] when the spawner cannot be let go or reaped.
    ///
    /// # Panics
    /// When the code that drives an attempt panics: that is our bug.
    pub async fn run(self) -> Result<(), Error> {
        let Self {
            shared,
            mut work,
            spawner,
            mut child,
        } = self;
        let mut listening = true;
        let mut attempts = JoinSet::new();
        let mut open = true;
        while open || !attempts.is_empty() {
            let woken = tokio::select! {
                task = work.recv(), if open => Woken::Work(task),
                Some(ended) = attempts.join_next() => Woken::Ended(ended),
                answer = hear(&spawner), if listening => Woken::Answer(answer),
            };
            match woken {
                Woken::Work(Some(Work::Attempt(attempt))) => {
                    attempts.spawn(attempt.drive(Arc::clone(&shared)));
                }
                Woken::Work(Some(Work::Forget(token))) => {
                    if let Some(folder) = shared.run.give_back(token) {
                        attempts.spawn_blocking(move || remove(&folder));
                    }
                }
                Woken::Work(Some(Work::Close) | None) => {
                    open = false;
                    shared.kill_all();
                }
                Woken::Ended(ended) => resume_panic(ended),
                Woken::Answer(Ok((answer, passed))) => shared.heard(answer, passed),
                Woken::Answer(Err(error)) => {
                    listening = false;
                    shared.keepers.close();
                    shared.lost(format!("the spawner is gone: {error}")).await;
                }
            }
        }
        shared.keepers.close();
        if shared.instance.borrow().is_none() {
            // It still waits for a predecessor's lock and has nothing to clean up.
            child.kill().map_err(Error::when("end the spawner"))?;
        }
        if listening {
            spawner
                .finish()
                .map_err(Error::when("let go of the spawner"))?;
            while hear(&spawner).await.is_ok() {}
        }
        child.wait().map_err(Error::when("reap the spawner"))?;
        Ok(())
    }
}

/// The spawner's next answer.
///
/// # Cancel safety
/// No answer is lost.
async fn hear(spawner: &Channel) -> std::io::Result<(SpawnerAnswer, Option<OwnedFd>)> {
    let mut buffer = [0_u8; ANSWER_BYTES_MAX];
    let mut received = spawner.receive(&mut buffer).await?;
    let message = buffer.get(..received.length).unwrap_or_default();
    let answer = SpawnerAnswer::decode(message).map_err(std::io::Error::other)?;
    Ok((answer, received.descriptors.pop()))
}

impl Shared {
    fn heard(&self, answer: SpawnerAnswer, passed: Option<OwnedFd>) {
        match answer {
            SpawnerAnswer::Ready { instance } => {
                self.instance.send_replace(Some(instance));
                if let Err(error) = self.keepers.ask_for_spare() {
                    tracing::warn!(%error, "no spare keeper");
                }
            }
            SpawnerAnswer::Keeper { pid } => {
                // Without a descriptor this process may have no more of them.
                let keeper = passed.map_or_else(
                    || Err(rustix::io::Errno::MFILE.into()),
                    |socket| Keeper::new(pid, socket),
                );
                match keeper {
                    Ok(keeper) => self.keepers.put(Arc::new(keeper)),
                    Err(error) => self.keepers.refuse(error),
                }
            }
            SpawnerAnswer::NoKeeper { errno } => {
                self.keepers
                    .refuse(std::io::Error::from_raw_os_error(errno));
            }
            SpawnerAnswer::KeeperLost { pid } => self.keepers.announce_lost(pid),
        }
    }

    /// Tells the engine that the executor cannot go on.
    pub(crate) async fn lost(&self, reason: String) {
        tracing::error!(reason, "executor is lost");
        // An engine that does not listen has already stopped.
        self.events.send(ExecutorEvent::Lost { reason }).await.ok();
    }
}

fn remove(folder: &std::path::Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "folder of an attempt is left");
    }
}

fn resume_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
