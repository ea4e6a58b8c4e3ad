//! The configuration: `antiphon.toml` and `conf.d/*.toml`, read whole or refused whole.
//!
//! In: TOML. Out: the core's [`PolicySource`] and the few settings of the owner that are no policy.
//! Files merge in name order: arrays of tables append, any other key may be set in one file only.
//! A key that `keys` does not list is refused. What a policy means is `antiphon_core::policy`'s.

pub mod error;
mod key;
mod keys;
#[cfg(test)]
mod reference;
pub mod schema;
mod sections;
mod table;
pub mod value;
pub mod witnesses;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_core::limits::BODY_AGE_MS_MIN;
use antiphon_core::policy::{Policy, PolicyError, PolicySource};
use toml::de::DeTable;

use error::ConfigError;
use keys::{DISK, LOG, RETENTION, ROOT};
use table::{Get, Places, SourceFile, Table};
use witnesses::Witnesses;

/// The name of the configuration in a data root.
pub const FILE: &str = "antiphon.toml";
/// The folder beside it whose files are merged into it.
pub const FOLDER: &str = "conf.d";
/// Bytes of all files together; beyond it something other than a configuration was named.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Settings of the owner that no record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerConfig {
    /// The least important event that is logged: `error` to `trace`.
    pub log_level: &'static str,
    /// Free bytes below which signals are refused; `None` for the larger of 64 MiB and 5 %.
    pub disk_reserve_bytes: Option<u64>,
    /// The age at which bodies and evidence go, ms; `None` keeps them for ever.
    pub retention_ms: Option<u64>,
    /// Who is asked for cosignatures; read when an owner starts.
    pub witnesses: Witnesses,
}

/// A configuration that was read, its expressions not yet compiled.
#[derive(Debug)]
pub struct Configuration {
    /// What the log records.
    pub policy: PolicySource,
    /// What it does not.
    pub owner: OwnerConfig,
    /// The files that it was read from, in order.
    pub files: Vec<PathBuf>,
    places: Places,
}

impl Configuration {
    /// Reads the configuration of `root`, or of the file `named` with the `conf.d` beside it.
    /// A root without a configuration has the empty one; a file that is named must exist.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(root: &Path, named: Option<&Path>) -> Result<Self, ConfigError> {
        let main = named.map_or_else(|| root.join(FILE), Path::to_path_buf);
        let mut files = Vec::new();
        let mut bytes_left = BYTES_MAX;
        if named.is_some() || main.exists() {
            files.push(read(&main, &mut bytes_left)?);
        }
        for path in parts(&main.with_file_name(FOLDER))? {
            files.push(read(&path, &mut bytes_left)?);
        }
        Self::parse(&files)
    }

    /// Reads the text of one file, named `path` in messages.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse_text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::parse(&[SourceFile {
            path: Arc::from(path),
            text: text.to_owned(),
        }])
    }

    fn parse(files: &[SourceFile]) -> Result<Self, ConfigError> {
        let nothing = SourceFile {
            path: Arc::from(Path::new(FILE)),
            text: String::new(),
        };
        let parsed = files
            .iter()
            .map(|file| DeTable::parse(&file.text).map_err(|error| syntax(file, &error)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut roots = vec![Table::empty(&nothing, ROOT)];
        for (file, entries) in files.iter().zip(&parsed) {
            roots.push(Table::new(
                file,
                "the configuration",
                0,
                ROOT,
                entries.get_ref(),
            )?);
        }
        let (policy, places) = policy(&roots)?;
        let owner = OwnerConfig {
            log_level: once(
                &inner(&roots, "log", &nothing, LOG)?,
                "level",
                Table::choice,
            )?
            .unwrap_or("info"),
            disk_reserve_bytes: once(
                &inner(&roots, "disk", &nothing, DISK)?,
                "reserve",
                Table::size_bytes,
            )?,
            retention_ms: once(
                &inner(&roots, "retention", &nothing, RETENTION)?,
                "bodies",
                body_age_ms,
            )?,
            witnesses: witnesses::read(&roots, &nothing)?,
        };
        let files = files.iter().map(|file| file.path.to_path_buf()).collect();
        Ok(Self {
            policy,
            owner,
            files,
            places,
        })
    }

    /// Compiles the policy.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`] at the place that is wrong.
    pub fn compile(self) -> Result<(Policy, OwnerConfig), ConfigError> {
        let Self {
            policy,
            owner,
            places,
            ..
        } = self;
        let policy = Policy::compile(policy).map_err(|error| locate(&places, &error))?;
        Ok((policy, owner))
    }
}

fn read(path: &Path, bytes_left: &mut u64) -> Result<SourceFile, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = check_private(path)?;
    *bytes_left = bytes_left.checked_sub(bytes).ok_or_else(|| {
        unreadable(std::io::Error::other(
            "the configuration is larger than 8 MiB",
        ))
    })?;
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(SourceFile {
        path: Arc::from(path),
        text,
    })
}

