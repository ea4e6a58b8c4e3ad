//! The keepers at hand: idle ones, those that were asked for, those that were lost.
//!
//! In: what the spawner says. Out: what a keeper does with its tree (`antiphon-spawner`).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_spawner::wire::{KEEPER_REQUEST, KeeperAnswer, KeeperRequest};
use tokio::sync::oneshot;

use crate::channel::Channel;

/// Keepers that are kept while they have nothing to do; each is a small process.
const IDLE_MAX: usize = 4;
/// Bytes of the longest answer of a keeper, with room.
const ANSWER_BYTES_MAX: usize = 128;

/// One keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Its name between spawner and owner.
    pub(crate) pid: i32,
    channel: Channel,
}

impl Keeper {
    /// A keeper behind `socket`. Must be called within a runtime.
    pub(crate) fn new(pid: i32, socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pid,
            channel: Channel::new(socket)?,
        })
    }

    /// Sends a message; never waits.
    pub(crate) fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.channel.send(message, descriptors)
    }

    /// Sends a request that needs no answer.
    pub(crate) fn tell(&self, request: &KeeperRequest) {
        let sent = request
            .encode()
            .map_err(io::Error::other)
            .and_then(|message| self.send(&message, &[]));
        if let Err(error) = sent {
            // Its death, if it is that, is seen by the attempt that waits for its answer.
            tracing::warn!(keeper.pid = self.pid, %error, "keeper cannot be told");
        }
    }

    /// The next answer.
    ///
    /// # Errors
    /// The keeper is gone, or says what cannot be understood.
    ///
    /// # Cancel safety
    /// No answer is lost.
    pub(crate) async fn receive(&self) -> io::Result<KeeperAnswer> {
        let mut buffer = [0_u8; ANSWER_BYTES_MAX];
        let received = self.channel.receive(&mut buffer).await?;
        let message = buffer.get(..received.length).unwrap_or_default();
        KeeperAnswer::decode(message).map_err(io::Error::other)
    }
}

/// All keepers of one owner.
#[derive(Debug)]
pub(crate) struct Keepers(Mutex<State>);

type Asked = oneshot::Sender<io::Result<Arc<Keeper>>>;

#[derive(Debug)]
struct State {
    /// To the spawner; `None` once it is closed.
    spawner: Option<Arc<Channel>>,
    /// Free ones; the last one used goes first.
    idle: Vec<Arc<Keeper>>,
    /// Who waits for one, first come first served.
    asked: VecDeque<Asked>,
    /// Keepers whose death someone waits for, or that the spawner has called lost before anyone
    /// asked.
    lost: BTreeMap<i32, Lost>,
}

#[derive(Debug)]
enum Lost {
    Announced,
    Awaited(oneshot::Sender<()>),
}

impl Keepers {
    pub(crate) fn new(spawner: Arc<Channel>) -> Self {
        Self(Mutex::new(State {
            spawner: Some(spawner),
            idle: Vec::new(),
            asked: VecDeque::new(),
            lost: BTreeMap::new(),
        }))
    }

    /// A keeper that is free now, if there is one.
    pub(crate) fn take(&self) -> Option<Arc<Keeper>> {
        self.state().idle.pop()
    }

    /// A keeper as soon as there is one.
    ///
    /// # Errors
    /// The system's error when the spawner cannot make one.
    pub(crate) async fn wait(&self) -> io::Result<Arc<Keeper>> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state();
            if let Some(keeper) = state.idle.pop() {
                return Ok(keeper);
            }
            state.ask()?;
            state.asked.push_back(sender);
        }
        receiver.await.map_err(io::Error::other)?
    }

    /// Asks for a keeper in advance.
    pub(crate) fn ask_for_spare(&self) -> io::Result<()> {
        self.state().ask()
    }

    /// Takes a keeper that is new, or free again.
    pub(crate) fn put(&self, keeper: Arc<Keeper>) {
        self.state().give(keeper);
    }

    /// The spawner could not make one.
    pub(crate) fn refuse(&self, error: io::Error) {
        let asked = self.state().asked.pop_front();
        if let Some(asked) = asked {
            // Who asked may be gone.
            asked.send(Err(error)).ok();
        } else {
            tracing::warn!(%error, "no spare keeper");
        }
    }

    /// The spawner has killed and reaped what the keeper `pid` kept.
    pub(crate) fn announce_lost(&self, pid: i32) {
        let mut state = self.state();
        let idle = state.idle.len();
        state.idle.retain(|keeper| keeper.pid != pid);
        if state.idle.len() < idle {
            return;
        }
        if let Some(Lost::Awaited(waiter)) = state.lost.remove(&pid) {
            // A waiter that is gone needs no news.
            waiter.send(()).ok();
        } else {
            state.lost.insert(pid, Lost::Announced);
        }
    }

    /// Waits until nothing is left of what the keeper `pid` kept. Returns whether that is known.
    pub(crate) async fn wait_lost(&self, pid: i32) -> bool {
        let receiver = {
            let mut state = self.state();
            if let Some(Lost::Announced) = state.lost.remove(&pid) {
                return true;
            }
            let (sender, receiver) = oneshot::channel();
            state.lost.insert(pid, Lost::Awaited(sender));
            receiver
        };
        receiver.await.is_ok()
    }

    /// Lets go of the spawner and of every idle keeper; who waits hears that nothing comes.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.spawner = None;
        state.idle.clear();
        state.asked.clear();
        state.lost.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ask(&self) -> io::Result<()> {
        let spawner = self.spawner.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        spawner.send(&KEEPER_REQUEST, &[])
    }

    fn give(&mut self, mut keeper: Arc<Keeper>) {
        while let Some(asked) = self.asked.pop_front() {
            match asked.send(Ok(keeper)) {
                // Who asked is gone: the next one, then.
                Err(Ok(back)) => keeper = back,
                Ok(()) | Err(Err(_)) => return,
            }
        }
        if self.idle.len() < IDLE_MAX {
            self.idle.push(keeper);
        }
    }
}
