//! What this user's verifier remembers of the logs that it has seen, outside of any root.
//!
//! `$XDG_STATE_HOME/antiphon/trust/HASH.json`, else `~/.local/state/…`: a trust file for each
//! origin, named by the SHA-256 of the origin. The first look at a log is believed, and said to be;
//! from then on its keys are pinned, and the newest head that was good is kept.
//!
//! Invariants: nothing is written inside the root that is verified; a head is never replaced by an
//! older one.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use antiphon_core::id::Digest;
use antiphon_ledger::trust::{TRUST_BYTES_MAX, Trust};

use super::error::LedgerError;
use super::place::read_file;
use crate::failure::Failure;

/// Where one log's trust is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered(PathBuf);

impl Remembered {
    /// Where that of `origin` lies; `None` when this user has no place for it, or it would be inside
    /// of `root`.
    pub(crate) fn of(origin: &str, root: &Path) -> Option<Self> {
        let state = state_home(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))?;
        Self::within(&state, origin, root)
    }

    fn within(state: &Path, origin: &str, root: &Path) -> Option<Self> {
        let name = format!("{}.json", Digest::of(origin.as_bytes()));
        let path = state.join("antiphon/trust").join(name);
        let root = root.canonicalize().unwrap_or_else(|_gone| root.to_owned());
        // The nearest folder that is there already says where the rest would lie.
        let real = path.ancestors().find_map(|it| it.canonicalize().ok())?;
        (!real.starts_with(&root)).then_some(Self(path))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What is remembered; `None` before the first look.
    ///
    /// # Errors
    /// [`LedgerError::Trust`] when the file is none.
    pub(crate) fn load(&self) -> Result<Option<Trust>, Failure> {
        if !self.0.exists() {
            return Ok(None);
        }
        read_trust(&self.0).map(Some)
    }

    /// Remembers `trust`, unless a newer head is remembered by now.
    ///
    /// # Errors
    /// [`Failure::File`] when it cannot be written.
    pub(crate) fn save(&self, trust: &Trust) -> Result<(), Failure> {
        let size = |trust: &Trust| trust.head.as_ref().map(|head| head.checkpoint().size());
        if self.load()?.is_some_and(|known| size(&known) > size(trust)) {
            return Ok(());
        }
        self.write(trust.to_json().as_bytes())
            .map_err(|source| Failure::File {
                verb: "written",
                path: self.0.clone(),
                source,
            })
    }

    fn write(&self, json: &[u8]) -> std::io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let temporary = self.0.with_extension(format!("{}.new", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(json)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.0)?;
        std::fs::File::open(folder)?.sync_all()
    }
}

/// The trust file at `path`.
///
/// # Errors
/// [`Failure::File`] when it cannot be read, [`LedgerError::Trust`] when it is none.
pub(crate) fn read_trust(path: &Path) -> Result<Trust, Failure> {
    let mut bytes = read_file(path)?;
    bytes.truncate(TRUST_BYTES_MAX + 1);
    Trust::parse(&bytes).map_err(|source| {
        let path = path.to_owned();
        LedgerError::Trust { path, source }.into()
    })
}

/// The folder for state that this user keeps: absolute, as the XDG specification wants it.
fn state_home(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|it| it.is_absolute());
    xdg.and_then(absolute)
        .or_else(|| Some(home.and_then(absolute)?.join(".local/state")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lies_where_the_user_keeps_state() {
        let check = |xdg: Option<&str>, home: Option<&str>, expected: Option<&str>| {
            let found = state_home(xdg.map(Into::into), home.map(Into::into));
            assert_eq!(found, expected.map(PathBuf::from));
        };
        check(Some("/state"), Some("/me"), Some("/state"));
        check(Some("state"), Some("/me"), Some("/me/.local/state"));
        check(Some(""), Some("/me"), Some("/me/.local/state"));
        check(None, Some("me"), None);
        check(None, None, None);
    }

    #[test]
    fn nothing_is_remembered_inside_of_the_root_that_is_verified() {
        let folder = tempfile::tempdir().unwrap();
        let (root, beside) = (folder.path().join("root"), folder.path().join("state"));
        std::fs::create_dir(&root).unwrap();
        assert_eq!(Remembered::within(&root, "o", &root), None);
        assert_eq!(Remembered::within(&root.join("deep/er"), "o", &root), None);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&root, &link).unwrap();
        assert_eq!(Remembered::within(&link, "o", &root), None);
        let kept = Remembered::within(&beside, "o", &root).unwrap();
        assert!(kept.path().starts_with(&beside));
        assert_ne!(Some(kept), Remembered::within(&beside, "p", &root));
    }
}
