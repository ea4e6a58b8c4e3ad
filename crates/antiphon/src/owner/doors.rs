//! A thread with a runtime of its own, for what must not wait for the disk: the socket, the guard
//! files, the signals of the process.
//!
//! The loop commits small batches where it stands, and a disk that hangs then holds up all that is on
//! its thread. What shuts the gate and kills trees is not on it: it needs neither the loop nor the
//! executor's service, only what they share. Out: what a stop does, which is the engine's gate.

use std::future::Future;
use std::io;

use antiphon_core::guard::Switch;
use antiphon_engine::handle::Handle;
use antiphon_files::stop_switch::FileStopSwitch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The thread, until it is closed or dropped.
#[derive(Debug)]
pub(crate) struct Doors {
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
    /// Dropped, it ends the thread.
    open: DropGuard,
    thread: std::thread::JoinHandle<()>,
}

impl Doors {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn open() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let closed = CancellationToken::new();
        let open = closed.clone().drop_guard();
        let thread = std::thread::Builder::new()
            .name("doors".to_owned())
            .spawn(move || runtime.block_on(closed.cancelled()))?;
        Ok(Self {
            runtime: handle,
            tasks: TaskTracker::new(),
            open,
            thread,
        })
    }

    /// Makes something that its runtime is to wake.
    pub(crate) fn within<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        make()
    }

    /// Runs `task` there.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn_on(task, &self.runtime)
    }

    /// Waits for its tasks, which were told to end, and ends the thread.
    pub(crate) async fn close(self) {
        let Self {
            tasks,
            open,
            thread,
            ..
        } = self;
        tasks.close();
        tasks.wait().await;
        drop(open);
        if thread.join().is_err() {
            tracing::error!("the thread of the doors panicked");
        }
    }
}

/// Tells the loop what the guard files say, whenever they change; an engaged switch stops work before
/// the loop hears of it.
pub(super) async fn follow_switch(
    switch: FileStopSwitch,
    handle: Handle,
    shutdown: CancellationToken,
) {
    let mut watch = switch.watch();
    loop {
        let state = tokio::select! {
            () = shutdown.cancelled() => return,
            state = watch.changed() => state,
        };
        let level = if state.switch == Switch::Clear {
            "cleared"
        } else {
            "engaged"
        };
        tracing::info!(
            switch = level,
            maintenance = state.maintenance,
            "guard files changed"
        );
        if handle
            .switch_seen(state.switch, state.maintenance)
            .await
            .is_err()
        {
            tracing::error!("what the guard files say could not be recorded");
        }
    }
}
