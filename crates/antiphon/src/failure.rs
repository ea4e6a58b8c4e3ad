//! Why a command could not be carried out: a stable code, the words, a hint, an exit code.
//!
//! That work failed or was refused is told by the same means when it is all that there is to say.

use std::path::PathBuf;

use antiphon_engine::error::EngineError;
use antiphon_engine::handle::SubmitError;
use antiphon_engine::ports::signer::SignerError;
use antiphon_engine::ports::store::StoreError;
use antiphon_engine::read::ReadError;
use antiphon_files::keys::Error as KeysError;
use antiphon_http::client::ClientError;

use crate::config::error::ConfigError;
use crate::exit::Exit;
use crate::ledger::error::LedgerError;
use crate::owner::assembly::OwnerError;
use crate::signing;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The owner refused, or cannot be talked to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The data root is not usable.
    #[error(transparent)]
    Root(#[from] antiphon_files::Error),
    /// A key file is not usable.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A ledger cannot be judged or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The log is not usable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root has no owner, or it ended.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// A record cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The command line asks for something that makes no sense.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// What was named is not there.
    #[error("{what} is not there")]
    NotFound {
        /// What.
        what: String,
    },
    /// The owner's socket cannot be used.
    #[error("{} cannot be used", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error("nobody can listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// A witness cannot work.
    #[error(transparent)]
    Witness(#[from] antiphon_witness::Error),
    /// A file cannot be read or written.
    #[error("{} cannot be {verb}", path.display())]
    File {
        /// What was tried: `read`, `written`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// A folder is no backup, or not a whole one.
    #[error("{} is no usable backup: {what}", folder.display())]
    Backup {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What is to be recorded is refused.
    #[error(transparent)]
    Submit(SubmitError),
    /// A log is to be cut where the newest checkpoint covers it.
    #[error("{}, and {kept} records are to be kept", covers(*size))]
    BelowCheckpoint {
        /// Records that it covers, if it can be read.
        size: Option<u64>,
        /// Records that are to be kept.
        kept: u64,
    },
    /// A log is to be cut behind a record that is not good.
    #[error("record {seq}: {what}")]
    CutTooFar {
        /// The first that is not.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// A benchmark could not be carried out.
    #[error("{what}")]
    Bench {
        /// What went wrong.
        what: String,
        /// What to do about it.
        hint: Option<String>,
        /// The system's error, if there was one.
        #[source]
        source: Option<std::io::Error>,
    },
    /// Standard output cannot be written.
    #[error("the output cannot be written")]
    Output(#[source] std::io::Error),
    /// What should be printed has no JSON form, or something else that cannot be.
    #[error("{what}")]
    Bug {
        /// What happened.
        what: String,
        /// Its cause, if there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Failure {
    /// A command line that makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure::Usage {
            message: message.into(),
            hint: None,
        }
    }

    /// A benchmark that went wrong by itself.
    pub(crate) fn bench(what: &str) -> Self {
        Failure::Bench {
            what: what.to_owned(),
            hint: None,
            source: None,
        }
    }

    /// Its stable code, as in `docs/errors/`.
    pub(crate) fn code(&self) -> &str {
        match self {
            Failure::Config(error) => error.code(),
            Failure::Client(error) => error.code(),
            Failure::Root(error) => error.code(),
            Failure::Keys(error) => error.code(),
            Failure::Ledger(error) => error.code(),
            Failure::Store(error) | Failure::Read(ReadError::Store(error)) => error.code(),
            Failure::Owner(error) => error.code(),
            Failure::Read(_) => "log.unreadable",
            Failure::Usage { .. } => "command.usage",
            Failure::NotFound { .. } => "command.not_found",
            Failure::Socket { .. } => "owner.unreachable",
            Failure::Listen { .. } => "command.listen",
            Failure::Witness(error) => error.code(),
            Failure::File { .. } => "command.file",
            Failure::Backup { .. } => "backup.unusable",
            Failure::Submit(error) => error.code(),
            Failure::BelowCheckpoint { .. } => "ledger.below_checkpoint",
            Failure::CutTooFar { .. } => "ledger.cut_too_far",
            Failure::Bench { .. } => "bench.failed",
            Failure::Output(_) => "command.output",
            Failure::Bug { .. } => "command.bug",
        }
    }

    /// The exit code that goes with it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Client(error) => exit_of(error.code()),
            Failure::Root(antiphon_files::Error::Missing { .. }) | Failure::NotFound { .. } => {
                Exit::NotFound
            }
            Failure::Config(_) | Failure::Root(_) => Exit::Unusable,
            Failure::Keys(error) => exit_of_keys(error),
            Failure::Ledger(error) => error.exit(),
            Failure::Store(error) | Failure::Read(ReadError::Store(error)) => exit_of_store(error),
            Failure::Owner(error) => exit_of_owner(error),
            Failure::Read(_) | Failure::Backup { .. } | Failure::CutTooFar { .. } => {
                Exit::VerificationFailed
            }
            Failure::Submit(error) => exit_of(error.code()),
            Failure::BelowCheckpoint { .. } => Exit::Refused,
            Failure::Usage { .. } => Exit::Usage,
            Failure::Socket { .. } | Failure::Listen { .. } => Exit::Held,
            Failure::Witness(error) => exit_of_witness(error),
            Failure::File { .. } | Failure::Output(_) => Exit::LogIo,
            Failure::Bench { .. } => Exit::WorkFailed,
            Failure::Bug { .. } => Exit::Bug,
        }
    }

    /// What to do about it, if there is something to say.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Failure::Config(error) => error.hint(),
            Failure::Root(error) => error.hint(),
            Failure::Ledger(error) => Some(error.hint().to_owned()),
            Failure::Keys(error) => error.hint(),
            Failure::Usage { hint, .. } | Failure::Bench { hint, .. } => hint.clone(),
            Failure::Store(StoreError::Held { .. }) => {
                Some("wait until it ends, or talk to it: see antiphon status".to_owned())
            }
            Failure::Store(StoreError::Damaged { .. }) => {
                Some("antiphon ledger verify names everything that is wrong".to_owned())
            }
            Failure::Owner(error) => hint_of_owner(error),
            Failure::BelowCheckpoint { .. } => Some(
                "--below-checkpoint cuts all the same; whoever saw the checkpoint, a witness or a \
                 verifier, sees a fork then"
                    .to_owned(),
            ),
            Failure::CutTooFar { seq, .. } => seq
                .checked_sub(1)
                .map(|last| format!("cut before it: --cut-after {last}")),
            Failure::Client(_)
            | Failure::Store(_)
            | Failure::Read(_)
            | Failure::NotFound { .. }
            | Failure::Socket { .. }
            | Failure::Listen { .. }
            | Failure::Witness(_)
            | Failure::File { .. }
            | Failure::Backup { .. }
            | Failure::Submit(_)
            | Failure::Output(_)
            | Failure::Bug { .. } => None,
        }
    }

    /// Whether whoever read the output has gone: nothing is to be said then.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The error and its causes in one line.
    pub(crate) fn told(&self) -> String {
        let mut told = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            told = format!("{told}: {error}");
            cause = error.source();
        }
        told
    }
}

