//! An owner on a thread of its own, as one has it whose callers are elsewhere.

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::{Opened, Running, World, plain};

/// Lets `act` meet an owner of `world` that runs on another thread; then it goes.
pub(crate) fn on_its_own_thread(world: &World, act: impl AsyncFnOnce(&Running)) {
    let (opened, owner) = oneshot::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            runtime().block_on(async {
                let Opened {
                    owner,
                    executor,
                    shutdown,
                } = world.open(plain()).await.unwrap();
                let (ended, end) = oneshot::channel();
                opened
                    .send((owner.handle(), executor, shutdown, end))
                    .ok()
                    .unwrap();
                ended.send(owner.run().await).unwrap();
            });
        });
        runtime().block_on(async {
            let (handle, executor, shutdown, end) = owner.await.unwrap();
            let running = Running {
                handle,
                executor,
                shutdown,
                ended: tokio::spawn(async { end.await.unwrap() }),
            };
            act(&running).await;
            running.go().await.unwrap();
        });
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
