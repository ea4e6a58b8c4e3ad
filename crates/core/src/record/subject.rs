//! Which records are signed, about what and by whom; a record of any other kind is never signed.
//!
//! Invariant: no two records of a log have one signed body, so that no signature fits twice. What can be
//! said again names the record that it replaces ([`Body::replaces`]); the rest names what ends with it: an
//! ask, a key, an epoch.
//!
//! Out: making and checking signatures, which is the engine's and `antiphon-ledger`'s. Source:
//! `docs/reference/ledger.md`, "Signatures on records".

use super::Body;
use crate::key::{KeyText, OPERATOR, OWNER, RECOVERY};
use crate::name::AgentName;
use crate::state::Keys;

/// What a record is about that the log was cut or restored.
const SUBJECT_LOG: &str = "log";

/// Who changed a guard when its files did.
pub const BY_FILES: &str = "files";
/// Who answered an ask when its time was over.
pub const BY_DEADLINE: &str = "deadline";

/// Whether `by` stands for the program itself, which nobody else may say of himself.
#[must_use]
pub fn is_program(by: &str) -> bool {
    matches!(by, BY_FILES | BY_DEADLINE)
}

/// What the signatures of a record are about, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What they are about.
    pub text: String,
    /// The agent whose valid key signs; see [`Subject::signer`].
    pub agent: &'a str,
    /// Whether another agent may sign in its place what it did itself.
    pub is_delegable: bool,
    /// The key that the record brings, and its agent: it signs, too.
    pub new_key: Option<NewKey<'a>>,
}

/// A key that a record brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey<'a> {
    /// Whose it is.
    pub agent: &'a AgentName,
    /// Whether the program holds its secret.
    pub custodial: bool,
    /// The key.
    pub key: &'a KeyText,
}

impl Body {
    /// What the record's signatures are about; `None` when a record of its kind is not signed.
    #[must_use]
    pub fn signed_subject(&self) -> Option<Subject<'_>> {
        match self {
            Body::AskAnswered(body) => {
                let agent = acting(&body.by, BY_DEADLINE);
                Some(Subject::done(format!("ask:{}", body.ask), agent))
            }
            Body::ConfigApplied(body) => {
                Some(Subject::done(format!("policy:{}", body.digest), OWNER))
            }
            Body::GuardChanged(body) => {
                let agent = acting(&body.by, BY_FILES);
                Some(Subject::done("guards".to_owned(), agent))
            }
            Body::TaskChanged(body) => Some(Subject::done(format!("task:{}", body.task), OPERATOR)),
            Body::KeyRegistered(body) => Some(Subject::key(
                &body.agent,
                body.custodial,
                &body.key,
                OPERATOR,
            )),
            Body::KeyRotated(body) => {
                let old = body.agent.as_str();
                Some(Subject::key(&body.agent, body.custodial, &body.key, old))
            }
            Body::KeyRevoked(body) => Some(Subject::key(
                &body.agent,
                body.custodial,
                &body.key,
                RECOVERY,
            )),
            Body::LogCut(_) | Body::LogRestored(_) => Some(Subject {
                is_delegable: false,
                ..Subject::done(SUBJECT_LOG.to_owned(), RECOVERY)
            }),
            Body::BreakerChanged(_)
            | Body::ClockJumped(_)
            | Body::LetterParked(_)
            | Body::LettersPurged(_)
            | Body::LogCreated(_)
            | Body::OwnerStarted(_)
            | Body::ReportRefused(_)
            | Body::RunCancelled(_)
            | Body::RunLeased(_)
            | Body::RunPlanned(_)
            | Body::RunReplanned(_)
            | Body::RunReturned(_)
            | Body::RunSettled(_)
            | Body::RunStopping(_)
            | Body::SignalAccepted(_)
            | Body::SnapshotTaken(_) => None,
        }
    }

    /// The record that it says to replace: the last of its kind, 0 for the first; `None` when bodies of
    /// its kind say nothing of that.
    #[must_use]
    pub fn replaces(&self) -> Option<u64> {
        match self {
            Body::ConfigApplied(body) => Some(body.replaces),
            Body::GuardChanged(body) => Some(body.replaces),
            Body::TaskChanged(body) => Some(body.replaces),
            Body::AskAnswered(_)
            | Body::BreakerChanged(_)
            | Body::ClockJumped(_)
            | Body::KeyRegistered(_)
            | Body::KeyRevoked(_)
            | Body::KeyRotated(_)
            | Body::LetterParked(_)
            | Body::LettersPurged(_)
            | Body::LogCreated(_)
            | Body::LogCut(_)
            | Body::LogRestored(_)
            | Body::OwnerStarted(_)
            | Body::ReportRefused(_)
            | Body::RunCancelled(_)
            | Body::RunLeased(_)
            | Body::RunPlanned(_)
            | Body::RunReplanned(_)
            | Body::RunReturned(_)
            | Body::RunSettled(_)
            | Body::RunStopping(_)
            | Body::SignalAccepted(_)
            | Body::SnapshotTaken(_) => None,
        }
    }
}

impl<'a> Subject<'a> {
    /// The agent that signs in a log with these keys: that a log without a recovery key was cut or
    /// restored is said by its owner.
    #[must_use]
    pub fn signer(&self, keys: &Keys) -> &'a str {
        let is_of_log = self.text == SUBJECT_LOG && self.agent == RECOVERY;
        if is_of_log && keys.active(RECOVERY).is_none() {
            OWNER
        } else {
            self.agent
        }
    }

    fn done(text: String, agent: &'a str) -> Self {
        Self {
            text,
            agent,
            is_delegable: true,
            new_key: None,
        }
    }

    fn key(agent: &'a AgentName, custodial: bool, key: &'a KeyText, signer: &'a str) -> Self {
        Self {
            text: format!("key:{agent}"),
            agent: signer,
            is_delegable: false,
            new_key: Some(NewKey {
                agent,
                custodial,
                key,
            }),
        }
    }
}

fn acting(by: &str, program: &str) -> &'static str {
    if by == program { OWNER } else { OPERATOR }
}
