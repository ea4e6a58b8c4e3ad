//! Where a benchmark works: a temporary folder on the disk that counts.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::commands::init::write_starter;
use crate::failure::Failure;
use crate::packs;

/// A temporary folder, removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    home: TempDir,
}

impl Place {
    /// One below `dir`, or below the temporary folder.
    pub(super) fn new(dir: Option<&Path>) -> Result<Self, Failure> {
        let above = dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let home = tempfile::Builder::new()
            .prefix("antiphon-bench-")
            .tempdir_in(&above)
            .map_err(|source| written(&above, source))?;
        Ok(Self { home })
    }

    pub(super) fn path(&self) -> &Path {
        self.home.path()
    }

    /// A new folder in it, removed when it is dropped.
    pub(super) fn folder(&self) -> Result<TempDir, Failure> {
        TempDir::new_in(self.path()).map_err(|source| written(self.path(), source))
    }

    /// A new root with the configuration and the files of the KLoROS pack, and `more` as one more
    /// part of the configuration.
    pub(super) fn root(&self, more: &str) -> Result<Root, Failure> {
        let folder = self.folder()?;
        let registry = packs::registry();
        let pack = packs::pack(&registry, packs::DEMONSTRATED)?;
        let root = Root { folder };
        write_starter(root.path(), pack.configuration, pack.files)?;
        root.write("conf.d/bench.toml", more)?;
        Ok(root)
    }

    /// Waits until the disk has nothing left to do from before.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        let folder = File::open(self.path()).map_err(|source| written(self.path(), source))?;
        rustix::fs::syncfs(&folder).map_err(|error| written(self.path(), error.into()))
    }
}

/// A data root of a benchmark, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Root {
    folder: TempDir,
}

impl Root {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `text` to `name` below it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path().join(name);
        let folder = path.parent().unwrap_or(self.path());
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| written(&path, source))?;
        Ok(path)
    }
}

/// The failure to write `path`.
pub(super) fn written(path: &Path, source: std::io::Error) -> Failure {
    Failure::File {
        verb: "written",
        path: path.to_owned(),
        source,
    }
}
