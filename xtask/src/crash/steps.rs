//! The steps of persistence: where each is met, and what an error there must lead to.
//!
//! In: the table. Out: the steps themselves, which are `fail::step("…")` in the crates, and going
//! through them, which is [`super::fail_points`]. A test holds the table and the source together.

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) met: Met,
    pub(crate) on_error: OnError,
}

/// When an owner comes to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Once in the life of a root.
    OnEmptyRoot,
    /// At every start.
    AtStart,
    /// Again and again under load.
    UnderLoad,
    /// Again and again under load, when bodies are pruned.
    Pruning,
}

/// What becomes of an owner whose step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// It ends, and says so by its exit code.
    Ends,
    /// It goes on, and makes up for it.
    GoesOn,
}

/// What a fail-point does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The owner is gone in that instant.
    Kill,
    /// The step fails.
    Error,
    /// The step takes long.
    Delay,
}

impl Action {
    pub(crate) const ALL: [Self; 3] = [Self::Kill, Self::Error, Self::Delay];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Action::Kill => "kill",
            Action::Error => "error",
            Action::Delay => "delay",
        }
    }
}

const fn first(name: &'static str) -> Step {
    step(name, Met::OnEmptyRoot, OnError::Ends)
}

const fn start(name: &'static str) -> Step {
    step(name, Met::AtStart, OnError::Ends)
}

/// A step whose failure ends the owner.
const fn fatal(name: &'static str) -> Step {
    step(name, Met::UnderLoad, OnError::Ends)
}

/// A step whose failure is made up for.
const fn passing(name: &'static str) -> Step {
    step(name, Met::UnderLoad, OnError::GoesOn)
}

/// A step of pruning; its failure ends the owner.
const fn pruning(name: &'static str) -> Step {
    step(name, Met::Pruning, OnError::Ends)
}

const fn step(name: &'static str, met: Met, on_error: OnError) -> Step {
    Step {
        name,
        met,
        on_error,
    }
}

