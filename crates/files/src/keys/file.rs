//! One key file: what may be read as one, and what stands in it.
//!
//! In: a name beneath an open directory. Out: how it gets there, which is the room's and
//! [`super::outside`]'s.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::BorrowedFd;
use std::path::Path;

use antiphon_engine::ports::entropy::Entropy;
use antiphon_ledger::key::{SigningKey, VerifierKey};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::derived;
use super::error::Error;
use super::passphrase::Passphrase;
use super::sealed::{self, Sealed};
use crate::root::BENEATH;

/// Bytes of a key file; the longest name of a key makes less than half of it.
const FILE_BYTES_MAX: u64 = 4_096;

/// How a key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As text, with mode 0600.
    Plain,
    /// Sealed with a passphrase.
    Sealed,
}

/// What a file holds.
pub(super) enum Content {
    /// A key.
    Plain(Box<SigningKey>),
    /// The text of a sealed one.
    Sealed(String),
}

impl Content {
    /// The key.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Passphrase`], [`Error::Malformed`].
    pub(super) fn open(
        self,
        passphrase: Option<&Passphrase>,
        path: &Path,
    ) -> Result<(SigningKey, Form), Error> {
        let text = match self {
            Content::Plain(key) => return Ok((*key, Form::Plain)),
            Content::Sealed(text) => text,
        };
        let sealed = Sealed::read(&text).map_err(|what| malformed(path, what))?;
        let passphrase = passphrase.ok_or_else(|| Error::Locked {
            path: path.to_owned(),
        })?;
        let claimed = sealed.key.clone();
        let text = sealed.open(passphrase)?;
        let key = key_of(&text, path)?;
        if *key.verifier() == claimed {
            Ok((key, Form::Sealed))
        } else {
            Err(malformed(path, "another key is sealed in it"))
        }
    }
}

/// The text of a file that holds `key`.
pub(super) fn text(
    key: &SigningKey,
    passphrase: Option<&Passphrase>,
    entropy: &mut dyn Entropy,
    path: &Path,
) -> Result<Zeroizing<String>, Error> {
    let private = key.to_private_text();
    let Some(passphrase) = passphrase else {
        let mut text = Zeroizing::new(String::with_capacity(private.len().saturating_add(1)));
        text.push_str(&private);
        text.push('\n');
        return Ok(text);
    };
    let derived = derived(passphrase, entropy)?;
    let random = entropy
        .bytes32()
        .map_err(|source| Error::io("written", path, source))?;
    let nonce = sealed::nonce_of(&random);
    sealed::seal(&private, key.verifier(), &derived, nonce).map(Zeroizing::new)
}

/// Reads a key file beneath `at`, through no link.
pub(super) fn read(at: BorrowedFd<'_>, name: &str, path: &Path) -> Result<Content, Error> {
    content(&bytes(at, name, BENEATH, path)?, path)
}

/// Reads the bytes of a key file wherever it lies.
pub(super) fn bytes_outside(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    bytes(rustix::fs::CWD, path, ResolveFlags::empty(), path)
}

/// Reads a public key beneath `at`, through no link.
pub(super) fn public(at: BorrowedFd<'_>, name: &str, path: &Path) -> Result<VerifierKey, Error> {
    let bytes = bytes(at, name, BENEATH, path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_other| malformed(path, "it is no text"))?;
    let key = text.trim_end().parse::<VerifierKey>();
    key.map_err(|error| Error::malformed(path, &error))
}

/// What the bytes of a key file hold.
pub(super) fn content(bytes: &[u8], path: &Path) -> Result<Content, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) if sealed::is_sealed(text) => Ok(Content::Sealed(text.to_owned())),
        _ => key_of(bytes, path).map(|key| Content::Plain(Box::new(key))),
    }
}

fn key_of(bytes: &[u8], path: &Path) -> Result<SigningKey, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_other| malformed(path, "it is no text"))?;
    SigningKey::from_private_text(text.trim_end()).map_err(|error| Error::malformed(path, &error))
}

fn malformed(path: &Path, what: &str) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

fn bytes<P: rustix::path::Arg>(
    at: BorrowedFd<'_>,
    name: P,
    resolve: ResolveFlags,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |source: Errno| Error::io("read", path, source);
    // Whatever stands there, opening it does not wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(at, name, flags, Mode::empty(), resolve);
    let opened = opened.map_err(|errno| match errno {
        Errno::LOOP => unfit(path, "is a link"),
        errno => failed(errno),
    })?;
    check(&rustix::fs::fstat(&opened).map_err(failed)?, path)?;
    // Room for all of it at once: what a vector leaves behind when it grows is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4_096 + 2));
    File::from(opened)
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::io("read", path, source))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(bytes)
    } else {
        Err(unfit(path, "is larger than any key"))
    }
}

/// Only a regular file with one name that is ours, and that nobody else may read or write.
fn check(stat: &Stat, path: &Path) -> Result<(), Error> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(unfit(path, "is no regular file"));
    }
    if stat.st_nlink > 1 {
        return Err(unfit(path, "has more than one name"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() && stat.st_uid != 0 {
        return Err(unfit(path, "belongs to another user"));
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::RWXG | Mode::RWXO) {
        return Err(Error::Loose {
            path: path.to_owned(),
            mode: mode.as_raw_mode(),
        });
    }
    Ok(())
}

fn unfit(path: &Path, what: &'static str) -> Error {
    Error::Unfit {
        path: path.to_owned(),
        what,
    }
}
