//! The spawner: forks keepers, and kills what a keeper that died has left.
//!
//! In: the owner's socket on standard input. Out: trees, which are the keepers'.
//! It sleeps in one `poll`; nothing ticks except while it kills.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::{DumpableBehavior, Pid, Signal};

use crate::channel::{self, Received, Wait};
use crate::keeper::Keeper;
use crate::system::{self, Children, Fork};
use crate::wire::{Exit, KEEPER_REQUEST, SpawnerAnswer};
use crate::{CLEAN_FILE, Error, LOCK_FILE, tree};

/// Keepers at one time; an owner has one for each attempt that runs.
const KEEPERS_MAX: usize = 4_096;
/// The unique name of this spawner comes from here.
const RANDOM_UUID: &str = "/proc/sys/kernel/random/uuid";
/// While it kills, the spawner looks again after this even if no death was reported.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

#[derive(Debug)]
struct Spawner {
    /// To the owner; open to the end, because its closing tells the owner that this is the end.
    socket: OwnedFd,
    /// Whether the owner is gone.
    owner_is_gone: bool,
    /// Readable when a child has died.
    signals: OwnedFd,
    /// The folder `run/`.
    run: OwnedFd,
    /// Held by being open, in this process and in every keeper.
    lock: File,
    /// The line that it leaves in `run/spawner.clean`.
    instance: String,
    /// Keepers that live.
    keepers: Vec<Pid>,
    /// Keepers that died before their time, until nothing of their trees is left.
    lost: Vec<Pid>,
}

/// What a turn of the loop made of this process.
enum Role {
    Spawner,
    Keeper(OwnedFd),
}

/// Serves until the owner is gone and everything below is dead; in a process that was forked as a
/// keeper, serves as that.
///
/// # Errors
/// [`Error`] when it cannot do its work. Then there is no mark of a clean end.
pub(crate) fn serve(run: &Path) -> Result<(), Error> {
    let mut spawner = Spawner::enter(run)?;
    loop {
        if let Role::Keeper(socket) = spawner.turn()? {
            let Spawner {
                socket: spawners,
                signals,
                run,
                lock,
                ..
            } = spawner;
            drop(spawners);
            let outcome = Keeper::new(socket, signals, run).serve();
            drop(lock);
            return outcome;
        }
        if spawner.owner_is_gone && spawner.nobody_is_left()? {
            return spawner.leave();
        }
    }
}

impl Spawner {
    /// Makes this process a spawner: session, subreaper, signals, lock.
    fn enter(run_path: &Path) -> Result<Self, Error> {
        system::close_inherited().map_err(Error::when("close what it inherited"))?;
        let socket = system::take_standard_input().map_err(Error::when("take its socket"))?;
        system::block_all_signals().map_err(Error::when("block signals"))?;
        rustix::process::setsid().map_err(Error::when("have a session"))?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(Error::when("hide its memory"))?;
        adopt_orphans()?;
        let signals = system::child_signals().map_err(Error::when("hear signals"))?;
        let run = File::open(run_path).map_err(Error::when("open the folder of attempts"))?;
        let lock = lock(run_path).map_err(Error::when("take its lock"))?;
        let instance = std::fs::read_to_string(RANDOM_UUID)
            .map_err(Error::when("name itself"))?
            .trim()
            .to_owned();
        let spawner = Self {
            socket,
            owner_is_gone: false,
            signals,
            run: run.into(),
            lock,
            instance: instance.clone(),
            keepers: Vec::new(),
            lost: Vec::new(),
        };
        spawner.say(&SpawnerAnswer::Ready { instance }, &[])?;
        Ok(spawner)
    }

    /// Waits for something to happen and answers it.
    fn turn(&mut self) -> Result<Role, Error> {
        let (message, deaths) = self.wait().map_err(Error::when("wait"))?;
        if deaths {
            system::drain(&self.signals).map_err(Error::when("read signals"))?;
        }
        self.nobody_is_left()?;
        self.clear_up()?;
        if message {
            self.hear()
        } else {
            Ok(Role::Spawner)
        }
    }

