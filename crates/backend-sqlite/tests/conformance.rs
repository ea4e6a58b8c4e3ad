//! The suites that every backend passes.

use antiphon_backend_sqlite::{SqliteStore, open_views};
use antiphon_testkit::conformance;

#[test]
fn the_log_is_a_store() {
    conformance::store::suite(&|root| Ok(Box::new(SqliteStore::open(root, 0)?)));
}

#[test]
fn the_views_are_views() {
    conformance::views::suite(&open_views);
}
