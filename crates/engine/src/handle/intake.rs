//! The inbox's end of the handle: dropped files, and what becomes of them.

use antiphon_core::input::{Event, Intent, Malformed, Reply};
use tokio::sync::{mpsc, oneshot};

use super::{Answered, Handle, Request, SubmitError};
use crate::ports::executor::Answer;
use crate::ports::intake::{Intake, IntakeAnswer};

impl Intake for Handle {
    fn intent(&self, intent: Intent) -> Answer<'_, IntakeAnswer> {
        hand_over(&self.signals, Event::Intent(Box::new(intent)))
    }

    fn malformed(&self, malformed: Malformed, key: [u8; 16]) -> Answer<'_, IntakeAnswer> {
        let event = Event::Malformed {
            what: Box::new(malformed),
            key: Some(key),
        };
        hand_over(&self.signals, event)
    }
}

fn hand_over(lane: &mpsc::Sender<Request>, event: Event) -> Answer<'static, IntakeAnswer> {
    let (answer, answered) = oneshot::channel();
    let sent = lane.try_send(Request::new(event, answer));
    Box::pin(async move {
        match sent {
            Ok(()) => answered.await.map_or(IntakeAnswer::Closed, intake_answer),
            Err(mpsc::error::TrySendError::Full(_)) => IntakeAnswer::Later,
            Err(mpsc::error::TrySendError::Closed(_)) => IntakeAnswer::Closed,
        }
    })
}

fn intake_answer(answered: Result<Answered, SubmitError>) -> IntakeAnswer {
    match answered {
        Ok(Answered::Machine(Reply::Accepted { id, seq, .. })) => IntakeAnswer::Accepted {
            id,
            seq,
            duplicate: false,
        },
        Ok(Answered::Machine(Reply::Parked {
            letter,
            code,
            error,
        })) => IntakeAnswer::Parked {
            letter,
            code,
            error,
        },
        Ok(Answered::Duplicate { id, seq }) => IntakeAnswer::Accepted {
            id,
            seq,
            duplicate: true,
        },
        Ok(Answered::Machine(_) | Answered::Preview(_)) | Err(_) => IntakeAnswer::Later,
    }
}
