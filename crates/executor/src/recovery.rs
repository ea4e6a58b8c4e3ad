//! Finds what became of the leases of an owner that was lost.
//!
//! By the time the spawner says that it holds the lock, every spawner and keeper before it is gone,
//! so whatever they have written is final. A lease, in this order:
//!
//! 1. is of an earlier boot, whatever is left of its note: dead;
//! 2. has no note: never started;
//! 3. has an exit file: its tree is dead, and if the leader had exited 0 by itself with a valid
//!    result, that is reported;
//! 4. its spawner ended clean: dead;
//! 5. else processes that bear its nonce are killed, and nothing is proven.
//!
//! Leases of this boot are told from older ones by `run/boot.json`, written durably before the first
//! launch of a boot.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::id::Digest;
use antiphon_core::report::{Fate, Output, ResultFile};
use antiphon_engine::fail;
use antiphon_spawner::wire::{Ended, Exit};
use antiphon_spawner::{CLEAN_FILE, exit_name, note_name};
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::folders::SPARE;
use crate::preparation::Note;
use crate::{Shared, attempt, result};

mod strays;

/// How long a predecessor's spawner may take to kill what it has.
const PREDECESSOR_MAX: Duration = Duration::from_secs(5);
/// Bytes of any file that recovery reads.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The file that tells leases of this boot from older ones.
const BOOT_FILE: &str = "boot.json";

/// What `run/boot.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BootFile {
    /// The boot.
    boot: String,
    /// Leases of this boot have tokens above this.
    leases_above: u64,
}

/// Whether a lease has a note.
enum Noted {
    Here(Note),
    Missing,
    Unreadable,
}

impl Shared {
    /// The fates of `tokens`. What belongs to no token is removed.
    pub(crate) async fn recover(self: Arc<Self>, tokens: Vec<u64>) -> Vec<(u64, Fate)> {
        let mut instance = self.instance.subscribe();
        let ready = instance.wait_for(Option::is_some);
        if tokio::time::timeout(PREDECESSOR_MAX, ready).await.is_err() {
            self.lost("the spawner of the last owner has not ended".to_owned())
                .await;
            return unproven(&tokens);
        }
        let (shared, asked) = (Arc::clone(&self), tokens.clone());
        let found = tokio::task::spawn_blocking(move || shared.fates(&asked)).await;
        match found.map_err(io::Error::other).flatten() {
            Ok(fates) => fates,
            Err(error) => {
                self.lost(format!("what was left in run/ cannot be read: {error}"))
                    .await;
                unproven(&tokens)
            }
        }
    }

    fn fates(&self, tokens: &[u64]) -> io::Result<Vec<(u64, Fate)>> {
        let leases_above = self.enter_boot(tokens)?;
        let clean = self.read(CLEAN_FILE)?.unwrap_or_default();
        let clean: BTreeSet<&str> = clean.lines().collect();
        let mut nonces = Vec::new();
        let fates: Vec<(u64, Fate)> = tokens
            .iter()
            .map(|token| {
                let (fate, nonce) = self.fate(*token, leases_above, &clean);
                nonces.extend(nonce);
                (*token, fate)
            })
            .collect();
        strays::kill(&nonces)?;
        for (token, fate) in &fates {
            if *fate == Fate::NeverStarted {
                self.run.give_back(*token);
            }
        }
        self.sweep(tokens)?;
        self.run.make_spares()?;
        if tokens.is_empty() {
            self.remove(CLEAN_FILE)?;
        }
        Ok(fates)
    }

    /// The fate of one lease, and the nonce of its processes if some may live.
    fn fate(
        &self,
        token: u64,
        leases_above: Option<u64>,
        clean: &BTreeSet<&str>,
    ) -> (Fate, Option<String>) {
        if leases_above.is_some_and(|above| token <= above) {
            return (Fate::Dead, None);
        }
        match self.noted(token) {
            Noted::Missing if leases_above.is_some() => (Fate::NeverStarted, None),
            // Without the boot file it may be of an earlier boot and its note gone with the power.
            Noted::Missing | Noted::Unreadable => (Fate::Unproven, None),
            Noted::Here(note) if note.boot != self.boot => (Fate::Dead, None),
            Noted::Here(note) => match self.ended(token) {
                Some(ended) => (self.fate_of_ended(&ended), None),
                None if clean.contains(note.spawner.as_str()) => (Fate::Dead, None),
                None => (Fate::Unproven, Some(note.nonce)),
            },
        }
    }

