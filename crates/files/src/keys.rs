//! The room of keys: `keys/` in the data root, one file for each secret that the owner holds, and
//! key files that others hold elsewhere ([`outside`]).
//!
//! In: making, writing, reading, removing secrets, sealed with a passphrase or plain with mode 0600.
//! Out: which key is valid where (the log says it), when one is replaced (the binary), what is signed
//! ([`crate::signer`]).
//!
//! Invariants: a key is on disk, whole and synced, before this says that it is there, so that no
//! record ever names a key that a crash took away; a crash leaves at most a key that no record names;
//! files are opened beneath the root's descriptor, through no link, and only regular ones with one
//! name that nobody else may read.

pub mod error;
mod file;
pub mod outside;
pub mod passphrase;
mod sealed;

use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_engine::fail::{self, Failed};
use antiphon_engine::ports::entropy::Entropy;
use antiphon_ledger::key::{Algorithm, KeyId, SigningKey, VerifierKey};
use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::atomic::{self, Reached};
use crate::root::Root;
pub use error::Error;
use file::Content;
pub use file::Form;
pub use passphrase::Passphrase;
use passphrase::{Cost, Derived, SALT_BYTES};
use sealed::Sealed;

/// Where the room lies below the root.
pub const FOLDER: &str = "keys";
/// The public recovery key that waits for the log to be created.
const RECOVERY: &str = "recovery.pub";
/// Key files that are read at most: more than an owner can hold came from somewhere else.
const FILES_MAX: usize = 1_024;

/// The keys that the owner of a root holds.
pub struct Keys {
    root: Root,
    passphrase: Option<Passphrase>,
    entropy: Mutex<Box<dyn Entropy>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_sealed = self.passphrase.is_some();
        formatter
            .debug_struct("Keys")
            .field("is_sealed", &is_sealed)
            .finish_non_exhaustive()
    }
}

/// What lies in the room, for whoever has no passphrase.
#[derive(Debug)]
pub struct KeyFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Whose it is, by its own word when it is sealed, and how it is kept; or why it is no key.
    pub found: Result<(VerifierKey, Form), Error>,
}

impl Keys {
    /// The room of `root`; with a passphrase what is written is sealed.
    #[must_use]
    pub fn new(root: Root, passphrase: Option<Passphrase>, entropy: Box<dyn Entropy>) -> Self {
        Self {
            root,
            passphrase,
            entropy: Mutex::new(entropy),
        }
    }

    /// A new random key of `name`, on disk when this returns.
    ///
    /// # Errors
    /// [`Error`].
    pub fn make(&self, name: &str) -> Result<SigningKey, Error> {
        let key = generate(name, &mut **self.lock()).map_err(|source| self.unmade(source))?;
        self.put(&key)?;
        Ok(key)
    }

    /// Writes `key`, which is on disk when this returns. The same key twice is once.
    ///
    /// # Errors
    /// [`Error::Exists`] when another key of the same id is there; else [`Error`].
    pub fn put(&self, key: &SigningKey) -> Result<(), Error> {
        let name = file_name(key.verifier().id());
        let path = self.path(&name);
        match self.read(&name) {
            Ok((found, _form)) if found.verifier() == key.verifier() => {}
            Ok(_other) => return Err(Error::Exists { path }),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
        let text = file::text(key, self.passphrase.as_ref(), &mut **self.lock(), &path)?;
        self.replace(&name, text.as_bytes())
    }

    /// The names of the keys that are there, by their own word when they are sealed.
    ///
    /// # Errors
    /// [`Error`] of the first file that is no usable key.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let found = Self::survey(&self.root)?.into_iter();
        let name = |(key, _form): (VerifierKey, Form)| key.name().to_owned();
        found.map(|file| file.found.map(name)).collect()
    }

    /// Why no key could be made.
    #[must_use]
    pub fn unmade(&self, source: std::io::Error) -> Error {
        Error::io("written", &self.path(""), source)
    }

