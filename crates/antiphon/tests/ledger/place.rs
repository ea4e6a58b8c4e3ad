//! Roots with logs that are made by hand, and the program run upon them.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use antiphon_backend_sqlite::SqliteStore;
use antiphon_engine::ports::store::{Batch, Store as _, StoreError, Tile, Turn, push_framed};
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::tree::Tree;
use antiphon_testkit::ledger_maker::LedgerMaker;
use serde_json::Value;

/// A folder with roots, exports and what the verifier remembers.
pub(crate) struct Place(tempfile::TempDir);

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A root with the records of `maker` in turns of seven, sealed to `sealed` unless that is 0.
    pub(crate) fn root(&self, name: &str, maker: &LedgerMaker, sealed: u64) -> PathBuf {
        let root = self.path(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .unwrap();
        append(&root, maker);
        if sealed > 0 {
            std::fs::write(root.join("checkpoint"), maker.checkpoint(sealed)).unwrap();
        }
        root
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs `antiphon ledger …` here.
    pub(crate) fn ledger(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command.env_clear().current_dir(self.0.path());
        command.env("XDG_STATE_HOME", self.path("state"));
        if let Some(plant) = std::env::var_os("ANTIPHON_PLANT") {
            command.env("ANTIPHON_PLANT", plant);
        }
        command.arg("ledger").args(arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one document that a command prints, and its exit code.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let said = self.ledger(&[arguments, &["--output", "json"]].concat());
        let value = serde_json::from_str(&said.out);
        (
            said.code,
            value.unwrap_or_else(|error| panic!("{error}: {said:?}")),
        )
    }

    /// The codes of what is wrong, and the verdict.
    pub(crate) fn problems(&self, arguments: &[&str]) -> (Vec<String>, Value) {
        let (code, verdict) = self.json(&[&["verify"], arguments].concat());
        let problems = verdict["problems"].as_array().unwrap();
        let codes: Vec<String> = problems
            .iter()
            .map(|it| it["code"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(verdict["ok"], Value::Bool(codes.is_empty()));
        assert_eq!(code, if codes.is_empty() { 0 } else { 5 });
        (codes, verdict)
    }
}

impl Said {
    /// What was printed by a command that must have done its work.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Checks that it ended so, saying why.
    pub(crate) fn refused(&self, code: i32, error: &str) {
        let begins = format!("error[{error}]: ");
        assert!(
            self.code == code && self.err.starts_with(&begins),
            "{self:?}"
        );
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Becomes the owner of `root`. A process that another test is just starting may hold its lock for
/// an instant, as it holds every file of this one until it is started.
fn own(root: &Path) -> SqliteStore {
    for _ in 0..1_000 {
        match SqliteStore::open(root, 0) {
            Err(StoreError::Held { .. }) => std::thread::park_timeout(Duration::from_millis(5)),
            opened => return opened.unwrap(),
        }
    }
    panic!("the root is held by another");
}

/// Appends to the log of a root what `maker` has more.
pub(crate) fn append(root: &Path, maker: &LedgerMaker) {
    let mut store = own(root);
    let mut head = store.head().unwrap();
    let mut tree = Tree::new();
    let begun = usize::try_from(head.next_seq).unwrap();
    let (before, new) = maker.records().split_at(begun);
    for record in before {
        tree.push(&leaf_hash(&record.envelope));
    }
    // Those are stored already.
    drop(tree.take_full_tiles());
    for records in new.chunks(7) {
        let mut turn = Turn {
            first_seq: head.next_seq,
            count: records.len().try_into().unwrap(),
            ..Turn::default()
        };
        let mut bodies = Vec::new();
        let mut last_leaf = head.last_leaf;
        for record in records {
            push_framed(&mut turn.envelopes, &record.envelope);
            match &record.body {
                Some(body) => push_framed(&mut bodies, body),
                None => bodies.extend_from_slice(&[0xff; 4]),
            }
            last_leaf = leaf_hash(&record.envelope);
            tree.push(&last_leaf);
        }
        turn.bodies = Some(bodies);
        turn.root = tree.root();
        let tiles = tree.take_full_tiles().into_iter();
        let tiles = tiles.map(|(level, index, hashes)| Tile {
            level,
            index,
            hashes,
        });
        let batch = Batch {
            turn,
            tiles: tiles.collect(),
            last_leaf,
        };
        store.append(&head, &batch).unwrap();
        head = batch.head();
    }
}
