//! A keeper: holds one tree at a time, from its leader's start to its last process's death.
//!
//! In: requests of the owner, deaths of children, the end of a grace. Out: what is launched and
//! why. It sleeps in one `poll`; nothing ticks except while it kills.
//!
//! Invariants: `Ended` is said, and an exit file written, only after the kernel has said that no
//! child is left; a leader's end is looked for before the first signal is sent, so that
//! `exited_before_stop` is never too generous.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Access, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::channel::{self, Received, Wait};
use crate::leader::{self, Failure, Stack};
use crate::system::{self, Children, Reaped};
use crate::wire::{Ended, Exit, KeeperAnswer, KeeperRequest, Launch, MESSAGE_BYTES_MAX, Step};
use crate::{Error, exit_name, note_name, tree};

/// Ends that a keeper remembers for the case that the owner dies before it has settled them.
const ENDS_REMEMBERED_MAX: usize = 64;
/// While it kills, a keeper looks again after this even if no death was reported, ms.
const LOOK_AGAIN_MS: u64 = 100;

/// A keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// To the owner; `None` when the owner is gone.
    socket: Option<OwnedFd>,
    /// Readable when a child has died.
    signals: OwnedFd,
    /// The folder `run/`.
    run: OwnedFd,
    /// What it keeps.
    tree: Option<Tree>,
    /// The last ends, oldest first.
    ends: VecDeque<Ended>,
    /// For the first steps of leaders.
    stack: Stack,
    /// For messages.
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Tree {
    token: u64,
    leader: Pid,
    started_ms: u64,
    phase: Phase,
    end: Option<LeaderEnd>,
    cpu_us: u64,
    processes_killed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The polite signal was sent; the deadly one follows at this boot time.
    Stopping {
        kill_at_ms: u64,
    },
    Killing,
}

#[derive(Clone, Copy, Debug)]
struct LeaderEnd {
    exit: Exit,
    before_stop: bool,
    memory_kib_max: u64,
}

impl Keeper {
    /// A keeper that the owner reaches through `socket`.
    pub(crate) fn new(socket: OwnedFd, signals: OwnedFd, run: OwnedFd) -> Self {
        Self {
            socket: Some(socket),
            signals,
            run,
            tree: None,
            ends: VecDeque::new(),
            stack: Stack::new(),
            buffer: vec![0; MESSAGE_BYTES_MAX],
        }
    }

    /// Serves until the owner is gone and the tree is dead.
    ///
    /// # Errors
    /// [`Error`] when the keeper cannot do its work; the spawner then kills what it leaves.
    pub(crate) fn serve(mut self) -> Result<(), Error> {
        while self.socket.is_some() || self.tree.is_some() {
            let (message, deaths) = self.wait().map_err(Error::when("wait for a tree"))?;
            if deaths {
                system::drain(&self.signals).map_err(Error::when("read signals"))?;
            }
            // Deaths first: a leader that has ended was not stopped by what comes next.
            self.reap()?;
            if message {
                self.hear()?;
            }
            self.press_on()?;
        }
        let ends = std::mem::take(&mut self.ends);
        ends.iter().try_for_each(|ended| self.write_exit(ended))
    }

