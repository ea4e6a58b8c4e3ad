//! The judgement of a whole log on several threads.
//!
//! Each thread takes the next piece of the log, examines its records by themselves, which is nearly
//! all of the work, and gives them to the one auditor when all before them are there. So at most
//! one piece a thread is in memory, and the audit is the same for any number of threads.

use std::sync::{Condvar, Mutex, PoisonError};

use antiphon_core::json::{Document, JsonLimits};
use antiphon_ledger::audit::{Audit, Auditor};
use antiphon_ledger::exported;
use antiphon_ledger::trust::Trust;
use antiphon_ledger::verify::BodyCheck;
use indicatif::ProgressBar;

use super::place::read;
use super::source::{Source, Tiles};
use crate::failure::Failure;

/// Threads beyond which the one auditor is what takes the time.
const THREADS_MAX: usize = 8;

/// How a log is judged.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Threads to work on; at least one.
    pub(crate) threads: usize,
    /// Whether the JSON of bodies is checked, beside their hashes.
    pub(crate) checks_json: bool,
    /// Shows how far it is.
    pub(crate) progress: ProgressBar,
}

impl Manner {
    /// On as many threads as the machine has, without progress.
    pub(crate) fn quiet() -> Self {
        Self {
            threads: threads(None),
            checks_json: true,
            progress: ProgressBar::hidden(),
        }
    }
}

/// The threads that were asked for, or those that the machine has.
pub(crate) fn threads(asked: Option<usize>) -> usize {
    let has = std::thread::available_parallelism().map_or(1, usize::from);
    asked.unwrap_or(has).clamp(1, THREADS_MAX)
}

/// Judges `source` by `trust`.
///
/// # Errors
/// [`Failure::Store`] when it cannot be read.
pub(crate) fn judge(
    mut source: Source,
    trust: Option<Trust>,
    manner: &Manner,
) -> Result<Audit, Failure> {
    let auditor = source.auditor(trust);
    let folder = match &source {
        Source::Root(_) => None,
        Source::Folder(folder) => Some(folder.path.clone()),
    };
    manner.progress.set_length(source.size());
    let tiles = source.tiles()?;
    let work = Work {
        reading: Mutex::new(Reading {
            source: Some(source),
            next_ticket: 0,
        }),
        folding: Mutex::new(Folding {
            auditor,
            tiles,
            next_ticket: 0,
            end: None,
        }),
        folded: Condvar::new(),
        check: manner.checks_json.then_some(&is_canonical),
        progress: &manner.progress,
    };
    std::thread::scope(|scope| {
        for _ in 1..manner.threads {
            scope.spawn(|| work.run());
        }
        work.run();
    });
    manner.progress.finish_and_clear();
    let folding = work
        .folding
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(End::Failed(failure)) = folding.end {
        return Err(failure);
    }
    if let Tiles::Root {
        unread: Some(error),
        ..
    } = folding.tiles
    {
        return Err(error.into());
    }
    Ok(match folder {
        Some(path) => exported::close(folding.auditor, |name| read(&path, name)),
        None => folding.auditor.finish(),
    })
}

/// Whether the JSON of a body is canonical.
fn is_canonical(json: &[u8]) -> Result<(), String> {
    let document = Document::parse(json, &JsonLimits::BODY).map_err(|error| error.to_string())?;
    if document.text().as_bytes() == json {
        Ok(())
    } else {
        Err("it is written in another form".to_owned())
    }
}

/// What the threads share.
struct Work<'a> {
    reading: Mutex<Reading>,
    folding: Mutex<Folding>,
    /// Whenever a piece was folded, or the end has come.
    folded: Condvar,
    check: Option<&'a BodyCheck>,
    progress: &'a ProgressBar,
}

struct Reading {
    /// `None` behind the last piece.
    source: Option<Source>,
    next_ticket: u64,
}

struct Folding {
    auditor: Auditor,
    tiles: Tiles,
    /// The piece that comes next.
    next_ticket: u64,
    end: Option<End>,
}

/// Why no piece is folded any more.
enum End {
    /// The log ends here, whatever was read behind it.
    Reached,
    /// Something could not be read.
    Failed(Failure),
}

/// Lets nobody wait for a thread that panicked.
struct Alarm<'a>(&'a Work<'a>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folding = self.0.folding.lock();
            let mut folding = folding.unwrap_or_else(PoisonError::into_inner);
            folding.end = Some(End::Reached);
            drop(folding);
            self.0.folded.notify_all();
        }
    }
}

impl Work<'_> {
    fn run(&self) {
        let _alarm = Alarm(self);
        while let Some((ticket, piece)) = self.read() {
            let examined = piece.and_then(|piece| Ok((piece.examine(self.check)?, piece)));
            let folding = self.folding.lock().unwrap_or_else(PoisonError::into_inner);
            let waits =
                |folding: &mut Folding| folding.next_ticket != ticket && folding.end.is_none();
            let mut folding = self
                .folded
                .wait_while(folding, waits)
                .unwrap_or_else(PoisonError::into_inner);
            if folding.end.is_some() {
                return;
            }
            let Folding { auditor, tiles, .. } = &mut *folding;
            let folded = examined.and_then(|(examined, piece)| piece.fold(auditor, &examined));
            tiles.verify(auditor);
            self.progress.set_position(auditor.tree().size());
            folding.end = match folded {
                Ok(true) => None,
                Ok(false) => Some(End::Reached),
                Err(failure) => Some(End::Failed(failure)),
            };
            folding.next_ticket += 1;
            drop(folding);
            self.folded.notify_all();
        }
    }

    /// The next piece and its place among all; a failure is the last.
    fn read(&self) -> Option<(u64, Result<super::source::Piece, Failure>)> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = match reading.source.as_mut()?.next() {
            Ok(Some(piece)) => Ok(piece),
            Ok(None) => {
                reading.source = None;
                return None;
            }
            Err(failure) => {
                reading.source = None;
                Err(failure)
            }
        };
        let ticket = reading.next_ticket;
        reading.next_ticket += 1;
        Some((ticket, piece))
    }
}
