//! The data root as the pack sees it: where its files are, and the only way to them.
//!
//! In: paths relative to the root, or foreign texts that name one. Out: bytes, and changes that are
//! whole or absent after a crash. Every path is opened by the kernel beneath a descriptor of the
//! root (`openat2`), so neither `..` nor a symbolic link leads out of it. What the bytes mean is
//! said elsewhere.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};

use crate::error::Error;
use crate::journal::Journal;

/// Promotions that wait for D-REAM, one JSON file each.
pub const PROMOTIONS: &str = "promotions";
/// Acknowledgements, `<stem>_ack.json` for `promotions/<stem>.json`.
pub const ACKNOWLEDGEMENTS: &str = "promotions_ack";
/// The best of each experiment, `winners/<experiment>.json`.
pub const WINNERS: &str = "winners";
/// Everything that was investigated, a JSON line each.
pub const INVESTIGATIONS: &str = "curiosity_investigations.jsonl";
/// The registry of capabilities.
pub const CAPABILITIES: &str = "capabilities.yaml";
/// The registry as it was before its last change.
pub const CAPABILITIES_BACKUP: &str = "capabilities.yaml.backup";
/// Every module that was integrated, a JSON line each; also the lock of the registry.
pub const INTEGRATED: &str = "integrated_capabilities.jsonl";
/// The configuration that winners are deployed to, `KEY=VALUE`.
pub const ENVIRONMENT: &str = "kloros.env";
/// That configuration as it was before the last deployment.
pub const ENVIRONMENT_BACKUP: &str = "kloros.env.backup";
/// What the winner deployer remembers.
pub const DEPLOYER_STATE: &str = "winner_deployer_state.json";

/// Whether a file name ends with `.` and this extension, in this case.
pub(crate) fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

/// Names that one directory may hold before a look refuses it.
const NAMES_MAX: usize = 100_000;

/// The data root, held open.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    path: PathBuf,
    mark: String,
}

impl Root {
    /// Opens the data root at `path`. `mark` names this run; it makes temporary names its own.
    ///
    /// # Errors
    /// [`Error::Io`] when it is no directory or cannot be opened.
    pub fn open(path: &Path, mark: &str) -> Result<Self, Error> {
        let failed = |source| Error::io("open the data root", path, source);
        let path = path.canonicalize().map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            fs::open(&path, flags, Mode::empty()).map_err(|e| failed(io::Error::from(e)))?;
        let mark = mark
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        Ok(Self {
            directory,
            path,
            mark,
        })
    }

