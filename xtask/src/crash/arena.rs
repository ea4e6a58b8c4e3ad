//! Where a crash run happens: a root with a configuration, and the witnesses outside of it.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::disk::Disk;
use crate::owner::Site;

/// The signal that the load emits.
pub(crate) const LOAD: &str = "Q_CRASH_LOAD";
/// The type of the files that the load drops.
pub(crate) const INTENT: &str = "crash.load";

/// Attempts that run at one time, unless a harness says otherwise.
const SLOTS: u64 = 8;

/// Where a root lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the host's disk.
    Host,
    /// On a disk whose power can be cut.
    Image,
    /// On a disk that can be filled.
    Memory,
}

/// A root under test. The sink and the owner's log lie outside of it: no crash can take them back.
#[derive(Debug)]
pub(crate) struct Arena {
    pub(crate) site: Site,
    pub(crate) sink: PathBuf,
    pub(crate) disk: Option<Disk>,
    // Last, so that the disk is unmounted before its folder goes.
    directory: TempDir,
}

impl Arena {
    /// A root that lies there, whose owners run a few attempts at one time.
    pub(crate) fn build(binary: &Path, plant: Option<&'static str>, place: Place) -> Result<Self> {
        Self::with_slots(binary, plant, place, SLOTS)
    }

    /// The same, whose owners run so many.
    pub(crate) fn with_slots(
        binary: &Path,
        plant: Option<&'static str>,
        place: Place,
        slots: u64,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("antiphon-crash-")
            .tempdir()?;
        let disk = match place {
            Place::Host => None,
            Place::Image => Some(Disk::on_image(directory.path())?),
            Place::Memory => Some(Disk::in_memory(directory.path())?),
        };
        let root = disk
            .as_ref()
            .map_or(directory.path(), Disk::mount_point)
            .join("root");
        let sink = directory.path().join("sink");
        let program = directory.path().join("sink.sh");
        fs::write(&sink, "")?;
        fs::write(&program, sink_program(&sink))?;
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(root.join("intents"))?;
        fs::write(root.join("antiphon.toml"), configuration(&program, slots))
            .context("the configuration cannot be written")?;
        sync_tree(&root)?;
        let site = Site {
            binary: binary.to_owned(),
            root,
            log: directory.path().join("owner.log"),
            plant,
        };
        Ok(Self {
            site,
            sink,
            disk,
            directory,
        })
    }

    /// A folder beside the root, which no crash can touch.
    pub(crate) fn outside(&self) -> &Path {
        self.directory.path()
    }

    /// Lets owners prune bodies: almost at once while a fail-point is armed.
    pub(crate) fn prune(&self) -> Result<()> {
        self.configure("[retention]\nbodies = \"30d\"\n")
    }

    /// Lets owners keep little room for themselves.
    pub(crate) fn reserve_little(&self) -> Result<()> {
        self.configure("[disk]\nreserve = \"8MiB\"\n")
    }

    fn configure(&self, more: &str) -> Result<()> {
        let folder = self.site.root.join("conf.d");
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(fs::write(folder.join("more.toml"), more)?)
    }
}

/// A task program that writes one line with one append: lease token, run, attempt, process. The folder of
/// an attempt's result bears the token's name. When its facts say so, it prints more than a record
/// holds, so that there is evidence.
fn sink_program(sink: &Path) -> String {
    format!(
        "folder=${{ANTIPHON_RESULT%/*}}\n\
         echo \"${{folder##*/}} $ANTIPHON_RUN_ID $ANTIPHON_ATTEMPT $$\" >> '{}'\n\
         case $(cat) in *'\"loud\":true'*) printf '%s %030000d' \"$folder\" 0;; esac\n",
        sink.display()
    )
}

fn configuration(program: &Path, slots: u64) -> String {
    format!(
        r#"slots = {slots}

[[intent]]
match = "{INTENT}"
emit = "{LOAD}"

[[worker]]
on = "{LOAD}"
when = "facts.work"
task = "sink"
succeeded = "Q_CRASH_SUNK"
failed = "Q_CRASH_FAILED"

[[task]]
name = "sink"
agent = "LARS"
command = ["/bin/sh", "{}"]
timeout = "20s"
on_lost = "retry"
on_stop = "retry"
retry = {{ limit = 20, backoff = "10ms", factor = 1.0, max = "10ms" }}
"#,
        program.display()
    )
}

/// What the harness itself laid out must survive the first power cut.
fn sync_tree(root: &Path) -> Result<()> {
    for path in [&root.join("antiphon.toml"), root] {
        fs::File::open(path)?.sync_all()?;
    }
    if let Some(parent) = root.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}
