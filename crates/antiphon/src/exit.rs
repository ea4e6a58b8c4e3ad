//! Exit codes: a contract with scripts.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; also when there was nothing to do, and that was said.
    Done,
    /// The work failed.
    WorkFailed,
    /// The command line is not understood.
    Usage,
    /// What was named is not there.
    NotFound,
    /// A guard refused it.
    Refused,
    /// Verification failed.
    VerificationFailed,
    /// Our bug.
    Bug,
    /// The log, or what else must be written, cannot be.
    LogIo,
    /// Held by another, or full: try later.
    Held,
    /// Configuration or version not usable.
    Unusable,
    /// The time was over.
    TimedOut,
    /// Ended at once by SIGINT.
    Interrupted,
    /// Ended at once by SIGTERM.
    Terminated,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::WorkFailed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::Refused => 4,
            Exit::VerificationFailed => 5,
            Exit::Bug => 70,
            Exit::LogIo => 74,
            Exit::Held => 75,
            Exit::Unusable => 78,
            Exit::TimedOut => 124,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }
}
