//! Who owns a root: a flock on `antiphon.lock`, never on the database.
//!
//! In: taking the lock at once or saying who has it. Out: fencing an owner that lost its lock
//! without noticing, which is the epoch of [`crate::store`].
//!
//! Invariants: the flock alone decides, so a lock left by a dead process is no lock; the file's
//! text is a hint for people (the keys of the seeds' lock files) and is never trusted; the file is
//! never removed, and one that was replaced between opening and locking is let go again.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_engine::ports::store::StoreError;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::root::at;

/// The name of the lock file in the root.
pub(crate) const LOCK_FILE: &str = "antiphon.lock";
/// How often a lock file may be replaced under us before we give up.
const TRIES_MAX: u32 = 64;
/// How long to wait for what a dead owner was about to start: until it is started it holds whatever
/// its parent held. With [`TRIES_MAX`], two thirds of a second at most.
const ORPHAN_PAUSE: Duration = Duration::from_millis(10);
/// Bytes of the hint that are read.
const HINT_BYTES_MAX: u64 = 4 * 1024;

/// The root is ours while this lives.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    // Closing it releases the flock.
    _file: File,
}

impl OwnerLock {
    /// Takes the lock of `root`, for an owner that started at `started_ms` (ms since 1970 UTC).
    pub(crate) fn take(root: &Path, started_ms: i64) -> Result<Self, StoreError> {
        Self::take_after(root, started_ms, || ())
    }

    /// As `take`; `opened` runs between opening and locking, where another may replace the file.
    fn take_after(
        root: &Path,
        started_ms: i64,
        mut opened: impl FnMut(),
    ) -> Result<Self, StoreError> {
        let path = root.join(LOCK_FILE);
        for attempt in 1..=TRIES_MAX {
            let mut file = open(&path).map_err(|error| error.of_store("opened", 0))?;
            opened();
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => {
                    let written = Hint::of_this_process(&path, started_ms).write(&mut file);
                    written.map_err(|error| at(&path)(error).of_store("opened", 0))?;
                    return Ok(Self { _file: file });
                }
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if attempt < TRIES_MAX && is_gone(&mut file) => {
                    std::thread::park_timeout(ORPHAN_PAUSE);
                }
                Err(Errno::WOULDBLOCK) => return Err(held(&path, &mut file)),
                Err(error) => return Err(at(&path)(error.into()).of_store("opened", 0)),
            }
        }
        let replaced = std::io::Error::other("the lock file is replaced again and again");
        Err(at(&path)(replaced).of_store("opened", 0))
    }
}

fn open(path: &Path) -> Result<File, Error> {
    // The bits of a flag set are what open(2) takes.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits())?;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags);
    options.open(path).map_err(at(path))
}

/// Whether `path` still names the file that is held.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(ours), Ok(theirs)) => ours.dev() == theirs.dev() && ours.ino() == theirs.ino(),
        _ => false,
    }
}

