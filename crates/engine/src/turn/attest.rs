//! Before the second verb: what an input is given for, and whether what came signed with it fits.
//!
//! Nothing has changed when this refuses.

use antiphon_core::input::{Event, Reply};

use super::Turn;
use super::seal::Attested;
use crate::handle::{Answered, Purpose, SubmitError};

/// What becomes of an input.
pub(super) enum Prepared {
    /// It is stepped; its record is signed as was attested.
    Step(Option<Attested>),
    /// It is answered, and not stepped.
    Answer(Answered),
}

impl Turn {
    /// What is to be done with an input that is not to be refused, as whoever gave it means it.
    pub(super) fn prepared(
        &mut self,
        event: &Event,
        purpose: Purpose,
    ) -> Result<Prepared, SubmitError> {
        let body = self.machine.preview(event);
        let attested = match (purpose, body) {
            (Purpose::Preview, Err(refusal)) => return Err(SubmitError::Refused(refusal)),
            (Purpose::Preview, Ok(None)) => {
                return Ok(Prepared::Answer(Answered::Machine(Reply::Done)));
            }
            (Purpose::Preview, Ok(Some(body))) => {
                let preview = Box::new(self.sealer.signing.preview(&body)?);
                return Ok(Prepared::Answer(Answered::Preview(preview)));
            }
            (Purpose::Stop, _) => {
                self.staged.note_stop();
                None
            }
            (Purpose::Presigned(presigned), Ok(Some(body))) => {
                self.sealer.signing.attest(body, Some(&presigned))?
            }
            (Purpose::Step, Ok(Some(body))) => self.sealer.signing.attest(body, None)?,
            // What the machine refuses it refuses in its step; what changes nothing needs no one.
            (Purpose::Presigned(_) | Purpose::Step, Err(_) | Ok(None)) => None,
        };
        Ok(Prepared::Step(attested))
    }
}
