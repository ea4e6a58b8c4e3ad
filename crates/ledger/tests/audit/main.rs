//! Whole logs, made by hand, and what an outsider who trusts little says of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the folders that they have made"
)]

mod drill;
mod folder;
mod history;
mod keys;
mod order;
mod partial;

use antiphon_ledger::audit::{Audit, Auditor, Terms};
use antiphon_ledger::trust::Trust;
use antiphon_testkit::ledger_maker::LedgerMaker;
use serde_json::Value;

/// What a verifier who trusts `trust` says of all records of `maker` under a checkpoint of all.
fn audit(maker: &LedgerMaker, trust: Option<&Value>) -> Audit {
    audit_with(maker, trust, Some(&maker.checkpoint(maker.size())))
}

/// The same under another checkpoint.
fn audit_with(maker: &LedgerMaker, trust: Option<&Value>, checkpoint: Option<&str>) -> Audit {
    let mut auditor = Auditor::new(Terms {
        trust: trust.map(parsed),
        checkpoint: checkpoint.map(str::as_bytes),
        is_checkpoint_required: true,
    });
    for record in maker.records() {
        auditor.record(&record.envelope, record.body.as_deref());
    }
    auditor.finish()
}

fn parsed(trust: &Value) -> Trust {
    Trust::parse(trust.to_string().as_bytes()).unwrap()
}

/// The codes and records of what is wrong, in the order in which it is told.
fn told(audit: &Audit) -> Vec<(&'static str, Option<u64>)> {
    assert_eq!(audit.findings.len() as u64, audit.finding_count);
    assert_eq!(audit.is_intact(), audit.findings.is_empty());
    let told = audit.findings.iter();
    told.map(|it| (it.kind.code(), it.seq)).collect()
}