/// Whether the owner that the lock file names has died.
fn is_gone(file: &mut File) -> bool {
    let pid = Hint::read(file).and_then(|hint| i32::try_from(hint.pid).ok());
    let named = pid.and_then(Pid::from_raw);
    named.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

fn held(path: &Path, file: &mut File) -> StoreError {
    let owner = Hint::read(file).map_or_else(|| "it does not say who it is".to_owned(), Hint::text);
    StoreError::Held {
        path: path.display().to_string(),
        owner,
    }
}

/// What the lock file says of its owner; keys and their order as in the seeds' lock files.
#[derive(Debug, Serialize, Deserialize)]
struct Hint {
    name: String,
    pid: u32,
    hostname: String,
    started_at: f64,
    path: PathBuf,
}

impl Hint {
    fn of_this_process(path: &Path, started_ms: i64) -> Self {
        let seconds = started_ms.div_euclid(1_000);
        let millis = started_ms.rem_euclid(1_000);
        Self {
            name: "antiphon".to_owned(),
            pid: std::process::id(),
            hostname: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            // A decimal text is the exact way from milliseconds to seconds.
            started_at: format!("{seconds}.{millis:03}").parse().unwrap_or_default(),
            path: path.to_owned(),
        }
    }

    fn write(&self, file: &mut File) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&text)
    }

    fn read(file: &mut File) -> Option<Self> {
        file.rewind().ok()?;
        let mut text = String::new();
        file.take(HINT_BYTES_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// For people: everything that is not printable is left out.
    fn text(self) -> String {
        let plain =
            |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(64).collect() };
        format!(
            "{} process {} on {}",
            plain(&self.name),
            self.pid,
            plain(&self.hostname)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_has_the_keys_of_the_seeds_lock_files_in_their_order() {
        let root = tempfile::tempdir().unwrap();
        let _lock = OwnerLock::take(root.path(), 1_761_664_739_120).unwrap();
        let text = std::fs::read_to_string(root.path().join(LOCK_FILE)).unwrap();
        let keys: Vec<_> = text
            .lines()
            .filter_map(|line| line.split('"').nth(1))
            .collect();
        assert_eq!(keys, ["name", "pid", "hostname", "started_at", "path"]);
        assert!(text.contains("1761664739.12"), "{text}");
    }

    #[test]
    fn a_held_lock_names_its_owner() {
        let root = tempfile::tempdir().unwrap();
        let _lock = OwnerLock::take(root.path(), 0).unwrap();
        let error = OwnerLock::take(root.path(), 0).unwrap_err();
        let expected = format!("antiphon process {} on ", std::process::id());
        match error {
            StoreError::Held { owner, .. } => assert!(owner.starts_with(&expected), "{owner}"),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a40_a_lock_file_replaced_before_the_lock_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(LOCK_FILE);
        let mut opened = 0;
        let lock = OwnerLock::take_after(root.path(), 0, || {
            opened += 1;
            if opened < 3 {
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, "").unwrap();
            }
        });
        assert!(lock.is_ok());
        assert_eq!(
            opened, 3,
            "each replaced file is let go and the new one is taken"
        );
        assert!(matches!(
            OwnerLock::take(root.path(), 0),
            Err(StoreError::Held { .. })
        ));
    }

    #[test]
    fn a40_a_lock_file_replaced_again_and_again_is_given_up() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(LOCK_FILE);
        let lock = OwnerLock::take_after(root.path(), 0, || std::fs::remove_file(&path).unwrap());
        assert!(matches!(lock, Err(StoreError::Io { .. })));
    }

    #[test]
    fn a40_a_lock_file_that_is_a_link_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let victim = root.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, root.path().join(LOCK_FILE)).unwrap();
        assert!(matches!(
            OwnerLock::take(root.path(), 0),
            Err(StoreError::Io { .. })
        ));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn f30_a_lock_file_without_a_living_owner_is_no_lock() {
        let root = tempfile::tempdir().unwrap();
        let stale = r#"{"name":"antiphon","pid":1,"hostname":"h","started_at":1.0,"path":"/x"}"#;
        std::fs::write(root.path().join(LOCK_FILE), stale).unwrap();
        assert!(OwnerLock::take(root.path(), 0).is_ok());
    }

    #[test]
    fn f30_what_a_dead_owner_was_about_to_start_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let mut held = Some(OwnerLock::take(root.path(), 0).unwrap());
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let hint = format!(
            r#"{{"name":"antiphon","pid":{},"hostname":"h","started_at":1.0,"path":"/x"}}"#,
            dead.id()
        );
        std::fs::write(root.path().join(LOCK_FILE), hint).unwrap();
        let mut opened = 0;
        let lock = OwnerLock::take_after(root.path(), 0, || {
            opened += 1;
            if opened == 3 {
                held = None;
            }
        });
        assert!(lock.is_ok());
        assert_eq!(opened, 3);
    }
}