/// Checks that nobody but us and root can write `path`; gives its length in bytes.
fn check_private(path: &Path) -> Result<u64, ConfigError> {
    let found = std::fs::metadata(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let (mode, owner) = (found.mode() & 0o7777, found.uid());
    let is_ours = owner == 0 || owner == rustix::process::geteuid().as_raw();
    if mode & 0o022 != 0 || !is_ours {
        return Err(ConfigError::Loose {
            path: path.to_owned(),
            mode,
            owner,
        });
    }
    Ok(found.len())
}

fn parts(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    check_private(folder)?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
            && !is_hidden
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn syntax(file: &SourceFile, error: &toml::de::Error) -> ConfigError {
    let at = file.location(error.span().map_or(0, |span| span.start));
    ConfigError::Syntax {
        at,
        message: error.message().replace('\n', ", "),
    }
}

fn policy(roots: &[Table<'_>]) -> Result<(PolicySource, Places), ConfigError> {
    let mut places = Places::new();
    let intents = section(roots, "intent", &mut places, sections::intent)?;
    let monitors = section(roots, "monitor", &mut places, sections::monitor)?;
    let rules = section(roots, "rule", &mut places, sections::rule)?;
    let tasks = section(roots, "task", &mut places, sections::task)?;
    let workers = section(roots, "worker", &mut places, sections::worker)?;
    let slots = once(roots, "slots", Table::integer_u32)?.unwrap_or(1);
    Ok((
        PolicySource {
            intents,
            monitors,
            rules,
            slots,
            tasks,
            workers,
        },
        places,
    ))
}

/// Every table of the section `name` over all files, in order; notes the place of each by its
/// number and by its name.
fn section<T>(
    roots: &[Table<'_>],
    name: &'static str,
    places: &mut Places,
    build: fn(&Table<'_>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let mut items = Vec::new();
    for root in roots {
        for table in root.tables(name)? {
            items.push(build(&table)?);
            table.note_places(&format!("{name}.{}", items.len()), places);
            let called = ["name", "match", "on"]
                .into_iter()
                .find_map(|key| table.written(key));
            if let Some(called) = called {
                table.note_places(&format!("{name}.{called}"), places);
            }
        }
    }
    Ok(items)
}

/// The tables of the key `name` over all files, and an empty one for its defaults.
fn inner<'a>(
    roots: &[Table<'a>],
    name: &'static str,
    nothing: &'a SourceFile,
    keys: &'static [key::Key],
) -> Result<Vec<Table<'a>>, ConfigError> {
    let mut tables = vec![Table::empty(nothing, keys)];
    for root in roots {
        tables.extend(root.table(name)?);
    }
    Ok(tables)
}

/// The one value of `name` over all files, or its default.
fn once<'a, T>(
    tables: &[Table<'a>],
    name: &'static str,
    get: Get<'a, T>,
) -> Result<Option<T>, ConfigError> {
    let mut written = tables.iter().filter(|table| table.has(name));
    match (written.next(), written.next()) {
        (Some(first), Some(second)) => Err(ConfigError::Conflict {
            key: name.to_owned(),
            first: first.place(name),
            second: second.place(name),
        }),
        (Some(table), None) => get(table, name),
        (None, _) => tables.first().map_or(Ok(None), |table| get(table, name)),
    }
}

/// The age of bodies at `name`, ms.
fn body_age_ms(table: &Table<'_>, name: &'static str) -> Result<Option<u64>, ConfigError> {
    let age_ms = table.duration_ms(name)?;
    if age_ms.is_some_and(|age_ms| age_ms < BODY_AGE_MS_MIN) {
        let why = "must be at least 30d: keys are known for so long, and found again by bodies";
        return Err(table.bad(name, why));
    }
    Ok(age_ms)
}

/// Finds where a policy error is: at its path, or at the nearest thing around it.
fn locate(places: &Places, error: &PolicyError) -> ConfigError {
    let mut path = error.path.as_str();
    let at = loop {
        if let Some(at) = places.get(path) {
            break Some(at.clone());
        }
        match path.rsplit_once('.') {
            Some((outer, _)) => path = outer,
            None => break None,
        }
    };
    ConfigError::Unusable {
        at,
        path: error.path.clone(),
        message: error.message.clone(),
    }
}

#[cfg(test)]
mod tests;
