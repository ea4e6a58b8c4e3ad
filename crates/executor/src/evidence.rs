//! Outputs too large for a record, in `evidence/` by the SHA-256 of what was kept.
//!
//! A file appears under its name only when its bytes are on the disk, and its name is their hash.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use antiphon_core::id::Digest;
use antiphon_engine::fail;
use antiphon_engine::ports::evidence::Evidence;
use rustix::fs::OFlags;

use crate::output::{HEAD_BYTES_MAX, TAIL_BYTES_MAX};

/// The folder of evidence.
#[derive(Clone, Debug)]
pub(crate) struct EvidenceFolder(PathBuf);

impl EvidenceFolder {
    /// The folder in `root`, made if it is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folder = root.join("evidence");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        Ok(Self(folder))
    }

    /// Makes `bytes` durable under `digest`, which is theirs; `draft` is a name that nobody else
    /// uses. Blocks.
    pub(crate) fn store(&self, digest: &Digest, bytes: &[u8], draft: &str) -> io::Result<()> {
        let path = self.0.join(digest.to_string());
        if !path.try_exists()? {
            let draft = self.0.join(format!(".{draft}"));
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&draft)?;
            file.write_all(bytes)?;
            fail::step("evidence.written")?;
            file.sync_all()?;
            fail::step("evidence.synced")?;
            std::fs::rename(&draft, &path)?;
            fail::step("evidence.renamed")?;
        }
        // Also when the file was there: who made it may have died before this.
        File::open(&self.0)?.sync_all()?;
        Ok(fail::step("evidence.folder_synced")?)
    }
}

impl Evidence for EvidenceFolder {
    fn read(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(no_follow);
        let file = match options.open(self.0.join(digest.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            outcome => outcome?,
        };
        let most = u64::try_from(HEAD_BYTES_MAX.saturating_add(TAIL_BYTES_MAX)).unwrap_or(0);
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if Digest::of(&bytes) == *digest {
            Ok(Some(bytes))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the evidence does not match its name",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_reads_back_and_a_changed_byte_is_found() {
        let root = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::open(root.path()).unwrap();
        let digest = Digest::of(b"bytes");
        assert_eq!(folder.read(&digest).unwrap(), None);
        folder.store(&digest, b"bytes", "draft").unwrap();
        folder.store(&digest, b"bytes", "draft").unwrap();
        assert_eq!(
            folder.read(&digest).unwrap().as_deref(),
            Some(&b"bytes"[..])
        );
        let names: Vec<_> = std::fs::read_dir(&folder.0).unwrap().collect();
        assert_eq!(names.len(), 1, "no draft is left");
        std::fs::write(folder.0.join(digest.to_string()), b"bytez").unwrap();
        assert_eq!(
            folder.read(&digest).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