    /// Every key that is there, in the order of their ids. With a passphrase, what still lies there
    /// plain is sealed.
    ///
    /// # Errors
    /// [`Error`] of the first file that is no usable key.
    pub fn all(&self) -> Result<Vec<SigningKey>, Error> {
        let mut keys = Vec::new();
        for name in self.file_names()? {
            let (key, form) = self.read(&name)?;
            if form == Form::Plain && self.passphrase.is_some() {
                self.put(&key)?;
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// Lets every key lie there plain; gives how many did not before.
    ///
    /// # Errors
    /// [`Error`] of the first file that is no usable key; those before it are plain.
    pub fn unseal(&self) -> Result<usize, Error> {
        let mut unsealed = 0_usize;
        for name in self.file_names()? {
            if let (key, Form::Sealed) = self.read(&name)? {
                let text = file::text(&key, None, &mut **self.lock(), &self.path(&name))?;
                self.replace(&name, text.as_bytes())?;
                unsealed = unsealed.saturating_add(1);
            }
        }
        Ok(unsealed)
    }

    /// Takes the key with this id away; one that is not there is no error. Not synced: one that a
    /// crash brings back is taken away again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self, id: KeyId) -> Result<(), Error> {
        let name = file_name(id);
        let folder = self.folder()?;
        match rustix::fs::unlinkat(&folder, name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::io("removed", &self.path(&name), errno)),
        }
    }

    /// What lies in the room of `root`, without a passphrase, in the order of its names.
    ///
    /// # Errors
    /// [`Error::Io`] when the room cannot be read.
    pub fn survey(root: &Root) -> Result<Vec<KeyFile>, Error> {
        let folder = folder(root)?;
        let look = |name: String| {
            let path = root.path().join(FOLDER).join(&name);
            let found =
                file::read(folder.as_fd(), &name, &path).and_then(|content| match content {
                    Content::Plain(key) => Ok((key.verifier().clone(), Form::Plain)),
                    Content::Sealed(text) => {
                        let sealed = Sealed::read(&text).map_err(|what| Error::Malformed {
                            path: path.clone(),
                            what: what.to_owned(),
                        })?;
                        Ok((sealed.key, Form::Sealed))
                    }
                });
            KeyFile { path, found }
        };
        Ok(names(root, &folder)?.into_iter().map(look).collect())
    }

    /// The public recovery key that waits for the log to be created, if one does.
    ///
    /// # Errors
    /// [`Error`].
    pub fn recovery(&self) -> Result<Option<VerifierKey>, Error> {
        let path = self.path(RECOVERY);
        match file::public(self.folder()?.as_fd(), RECOVERY, &path) {
            Ok(key) => Ok(Some(key)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets `key` wait for the log to be created; in the place of one that waits already.
    ///
    /// # Errors
    /// [`Error`].
    pub fn put_recovery(&self, key: &VerifierKey) -> Result<(), Error> {
        self.replace(RECOVERY, format!("{key}\n").as_bytes())
    }

    fn read(&self, name: &str) -> Result<(SigningKey, Form), Error> {
        let path = self.path(name);
        let content = file::read(self.folder()?.as_fd(), name, &path)?;
        let (key, form) = content.open(self.passphrase.as_ref(), &path)?;
        if file_name(key.verifier().id()) == name {
            Ok((key, form))
        } else {
            Err(Error::Unfit {
                path,
                what: "bears the name of another key",
            })
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(name);
        let folder = self.folder()?;
        let written = CString::new(name)
            .map_err(std::io::Error::from)
            .and_then(|name| atomic::replace(folder.as_fd(), &name, bytes, step));
        written.map_err(|source| Error::io("written", &path, source))
    }

    fn file_names(&self) -> Result<Vec<String>, Error> {
        names(&self.root, &self.folder()?)
    }

    fn folder(&self) -> Result<OwnedFd, Error> {
        folder(&self.root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(FOLDER).join(name)
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Entropy>> {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new random key of `name`, which lies nowhere yet.
///
/// # Errors
/// When there is no randomness, or no key may have that name.
pub fn generate(name: &str, entropy: &mut dyn Entropy) -> std::io::Result<SigningKey> {
    let seed = Zeroizing::new(entropy.bytes32()?);
    SigningKey::new(name, Algorithm::Ed25519, &seed).map_err(std::io::Error::other)
}

/// What new files are sealed with: one salt for as many as possible, so that it is derived once.
fn derived(passphrase: &Passphrase, entropy: &mut dyn Entropy) -> Result<Derived, Error> {
    if let Some(derived) = passphrase.usual() {
        return Ok(derived);
    }
    let random = entropy.bytes32().map_err(|_none| Error::Passphrase {
        what: "there is no randomness for its salt",
    })?;
    let mut salt = [0; SALT_BYTES];
    salt.iter_mut()
        .zip(random)
        .for_each(|(to, from)| *to = from);
    passphrase.derive(salt, Cost::USUAL)
}

fn file_name(id: KeyId) -> String {
    format!("{id}.key")
}

fn folder(root: &Root) -> Result<OwnedFd, Error> {
    root.open_directory(c"keys")
        .map_err(|errno| Error::io("read", &root.path().join(FOLDER), errno))
}

/// The names of key files, in order. What else lies there is nothing to us.
fn names(root: &Root, folder: &OwnedFd) -> Result<Vec<String>, Error> {
    let path = root.path().join(FOLDER);
    let failed = |errno: Errno| Error::io("read", &path, errno);
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry
            .file_name()
            .to_str()
            .ok()
            .filter(|name| is_key_file(name));
        names.extend(name.map(str::to_owned));
        if names.len() > FILES_MAX {
            return Err(Error::Unfit {
                path,
                what: "holds more than 1024 keys",
            });
        }
    }
    names.sort();
    Ok(names)
}

fn is_key_file(name: &str) -> bool {
    name.strip_suffix(".key")
        .is_some_and(|id| id.parse::<KeyId>().is_ok())
}

fn is_absent(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

fn step(reached: Reached) -> Result<(), Failed> {
    match reached {
        Reached::Written => fail::step("key.written"),
        Reached::Synced => fail::step("key.synced"),
        Reached::Renamed => fail::step("key.renamed"),
        Reached::FolderSynced => fail::step("key.folder_synced"),
    }
}

#[cfg(test)]
mod tests;