/// How much a checkpoint covers, for people.
fn covers(size: Option<u64>) -> String {
    match size {
        Some(size) => format!("the newest checkpoint covers {size} records"),
        None => "the newest checkpoint cannot be read".to_owned(),
    }
}

/// The exit code for a code that the owner answered.
fn exit_of(code: &str) -> Exit {
    match code {
        "engine.not_found" => Exit::NotFound,
        "engine.refused" | "engine.not_ended" | "engine.key_conflict" | "input.suspect" => {
            Exit::Refused
        }
        "config.unusable" | "key.missing" => Exit::Unusable,
        "key.io" => Exit::LogIo,
        code if code.starts_with("key.") || code.starts_with("signature.") => Exit::Refused,
        "checkpoint.missing"
        | "cosignature.missing"
        | "engine.full"
        | "engine.disk_full"
        | "engine.closed"
        | "owner.unreachable"
        | "request.timeout"
        | "views.behind" => Exit::Held,
        "log.unreadable" | "views.unreadable" | "evidence.unreadable" => Exit::LogIo,
        "owner.answer" => Exit::Bug,
        _ => Exit::Usage,
    }
}

fn exit_of_owner(error: &OwnerError) -> Exit {
    match error {
        OwnerError::Keys(error) => exit_of_keys(error),
        OwnerError::Store(error) | OwnerError::Engine(EngineError::Store(error)) => {
            exit_of_store(error)
        }
        OwnerError::Engine(EngineError::Bug(_) | EngineError::Codec(_)) => Exit::Bug,
        OwnerError::Engine(
            EngineError::Apply(_) | EngineError::Unverified(_) | EngineError::Checkpoint { .. },
        ) => Exit::VerificationFailed,
        OwnerError::Files(_) | OwnerError::Engine(EngineError::Signer(_)) => Exit::Unusable,
        OwnerError::Engine(_) | OwnerError::Executor(_) | OwnerError::Spawner(_) => Exit::LogIo,
    }
}

