//! Files of a backup: written whole, copied durably, linked where that is enough.
//!
//! In: regular files of our own, named by us. Out: links, which are never followed, and everything
//! else that may lie in a folder, which is left where it is.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::failure::Failure;

/// How a file comes to its new place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As bytes of its own.
    Copy,
    /// As another name of the same bytes where the disk allows it: for files that never change.
    Link,
}

/// Makes `folder` with mode 0700, and its name durable.
///
/// # Errors
/// [`Failure::File`], also when it is there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    made.map_err(written(folder))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in `folder` durable.
///
/// # Errors
/// [`Failure::File`].
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Failure> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let synced = File::open(folder).and_then(|open| open.sync_all());
    synced.map_err(written(folder))
}

/// Writes `bytes` under `path`: whole or not at all, and durable.
///
/// # Errors
/// [`Failure::File`].
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = path.with_extension("part");
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(written(path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Brings what is called `name` in `from` to `to`: a file, or a folder with the files in it. Gives
/// how many files came; none when it is not there. A file that is there already stays.
///
/// # Errors
/// [`Failure::File`].
pub(crate) fn bring(name: &str, from: &Path, to: &Path, way: Way) -> Result<u64, Failure> {
    let (from, to) = (from.join(name), to.join(name));
    let found = match from.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        found => found.map_err(read(&from))?,
    };
    if found.is_file() {
        bring_file(&from, &to, way)?;
        to.parent().map_or(Ok(()), sync_folder)?;
        return Ok(1);
    }
    if !found.is_dir() {
        return Ok(0);
    }
    if !to.exists() {
        make_folder(&to)?;
    }
    let mut files = 0_u64;
    for entry in std::fs::read_dir(&from).map_err(read(&from))? {
        let entry = entry.map_err(read(&from))?;
        let is_file = entry.file_type().map_err(read(&from))?.is_file();
        // Drafts begin with a dot.
        if is_file && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            bring_file(&entry.path(), &to.join(entry.file_name()), way)?;
            files = files.saturating_add(1);
        }
    }
    sync_folder(&to)?;
    Ok(files)
}

fn bring_file(from: &Path, to: &Path, way: Way) -> Result<(), Failure> {
    if to.exists() {
        return Ok(());
    }
    if way == Way::Link {
        match std::fs::hard_link(from, to) {
            Ok(()) => return Ok(()),
            // It was swept meanwhile: nothing names it any more.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // Another disk, or one without links.
            Err(_) => {}
        }
    }
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut source = match OpenOptions::new()
        .read(true)
        .custom_flags(no_follow)
        .open(from)
    {
        Err(error) if way == Way::Link && error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(read(from))?,
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut copy = || {
        let mut file = options.open(to)?;
        std::io::copy(&mut source, &mut file)?;
        file.sync_all()
    };
    copy().map_err(written(to))
}

fn read(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    failed("read", path)
}

fn written(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    failed("written", path)
}

fn failed(verb: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File {
        verb,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_and_links_and_folders_and_drafts_do_not() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        for folder in [
            &from,
            &to,
            &from.join("evidence"),
            &from.join("evidence/deep"),
        ] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(from.join("evidence/a"), "a").unwrap();
        std::fs::write(from.join("evidence/.draft"), "b").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", from.join("evidence/link")).unwrap();
        for way in [Way::Link, Way::Copy] {
            assert_eq!(bring("evidence", &from, &to, way).unwrap(), 1);
        }
        assert_eq!(bring("nothing", &from, &to, Way::Copy).unwrap(), 0);
        let names: Vec<_> = std::fs::read_dir(to.join("evidence")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(std::fs::read(to.join("evidence/a")).unwrap(), b"a");
        write_whole(&to.join("note"), b"whole").unwrap();
        assert_eq!(bring("note", &to, &from, Way::Copy).unwrap(), 1);
        assert_eq!(std::fs::read(from.join("note")).unwrap(), b"whole");
    }
}
