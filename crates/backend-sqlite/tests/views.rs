//! The views as a file that may be lost, old or broken at any time.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::Path;

use antiphon_backend_sqlite::{OpenViews, open_views};
use antiphon_engine::ports::views::{SignalFilter, SignalRow, Views};
use antiphon_testkit::conformance::sample::{accepted, id, key, signal};
use rusqlite::Connection;
use tempfile::TempDir;

const RECORDS: u64 = 3_000;

fn open(root: &Path) -> OpenViews {
    open_views(root, id(7, 7), RECORDS).unwrap()
}

/// Projects what is missing; where the views ended before.
fn catch_up(root: &Path) -> u64 {
    let (mut builder, _, _) = open(root);
    let complete_to = builder.complete_to().unwrap();
    let records: Vec<_> = (complete_to..RECORDS)
        .map(|seq| {
            let mut signal = signal(seq, if seq % 3 == 0 { "Q_A" } else { "Q_B" });
            signal.key = Some(key(seq));
            accepted(seq, signal)
        })
        .collect();
    builder.project(&records).unwrap();
    complete_to
}

fn built() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(catch_up(root.path()), 0);
    root
}

fn all(views: &dyn Views) -> Vec<SignalRow> {
    views
        .signals(&SignalFilter {
            limit: 9_999,
            ..SignalFilter::default()
        })
        .unwrap()
}

/// After `change` the views begin anew, and once built say what they said.
fn check(change: impl FnOnce(&Path)) {
    let root = built();
    let before = all(open(root.path()).2.as_ref());
    assert_eq!(before.len(), 3_000);
    change(root.path());
    assert_eq!(catch_up(root.path()), 0, "they are made anew");
    assert_eq!(all(open(root.path()).2.as_ref()), before);
    assert_eq!(catch_up(root.path()), RECORDS, "and are kept from then on");
}

fn execute(root: &Path, sql: &str) {
    Connection::open(root.join("views.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[test]
fn views_that_were_deleted_are_built_anew() {
    check(|root| std::fs::remove_file(root.join("views.db")).unwrap());
}

#[test]
fn views_of_another_version_are_built_anew() {
    check(|root| execute(root, "PRAGMA user_version = 99"));
    check(|root| execute(root, "PRAGMA application_id = 99"));
}

#[test]
fn views_that_are_no_database_are_built_anew() {
    check(|root| std::fs::write(root.join("views.db"), "no database").unwrap());
    check(|root| std::fs::write(root.join("views.db"), "").unwrap());
    check(|root| execute(root, "DROP TABLE progress"));
    check(|root| execute(root, "UPDATE key_tail SET entries = x'00'"));
}

#[test]
fn f16_damage_that_a_query_finds_makes_the_next_opening_begin_anew() {
    check(|root| {
        let path = root.join("views.db");
        let mut bytes = std::fs::read(&path).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'signal'";
        let page: usize = Connection::open(&path)
            .unwrap()
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
            .try_into()
            .unwrap();
        bytes[(page - 1) * 4_096..page * 4_096].fill(0xEE);
        std::fs::write(&path, &bytes).unwrap();
        let (_builder, _index, views) = open(root);
        let error = views.signals(&SignalFilter::default()).unwrap_err();
        assert_eq!(error.verb, "read");
        assert!(root.join("views.damaged").exists());
    });
}

#[test]
fn queries_run_side_by_side() {
    let root = built();
    let (_builder, _index, views) = open(root.path());
    std::thread::scope(|scope| {
        let queries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| all(views.as_ref()).len()))
            .collect();
        for query in queries {
            assert_eq!(query.join().unwrap(), 3_000);
        }
    });
}
