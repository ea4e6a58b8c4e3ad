//! What lies at a path: a root, an exported folder, an evidence bundle, or a file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use antiphon_ledger::{bundle, exported};

use crate::failure::Failure;

/// The log's database in a root.
const DATABASE: &str = "antiphon.db";
/// Bytes of the largest file of a ledger: 256 bodies of 256 KiB.
pub(crate) const FILE_BYTES_MAX: u64 = 65 * 1024 * 1024;

/// Something that can be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A data root, with or without an owner.
    Root(PathBuf),
    /// An exported folder.
    Folder(PathBuf),
    /// An evidence bundle.
    Bundle(PathBuf),
    /// A file: the proof of a fork.
    File(PathBuf),
}

impl Place {
    /// What lies at `path`.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when nothing does; [`Failure::Usage`] for a folder of something else.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let own = path.to_owned();
        if !path.exists() {
            let what = path.display().to_string();
            return Err(Failure::NotFound { what });
        }
        if path.is_file() {
            return Ok(Self::File(own));
        }
        if path.join(DATABASE).exists() {
            return Ok(Self::Root(own));
        }
        if path.join(bundle::INDEX).exists() {
            return Ok(Self::Bundle(own));
        }
        if path.join(exported::CHECKPOINT).exists() || path.join("tile").exists() {
            return Ok(Self::Folder(own));
        }
        Err(Failure::Usage {
            message: format!("{} holds no log", path.display()),
            hint: Some("name a data root, an exported folder or an evidence bundle".to_owned()),
        })
    }

    /// The word for it in tables and JSON.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Root(_) => "root",
            Self::Folder(_) => "folder",
            Self::Bundle(_) => "bundle",
            Self::File(_) => "fork",
        }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Root(path) | Self::Folder(path) | Self::Bundle(path) | Self::File(path) => path,
        }
    }
}

/// The first [`FILE_BYTES_MAX`] bytes of a regular file; `None` when there is none that can be read.
pub(crate) fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let path = folder.join(name);
    // Anything but a regular file could keep its reader waiting.
    if !path.is_file() {
        return None;
    }
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The whole of a file of at most [`FILE_BYTES_MAX`].
///
/// # Errors
/// [`Failure::File`].
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::File {
        verb: "read",
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}
