//! The record with which a log goes on after it was cut or restored, in a root that nobody runs.
//!
//! In: the file of the recovery key, whose secret never leaves this process. Out: what is recorded, and
//! where ([`antiphon_engine::continuation`]).

use std::path::Path;
use std::sync::Arc;

use antiphon_backend_sqlite::{SqliteStore, open_reader};
use antiphon_core::key::{KeyText, RECOVERY, key_name};
use antiphon_core::record::Body;
use antiphon_engine::continuation::{Continuation, ContinuationError};
use antiphon_engine::error::EngineError;
use antiphon_engine::handle::{Presigned, Preview};
use antiphon_engine::ports::clock::Clock as _;
use antiphon_engine::ports::entropy::Entropy as _;
use antiphon_engine::ports::store::Head;
use antiphon_engine::read::Records;
use antiphon_files::keys::outside;
use antiphon_files::{KeySigner, Keys, Root};
use antiphon_ledger::hash::{SALT_BYTES, body_hash};
use antiphon_ledger::key::SigningKey;
use antiphon_ledger::signature::{Signature, Signed};

use crate::failure::Failure;
use crate::owner::clock::SystemClock;
use crate::owner::entropy::SystemEntropy;
use crate::wire::Context;

/// Who signs that a log goes on.
#[derive(Debug)]
pub(crate) enum Signatory {
    /// The recovery key.
    Recovery(Box<SigningKey>),
    /// The owner of a log that has none.
    Owner,
}

impl Signatory {
    /// Who signs for the log of `root`, the recovery key being in the file `path`.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the file is missing or not asked for; the error of its reading.
    pub(crate) fn of(context: &Context, root: &Path, path: Option<&Path>) -> Result<Self, Failure> {
        let has_recovery = has_recovery(root)?;
        let Some(path) = path else {
            return if has_recovery {
                Err(Failure::Usage {
                    message: "the recovery key of this log must sign".to_owned(),
                    hint: Some("name its file: --recovery-key FILE".to_owned()),
                })
            } else {
                Ok(Self::Owner)
            };
        };
        if !has_recovery {
            return Err(Failure::usage(
                "this log has no recovery key: its owner signs",
            ));
        }
        let key = outside::read(path, context.passphrase.as_ref())?;
        Ok(Self::Recovery(Box::new(key)))
    }

    /// What it signs of `preview`; nothing when the program signs itself.
    fn sign(&self, preview: &Preview) -> Result<Option<Presigned>, Failure> {
        let Self::Recovery(key) = self else {
            return Ok(None);
        };
        let expected = preview.keys.first().map(KeyText::as_str);
        if expected != Some(key.verifier().to_string().as_str()) {
            let name = key_name(&preview.origin, RECOVERY);
            return Err(Failure::usage(format!(
                "the key in the file is not the valid key {name}"
            )));
        }
        let random = SystemEntropy.bytes32().map_err(EngineError::Entropy);
        let random = random.map_err(engine)?;
        let salt: [u8; SALT_BYTES] = std::array::from_fn(|at| random.get(at).copied().unwrap_or(0));
        let stored = [salt.as_slice(), preview.body.as_bytes()].concat();
        let signed = Signed {
            origin: &preview.origin,
            kind: preview.kind,
            subject: &preview.subject,
            body_sha256: &body_hash(&stored),
        };
        let signature = Signature::sign(RECOVERY, key, &signed);
        let signature = signature.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Some(Presigned {
            replaces: preview.replaces,
            salt,
            signatures: vec![signature],
        }))
    }
}

/// Folds the log of `staged` and records in a new epoch of it what `body` says of that epoch and of
/// the log's end; the owner's key, if it signs, lies in the root `keys`. Gives the epoch and the body.
///
/// # Errors
/// [`Failure`]; nothing was recorded.
pub(crate) fn record(
    context: &Context,
    staged: &Path,
    keys: &Path,
    signatory: &Signatory,
    body: impl FnOnce(u64, &Head) -> Body,
) -> Result<u64, Failure> {
    let store = SqliteStore::open(staged, SystemClock::wall_ms())?;
    let passphrase = context.passphrase.clone();
    let room = Keys::new(Root::create(keys)?, passphrase, Box::new(SystemEntropy));
    let held = KeySigner::open(room)?;
    let continuation = Continuation::open(Box::new(store), Arc::new(held)).map_err(engine)?;
    let epoch = continuation.epoch();
    #[cfg(antiphon_plant)]
    let epoch = epoch - u64::from(antiphon_engine::plant::is("restored_in_the_old_epoch"));
    let body = body(epoch, continuation.head());
    let preview = continuation.preview(&body);
    let preview = preview.map_err(|error| refused(error.into()))?;
    let presigned = signatory.sign(&preview)?;
    let (entropy, now) = (Box::new(SystemEntropy), SystemClock::new().now());
    continuation
        .record(body, presigned.as_ref(), entropy, now)
        .map_err(refused)?;
    Ok(epoch)
}

/// Whether the log of `root` began with a recovery key.
fn has_recovery(root: &Path) -> Result<bool, Failure> {
    let first = Records::new(open_reader(root)?).record(0)?;
    match first.and_then(|first| first.record).map(|first| first.body) {
        Some(Body::LogCreated(log)) => Ok(log.keys.iter().any(|it| it.agent.as_str() == RECOVERY)),
        _ => Err(Failure::NotFound {
            what: format!("the first record of a log in {}", root.display()),
        }),
    }
}

fn engine(error: EngineError) -> Failure {
    Failure::Owner(error.into())
}

fn refused(error: ContinuationError) -> Failure {
    match error {
        ContinuationError::Engine(error) => engine(error),
        ContinuationError::Refused(error) => Failure::Submit(error),
    }
}
