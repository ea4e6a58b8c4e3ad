//! What a verifier reads: whatever it is fed, there is a judgement; and nothing that is changed is
//! taken for intact.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use antiphon_core::record::Body;
use antiphon_ledger::audit::{Audit, Auditor, Terms};
use antiphon_ledger::bundle;
use antiphon_ledger::exported;
use antiphon_ledger::fork::ForkProof;
use antiphon_ledger::signature::Signature;
use antiphon_ledger::trust::Trust;
use antiphon_ledger::verify::ProblemKind;

use crate::ledger_maker::{LedgerMaker, ORIGIN, place};

/// A log of five records, its exported folder's files, and what is trusted of it.
static LOG: LazyLock<(LedgerMaker, Trust, Audit)> = LazyLock::new(|| {
    let mut maker = LedgerMaker::new(ORIGIN, 1);
    maker.guard_changed("owner");
    maker.rotate("operator");
    maker.plain();
    maker.plain();
    let trust = maker.trust(5).to_string();
    let trust = Trust::parse(trust.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let (entries, bodies) = maker.bundle(0, 5);
    let audit = judge(&maker, &trust, &entries, &bodies);
    (maker, trust, audit)
});

fn judge(maker: &LedgerMaker, trust: &Trust, entries: &[u8], bodies: &[u8]) -> Audit {
    let files = BTreeMap::from([
        (
            exported::CHECKPOINT.to_owned(),
            maker.checkpoint(5).into_bytes(),
        ),
        (format!("tile/entries/{}", place(0, 5)), entries.to_vec()),
        (format!("body/{}", place(0, 5)), bodies.to_vec()),
        (format!("tile/0/{}", place(0, 5)), maker.leaves(5)),
    ]);
    exported::audit(Some(trust.clone()), |path| files.get(path).cloned(), None)
}

/// The entries and the bodies of an exported folder, the first behind their length in four bytes:
/// intact only when they are those that were exported.
#[must_use]
pub fn exported_folder(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return false;
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let Some((entries, bodies)) = rest.split_at_checked(length) else {
        return false;
    };
    let (maker, trust, known) = &*LOG;
    let audit = judge(maker, trust, entries, bodies);
    if audit.is_intact() {
        // A body that may be pruned may be missing, and is counted.
        let stated = (audit.size, audit.root, audit.checkpoint_size);
        assert_eq!(stated, (known.size, known.root, known.checkpoint_size));
        assert_eq!(maker.bundle(0, 5).0, entries, "other entries are intact");
    }
    audit.is_intact()
}

/// What says what a bundle holds, in a bundle without anything else: it is read in one way, and
/// never intact.
#[must_use]
pub fn bundle_index(bytes: &[u8]) -> bool {
    let (maker, trust, _) = &*LOG;
    let audit = bundle::audit(Some(trust), |path| match path {
        bundle::INDEX => Some(bytes.to_vec()),
        exported::CHECKPOINT => Some(maker.checkpoint(5).into_bytes()),
        _ => None,
    });
    assert!(!audit.is_intact(), "a bundle without records is intact");
    bundle::BundleIndex::parse(bytes, ORIGIN).is_ok()
}

/// The proof of a fork is read as it is written, and shows none to who trusts another log.
#[must_use]
pub fn fork_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = ForkProof::parse(bytes) else {
        return false;
    };
    let again = ForkProof::parse(proof.to_json().as_bytes());
    assert_eq!(again.ok().as_ref(), Some(&proof), "a proof has two forms");
    let judgement = proof.judge(&LOG.1);
    assert!(
        judgement.finding_count > 0,
        "a fork of a log that never forked"
    );
    true
}

/// A signature of a record is written as it was read.
#[must_use]
pub fn record_signature(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(signature) = text.parse::<Signature>() else {
        return false;
    };
    assert_eq!(signature.to_string(), text, "a signature has two forms");
    true
}

/// A trust file is read as it is written.
#[must_use]
pub fn trust_file(bytes: &[u8]) -> bool {
    let Ok(trust) = Trust::parse(bytes) else {
        return false;
    };
    let again = Trust::parse(trust.to_json().as_bytes());
    assert_eq!(again.ok(), Some(trust), "a trust file has two forms");
    true
}

/// The body of a record about keys, its kind on the first line: what a verifier takes, the program
/// takes and writes again.
#[must_use]
pub fn key_event(bytes: &[u8]) -> bool {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(kind), Some(json)) = (lines.next(), lines.next()) else {
        return false;
    };
    let (Ok(kind), Ok(json)) = (std::str::from_utf8(kind), std::str::from_utf8(json)) else {
        return false;
    };
    if !matches!(
        kind,
        "log.created" | "key.registered" | "key.rotated" | "key.revoked"
    ) {
        return false;
    }
    let mut maker = if kind == "log.created" {
        LedgerMaker::without_records(ORIGIN, 1)
    } else {
        LedgerMaker::new(ORIGIN, 1)
    };
    maker.unsigned_text(kind, json);
    let mut auditor = Auditor::new(Terms::default());
    for record in maker.records() {
        auditor.record(&record.envelope, record.body.as_deref());
    }
    let findings = auditor.finish().findings;
    if findings
        .iter()
        .any(|it| it.kind == ProblemKind::KeyMalformed)
    {
        return false;
    }
    let body = match Body::decode(kind, 1, json.as_bytes()) {
        Ok(body) => body,
        // A verifier need not know how ids of logs are written.
        Err(_) if kind == "log.created" => return true,
        Err(error) => panic!("only a verifier takes it: {error}"),
    };
    let mut again = Vec::new();
    body.encode(&mut again)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, json.as_bytes(), "both take it in two forms");
    true
}
