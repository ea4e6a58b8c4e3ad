//! Which logs a witness knows: a file of lines `ORIGIN VERIFIER-KEY`.
//!
//! In: the file `logs` of the witness's folder, read anew whenever it changed, so that a log can be
//! added while the witness runs. Out: the keys that are trusted for an origin; a log whose key was
//! rotated has several. A file that cannot be read or understood changes nothing of what is known.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_ledger::checkpoint::ORIGIN_BYTES_MAX;
use antiphon_ledger::key::{Algorithm, VerifierKey};
use rustix::fs::FlockOperation;

use crate::error::Error;
use crate::whole;

/// The file's name in the witness's folder.
const FILE: &str = "logs";
/// Held by whoever adds a log.
const ADDING: &str = "logs.lock";
/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The trusted keys of each origin.
pub type Keys = BTreeMap<String, Arc<[VerifierKey]>>;

/// The file and what was read of it last.
#[derive(Debug)]
pub struct Logs {
    folder: PathBuf,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    /// What the file was when it was read.
    version: Option<Version>,
    keys: Keys,
}

/// Tells one state of a file that is only ever replaced from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    bytes: u64,
    changed_ns: (i64, i64),
}

impl Logs {
    /// The logs of the witness in `folder`; a folder without the file has none.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read or understood.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let logs = Self {
            folder: folder.to_owned(),
            read: Mutex::default(),
        };
        logs.refresh(&mut logs.lock())?;
        Ok(logs)
    }

    /// The keys that are trusted for `origin`; none when the log is not known.
    pub fn keys(&self, origin: &str) -> Option<Arc<[VerifierKey]>> {
        let mut read = self.lock();
        if let Err(error) = self.refresh(&mut read) {
            tracing::error!(error.detail = %error, "the logs are those that were known before");
        }
        read.keys.get(origin).cloned()
    }

    /// Every log that is known.
    pub fn all(&self) -> Keys {
        self.lock().keys.clone()
    }

    fn refresh(&self, read: &mut Read) -> Result<(), Error> {
        let path = self.folder.join(FILE);
        let version = match std::fs::metadata(&path) {
            Ok(found) => Some(Version {
                inode: found.ino(),
                bytes: found.size(),
                changed_ns: (found.ctime(), found.ctime_nsec()),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::io("read", &path, source)),
        };
        if read.version == version {
            return Ok(());
        }
        // What cannot be understood is not read again before it changes.
        read.version = version;
        read.keys = parse(&path, &text(&path)?)?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds `key` as one that is trusted for the log `origin`; a witness that runs knows it with the next
/// request. Says whether it is new.
///
/// # Errors
/// [`Error`] when the origin or the key is none of a log, or the file cannot be read or written.
pub fn add(folder: &Path, origin: &str, key: &VerifierKey) -> Result<bool, Error> {
    let path = folder.join(FILE);
    let line = format!("{origin} {key}\n");
    parse_line(&path, 0, line.trim_end_matches('\n'))?;
    let _adding = lock(&folder.join(ADDING))?;
    let mut text = text(&path)?;
    if parse(&path, &text)?
        .get(origin)
        .is_some_and(|keys| keys.contains(key))
    {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&line);
    whole::replace(folder, FILE, text.as_bytes())
        .map_err(|source| Error::io("write", &path, source))?;
    Ok(true)
}

/// The lock is held as long as the file is open.
fn lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let locked = options.open(path).and_then(|file| {
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    locked.map_err(|source| Error::io("lock", path, source))
}

fn text(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::io("read", path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
    if u64::try_from(read.map_err(failed)?).is_ok_and(|read| read >= FILE_BYTES_MAX) {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<Keys, Error> {
    let mut keys: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.is_empty() && !line.starts_with('#') {
            let (origin, key) = parse_line(path, number, line)?;
            keys.entry(origin).or_default().push(key);
        }
    }
    let shared = |(origin, keys): (String, Vec<VerifierKey>)| (origin, keys.into());
    Ok(keys.into_iter().map(shared).collect())
}

fn parse_line(path: &Path, number: usize, line: &str) -> Result<(String, VerifierKey), Error> {
    let wrong = |what: String| Error::Logs {
        path: path.to_owned(),
        line: number,
        what,
    };
    let split = line.rsplit_once(' ');
    let (origin, key) = split.ok_or_else(|| wrong("it is not `ORIGIN KEY`".to_owned()))?;
    if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || origin.chars().any(char::is_control)
    {
        return Err(wrong("an origin is one line of 1 to 255 bytes".to_owned()));
    }
    let key: VerifierKey = key
        .parse()
        .map_err(|error: antiphon_ledger::key::KeyError| wrong(error.to_string()))?;
    if key.algorithm() == Algorithm::Ed25519 {
        Ok((origin.to_owned(), key))
    } else {
        Err(wrong("it is the key of a witness, not of a log".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use antiphon_ledger::key::SigningKey;

    use super::*;

    fn key(name: &str, algorithm: Algorithm) -> VerifierKey {
        let key = SigningKey::new(name, algorithm, &[7; 32]).unwrap();
        key.verifier().clone()
    }

    #[test]
    fn a_log_that_is_added_is_known_at_once_with_all_its_keys() {
        let home = tempfile::tempdir().unwrap();
        let logs = Logs::open(home.path()).unwrap();
        assert!(logs.keys("a.example/log").is_none());
        let (one, other) = (key("a", Algorithm::Ed25519), key("b", Algorithm::Ed25519));
        assert!(add(home.path(), "a.example/log", &one).unwrap());
        assert!(!add(home.path(), "a.example/log", &one).unwrap());
        assert_eq!(logs.keys("a.example/log").unwrap().len(), 1);
        assert!(add(home.path(), "a.example/log", &other).unwrap());
        assert_eq!(*logs.keys("a.example/log").unwrap(), [one, other]);
    }

    #[test]
    fn what_is_no_log_is_refused_and_what_was_known_stays_known() {
        let home = tempfile::tempdir().unwrap();
        let good = key("a", Algorithm::Ed25519);
        let refused = |origin: &str, key: &VerifierKey| {
            add(home.path(), origin, key).unwrap_err();
        };
        refused("", &good);
        refused("two\nlines", &good);
        refused(&"o".repeat(256), &good);
        refused("a.example", &key("w", Algorithm::CosignatureV1));
        add(home.path(), "a.example", &good).unwrap();
        let logs = Logs::open(home.path()).unwrap();
        std::fs::write(home.path().join(FILE), "nonsense\n").unwrap();
        assert!(logs.keys("a.example").is_some());
        let error = Logs::open(home.path()).unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
