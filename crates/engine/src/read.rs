//! Reading records back: from the bytes of a log to what they mean.
//!
//! In: a [`LogReader`] and sequence numbers. Out: records as stored, or as [`Projected`] ones.
//! Hashes are not checked here; that is recovery's and the verifier's.

use std::ops::Range;

use antiphon_core::record::{Body, CodecError, Record};
use antiphon_ledger::envelope::{Envelope, EnvelopeError};
use antiphon_ledger::hash::SALT_BYTES;

use crate::ports::store::{LogReader, StoreError, StoredRecord, Turn};
use crate::ports::views::Projected;

/// Why a record could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its envelope is none.
    #[error("the envelope of record {seq} is malformed")]
    Envelope {
        /// The record.
        seq: u64,
        /// What is wrong.
        #[source]
        source: EnvelopeError,
    },
    /// Its body is none.
    #[error("the body of record {seq} cannot be read")]
    Body {
        /// The record.
        seq: u64,
        /// What is wrong.
        #[source]
        source: CodecError,
    },
}

/// Bytes of records that are read at one time.
const READ_BYTES: usize = 1 << 20;
/// Bytes that a record is taken to have when only a few are wanted.
const RECORD_BYTES: usize = 4 << 10;

/// Shows the records of `range` in order; gives the number behind the last that the log has of them.
///
/// # Errors
/// [`StoreError`] as `E` when the log cannot be read; whatever `show` gives, which ends it.
pub fn each<E: From<StoreError>>(
    log: &mut dyn LogReader,
    range: Range<u64>,
    mut show: impl FnMut(u64, &StoredRecord<'_>) -> Result<(), E>,
) -> Result<u64, E> {
    let mut next = range.start;
    while next < range.end {
        let wanted = usize::try_from(range.end.saturating_sub(next)).unwrap_or(usize::MAX);
        let bytes = wanted.saturating_mul(RECORD_BYTES).min(READ_BYTES);
        let turns = log.turns_from(next, bytes)?;
        let Some(last) = turns.last() else { break };
        for turn in turns.iter().take_while(|turn| turn.first_seq < range.end) {
            for (seq, stored) in (turn.first_seq..).zip(&turn.records()?) {
                if (next..range.end).contains(&seq) {
                    show(seq, stored)?;
                }
            }
        }
        let end = last.next_seq();
        if end <= next {
            // A log that was damaged stands still.
            break;
        }
        next = end;
    }
    Ok(next.min(range.end))
}

/// The meaning of one stored record, which is number `seq`.
///
/// # Errors
/// [`ReadError`].
pub fn decode(seq: u64, stored: &StoredRecord<'_>) -> Result<Projected, ReadError> {
    let envelope =
        Envelope::decode(stored.envelope).map_err(|source| ReadError::Envelope { seq, source })?;
    let body = stored.body.map(|bytes| {
        let json = bytes.get(SALT_BYTES..).unwrap_or_default();
        Body::decode(envelope.kind, envelope.version, json)
            .map_err(|source| ReadError::Body { seq, source })
    });
    let (time_ms, elapsed_ms) = (envelope.time_ms, envelope.elapsed_ms);
    let record = body.transpose()?.map(|body| Record {
        seq,
        time_ms,
        elapsed_ms,
        body,
    });
    Ok(Projected {
        seq,
        time_ms,
        elapsed_ms,
        record,
    })
}

/// Single records of a log, read by number. Neighbours are cheap: the last turn is kept.
pub struct Records {
    log: Box<dyn LogReader>,
    turn: Option<Turn>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl Records {
    /// Reads from `log`.
    #[must_use]
    pub fn new(log: Box<dyn LogReader>) -> Self {
        Self { log, turn: None }
    }

    /// The log itself, for its tiles.
    pub fn log(&mut self) -> &mut dyn LogReader {
        self.log.as_mut()
    }

    /// Record `seq`, or `None` when the log ends before it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn record(&mut self, seq: u64) -> Result<Option<Projected>, ReadError> {
        self.with(seq, |stored| decode(seq, &stored))?.transpose()
    }

    /// Record `seq` and those behind it in its turn; none when the log ends before it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn turn_from(&mut self, seq: u64) -> Result<Vec<Projected>, ReadError> {
        let Some((turn, index)) = self.turn_of(seq)? else {
            return Ok(Vec::new());
        };
        let stored = turn.records()?;
        (seq..)
            .zip(stored.iter().skip(index))
            .map(|(seq, stored)| decode(seq, stored))
            .collect()
    }

    /// Envelope and body of record `seq` as JSON text, as stored; `None` when the log ends before
    /// it. The body is `None` when it was pruned.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn text(&mut self, seq: u64) -> Result<Option<(String, Option<String>)>, ReadError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.with(seq, |stored| {
            let json = stored
                .body
                .map(|body| body.get(SALT_BYTES..).unwrap_or_default());
            (text(stored.envelope), json.map(text))
        })
    }

    fn with<T>(
        &mut self,
        seq: u64,
        read: impl FnOnce(StoredRecord<'_>) -> T,
    ) -> Result<Option<T>, ReadError> {
        let Some((turn, index)) = self.turn_of(seq)? else {
            return Ok(None);
        };
        Ok(turn.records()?.get(index).map(|stored| read(*stored)))
    }

    /// The turn that holds record `seq`, and the record's place in it.
    fn turn_of(&mut self, seq: u64) -> Result<Option<(&Turn, usize)>, ReadError> {
        let place = |turn: &Turn| {
            let index = seq.checked_sub(turn.first_seq)?;
            (index < u64::from(turn.count)).then(|| usize::try_from(index).ok())?
        };
        if self.turn.as_ref().and_then(place).is_none() {
            self.turn = self.log.turns_from(seq, 0)?.into_iter().next();
        }
        Ok(self
            .turn
            .as_ref()
            .and_then(|turn| Some((turn, place(turn)?))))
    }
}
