//! What is done with one name: read, handed over, and when answered let go.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use antiphon_core::id::Digest;
use antiphon_core::input::{Intent, Malformed};
use antiphon_core::json::{Document, JsonError, JsonLimits};
use antiphon_core::time::rfc3339;
use antiphon_engine::fail;
use antiphon_engine::ports::intake::{Intake, IntakeAnswer};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::candidate::{self, Candidate, Content, will_be_closed};
use super::place::{Left, Place, Reason};
use super::session::{Heard, Session};
use super::submissions::{Answered, Submitted};
use crate::identity::Identity;
use crate::root::text;

/// Bytes of a malformed file that stand in its dead letter.
const EXCERPT_BYTES_MAX: usize = 4 * 1024;

/// A name with what was found under it.
struct Found {
    place: Arc<Place>,
    name: CString,
    identity: Identity,
    bytes: Vec<u8>,
}

impl<I: Intake> Session<'_, I> {
    /// Looks at one name and hands over what it finds.
    pub(super) fn consider(&mut self, name: CString, heard: Heard) {
        if heard == Heard::Complete {
            self.settled(&name);
        }
        if self.submissions.holds(&name) {
            if heard == Heard::Complete {
                self.submissions.touch(&name);
            }
            return;
        }
        let Some(place) = self.place.clone() else {
            return;
        };
        if heard == Heard::Created && will_be_closed(place.descriptor(), &name) {
            return self.unsettle(name);
        }
        let candidate = match fail::step("inbox.reading") {
            Ok(()) => candidate::read(place.descriptor(), &name, &self.options.owners),
            Err(failed) => Candidate::Shortage(failed.into()),
        };
        match candidate {
            Candidate::Gone => {}
            Candidate::Changing => self.unsettle(name),
            Candidate::Shortage(error) => {
                tracing::warn!(%error, "the inbox cannot read: trying again later");
                self.pause();
            }
            Candidate::Refused(refused) => {
                let found = Found {
                    place,
                    name,
                    identity: refused.identity,
                    bytes: Vec::new(),
                };
                self.hand_over_malformed(found, refused.code, refused.error);
            }
            Candidate::Read(Content { identity, bytes }) => {
                let found = Found {
                    place,
                    name,
                    identity,
                    bytes,
                };
                self.hand_over(found, heard);
            }
        }
    }

    /// Lets a file leave that was answered, or looks at it again.
    pub(super) fn let_leave(&mut self, answered: Answered) {
        let Answered {
            file,
            answer,
            is_touched,
        } = answered;
        let left = match answer {
            IntakeAnswer::Later => return self.pause(),
            IntakeAnswer::Closed => {
                self.is_closed = true;
                return;
            }
            IntakeAnswer::Accepted { .. } | IntakeAnswer::Parked { .. } if is_touched => {
                // What it is now is read anew; if it is the same, so is its key, and its answer.
                self.heard.push_back((file.name, Heard::Complete));
                return;
            }
            IntakeAnswer::Accepted { .. } => {
                self.backoff.reset();
                file.place.remove(&file.name, &file.identity)
            }
            IntakeAnswer::Parked {
                letter,
                code,
                error,
            } => {
                self.backoff.reset();
                let name = text(&file.name);
                tracing::warn!(file = ?name, error.code = code, %letter, "intent parked");
                let reason = Reason {
                    code: &code,
                    error: &error,
                    file: name,
                    letter: letter.to_string(),
                    parked_at: rfc3339(self.clock.now().wall_ms),
                };
                file.place
                    .park(&file.name, &file.identity, &file.key, &reason)
            }
        };
        match left {
            Ok(Left::Gone) => {}
            Ok(Left::Changed) => self.heard.push_back((file.name, Heard::Found)),
            Err(error) => {
                let name = text(&file.name);
                tracing::error!(file = ?name, %error, "an answered intent cannot be moved away");
            }
        }
    }

    fn hand_over(&mut self, found: Found, heard: Heard) {
        match parse(&found.bytes) {
            Ok(document) => {
                #[cfg(antiphon_plant)]
                found.leave_early();
                let key = key(&found);
                let intent = Intent {
                    file: text(&found.name),
                    document,
                    key,
                };
                let answer = self.intake.intent(intent);
                self.submissions.add(found.submitted(key), answer);
            }
            Err(_) if heard != Heard::Complete && self.may_become_whole(&found.identity) => {
                self.unsettle(found.name);
            }
            Err(error) => {
                self.hand_over_malformed(found, error.code(), error.to_string());
            }
        }
    }

    fn hand_over_malformed(&mut self, found: Found, code: &str, error: String) {
        if !self.bucket.take(Instant::now()) {
            if !self.malformed.push(found.name) {
                self.end_malformed_walk();
            }
            return;
        }
        let key = key(&found);
        let malformed = Malformed {
            subject: format!("intent:{}", text(&found.name)),
            code: code.to_owned(),
            error,
            excerpt: excerpt(&found.bytes),
            sha256: Digest::of(&found.bytes),
        };
        let answer = self.intake.malformed(malformed, key);
        self.submissions.add(found.submitted(key), answer);
    }

    /// Whether a file changed so recently that its writer may not have finished. One from the
    /// future was written before the clock was set back.
    fn may_become_whole(&self, identity: &Identity) -> bool {
        let now_ns = i128::from(self.clock.now().wall_ms).saturating_mul(1_000_000);
        let age_ns = now_ns.saturating_sub(identity.changed_ns);
        let settle_ns = i128::try_from(self.options.settle.as_nanos()).unwrap_or(i128::MAX);
        (-1_000_000..settle_ns).contains(&age_ns)
    }

    fn unsettle(&mut self, name: CString) {
        self.unsettled.push(name);
        if self.unsettled_at.is_none() {
            self.unsettled_at = Some(Instant::now() + self.options.settle);
        }
    }

    fn settled(&mut self, name: &CStr) {
        self.unsettled.remove(name);
        if self.unsettled.is_empty() && !self.unsettled.are_left() {
            self.unsettled_at = None;
        }
    }
}

impl Found {
    /// The planted bug: the file goes before its record is durable.
    #[cfg(antiphon_plant)]
    fn leave_early(&self) {
        if antiphon_engine::plant::is("inbox_file_removed_early") {
            self.place.remove(&self.name, &self.identity).ok();
        }
    }

    fn submitted(self, key: [u8; 16]) -> Submitted {
        let Self {
            place,
            name,
            identity,
            bytes,
        } = self;
        Submitted {
            name,
            place,
            identity,
            key,
            bytes: bytes.len(),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Document, JsonError> {
    let document = Document::parse(bytes, &JsonLimits::INTENT)?;
    if document.root().is_object() {
        Ok(document)
    } else {
        Err(JsonError::NotAnObject)
    }
}

/// What tells this drop from every other: the first 16 bytes of SHA-256 over name, 0, device,
/// inode, time of last change in ns (big-endian) and SHA-256 of the content.
fn key(found: &Found) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(found.name.to_bytes());
    hash.update([0]);
    hash.update(found.identity.device.to_be_bytes());
    hash.update(found.identity.inode.to_be_bytes());
    hash.update(found.identity.changed_ns.to_be_bytes());
    hash.update(Digest::of(&found.bytes).0);
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    key
}

/// The first bytes as text, invalid UTF-8 replaced.
fn excerpt(bytes: &[u8]) -> String {
    let start = bytes.get(..EXCERPT_BYTES_MAX).unwrap_or(bytes);
    let mut text = String::from_utf8_lossy(start).into_owned();
    text.truncate(text.floor_char_boundary(EXCERPT_BYTES_MAX));
    text
}
