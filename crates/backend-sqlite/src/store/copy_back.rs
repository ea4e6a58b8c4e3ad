//! Copying the write-ahead file back into the database, beside the writer.
//!
//! In: when it is worth it, a thread with a connection of its own that copies while commits go on,
//! and the rest that the writer copies itself so that the file starts anew. Out: what a commit is
//! ([`super`]). Source: `docs/adr/0002-turn-per-row.md`.
//!
//! Invariants: whoever copies syncs both files and reports every failure; after one, nothing is
//! written any more; the file's length is bounded.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use antiphon_engine::fail;
use rusqlite::Connection;

use super::opening::SETTINGS;
use crate::connection::{Settings, open_writer, sync_when_closed};
use crate::error::Error;

/// Pages that wait before they are copied beside the writer (4 MiB).
const COPY_PAGES: i64 = 1_000;
/// The same while a fail-point is armed.
const COPY_PAGES_ARMED: i64 = 16;
/// Pages of the file at which it should start anew (16 MiB): it is overwritten from then on, which
/// syncs faster than a file that grows.
const RESTART_PAGES: i64 = 4_000;
/// The same while a fail-point is armed.
const RESTART_PAGES_ARMED: i64 = 64;
/// Pages that the writer copies itself, so that the file can start anew: few enough not to be felt.
const FINISH_PAGES: i64 = 400;
/// Pages that must be added before it is tried again while a reader is in the way.
const AGAIN_PAGES: i64 = 250;
/// The same while a fail-point is armed.
const AGAIN_PAGES_ARMED: i64 = 16;
/// Pages above which a commit waits for whoever is in the way (64 MiB): a longer file would make
/// the next start slow.
const PAGES_MAX: i64 = 16_384;

/// What is known of the write-ahead file between commits.
#[derive(Debug)]
pub(super) struct CopyBack {
    database: PathBuf,
    beside: Option<Beside>,
    /// Pages of the file at which it is tried next.
    next_at_pages: i64,
}

/// What the file needs after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing.
    Nothing,
    /// Copying while commits go on.
    Beside,
    /// Copying the rest, so that it starts anew.
    Finish,
    /// Waiting for whoever is in the way.
    Wait,
}

impl CopyBack {
    pub(super) fn new(database: PathBuf) -> Self {
        Self {
            database,
            beside: None,
            next_at_pages: 0,
        }
    }

    /// Looks at the file after a commit on `connection` and does what it needs.
    pub(super) fn after_commit(&mut self, connection: &Connection) -> Result<(), Error> {
        let is_at_rest = self.is_at_rest()?;
        let found = checkpoint(connection, "NOOP")?;
        let again = fail::unless_armed(AGAIN_PAGES, AGAIN_PAGES_ARMED);
        if found.pages < self.next_at_pages.saturating_sub(again) {
            // It has started anew.
            self.next_at_pages = 0;
        }
        let need = if found.pages > PAGES_MAX {
            Need::Wait
        } else if is_at_rest && found.pages >= self.next_at_pages {
            need(&found)
        } else {
            Need::Nothing
        };
        if need != Need::Nothing {
            self.next_at_pages = found.pages.saturating_add(again);
        }
        match need {
            Need::Nothing => Ok(()),
            Need::Beside => self.copy_beside(),
            Need::Finish => {
                fail::step("store.checkpoint")?;
                checkpoint(connection, "PASSIVE").map(drop)
            }
            Need::Wait => {
                self.rest()?;
                if checkpoint(connection, "RESTART")?.busy {
                    let pages = found.pages;
                    tracing::warn!(
                        log.wal_pages = pages,
                        "a reader keeps the write-ahead file from ending"
                    );
                }
                Ok(())
            }
        }
    }

    /// Ends the thread; says how its last work went.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        let ended = self.rest();
        self.beside = None;
        ended
    }

    fn copy_beside(&mut self) -> Result<(), Error> {
        let beside = match self.beside.take() {
            Some(beside) => beside,
            None => Beside::start(&self.database)?,
        };
        self.beside.insert(beside).order()
    }

    fn is_at_rest(&mut self) -> Result<bool, Error> {
        self.beside.as_mut().map_or(Ok(true), Beside::is_at_rest)
    }

    fn rest(&mut self) -> Result<(), Error> {
        self.beside.as_mut().map_or(Ok(()), Beside::rest)
    }
}

fn need(found: &Checkpoint) -> Need {
    let waiting = found.pages.saturating_sub(found.copied);
    let is_long = found.pages >= fail::unless_armed(RESTART_PAGES, RESTART_PAGES_ARMED);
    if is_long && waiting <= FINISH_PAGES {
        Need::Finish
    } else if is_long || waiting >= fail::unless_armed(COPY_PAGES, COPY_PAGES_ARMED) {
        Need::Beside
    } else {
        Need::Nothing
    }
}

/// The thread that copies while commits go on.
#[derive(Debug)]
struct Beside {
    /// Where it is told to; `None` tells it to end.
    orders: Option<SyncSender<()>>,
    answers: Receiver<Result<(), Error>>,
    is_busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Beside {
    fn start(database: &Path) -> Result<Self, Error> {
        let settings = Settings {
            // It reads the write-ahead file and writes the database; it looks nothing up.
            cache_kib: 64,
            ..SETTINGS
        };
        let connection = open_writer(database, settings)?;
        sync_when_closed(&connection, false)?;
        let (orders, ordered) = sync_channel::<()>(1);
        let (answer, answers) = sync_channel(1);
        let work = move || {
            for () in ordered {
                let copied = copy(&connection);
                if answer.send(copied).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("copy-back".to_owned());
        let thread = thread.spawn(work).map_err(|source| Error::File {
            path: database.to_owned(),
            source,
        })?;
        Ok(Self {
            orders: Some(orders),
            answers,
            is_busy: false,
            thread: Some(thread),
        })
    }

    fn order(&mut self) -> Result<(), Error> {
        let sent = self.orders.as_ref().map(|orders| orders.send(()));
        self.is_busy = true;
        sent.and_then(Result::ok).ok_or(Error::Poisoned)
    }

    /// Whether it has nothing to do; its failure, once.
    fn is_at_rest(&mut self) -> Result<bool, Error> {
        if !self.is_busy {
            return Ok(true);
        }
        match self.answers.try_recv() {
            Ok(copied) => {
                self.is_busy = false;
                copied.map(|()| true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => Err(Error::Poisoned),
        }
    }

    /// Waits until it has nothing to do.
    fn rest(&mut self) -> Result<(), Error> {
        if !self.is_busy {
            return Ok(());
        }
        self.is_busy = false;
        // A thread that is gone without an answer has panicked.
        self.answers.recv().unwrap_or(Err(Error::Poisoned))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that copies back panicked");
        }
    }
}

fn copy(connection: &Connection) -> Result<(), Error> {
    fail::step("store.copy_back")?;
    checkpoint(connection, "PASSIVE").map(drop)
}

/// What a checkpoint says.
pub(super) struct Checkpoint {
    /// Another connection was in the way.
    pub(super) busy: bool,
    /// Pages in the write-ahead file.
    pub(super) pages: i64,
    /// Those of them that have been copied.
    pub(super) copied: i64,
}

/// A checkpoint of SQLite in this mode.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> Result<Checkpoint, Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    let row = statement.query_row([], |row| {
        Ok(Checkpoint {
            busy: row.get(0)?,
            pages: row.get(1)?,
            copied: row.get(2)?,
        })
    })?;
    Ok(row)
}
