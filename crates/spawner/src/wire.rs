//! The messages between owner, spawner and keeper, and their bytes.
//!
//! Little-endian integers; lists as a count and NUL-terminated strings, which is what the kernel
//! takes. Every message is bounded and decoded whole or refused; a peer that sends what cannot be
//! decoded is treated as gone. Both ends are always the same binary, so there is no version.

use std::ffi::CString;

use serde::{Deserialize, Serialize};

mod codec;

use codec::{Reader, Writer};

/// Bytes of one message: what a Unix socket takes with the usual buffer of 208 KiB.
pub const MESSAGE_BYTES_MAX: usize = 192 * 1024;
/// Strings in one list of a launch.
pub const STRINGS_MAX: u32 = 8_192;
/// The only request to the spawner: fork a keeper and pass a socket to it.
pub const KEEPER_REQUEST: [u8; 1] = [1];

/// Bytes that are no message, or a message that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They are no message.
    #[error("not a message of the spawner")]
    Malformed,
    /// The message is larger than [`MESSAGE_BYTES_MAX`] or a list longer than [`STRINGS_MAX`].
    #[error("arguments and environment together exceed {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
}

/// What the spawner says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpawnerAnswer {
    /// It holds the lock; every tree of its predecessors that could be killed is dead.
    Ready {
        /// Its own unique name, 36 characters, as it will stand in `run/spawner.clean`.
        instance: String,
    },
    /// A keeper; its socket is passed with the message.
    Keeper {
        /// Its process id, a name for [`SpawnerAnswer::KeeperLost`] only.
        pid: i32,
    },
    /// No keeper can be had.
    NoKeeper {
        /// The system's error number.
        errno: i32,
    },
    /// A keeper died; whatever it kept has been killed and reaped.
    KeeperLost {
        /// Which.
        pid: i32,
    },
}

/// What the owner asks of a keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeeperRequest {
    /// Start a tree; standard input, output and error are passed with the message.
    Launch(Launch),
    /// SIGTERM to the tree, SIGKILL after the grace.
    Stop {
        /// The grace, ms.
        grace_ms: u64,
    },
    /// SIGKILL to the tree.
    Kill,
}

/// How to start a leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The name of its folder in `run/`.
    pub token: u64,
    /// Paths to try in order until one can be executed, as execvp does.
    pub programs: Vec<CString>,
    /// Its arguments, the program's name first.
    pub argv: Vec<CString>,
    /// Its environment, `NAME=value` each.
    pub environment: Vec<CString>,
    /// Where it runs.
    pub directory: CString,
    /// What it may use.
    pub limits: Limits,
}

/// Resource limits, soft and hard alike; `None` leaves what the owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `RLIMIT_CPU`, seconds.
    pub cpu_seconds: Option<u64>,
    /// `RLIMIT_FSIZE`, bytes.
    pub file_bytes: Option<u64>,
    /// `RLIMIT_AS`, bytes.
    pub memory_bytes: Option<u64>,
    /// `RLIMIT_NOFILE`.
    pub open_files: Option<u64>,
}

/// What a keeper says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeeperAnswer {
    /// The program runs.
    Started,
    /// It does not, and nothing is left of the try.
    NotStarted {
        /// What failed.
        step: Step,
        /// The system's error number.
        errno: i32,
    },
    /// The tree is dead to the last process; the keeper is free again.
    Ended(Ended),
}

/// What a launch was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Taking over descriptors.
    Descriptors,
    /// Making the process.
    Process,
    /// Giving it a session and a parent's death signal.
    Session,
    /// Setting resource limits.
    Limits,
    /// Entering the working directory.
    Directory,
    /// Executing the program.
    Program,
}

/// How the leader of a tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

/// The end of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The launch.
    pub token: u64,
    /// How its leader ended.
    pub exit: Exit,
    /// Whether the leader had ended before the first signal was sent.
    pub exited_before_stop: bool,
    /// From the start to the tree's death, ms of boot time.
    pub duration_ms: u64,
    /// CPU time of the leader and of every process that was reaped, ms.
    pub cpu_ms: u64,
    /// Peak resident memory of the leader, KiB.
    pub memory_kib_max: u64,
    /// Processes besides the leader that had to be killed.
    pub processes_killed: u32,
}

