//! The small process that starts, limits, kills and reaps the trees of attempts.
//!
//! Three kinds of process. The *owner* calls [`start`] before it has a thread. The *spawner*, its
//! only child, forks a *keeper* when the owner asks for one and hands the owner a socket to it. A
//! keeper holds one tree at a time: it starts the leader, waits, stops and kills, and answers only
//! when nothing of the tree is left. Owner and keeper talk without a hop between them.
//!
//! In: requests over `SOCK_SEQPACKET`, descriptors passed with them, the folder `run/`.
//! Out: what a launch means, pipes, hashes and results (`antiphon-executor`); leases and retries
//! (`antiphon-core`).
//!
//! Invariants:
//! - Every orphan of a tree becomes a child of its keeper, every orphan of a keeper a child of the
//!   spawner: both are subreapers. So "no children left" proves a tree dead, and trees are never
//!   confused.
//! - `run/spawner.lock` is held as long as the spawner or any keeper lives.
//! - When the owner is gone, each keeper kills its tree, then writes the ends that the owner may not
//!   have settled to `run/TOKEN.exit`; the spawner waits for all of them, adds its name to
//!   `run/spawner.clean` and only then lets go of the lock.
//! - A process is signalled through a pidfd or as an unreaped child, never by a number from a file.
//!
//! Source: `docs/adr/0003-spawner-process.md`; `PR_SET_CHILD_SUBREAPER` in prctl(2).

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

pub mod channel;
mod keeper;
mod leader;
mod spawner;
mod system;
mod tree;
pub mod wire;

/// The name of the lock in `run/`.
pub const LOCK_FILE: &str = "spawner.lock";
/// The name of the list of spawners that ended with every descendant dead, one instance a line.
pub const CLEAN_FILE: &str = "spawner.clean";
/// The hidden command under which the owner's binary calls [`main`].
pub const COMMAND: &str = "__spawner";

/// The name in `run/` of the owner's note about a launch. While it is there, the launch is not
/// settled. It lies beside the attempt's own folder, where the attempt does not clean.
#[must_use]
pub fn note_name(token: u64) -> String {
    format!("{token}.json")
}

/// The name in `run/` of the file that says how a tree ended, as JSON of [`wire::Ended`].
#[must_use]
pub fn exit_name(token: u64) -> String {
    format!("{token}.exit")
}

/// Why the spawner or a keeper cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("the spawner cannot {doing}")]
pub struct Error {
    /// What was tried.
    doing: &'static str,
    /// The cause.
    #[source]
    source: io::Error,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "spawner.failed"
    }

    pub(crate) fn when<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self {
            doing,
            source: source.into(),
        }
    }
}

/// The owner's end of a running spawner.
#[derive(Debug)]
pub struct SpawnerHandle {
    /// Requests go in, answers come out. Closing it, or shutting down its writing half, ends the
    /// spawner and everything below it.
    pub socket: OwnedFd,
    /// The process, for reaping; it has ended when the socket says so.
    pub child: Child,
}

/// Starts the spawner: runs `executable` as `executable __spawner RUN_DIR` with nothing of the
/// owner's environment, and returns at once; `run_dir` is made if it is missing. It answers [`wire::SpawnerAnswer::Ready`] when it
/// holds the lock in `run_dir`, which it waits for as long as a predecessor is still killing.
///
/// # Errors
/// The system's error when no socket or no process can be had.
pub fn start(run_dir: &Path, executable: &Path) -> io::Result<SpawnerHandle> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(run_dir)?;
    let (socket, theirs) = socket_pair()?;
    let child = Command::new(executable)
        .arg(COMMAND)
        .arg(run_dir)
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .spawn()?;
    Ok(SpawnerHandle { socket, child })
}

/// What the binary does for `__spawner RUN_DIR`: serves as spawner, or as keeper in the processes
/// that it forks, until the socket on standard input closes. Returns the exit code.
///
/// The process must have no other thread.
#[must_use]
pub fn main(run_dir: &Path) -> i32 {
    match spawner::serve(run_dir) {
        Ok(()) => 0,
        Err(error) => {
            use io::Write as _;
            let cause = &error.source;
            // Nobody is left to tell when standard error is gone too.
            writeln!(io::stderr(), "antiphon: {error}: {cause}").ok();
            70
        }
    }
}

/// Two connected sockets that carry whole messages and descriptors.
fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let (one, other) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for end in [&one, &other] {
        rustix::net::sockopt::set_socket_send_buffer_size(
            end.as_fd(),
            wire::MESSAGE_BYTES_MAX.saturating_mul(2),
        )?;
    }
    Ok((one, other))
}
