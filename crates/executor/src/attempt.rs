//! Sees one attempt through: from its launch to the report of its dead tree.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use antiphon_core::report::{self, NotStarted, Output, Report, StopCause};
use antiphon_engine::fail;
use antiphon_engine::ports::executor::ExecutorEvent;
use antiphon_spawner::wire::{Ended, Exit, KeeperAnswer, KeeperRequest};
use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::keepers::Keeper;
use crate::output::Stream;
use crate::preparation::{self, Prepared, Subject};
use crate::{Shared, Started, result};

/// Keepers that are tried for one launch: one may have been killed while it was idle.
const KEEPERS_TRIED_MAX: u32 = 3;

/// An attempt on its way.
#[derive(Debug)]
pub(crate) struct Attempt {
    token: u64,
    launch: Option<(Vec<u8>, [OwnedFd; 3])>,
    keeper: Option<Arc<Keeper>>,
    answer: oneshot::Sender<Started>,
    subject: Subject,
    watch: Watch,
}

/// What is watched while the tree lives.
#[derive(Debug)]
struct Watch {
    stdout: Stream,
    stderr: Stream,
    output_bytes_max: u64,
    executor_stop: Option<StopCause>,
}

impl Attempt {
    /// An attempt that waits for a keeper.
    pub(crate) fn new(token: u64, prepared: Prepared, answer: oneshot::Sender<Started>) -> Self {
        let Prepared {
            message,
            standard,
            stdout,
            stderr,
            output_bytes_max,
            subject,
        } = prepared;
        let watch = Watch {
            stdout,
            stderr,
            output_bytes_max,
            executor_stop: None,
        };
        Self {
            token,
            launch: Some((message, standard)),
            keeper: None,
            answer,
            subject,
            watch,
        }
    }

    /// Sends the launch to `keeper`.
    ///
    /// # Errors
    /// The system's error; nothing has changed, and another keeper may be tried.
    pub(crate) fn send_to(&mut self, keeper: Arc<Keeper>, shared: &Shared) -> io::Result<()> {
        let Some((message, standard)) = &self.launch else {
            return Ok(());
        };
        // Under one lock with the order to stop, so that the order comes after the launch.
        let mut controls = shared.controls();
        let descriptors = standard.each_ref().map(|descriptor| descriptor.as_fd());
        fail::step("attempt.sending")?;
        keeper.send(message, &descriptors)?;
        self.launch = None;
        if let Some(control) = controls.get_mut(&self.token) {
            if let Some(asked) = control.asked.take() {
                keeper.tell(&asked);
            }
            control.keeper = Some(Arc::clone(&keeper));
        }
        self.keeper = Some(keeper);
        Ok(())
    }

    /// Drives the attempt to its end.
    pub(crate) async fn drive(mut self, shared: Arc<Shared>) {
        let keeper = match self.find_keeper(&shared).await {
            Ok(keeper) => keeper,
            Err(error) => {
                let not_started = preparation::not_started("have a keeper", &error);
                return self.give_up(&shared, not_started);
            }
        };
        let ended = match keeper.receive().await {
            Ok(KeeperAnswer::NotStarted { step, errno }) => {
                let not_started = self.subject.not_started(step, errno);
                self.give_up(&shared, not_started);
                return shared.keepers.put(keeper);
            }
            Ok(KeeperAnswer::Started) => {
                // An engine that does not wait for the answer still gets the report.
                self.answer.send(Ok(())).ok();
                self.watch.until_dead(&keeper).await
            }
            // It may have started: only a report can say how that went.
            Ok(KeeperAnswer::Ended(_)) | Err(_) => {
                self.answer.send(Ok(())).ok();
                None
            }
        };
        // Before the keeper is free: an order for this attempt must not meet the next one.
        shared.controls().remove(&self.token);
        let (ended, result) = if let Some(ended) = ended {
            shared.keepers.put(keeper);
            (ended, result::read(shared.run.as_fd(), self.token))
        } else {
            let pid = keeper.pid;
            drop(keeper);
            if !shared.keepers.wait_lost(pid).await {
                // The spawner is gone as well, and has been reported as lost.
                return;
            }
            let why = "the keeper of the process was killed".to_owned();
            (
                killed_with_keeper(self.token),
                report::ResultFile::Invalid(why),
            )
        };
        let report = self.watch.report(&ended, result, &shared, self.token).await;
        let event = ExecutorEvent::Reported {
            token: self.token,
            report: Box::new(report),
        };
        // An owner that does not listen any more finds the end by recovery.
        shared.events.send(event).await.ok();
    }