impl SpawnerAnswer {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        match self {
            Self::Ready { instance } => to.u8(1).bytes(instance.as_bytes()),
            Self::Keeper { pid } => to.u8(2).i32(*pid),
            Self::NoKeeper { errno } => to.u8(3).i32(*errno),
            Self::KeeperLost { pid } => to.u8(4).i32(*pid),
        };
        to.finish()
    }

    /// The answer in `message`.
    ///
    /// # Errors
    /// [`WireError::Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(message);
        let answer = match from.u8()? {
            1 => Self::Ready {
                instance: from.text()?,
            },
            2 => Self::Keeper { pid: from.i32()? },
            3 => Self::NoKeeper { errno: from.i32()? },
            4 => Self::KeeperLost { pid: from.i32()? },
            _ => return Err(WireError::Malformed),
        };
        from.end()?;
        Ok(answer)
    }
}

impl KeeperRequest {
    /// The message.
    ///
    /// # Errors
    /// [`WireError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut to = Writer::default();
        match self {
            Self::Launch(launch) => {
                to.u8(1).u64(launch.token);
                to.strings(&launch.programs)?;
                to.strings(&launch.argv)?;
                to.strings(&launch.environment)?;
                to.string(&launch.directory);
                to.limit(launch.limits.cpu_seconds)
                    .limit(launch.limits.file_bytes);
                to.limit(launch.limits.memory_bytes)
                    .limit(launch.limits.open_files);
            }
            Self::Stop { grace_ms } => {
                to.u8(2).u64(*grace_ms);
            }
            Self::Kill => {
                to.u8(3);
            }
        }
        let message = to.finish();
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(WireError::TooLarge);
        }
        Ok(message)
    }

    /// The request in `message`.
    ///
    /// # Errors
    /// [`WireError::Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(message);
        let request = match from.u8()? {
            1 => Self::Launch(Launch {
                token: from.u64()?,
                programs: from.strings()?,
                argv: from.strings()?,
                environment: from.strings()?,
                directory: from.string()?,
                limits: Limits {
                    cpu_seconds: from.limit()?,
                    file_bytes: from.limit()?,
                    memory_bytes: from.limit()?,
                    open_files: from.limit()?,
                },
            }),
            2 => Self::Stop {
                grace_ms: from.u64()?,
            },
            3 => Self::Kill,
            _ => return Err(WireError::Malformed),
        };
        from.end()?;
        Ok(request)
    }
}

impl KeeperAnswer {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        match self {
            Self::Started => to.u8(1),
            Self::NotStarted { step, errno } => to.u8(2).u8(step.number()).i32(*errno),
            Self::Ended(ended) => {
                let (kind, number) = match ended.exit {
                    Exit::Code(code) => (0, code),
                    Exit::Signal(signal) => (1, signal),
                };
                to.u8(3).u64(ended.token).u8(kind).i32(number);
                to.u8(u8::from(ended.exited_before_stop))
                    .u64(ended.duration_ms);
                to.u64(ended.cpu_ms)
                    .u64(ended.memory_kib_max)
                    .u32(ended.processes_killed)
            }
        };
        to.finish()
    }

    /// The answer in `message`.
    ///
    /// # Errors
    /// [`WireError::Malformed`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(message);
        let answer = match from.u8()? {
            1 => Self::Started,
            2 => Self::NotStarted {
                step: Step::from_number(from.u8()?)?,
                errno: from.i32()?,
            },
            3 => Self::Ended(Ended {
                token: from.u64()?,
                exit: match (from.u8()?, from.i32()?) {
                    (0, code) => Exit::Code(code),
                    (1, signal) => Exit::Signal(signal),
                    _ => return Err(WireError::Malformed),
                },
                exited_before_stop: from.u8()? == 1,
                duration_ms: from.u64()?,
                cpu_ms: from.u64()?,
                memory_kib_max: from.u64()?,
                processes_killed: from.u32()?,
            }),
            _ => return Err(WireError::Malformed),
        };
        from.end()?;
        Ok(answer)
    }
}

impl Step {
    const ALL: [Self; 6] = [
        Self::Descriptors,
        Self::Process,
        Self::Session,
        Self::Limits,
        Self::Directory,
        Self::Program,
    ];

    /// Its number on the wire.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// The step of this number.
    ///
    /// # Errors
    /// [`WireError::Malformed`].
    pub(crate) fn from_number(number: u8) -> Result<Self, WireError> {
        Self::ALL
            .get(usize::from(number))
            .copied()
            .ok_or(WireError::Malformed)
    }
}

#[cfg(test)]
mod tests;
