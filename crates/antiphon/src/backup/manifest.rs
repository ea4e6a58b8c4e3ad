//! `backup.json`: what a backup is of, and that it is whole.

use std::path::Path;

use antiphon_engine::ports::store::Head;
use antiphon_ledger::hash::hex;
use serde::{Deserialize, Serialize};

use super::files;
use crate::failure::Failure;

/// The file's name.
pub(crate) const FILE: &str = "backup.json";
/// The format of backups that this program makes.
const FORMAT: u32 = 1;

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The format of the folder.
    format: u32,
    /// Whether private keys are in it.
    pub(crate) keys: bool,
    /// When it was made, RFC 3339.
    pub(crate) made_at: String,
    /// The root of the tree over its records, in hexadecimal.
    pub(crate) root: String,
    /// Its records.
    pub(crate) size: u64,
    /// The program that made it.
    version: String,
}

impl Manifest {
    /// A backup of the log up to `head`.
    pub(crate) fn new(head: &Head, made_at: String, keys: bool) -> Self {
        Self {
            format: FORMAT,
            keys,
            made_at,
            root: hex(&head.root),
            size: head.next_seq,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether it is of the log up to `head`.
    pub(crate) fn is_of(&self, head: &Head) -> bool {
        (self.size, &self.root) == (head.next_seq, &hex(&head.root))
    }

    /// Says that the backup in `folder` is whole.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|source| Failure::Bug {
            what: "a backup's description has no JSON form".to_owned(),
            source: Some(Box::new(source)),
        })?;
        files::write_whole(&folder.join(FILE), format!("{text}\n").as_bytes())
    }

    /// What the backup in `folder` is of.
    ///
    /// # Errors
    /// [`Failure::Backup`] when it is none, or was not finished.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let unusable = |what: String| Failure::Backup {
            folder: folder.to_owned(),
            what,
        };
        let text = std::fs::read(folder.join(FILE));
        let text = text.map_err(|error| unusable(format!("{FILE} cannot be read: {error}")))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| unusable(format!("{FILE} is malformed: {error}")))?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            let format = manifest.format;
            Err(unusable(format!("its format {format} is another's")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_whole_description_is_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(folder.path().join(FILE), text).unwrap();
            }
            let error = Manifest::read(folder.path()).unwrap_err();
            assert_eq!(error.code(), "backup.unusable", "{text:?}");
        };
        refused(None);
        refused(Some(""));
        refused(Some("{}"));
        let made = Manifest::new(&Head::empty(), "now".to_owned(), false);
        made.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), made);
        assert!(made.is_of(&Head::empty()));
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        refused(Some(&text.replace("\"format\": 1", "\"format\": 2")));
    }
}