    /// A tree that is dead: its end is reported if it was its own and is complete. An exit with a
    /// failure may be the work of the owner's death, which breaks the pipes.
    fn fate_of_ended(&self, ended: &Ended) -> Fate {
        let result = result::read(self.run.as_fd(), ended.token);
        let complete = matches!(result, ResultFile::Valid(_));
        if ended.exited_before_stop && ended.exit == Exit::Code(0) && complete {
            let report = attempt::report_of(ended, result, lost_output(), lost_output());
            Fate::Reported(Box::new(report))
        } else {
            Fate::Dead
        }
    }

    fn noted(&self, token: u64) -> Noted {
        match self.read(&note_name(token)) {
            Ok(None) => Noted::Missing,
            Ok(Some(text)) => serde_json::from_str(&text).map_or(Noted::Unreadable, Noted::Here),
            Err(_) => Noted::Unreadable,
        }
    }

    fn ended(&self, token: u64) -> Option<Ended> {
        let text = self.read(&exit_name(token)).ok().flatten()?;
        let ended: Ended = serde_json::from_str(&text).ok()?;
        (ended.token == token).then_some(ended)
    }

    /// Makes sure that `run/boot.json` speaks of this boot; returns the token above which leases
    /// are of it, or `None` when there was no such file.
    fn enter_boot(&self, tokens: &[u64]) -> io::Result<Option<u64>> {
        let known = self.read(BOOT_FILE)?;
        let known: Option<BootFile> = known.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(known) = known.as_ref().filter(|known| known.boot == self.boot) {
            return Ok(Some(known.leases_above));
        }
        let leases_above =
            known.map(|known| tokens.iter().copied().fold(known.leases_above, u64::max));
        let entered = BootFile {
            boot: self.boot.clone(),
            leases_above: leases_above.unwrap_or(0),
        };
        let draft = format!("{BOOT_FILE}.draft");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.run, &draft, flags | OFlags::CLOEXEC, mode)?;
        let mut file = File::from(file);
        file.write_all(&serde_json::to_vec(&entered)?)?;
        fail::step("start.boot_written")?;
        file.sync_all()?;
        rustix::fs::renameat(&self.run, &draft, &self.run, BOOT_FILE)?;
        fail::step("start.boot_named")?;
        rustix::fs::fsync(&self.run)?;
        Ok(leases_above)
    }

    /// Removes what lies in `run/` for attempts that are none of `tokens`.
    fn sweep(&self, tokens: &[u64]) -> io::Result<()> {
        let mut settled = BTreeSet::new();
        for entry in std::fs::read_dir(self.run.path())? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(SPARE)) {
                let is_folder = entry.file_type()?.is_dir();
                let remove = if is_folder {
                    std::fs::remove_dir_all
                } else {
                    std::fs::remove_file
                };
                remove(entry.path())?;
            }
            let number = name.to_str().and_then(|name| name.split('.').next());
            let token = number.and_then(|number| number.parse::<u64>().ok());
            settled.extend(token.filter(|token| !tokens.contains(token)));
        }
        for token in settled {
            self.remove(&format!("{}.draft", exit_name(token)))?;
            if let Some(folder) = self.run.give_back(token) {
                std::fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.run, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The text of a file in `run/`, if there is one.
    fn read(&self, name: &str) -> io::Result<Option<String>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.run, name, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            outcome => outcome?,
        };
        let mut text = String::new();
        File::from(file)
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut text)?;
        Ok(Some(text))
    }
}

fn unproven(tokens: &[u64]) -> Vec<(u64, Fate)> {
    tokens
        .iter()
        .map(|token| (*token, Fate::Unproven))
        .collect()
}

/// What is left of an output whose reader died: nothing, and that is said.
fn lost_output() -> Output {
    Output {
        cut: true,
        sha256: Digest::of(b""),
        ..Output::empty()
    }
}