    /// The path beneath the root that a foreign `text` names: relative to the root, or absolute and
    /// beneath it. Symbolic links are judged later, by the kernel.
    ///
    /// # Errors
    /// [`Error::Outside`] for another absolute path, for `..`, and for nothing at all.
    pub fn locate(&self, text: &str) -> Result<PathBuf, Error> {
        let outside = || Error::Outside {
            path: text.chars().take(256).collect(),
        };
        let given = Path::new(text);
        let inner = if given.is_absolute() {
            given.strip_prefix(&self.path).ok().ok_or_else(outside)?
        } else {
            given
        };
        let mut clean = PathBuf::new();
        for component in inner.components() {
            match component {
                Component::Normal(name) => clean.push(name),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(outside());
                }
            }
        }
        if clean.as_os_str().is_empty() || text.contains('\0') {
            Err(outside())
        } else {
            Ok(clean)
        }
    }

    /// The whole file at `path`, or `None` when there is none.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond `bytes_max`, [`Error::Malformed`] when it is no regular file.
    pub fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let limit = bytes_max.saturating_add(1);
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io("read", path, e))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
            return Err(Error::TooLong {
                path: path.display().to_string(),
                bytes_max,
            });
        }
        Ok(Some(bytes))
    }

    /// The regular file at `path`, open for reading, or `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Malformed`] when something else is there; a symbolic link as the last component is.
    pub fn file(&self, path: &Path) -> Result<Option<File>, Error> {
        // Without NONBLOCK a FIFO in its place would hold the caller for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let Some(file) = self.try_at(path, flags)? else {
            return Ok(None);
        };
        let status = fs::fstat(&file).map_err(|e| Error::io("read", path, e.into()))?;
        if FileType::from_raw_mode(status.st_mode).is_file() {
            Ok(Some(file))
        } else {
            Err(Error::malformed(
                &path.display().to_string(),
                "it is no regular file",
            ))
        }
    }

    /// When the file at `path` was last written, ms since 1970 UTC, or `None` when there is none.
    ///
    /// # Errors
    /// As [`Root::file`].
    pub fn modified_ms(&self, path: &Path) -> Result<Option<i64>, Error> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let status = fs::fstat(&file).map_err(|e| Error::io("read", path, e.into()))?;
        let nanoseconds = i64::try_from(status.st_mtime_nsec).unwrap_or(0);
        Ok(Some(
            status
                .st_mtime
                .saturating_mul(1_000)
                .saturating_add(nanoseconds / 1_000_000),
        ))
    }

    /// The names in the directory at `path` in order, `None` when nothing is there. Names that are
    /// no UTF-8 and names that start with a dot are left out.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is no directory or holds more than 100,000 names.
    pub fn names(&self, path: &Path) -> Result<Option<Vec<String>>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Some(directory) = self.try_at(path, flags)? else {
            return Ok(None);
        };
        let failed = |source: rustix::io::Errno| Error::io("list", path, source.into());
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().to_str()
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
            if names.len() > NAMES_MAX {
                return Err(Error::malformed(
                    &path.display().to_string(),
                    "it holds too much",
                ));
            }
        }
        names.sort_unstable();
        Ok(Some(names))
    }

    /// Whether a directory is at `path`; `None` when nothing is.
    ///
    /// # Errors
    /// [`Error::Outside`] when a symbolic link on the way leads out of the root.
    pub fn is_directory(&self, path: &Path) -> Result<Option<bool>, Error> {
        let Some(found) = self.try_at(path, OFlags::PATH)? else {
            return Ok(None);
        };
        let status = fs::fstat(&found).map_err(|e| Error::io("read", path, e.into()))?;
        Ok(Some(FileType::from_raw_mode(status.st_mode).is_dir()))
    }

    /// Makes `bytes` the content of `path`, whole or not at all, with the permissions that it had; it
    /// is on disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is then as it was.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let failed = |source: io::Error| Error::io("replace", path, source);
        let (parent, name) = self.parent(path)?;
        let temporary = format!(".{name}.{}.tmp", self.mark);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mut file = open_at(&parent, &temporary, flags)?;
        if let Some(before) = self.file(path)? {
            let permissions = before.metadata().map_err(failed)?.permissions();
            file.set_permissions(permissions).map_err(failed)?;
        }
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        fs::renameat(&parent, &*temporary, &parent, name).map_err(|e| failed(e.into()))?;
        fs::fsync(&parent).map_err(|e| failed(e.into()))
    }

    /// Creates `path` with `bytes` when nothing is there; says whether it did.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(&self, path: &Path, bytes: &[u8]) -> Result<bool, Error> {
        let failed = |source: rustix::io::Errno| Error::io("create", path, source.into());
        let (parent, name) = self.parent(path)?;
        let temporary = format!(".{name}.{}.tmp", self.mark);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mut file = open_at(&parent, &temporary, flags)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|e| Error::io("create", path, e))?;
        let linked = fs::linkat(&parent, &*temporary, &parent, name, AtFlags::empty());
        fs::unlinkat(&parent, &*temporary, AtFlags::empty()).map_err(failed)?;
        fs::fsync(&parent).map_err(failed)?;
        match linked {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Opens the journal at `path`, made when it is not there, and locks it against every other
    /// writer until the answer is dropped.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn journal(&self, path: &Path) -> Result<Journal, Error> {
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
        let file = open_at(&parent, name, flags)?;
        file.lock().map_err(|e| Error::io("lock", path, e))?;
        fs::fsync(&parent).map_err(|e| Error::io("lock", path, e.into()))?;
        Ok(Journal::new(file, path))
    }

    /// The directory that holds `path`, made when it is not there, and the last name.
    fn parent<'a>(&self, path: &'a Path) -> Result<(File, &'a str), Error> {
        let outside = || Error::Outside {
            path: path.display().to_string(),
        };
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(outside)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        let mut made = PathBuf::new();
        for component in parent.components() {
            made.push(component);
            if self.is_directory(&made)?.is_none() {
                self.make_directory(&made)?;
            }
        }
        let here = if made.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &made
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let found = self.try_at(here, flags)?.ok_or_else(outside)?;
        Ok((found, name))
    }

    fn make_directory(&self, path: &Path) -> Result<(), Error> {
        let failed = |source: rustix::io::Errno| Error::io("make", path, source.into());
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let outside = || Error::Outside {
            path: path.display().to_string(),
        };
        let parent = self
            .try_at(above.unwrap_or(Path::new(".")), flags)?
            .ok_or_else(outside)?;
        let name = path.file_name().ok_or_else(outside)?;
        match fs::mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => fs::fsync(&parent).map_err(failed),
            Err(error) => Err(failed(error)),
        }
    }

    /// Opens `path` beneath the root; `None` when nothing is there.
    fn try_at(&self, path: &Path, flags: OFlags) -> Result<Option<File>, Error> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        match fs::openat2(self.directory.as_fd(), path, flags, Mode::empty(), resolve) {
            Ok(found) => Ok(Some(File::from(found))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::XDEV) => Err(Error::Outside {
                path: path.display().to_string(),
            }),
            Err(error) => Err(Error::io("open", path, error.into())),
        }
    }
}

/// Opens `name` in `parent`.
fn open_at(parent: &File, name: &str, flags: OFlags) -> Result<File, Error> {
    fs::openat(
        parent,
        name,
        flags | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    )
    .map(File::from)
    .map_err(|e| Error::io("open", Path::new(name), e.into()))
}

#[cfg(test)]
mod tests;
