//! What the data root must be: there, ours, private, on a local disk with room, with a
//! configuration that is usable.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use antiphon_backend_sqlite::open_reader;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::note::Note;

use super::{Check, keys};
use crate::config::Configuration;
use crate::output::count;
use crate::wire::Context;

/// Free bytes below which signals are soon refused.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// File systems on which a lock does not keep others out, or a sync promises nothing: their magic
/// numbers. Source: statfs(2).
const UNFIT: [(u64, &str); 8] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x794C_7630, "overlay"),
    (0x0102_1994, "tmpfs"),
];

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let root = &context.root;
    let mut checks = vec![configuration(context)];
    let held = match antiphon_files::Root::open(root) {
        Ok(held) => held,
        Err(error) => {
            let hint = "antiphon init makes a root; the owner's own mode is 0700";
            checks.push(Check::failed("data root", error.to_string(), hint));
            return checks;
        }
    };
    checks.push(Check::ok("data root", root.display().to_string()));
    checks.push(modes(root));
    checks.push(file_system(root));
    checks.push(room(root));
    checks.push(log(root));
    checks.extend(keys::checks(&held));
    checks.push(checkpoint(root));
    checks
}

fn configuration(context: &Context) -> Check {
    const NAME: &str = "configuration";
    let read = Configuration::load(&context.root, context.config.as_deref());
    match read.and_then(|read| Ok((read.files.len(), read.compile()?))) {
        Ok((0, _)) => Check::ok(NAME, "none: nothing is decided, nothing runs"),
        Ok((files, (policy, _))) => {
            let source = policy.source();
            let found = [
                count(files, "file"),
                count(source.rules.len(), "rule"),
                count(source.tasks.len(), "task"),
            ];
            Check::ok(NAME, found.join(", "))
        }
        Err(error) => Check::failed(NAME, error.to_string(), "antiphon config check"),
    }
}

/// What is secret or decides what runs is the owner's alone.
fn modes(root: &Path) -> Check {
    const NAME: &str = "modes";
    let mut open = Vec::new();
    for name in [
        "",
        "keys",
        "evidence",
        "run",
        "antiphon.toml",
        "conf.d",
        "antiphon.db",
    ] {
        let Ok(found) = std::fs::symlink_metadata(root.join(name)) else {
            continue;
        };
        let is_secret = matches!(name, "" | "keys" | "evidence" | "run" | "antiphon.db");
        let forbidden = if is_secret { 0o077 } else { 0o022 };
        if found.mode() & forbidden != 0 {
            let name = if name.is_empty() { "." } else { name };
            open.push(format!("{name} is {:04o}", found.mode() & 0o7777));
        }
    }
    if open.is_empty() {
        Check::ok(NAME, "nobody else reads or writes what is the owner's")
    } else {
        Check::warning(NAME, open.join(", "), "chmod go-rwx")
    }
}

fn file_system(root: &Path) -> Check {
    const NAME: &str = "file system";
    let kind = match rustix::fs::statfs(root) {
        Ok(stat) => u64::try_from(stat.f_type).unwrap_or(u64::MAX) & 0xFFFF_FFFF,
        Err(error) => return Check::warning(NAME, error.to_string(), "it cannot be asked"),
    };
    match UNFIT.iter().find(|(magic, _)| *magic == kind) {
        Some((_, name)) => Check::warning(
            NAME,
            *name,
            "use a local disk: locks or syncs do not hold here",
        ),
        None => Check::ok(NAME, format!("local ({kind:#x})")),
    }
}

fn room(root: &Path) -> Check {
    const NAME: &str = "room";
    let stat = match rustix::fs::statvfs(root) {
        Ok(stat) => stat,
        Err(error) => return Check::warning(NAME, error.to_string(), "it cannot be asked"),
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} MiB free, {} files free", free >> 20, stat.f_favail);
    if free < FREE_BYTES_MIN {
        Check::warning(NAME, found, "signals are refused below the reserve")
    } else {
        Check::ok(NAME, found)
    }
}

fn log(root: &Path) -> Check {
    const NAME: &str = "log";
    if !root.join("antiphon.db").exists() {
        return Check::ok(NAME, "none yet");
    }
    let read = open_reader(root).and_then(|mut log| Ok((log.head()?, log.pruned_to()?)));
    match read {
        Ok((head, 0)) => Check::ok(NAME, format!("{} records", head.next_seq)),
        Ok((head, pruned_to)) => {
            let records = head.next_seq;
            Check::ok(
                NAME,
                format!("{records} records, bodies pruned below {pruned_to}"),
            )
        }
        Err(error) => Check::failed(NAME, error.to_string(), "antiphon ledger verify"),
    }
}

/// The newest checkpoint against the end of the log; whether it is signed is the verifier's.
fn checkpoint(root: &Path) -> Check {
    const NAME: &str = "checkpoint";
    const VERIFY: &str = "antiphon ledger verify";
    let bytes = match std::fs::read(root.join(antiphon_files::checkpoints::FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::ok(NAME, "none yet");
        }
        Err(error) => return Check::failed(NAME, error.to_string(), VERIFY),
    };
    let note = Note::parse(&bytes).ok();
    let read = note.and_then(|note| note.text().parse::<Checkpoint>().ok());
    let Some(checkpoint) = read else {
        return Check::failed(NAME, "the file is none", VERIFY);
    };
    let head = open_reader(root).and_then(|mut log| log.head());
    let records = head.map_or(0, |head| head.next_seq);
    let found = format!("sealed to {} of {records} records", checkpoint.size());
    if checkpoint.size() > records {
        Check::failed(
            NAME,
            found,
            "the log was cut or rolled back; do not start an owner",
        )
    } else {
        Check::ok(NAME, found)
    }
}
