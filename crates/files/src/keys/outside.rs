//! Key files that lie outside the data root: of agents that sign themselves, and of recovery.
//!
//! In: one file at a path that an operator named. Out: keys of the owner, which lie in the room. A
//! file is never written over, and nobody else may read what is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use antiphon_engine::ports::entropy::Entropy;
use antiphon_ledger::key::SigningKey;

use super::error::Error;
use super::file;
use super::passphrase::Passphrase;

/// The key in the file at `path`.
///
/// # Errors
/// [`Error`].
pub fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<SigningKey, Error> {
    parse(&file::bytes_outside(path)?, path, passphrase)
}

/// The key that `bytes` hold, which are those of the key file at `path`.
///
/// # Errors
/// [`Error::Malformed`] when they hold none, [`Error::Locked`] when one is sealed in them and there is no
/// passphrase, [`Error::Passphrase`] when it does not open them.
pub fn parse(
    bytes: &[u8],
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<SigningKey, Error> {
    let (key, _form) = file::content(bytes, path)?.open(passphrase, path)?;
    Ok(key)
}

/// Writes `key` into a new file at `path`, sealed when there is a passphrase; it is on disk when this
/// returns.
///
/// # Errors
/// [`Error::Exists`] when something is there, [`Error::InsideRoot`] when `path` is beneath `root`,
/// else [`Error`]; nothing is left then.
pub fn write(
    path: &Path,
    key: &SigningKey,
    passphrase: Option<&Passphrase>,
    entropy: &mut dyn Entropy,
    root: &Path,
) -> Result<(), Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists {
            path: path.to_owned(),
        },
        _ => Error::io("written", path, source),
    };
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(failed(io::ErrorKind::IsADirectory.into())),
    };
    if is_beneath(folder, root).map_err(failed)? {
        return Err(Error::InsideRoot {
            path: path.to_owned(),
        });
    }
    let text = file::text(key, passphrase, entropy, path)?;
    let mut created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let written = created
        .write_all(text.as_bytes())
        .and_then(|()| created.sync_all())
        .and_then(|()| File::open(folder)?.sync_all());
    written.map_err(|source| {
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(%error, "half a key file is left behind");
        }
        failed(source)
    })
}

/// Whether `folder`, whatever links lead to it, is the root or lies beneath it.
fn is_beneath(folder: &Path, root: &Path) -> io::Result<bool> {
    let root = match root.canonicalize() {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(folder.canonicalize()?.starts_with(root))
}
