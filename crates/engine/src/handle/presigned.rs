//! The end of the handle for agents that hold their own keys: they see what would be recorded, sign
//! it elsewhere, and submit both.
//!
//! What was signed is recorded as it was signed or not at all. Out: making signatures, and carrying
//! them here.

use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::input::{Event, Reply};
use antiphon_core::key::KeyText;
use antiphon_core::policy::Policy;
use antiphon_ledger::hash::SALT_BYTES;
use antiphon_ledger::signature::Signature;
use tokio::sync::{mpsc, oneshot};

use super::{Answered, Handle, Purpose, Request, SubmitError};

/// Signatures that were made before the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presigned {
    /// The record that the body says to replace, when it says so.
    pub replaces: Option<u64>,
    /// The salt of the body that was signed.
    pub salt: [u8; SALT_BYTES],
    /// The signatures, in any order. Where one is left out, the program signs if it holds the key.
    pub signatures: Vec<Signature>,
}

/// What a signature must cover, beside a salt of the signer's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The log's origin.
    pub origin: String,
    /// The record's kind.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// Its body, canonical JSON.
    pub body: String,
    /// The record that the body says to replace, when it says so.
    pub replaces: Option<u64>,
    /// The keys that must sign it; another agent may sign in the place of `operator` or `owner` what it
    /// did itself.
    pub keys: Vec<KeyText>,
}

impl Handle {
    /// What `control` would record now if it is signed; `None` when nothing would change, or what
    /// changes is not signed.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] when it would be refused.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn preview(&self, control: Control) -> Result<Option<Preview>, SubmitError> {
        previewed(&self.controls, Event::Control(control)).await
    }

    /// What putting `policy` in force would record, as [`Handle::preview`].
    ///
    /// # Errors
    /// As [`Handle::preview`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn preview_policy(
        &self,
        policy: Arc<Policy>,
    ) -> Result<Option<Preview>, SubmitError> {
        previewed(&self.controls, Event::Configured(policy)).await
    }

    /// As [`Handle::control`], recorded with the signatures that came. A stop that comes signed holds
    /// once it is recorded, for until then nobody knows whose it is.
    ///
    /// # Errors
    /// [`SubmitError::SignatureMismatch`] when the body or the subject that was signed is not the one
    /// that would be recorded, [`SubmitError::SignatureStale`] when it was signed to replace a record
    /// that another has replaced, as all that was recorded once, [`SubmitError::SignatureKey`] for a
    /// key that is not valid now, [`SubmitError::SignatureMissing`] when an agent that must sign has
    /// not: nothing has changed. What is so already needs no record and is done, whatever was signed.
    ///
    /// # Cancel safety
    /// As [`Handle::submit`].
    pub async fn control_signed(
        &self,
        control: Control,
        presigned: Presigned,
    ) -> Result<Reply, SubmitError> {
        let purpose = Purpose::Presigned(Box::new(presigned));
        let answered = ask_for(&self.controls, Event::Control(control), purpose).await?;
        answered.done()
    }

    /// As [`Handle::configure`], recorded with the signatures that came.
    ///
    /// # Errors
    /// As [`Handle::control_signed`]; the old policy stays in force entirely.
    pub async fn configure_signed(
        &self,
        policy: Arc<Policy>,
        presigned: Presigned,
    ) -> Result<(), SubmitError> {
        let purpose = Purpose::Presigned(Box::new(presigned));
        let answered = ask_for(&self.controls, Event::Configured(policy), purpose).await?;
        answered.done()?;
        self.notes.set_reload_error(None);
        Ok(())
    }
}

async fn previewed(
    lane: &mpsc::Sender<Request>,
    event: Event,
) -> Result<Option<Preview>, SubmitError> {
    match ask_for(lane, event, Purpose::Preview).await? {
        Answered::Preview(preview) => Ok(Some(*preview)),
        other @ (Answered::Machine(_) | Answered::Duplicate { .. }) => {
            other.done().map(|_nothing_changes| None)
        }
    }
}

async fn ask_for(
    lane: &mpsc::Sender<Request>,
    event: Event,
    purpose: Purpose,
) -> Result<Answered, SubmitError> {
    let (answer, answered) = oneshot::channel();
    let request = Request {
        event,
        answer,
        purpose,
    };
    lane.send(request)
        .await
        .map_err(|_closed| SubmitError::Closed)?;
    answered.await.map_err(|_closed| SubmitError::Closed)?
}
