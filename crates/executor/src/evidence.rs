//! Outputs too large for a record, in `evidence/` by the SHA-256 of what was kept.
//!
//! A file appears under its name only when its bytes are on the disk, and its name is their hash.
//! What is stored while old files are swept stays: its time of writing is now, and both wait for one
//! another.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use antiphon_core::id::Digest;
use antiphon_engine::fail;
use antiphon_engine::ports::evidence::Evidence;
use rustix::fs::OFlags;

use crate::output::{HEAD_BYTES_MAX, TAIL_BYTES_MAX};

/// The folder of evidence.
#[derive(Clone, Debug)]
pub(crate) struct EvidenceFolder {
    path: PathBuf,
    /// Held for reading while a file is stored, for writing while one is removed.
    changing: Arc<RwLock<()>>,
}

impl EvidenceFolder {
    /// The folder in `root`, made if it is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let folder = root.join("evidence");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        Ok(Self {
            path: folder,
            changing: Arc::default(),
        })
    }

    /// Makes `bytes` durable under `digest`, which is theirs; `draft` is a name that nobody else
    /// uses. Blocks.
    pub(crate) fn store(&self, digest: &Digest, bytes: &[u8], draft: &str) -> io::Result<()> {
        let _storing = self.changing.read().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.join(digest.to_string());
        if path.try_exists()? {
            File::options()
                .write(true)
                .open(&path)?
                .set_modified(SystemTime::now())?;
        } else {
            let draft = self.path.join(format!(".{draft}"));
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
        File::open(&self.path)?.sync_all()?;
        Ok(fail::step("evidence.folder_synced")?)
    }
}

impl Evidence for EvidenceFolder {
    fn read(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(no_follow);
        let file = match options.open(self.path.join(digest.to_string())) {
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

    fn sweep(
        &self,
        before_ms: i64,
        is_named: &mut dyn FnMut(&Digest) -> io::Result<bool>,
    ) -> io::Result<u64> {
        let since_1970 = Duration::from_millis(u64::try_from(before_ms).unwrap_or(0));
        let before = SystemTime::UNIX_EPOCH + since_1970;
        let mut removed = 0_u64;
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.parse().ok());
            let Some(digest) = digest else {
                continue;
            };
            if entry.metadata()?.modified()? >= before || is_named(&digest)? {
                continue;
            }
            let _removing = self
                .changing
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            // It may have been stored again since.
            if entry.path().metadata()?.modified()? < before {
                fail::step("evidence.sweeping")?;
                std::fs::remove_file(entry.path())?;
                removed = removed.saturating_add(1);
            }
        }
        Ok(removed)
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
        let names: Vec<_> = std::fs::read_dir(&folder.path).unwrap().collect();
        assert_eq!(names.len(), 1, "no draft is left");
        std::fs::write(folder.path.join(digest.to_string()), b"bytez").unwrap();
        assert_eq!(
            folder.read(&digest).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn only_what_is_old_and_named_by_nobody_is_swept() {
        const OLD_MS: i64 = 1_000_000;
        let root = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::open(root.path()).unwrap();
        let contents: [&[u8]; 4] = [b"old", b"named", b"young", b"stored again"];
        for bytes in contents {
            folder.store(&Digest::of(bytes), bytes, "draft").unwrap();
        }
        std::fs::write(folder.path.join("notes.txt"), "not ours").unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_millis(1);
        for entry in std::fs::read_dir(&folder.path).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with(Digest::of(b"young").to_string()) {
                let file = File::options().write(true).open(path).unwrap();
                file.set_modified(old).unwrap();
            }
        }
        let sweep = || {
            folder.sweep(OLD_MS, &mut |digest| {
                // Whoever stores it between the question and the removal keeps it.
                if *digest == Digest::of(b"stored again") {
                    folder.store(digest, b"stored again", "draft").unwrap();
                }
                Ok(*digest == Digest::of(b"named"))
            })
        };
        assert_eq!(sweep().unwrap(), 1);
        assert_eq!(sweep().unwrap(), 0);
        for bytes in contents {
            let is_there = folder.read(&Digest::of(bytes)).unwrap().is_some();
            assert_eq!(is_there, bytes != b"old");
        }
        assert!(folder.path.join("notes.txt").exists());
        let unanswered = folder.sweep(i64::MAX / 2, &mut |_| Err(io::Error::other("no views")));
        assert!(unanswered.is_err());
        assert!(folder.read(&Digest::of(b"named")).unwrap().is_some());
    }
}