fn hint_of_owner(error: &OwnerError) -> Option<String> {
    match error {
        OwnerError::Store(StoreError::Held { .. }) => {
            Some("an owner runs already: see antiphon status".to_owned())
        }
        OwnerError::Engine(EngineError::Store(StoreError::SnapshotMissing { .. })) => {
            Some("antiphon restore brings back a backup, with the snapshots in it".to_owned())
        }
        OwnerError::Files(error) => error.hint(),
        OwnerError::Keys(error) => error.hint(),
        OwnerError::Engine(EngineError::Signer(SignerError::Missing { key })) => {
            let (agent, id) = (signing::agent_of(key), key.id());
            Some(format!(
                "put keys/{id}.key back, or give the key up: antiphon key revoke {agent} --of {id} \
                 --recovery-key FILE --reason lost"
            ))
        }
        OwnerError::Engine(EngineError::Unverified(_) | EngineError::Apply(_)) => {
            Some("antiphon ledger verify names everything that is wrong".to_owned())
        }
        OwnerError::Engine(error @ EngineError::Checkpoint { .. }) => Some(format!(
            "nothing was changed; see docs/errors/{}.md",
            error.code()
        )),
        OwnerError::Store(_)
        | OwnerError::Engine(_)
        | OwnerError::Executor(_)
        | OwnerError::Spawner(_) => None,
    }
}

fn exit_of_keys(error: &KeysError) -> Exit {
    match error {
        KeysError::Io { .. } => Exit::LogIo,
        KeysError::Loose { .. }
        | KeysError::Unfit { .. }
        | KeysError::Malformed { .. }
        | KeysError::Foreign { .. }
        | KeysError::Locked { .. }
        | KeysError::Passphrase { .. } => Exit::Unusable,
        KeysError::Exists { .. } | KeysError::InsideRoot { .. } => Exit::Usage,
    }
}

fn exit_of_witness(error: &antiphon_witness::Error) -> Exit {
    match error {
        antiphon_witness::Error::Io { .. } => Exit::LogIo,
        antiphon_witness::Error::Held { .. } => Exit::Held,
        antiphon_witness::Error::Kept { .. } => Exit::VerificationFailed,
        antiphon_witness::Error::Logs { .. } | antiphon_witness::Error::Key { .. } => {
            Exit::Unusable
        }
    }
}

fn exit_of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Io { .. } => Exit::LogIo,
        StoreError::StaleEpoch { .. } | StoreError::StaleHead { .. } | StoreError::Held { .. } => {
            Exit::Held
        }
        StoreError::Damaged { .. } | StoreError::SnapshotMissing { .. } => Exit::VerificationFailed,
        StoreError::Version { .. } | StoreError::Unfinished { .. } => Exit::Unusable,
    }
}