    fn wait(&self) -> io::Result<(bool, bool)> {
        let timeout = (!self.lost.is_empty()).then_some(LOOK_AGAIN);
        let mut signals = PollFd::new(&self.signals, PollFlags::IN);
        let ready = |descriptor: &PollFd<'_>| !descriptor.revents().is_empty();
        let poll = |descriptors: &mut [PollFd<'_>]| {
            rustix::io::retry_on_intr(|| rustix::event::poll(descriptors, timeout.as_ref()))
        };
        if self.owner_is_gone {
            poll(std::slice::from_mut(&mut signals))?;
            return Ok((false, ready(&signals)));
        }
        let mut both = [PollFd::new(&self.socket, PollFlags::IN), signals];
        poll(&mut both)?;
        let [message, deaths] = &both;
        Ok((ready(message), ready(deaths)))
    }

    /// Takes one message: a request for a keeper, or the owner's end.
    fn hear(&mut self) -> Result<Role, Error> {
        let mut buffer = [0_u8; 16];
        match channel::receive(&self.socket, &mut buffer, Wait::Never) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Role::Spawner),
            Ok(Received { length, .. }) if buffer.get(..length) == Some(&KEEPER_REQUEST[..]) => {
                self.fork_keeper()
            }
            Ok(_) | Err(_) => {
                self.owner_is_gone = true;
                Ok(Role::Spawner)
            }
        }
    }

    fn fork_keeper(&mut self) -> Result<Role, Error> {
        if self.keepers.len() >= KEEPERS_MAX {
            self.say(
                &SpawnerAnswer::NoKeeper {
                    errno: libc::EAGAIN,
                },
                &[],
            )?;
            return Ok(Role::Spawner);
        }
        let forked = crate::socket_pair().and_then(|pair| Ok((pair, system::fork()?)));
        match forked {
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                self.say(&SpawnerAnswer::NoKeeper { errno }, &[])?;
                Ok(Role::Spawner)
            }
            Ok(((_, ours), Fork::Child)) => {
                adopt_orphans()?;
                Ok(Role::Keeper(ours))
            }
            Ok(((theirs, _), Fork::Parent(pid))) => {
                self.keepers.push(pid);
                let answer = SpawnerAnswer::Keeper {
                    pid: pid.as_raw_pid(),
                };
                self.say(&answer, &[theirs.as_fd()])?;
                Ok(Role::Spawner)
            }
        }
    }

    /// Reaps whoever has died; whether no child is left.
    fn nobody_is_left(&mut self) -> Result<bool, Error> {
        loop {
            match system::reap_any().map_err(Error::when("reap"))? {
                Children::Alive => return Ok(false),
                Children::None => return Ok(true),
                Children::Reaped(reaped) => {
                    let place = self.keepers.iter().position(|pid| *pid == reaped.pid);
                    if let Some(place) = place {
                        self.keepers.swap_remove(place);
                        if reaped.exit != Exit::Code(0) {
                            self.lost.push(reaped.pid);
                        }
                    }
                }
            }
        }
    }

    /// Kills what lost keepers have left; once it is gone, says so.
    fn clear_up(&mut self) -> Result<(), Error> {
        if self.lost.is_empty() {
            return Ok(());
        }
        let strays = tree::signal_descendants(&[Signal::KILL], &self.keepers)
            .map_err(Error::when("kill strays"))?;
        if strays == 0 {
            for pid in std::mem::take(&mut self.lost) {
                self.say(
                    &SpawnerAnswer::KeeperLost {
                        pid: pid.as_raw_pid(),
                    },
                    &[],
                )?;
            }
        }
        Ok(())
    }

    fn say(&self, answer: &SpawnerAnswer, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        if self.owner_is_gone {
            return Ok(());
        }
        match channel::send(&self.socket, &answer.encode(), descriptors, Wait::Block) {
            // The owner's end will be seen by the next turn.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(Error::when("answer")),
        }
    }

    /// Leaves the mark of a clean end; the lock goes with the process.
    fn leave(self) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let mark = rustix::fs::openat(&self.run, CLEAN_FILE, flags | OFlags::CLOEXEC, mode)
            .map_err(Error::when("mark its end"))?;
        let line = format!("{}\n", self.instance);
        File::from(mark)
            .write_all(line.as_bytes())
            .map_err(Error::when("mark its end"))
    }
}

fn adopt_orphans() -> Result<(), Error> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(Error::when("adopt orphans"))
}

/// Takes the lock, waiting for a predecessor, and makes sure that it is still the one by that name.
fn lock(run: &Path) -> io::Result<File> {
    let path = run.join(LOCK_FILE);
    loop {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let file = options.open(&path)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
        let held = file.metadata()?;
        match std::fs::metadata(&path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}
