//! `antiphon init`: a data root to start from.
//!
//! Writes what is missing and nothing over what is there: doing it twice is doing it once. The
//! recovery key of the log to be is made here, too ([`recovery`]).

mod recovery;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use antiphon_engine::registry::{Registry, StarterFile};
use clap::Args;
use serde::Serialize;

use crate::config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::packs;
use crate::wire::Context;
use recovery::{Recovery, Wanted};

/// The configuration of a root without a pack: a rule, a worker and a task that work as they are.
const STARTER: &str = include_str!("init/starter.toml");

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where [default: the data root]
    dir: Option<PathBuf>,
    /// Start with this pack
    #[arg(long, value_name = "NAME")]
    pack: Option<String>,
    /// Write the recovery key to this new file outside the root instead of printing it
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
    /// The name under which the log is signed [default: this machine's]
    #[arg(long, value_name = "NAME", value_parser = crate::origin::parse)]
    origin: Option<String>,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    root: PathBuf,
    written: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let root = arguments.dir.as_deref().unwrap_or(&context.root);
    let registry = packs::registry();
    let (configuration, files) = contents(&registry, arguments.pack.as_deref())?;
    let held = antiphon_files::Root::create(root)?;
    let wanted = Wanted {
        file: arguments.recovery_key.as_deref(),
        origin: arguments.origin.as_deref(),
        passphrase: context.passphrase.as_ref(),
    };
    let written = write_starter(held.path(), configuration, files)?;
    let made = Made {
        root: held.path().to_owned(),
        written,
        recovery: recovery::make(&held, &wanted)?,
    };
    context.output.one(&made, tell)?;
    let next = if root == context.root {
        "antiphon serve".to_owned()
    } else {
        format!("antiphon --root {} serve", root.display())
    };
    context.output.note(&format!("next: {next}"))?;
    Ok(Exit::Done)
}

fn contents<'a>(
    registry: &'a Registry,
    pack: Option<&str>,
) -> Result<(&'a str, &'a [StarterFile]), Failure> {
    let Some(name) = pack else {
        return Ok((STARTER, &[]));
    };
    let pack = packs::pack(registry, name)?;
    Ok((pack.configuration, pack.files))
}

/// Writes the configuration and `files` below `root` where they are missing.
pub(crate) fn write_starter(
    root: &Path,
    configuration: &str,
    files: &[StarterFile],
) -> Result<Vec<PathBuf>, Failure> {
    let own = StarterFile {
        path: config::FILE,
        content: &[],
    };
    let mut written = Vec::new();
    for (file, content) in std::iter::once((&own, configuration.as_bytes()))
        .chain(files.iter().map(|file| (file, file.content)))
    {
        let path = root.join(file.path);
        if write_new(&path, content)? {
            written.push(path);
        }
    }
    Ok(written)
}

/// Writes a new file; whether it was missing and is there now.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<bool, Failure> {
    let failed = |source| Failure::File {
        verb: "written",
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(mut file) => {
            file.write_all(content)
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

fn tell(made: &Made) -> String {
    if made.written.is_empty() && made.recovery.is_none() {
        return format!(
            "{} was there already; nothing was changed",
            made.root.display()
        );
    }
    let mut lines = vec![format!("data root {}", made.root.display())];
    lines.extend(
        made.written
            .iter()
            .map(|path| format!("  {}", path.display())),
    );
    lines.extend(made.recovery.as_ref().map(recovery::tell));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;

    #[test]
    fn what_a_new_root_starts_with_is_usable() {
        let registry = packs::registry();
        let packs = registry.packs().iter().map(|pack| Some(pack.name));
        for pack in packs.chain([None]) {
            let (configuration, _files) = contents(&registry, pack).unwrap();
            let read = Configuration::parse_text(Path::new("antiphon.toml"), configuration);
            let compiled = read.and_then(Configuration::compile);
            assert!(compiled.is_ok(), "{pack:?}: {}", compiled.unwrap_err());
        }
        assert_eq!(
            contents(&registry, Some("other")).unwrap_err().code(),
            "command.usage"
        );
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        let files = [StarterFile {
            path: "a/b.py",
            content: b"pass\n",
        }];
        assert_eq!(
            write_starter(root.path(), "slots = 1\n", &files)
                .unwrap()
                .len(),
            2
        );
        std::fs::write(root.path().join("antiphon.toml"), "slots = 2\n").unwrap();
        assert!(
            write_starter(root.path(), "slots = 1\n", &files)
                .unwrap()
                .is_empty()
        );
        let kept = std::fs::read_to_string(root.path().join("antiphon.toml")).unwrap();
        assert_eq!(kept, "slots = 2\n");
    }
}