    /// Waits for a message or a death, at most until the phase wants something done.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let timeout = match self.tree.as_ref().map(|tree| tree.phase) {
            None | Some(Phase::Running) => None,
            Some(Phase::Stopping { kill_at_ms }) => {
                Some(milliseconds(kill_at_ms.saturating_sub(system::boot_ms())))
            }
            Some(Phase::Killing) => Some(milliseconds(LOOK_AGAIN_MS)),
        };
        let mut signals = PollFd::new(&self.signals, PollFlags::IN);
        let ready = |descriptor: &PollFd<'_>| !descriptor.revents().is_empty();
        let poll = |descriptors: &mut [PollFd<'_>]| {
            rustix::io::retry_on_intr(|| rustix::event::poll(descriptors, timeout.as_ref()))
        };
        let Some(socket) = &self.socket else {
            poll(std::slice::from_mut(&mut signals))?;
            return Ok((false, ready(&signals)));
        };
        let mut both = [PollFd::new(socket, PollFlags::IN), signals];
        poll(&mut both)?;
        let [message, deaths] = &both;
        Ok((ready(message), ready(deaths)))
    }

    /// Takes one message; whatever is not understood counts as the owner's end.
    fn hear(&mut self) -> Result<(), Error> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let received = match channel::receive(socket, &mut self.buffer, Wait::Never) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) | Ok(Received { length: 0, .. }) => return self.owner_is_gone(),
            Ok(received) => received,
        };
        let message = self.buffer.get(..received.length).unwrap_or_default();
        match KeeperRequest::decode(message) {
            Err(_) => self.owner_is_gone(),
            Ok(KeeperRequest::Launch(launch)) => self.launch(&launch, received),
            Ok(KeeperRequest::Stop { grace_ms }) => self.stop(grace_ms),
            Ok(KeeperRequest::Kill) => self.kill(),
        }
    }

    fn launch(&mut self, launch: &Launch, received: Received) -> Result<(), Error> {
        if self.tree.is_some() {
            return self.owner_is_gone();
        }
        let started_ms = system::boot_ms();
        let started = match <[OwnedFd; 3]>::try_from(received.descriptors) {
            Ok(standard) => leader::start(launch, &standard, &mut self.stack),
            Err(_) => Err(Failure {
                step: Step::Descriptors,
                errno: libc::EMFILE,
            }),
        };
        match started {
            Err(Failure { step, errno }) => self.say(&KeeperAnswer::NotStarted { step, errno }),
            Ok(leader) => {
                self.tree = Some(Tree {
                    token: launch.token,
                    leader,
                    started_ms,
                    phase: Phase::Running,
                    end: None,
                    cpu_us: 0,
                    processes_killed: 0,
                });
                self.say(&KeeperAnswer::Started)
            }
        }
    }

    /// The polite signal to the whole tree, once; SIGCONT so that a stopped process hears it.
    fn stop(&mut self, grace_ms: u64) -> Result<(), Error> {
        let Some(tree) = &mut self.tree else {
            return Ok(());
        };
        if tree.phase != Phase::Running {
            return Ok(());
        }
        tree.phase = Phase::Stopping {
            kill_at_ms: system::boot_ms().saturating_add(grace_ms),
        };
        signal(&[Signal::TERM, Signal::CONT])
    }

    fn kill(&mut self) -> Result<(), Error> {
        let Some(tree) = &mut self.tree else {
            return Ok(());
        };
        tree.phase = Phase::Killing;
        signal(&[Signal::KILL])
    }

    /// Does what time and deaths ask for: the end of a grace, or another look for survivors.
    fn press_on(&mut self) -> Result<(), Error> {
        let Some(tree) = &self.tree else {
            return Ok(());
        };
        let due = match tree.phase {
            Phase::Running => tree.end.is_some(),
            Phase::Stopping { kill_at_ms } => tree.end.is_some() || system::boot_ms() >= kill_at_ms,
            Phase::Killing => true,
        };
        if due { self.kill() } else { Ok(()) }
    }

    /// Reaps whoever has died; when no child is left, the tree is dead.
    fn reap(&mut self) -> Result<(), Error> {
        loop {
            match system::reap_any().map_err(Error::when("reap"))? {
                Children::Alive => return Ok(()),
                Children::None => return self.bury(),
                Children::Reaped(reaped) => {
                    if let Some(tree) = &mut self.tree {
                        tree.count(&reaped);
                    }
                }
            }
        }
    }

    /// Says how the tree ended.
    fn bury(&mut self) -> Result<(), Error> {
        let Some(tree) = self.tree.take() else {
            return Ok(());
        };
        let Some(ended) = tree.ended() else {
            return Ok(());
        };
        if self.ends.len() >= ENDS_REMEMBERED_MAX
            && let Some(oldest) = self.ends.pop_front()
        {
            self.write_exit(&oldest)?;
        }
        self.ends.push_back(ended);
        self.say(&KeeperAnswer::Ended(ended))
    }

    fn say(&mut self, answer: &KeeperAnswer) -> Result<(), Error> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        match channel::send(socket, &answer.encode(), &[], Wait::Block) {
            Ok(()) => Ok(()),
            Err(_) => self.owner_is_gone(),
        }
    }

    fn owner_is_gone(&mut self) -> Result<(), Error> {
        self.socket = None;
        self.kill()
    }

    /// Writes `run/TOKEN.exit` unless the owner has removed its note, having settled.
    fn write_exit(&self, ended: &Ended) -> Result<(), Error> {
        self.try_write_exit(ended)
            .map_err(Error::when("write down how a tree ended"))
    }

    fn try_write_exit(&self, ended: &Ended) -> io::Result<()> {
        if !self.is_unsettled(ended)? {
            return Ok(());
        }
        let name = exit_name(ended.token);
        let draft = format!("{name}.draft");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.run, &draft, flags | OFlags::CLOEXEC, mode)?;
        File::from(file).write_all(&serde_json::to_vec(ended)?)?;
        rustix::fs::renameat(&self.run, &draft, &self.run, &name)?;
        // An owner that lives may have settled meanwhile: it removes its note first, then this
        // file, so one of the two sees the other's work.
        if !self.is_unsettled(ended)? {
            match rustix::fs::unlinkat(&self.run, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether the owner's note is still there.
    fn is_unsettled(&self, ended: &Ended) -> io::Result<bool> {
        let note = note_name(ended.token);
        match rustix::fs::accessat(&self.run, note, Access::EXISTS, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Tree {
    fn count(&mut self, reaped: &Reaped) {
        self.cpu_us = self.cpu_us.saturating_add(reaped.cpu_us);
        if reaped.pid == self.leader {
            self.end = Some(LeaderEnd {
                exit: reaped.exit,
                before_stop: self.phase == Phase::Running,
                memory_kib_max: reaped.memory_kib_max,
            });
        } else if reaped.exit == Exit::Signal(libc::SIGKILL) {
            self.processes_killed = self.processes_killed.saturating_add(1);
        }
    }

    /// The end of a tree whose leader was reaped.
    fn ended(&self) -> Option<Ended> {
        let end = self.end?;
        Some(Ended {
            token: self.token,
            exit: end.exit,
            exited_before_stop: end.before_stop,
            duration_ms: system::boot_ms().saturating_sub(self.started_ms),
            cpu_ms: self.cpu_us / 1_000,
            memory_kib_max: end.memory_kib_max,
            processes_killed: self.processes_killed,
        })
    }
}

fn signal(signals: &[Signal]) -> Result<(), Error> {
    tree::signal_descendants(signals, &[]).map_err(Error::when("signal a tree"))?;
    Ok(())
}

fn milliseconds(ms: u64) -> Timespec {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(ms % 1_000).unwrap_or(0) * 1_000_000,
    }
}