/// Every step, in the order of a signal's journey.
pub(crate) const STEPS: &[Step] = &[
    first("start.migrated"),
    first("start.views_made"),
    first("start.boot_written"),
    first("start.boot_named"),
    start("start.log_opened"),
    start("start.wal_written_back"),
    start("start.epoch_counted"),
    first("key.written"),
    first("key.synced"),
    first("key.renamed"),
    first("key.folder_synced"),
    first("start.keys_made"),
    start("start.opened"),
    start("start.folded"),
    start("start.fates_known"),
    start("start.recorded"),
    passing("inbox.reading"),
    fatal("ingest.taken"),
    fatal("ingest.keys_known"),
    fatal("decide.stepped"),
    fatal("seal.sealed"),
    fatal("store.begin"),
    fatal("store.begun"),
    fatal("store.inserted"),
    fatal("store.committed"),
    fatal("store.checkpoint"),
    fatal("store.copy_back"),
    fatal("commit.durable_here"),
    fatal("commit.durable_there"),
    passing("dispatch.answer"),
    passing("dispatch.spawn"),
    passing("attempt.note_written"),
    passing("attempt.note_named"),
    passing("attempt.sending"),
    passing("evidence.written"),
    passing("evidence.synced"),
    passing("evidence.renamed"),
    passing("evidence.folder_synced"),
    fatal("execute.report_received"),
    passing("dispatch.forget"),
    passing("inbox.removing"),
    passing("inbox.reason_written"),
    passing("inbox.parked"),
    passing("declared.written"),
    passing("declared.synced"),
    passing("declared.renamed"),
    passing("declared.folder_synced"),
    passing("checkpoint.written"),
    passing("checkpoint.synced"),
    passing("checkpoint.renamed"),
    passing("checkpoint.folder_synced"),
    passing("rotation.prepared"),
    passing("rotation.recorded"),
    fatal("views.read"),
    fatal("views.projected"),
    fatal("views.committed"),
    fatal("keys.run_written"),
    fatal("keys.runs_merged"),
    fatal("snapshot.made"),
    fatal("snapshot.written"),
    pruning("prune.found"),
    pruning("prune.replaced"),
    pruning("prune.durable"),
    pruning("views.forgotten"),
    step("evidence.sweeping", Met::Pruning, OnError::GoesOn),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::crash::fail_points::hit;
    use crate::process::repository;

    /// What makes something durable, or takes it away.
    const PERSISTING: &[&str] = &[
        ".sync_all()",
        ".sync_data()",
        "fs::fsync(",
        "fs::fdatasync(",
        "fs::rename(",
        "renameat(",
        "renameat_with(",
        "run(\"COMMIT\")",
        "transaction.commit()",
    ];

    /// Files that make something durable outside of the owner's steps.
    const ELSEWHERE: &[(&str, &str)] = &[
        (
            "crates/antiphon/src/commands/",
            "a command for people, not the owner",
        ),
        (
            "crates/antiphon/src/ledger/",
            "files that people take away, and what a verifier remembers",
        ),
        (
            "crates/witness/src/whole.rs",
            "a witness is an owner of nothing here",
        ),
        (
            "crates/files/src/atomic.rs",
            "its steps are named by whoever calls it",
        ),
        (
            "crates/spawner/src/keeper.rs",
            "a process of its own: its death is the loss of a keeper",
        ),
        (
            "crates/files/src/structured_log/",
            "a copy of the log for people; lines may be lost",
        ),
        (
            "crates/files/src/keys/outside.rs",
            "keys that people keep themselves, not the owner",
        ),
        (
            "crates/files/src/root.rs",
            "makes folders, before anything lies in them",
        ),
        (
            "crates/backend-sqlite/src/root.rs",
            "makes files, before anything lies in them",
        ),
        (
            "crates/antiphon/src/backup/",
            "backups: product tests kill their commands at each change",
        ),
        (
            "crates/backend-sqlite/src/copy.rs",
            "a copy that is of no use before it is whole: as above",
        ),
        (
            "crates/backend-sqlite/src/held.rs",
            "a log put in the place of another: as above",
        ),
        (
            "crates/backend-sqlite/src/keys/index.rs",
            "transactions that only read",
        ),
        (
            "crates/backend-sqlite/src/views/query.rs",
            "transactions that only read",
        ),
    ];

    /// The product's sources without their tests: path and text.
    fn sources() -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut folders = vec![repository().join("crates")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() && !["tests", "target", "testkit"].contains(&name.as_str()) {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs")
                    && name != "tests.rs"
                {
                    found.push((relative(&path), code(&path)));
                }
            }
        }
        found
    }

    fn relative(path: &Path) -> String {
        let path = path.strip_prefix(repository()).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn code(path: &Path) -> String {
        let text = fs::read_to_string(path).unwrap();
        let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        text[..end].to_owned()
    }

    /// The literal of each `fail::step("NAME")`.
    fn named(text: &str) -> Vec<String> {
        text.match_indices("fail::step(\"")
            .filter_map(|(at, opening)| text[at + opening.len()..].split('"').next())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn f1_every_persistence_step_has_a_fail_point_that_is_tested() {
        let sources = sources();
        let planted: Vec<String> = sources.iter().flat_map(|(_, code)| named(code)).collect();
        let once: BTreeSet<&str> = planted.iter().map(String::as_str).collect();
        let tested: BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(once, tested, "the source's steps and the table's");
        assert_eq!(planted.len(), STEPS.len(), "each step is one place");
        assert!(STEPS.len() >= 40);
        for step in STEPS {
            let hits = Action::ALL.map(|action| hit(step, action));
            assert!(hits.iter().all(|hit| *hit > 0), "{}", step.name);
        }
    }

    #[test]
    fn f1_whatever_makes_something_durable_has_a_fail_point() {
        let bare: Vec<String> = sources()
            .into_iter()
            .filter(|(path, _)| !ELSEWHERE.iter().any(|(prefix, _)| path.starts_with(prefix)))
            .filter(|(_, code)| PERSISTING.iter().any(|call| code.contains(call)))
            .filter(|(_, code)| named(code).is_empty())
            .map(|(path, _)| path)
            .collect();
        assert!(bare.is_empty(), "without a fail-point: {bare:?}");
    }
}