    async fn find_keeper(&mut self, shared: &Shared) -> io::Result<Arc<Keeper>> {
        for _ in 0..KEEPERS_TRIED_MAX {
            if let Some(keeper) = self.keeper.take() {
                return Ok(keeper);
            }
            let keeper = shared.keepers.wait().await?;
            match self.send_to(keeper, shared) {
                Err(error) if is_dead(&error) => {}
                outcome => outcome?,
            }
        }
        self.keeper
            .take()
            .ok_or_else(|| rustix::io::Errno::AGAIN.into())
    }

    /// Leaves nothing of an attempt that has not started.
    fn give_up(self, shared: &Shared, not_started: NotStarted) {
        shared.controls().remove(&self.token);
        // Its folder is empty: it never ran.
        shared.run.give_back(self.token);
        // An engine that does not wait for the answer has given the lease up.
        self.answer.send(Err(not_started)).ok();
    }
}

impl Watch {
    /// Reads outputs until the keeper says that the tree is dead; `None` if the keeper died.
    async fn until_dead(&mut self, keeper: &Keeper) -> Option<Ended> {
        loop {
            tokio::select! {
                biased;
                answer = keeper.receive() => {
                    return match answer {
                        Ok(KeeperAnswer::Ended(ended)) => Some(ended),
                        Ok(KeeperAnswer::Started | KeeperAnswer::NotStarted { .. }) | Err(_) => None,
                    };
                }
                () = self.stdout.fill() => {}
                () = self.stderr.fill() => {}
            }
            let most = self.stdout.bytes().max(self.stderr.bytes());
            if most > self.output_bytes_max && self.executor_stop.is_none() {
                self.executor_stop = Some(StopCause::Output);
                keeper.tell(&KeeperRequest::Kill);
            }
            // One who never stops writing must not keep the others waiting.
            tokio::task::yield_now().await;
        }
    }

    /// Takes what is left in the pipes, stores what is too large for a record, and reports.
    async fn report(
        self,
        ended: &Ended,
        result: report::ResultFile,
        shared: &Shared,
        token: u64,
    ) -> Report {
        let stdout = keep(self.stdout, shared, format!("{token}.stdout")).await;
        let stderr = keep(self.stderr, shared, format!("{token}.stderr")).await;
        Report {
            executor_stop: self.executor_stop,
            ..report_of(ended, result, stdout, stderr)
        }
    }
}

/// Whether a keeper could not be told because it is gone.
pub(crate) fn is_dead(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// The report of `ended`.
pub(crate) fn report_of(
    ended: &Ended,
    result: report::ResultFile,
    stdout: Output,
    stderr: Output,
) -> Report {
    Report {
        duration_ms: ended.duration_ms,
        exit: match ended.exit {
            Exit::Code(code) => report::Exit::Code(code),
            Exit::Signal(signal) => report::Exit::Signal(signal),
        },
        exited_before_stop: ended.exited_before_stop,
        executor_stop: None,
        memory_kib_max: ended.memory_kib_max,
        processes_killed: ended.processes_killed,
        result,
        stderr,
        stdout,
        cpu_ms: ended.cpu_ms,
    }
}

/// What can be said of a tree whose keeper was killed: the spawner has killed it.
fn killed_with_keeper(token: u64) -> Ended {
    Ended {
        token,
        exit: Exit::Signal(Signal::KILL.as_raw()),
        exited_before_stop: false,
        duration_ms: 0,
        cpu_ms: 0,
        memory_kib_max: 0,
        processes_killed: 0,
    }
}

/// Finishes a stream; durable evidence comes before the report that names it.
async fn keep(mut stream: Stream, shared: &Shared, draft: String) -> Output {
    stream.drain();
    let captured = stream.finish();
    let mut output = captured.output;
    let Some(digest) = output.evidence else {
        return output;
    };
    let (folder, kept) = (shared.evidence.clone(), captured.kept);
    let stored = tokio::task::spawn_blocking(move || folder.store(&digest, &kept, &draft)).await;
    if let Err(error) = stored.map_err(io::Error::other).flatten() {
        tracing::error!(%error, "evidence cannot be stored");
        output.evidence = None;
        output.cut = true;
    }
    output
}
