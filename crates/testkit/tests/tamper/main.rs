//! Damage to a ledger: everything that somebody might do to it, judged by two verifiers that share
//! no code.
//!
//! In: logs that the testkit makes; `ANTIPHON_TAMPER_COUNT` and `ANTIPHON_TAMPER_SEED`, which
//! `cargo xtask tamper` sets. Out: the corpus with the first code that each kind must have, vectors
//! that both answer alike, random damage that is reported or changes nothing that is stated. The
//! first verifier is `antiphon_ledger::exported`, as `antiphon ledger verify` uses it; the second is
//! `tools/verify_ledger.py`.
#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that stops says why, and one that counts says how many"
)]

mod corpus;
mod damage;
mod judge;
mod proofs;
mod second;
mod vectors;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use antiphon_ledger::key::VerifierKey;
use antiphon_ledger::note::NoteSignature;
use antiphon_ledger::signature::{LOG, RECOVERY};
use antiphon_ledger::trust::Trust;
use antiphon_testkit::ledger_maker::{LedgerMaker, cosignature, signed_checkpoint, witness};
use serde_json::json;
use tempfile::TempDir;

use second::Second;

/// Random damages when nobody says how many.
const COUNT: u64 = 2_000;
/// The seed when nobody says another.
const SEED: u64 = 1;

/// A folder and a trust file that are removed in the end.
struct Place {
    folder: PathBuf,
    trust: PathBuf,
    _temporary: TempDir,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self {
            folder: temporary.path().join("log"),
            trust: temporary.path().join("trust.json"),
            _temporary: temporary,
        }
    }

    fn trust(&self) -> Trust {
        Trust::parse(&fs::read(&self.trust).unwrap()).unwrap()
    }
}

#[test]
fn a36_g17_every_kind_of_damage_is_judged_alike_by_both_verifiers() {
    let mut second = Second::start();
    let mut wrong = Vec::new();
    let mut by_code: BTreeMap<&str, u64> = BTreeMap::new();
    for kind in corpus::kinds() {
        let place = Place::new();
        kind.write(&place.folder, &place.trust);
        let first = judge::first(&place.folder, &place.trust());
        let other = judge::second(&mut second, &place.folder, &place.trust);
        if first != other || first.code() != kind.expected {
            let expected = kind.expected.unwrap_or("holds");
            wrong.push(format!(
                "{}: {first}, {other}; must be {expected}",
                kind.name
            ));
        }
        *by_code.entry(kind.expected.unwrap_or("holds")).or_default() += 1;
    }
    println!("corpus: {} kinds of damage", by_code.values().sum::<u64>());
    for (code, count) in by_code {
        println!("{count:>6}  {code}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn g19_both_verifiers_answer_every_vector_alike() {
    let mut second = Second::start();
    let vectors = vectors::ask_all(&mut second, seed());
    println!("vectors: {}", vectors.asked);
    assert!(vectors.asked >= 1_000, "only {}", vectors.asked);
    assert!(
        vectors.differences.is_empty(),
        "{}",
        vectors.differences.join("\n")
    );
}

#[test]
fn g19_logs_that_the_second_side_makes_hold_for_the_first() {
    let mut second = Second::start();
    for size in [620, 700, 768] {
        let place = Place::new();
        let question = json!({"op": "make_folder", "path": place.folder, "size": size});
        let trust = second.ask(&question);
        fs::write(&place.trust, trust.as_str().unwrap()).unwrap();
        let first = judge::first(&place.folder, &place.trust());
        let other = judge::second(&mut second, &place.folder, &place.trust);
        assert!(first.holds(), "{size}: {first}");
        assert_eq!(first, other, "{size}");
    }
}

#[test]
fn g17_random_damage_is_reported_or_changes_nothing_that_is_stated() {
    let place = Place::new();
    write_log_with_many_lines(&place.folder, &place.trust);
    let folder = damage::Folder::read(&place.folder);
    let (trust, count) = (place.trust(), number("ANTIPHON_TAMPER_COUNT", COUNT));
    let note = fs::read_to_string(place.folder.join("checkpoint")).unwrap();
    let parts = parts_of(&note, &trust);
    let kept: Vec<String> = parts
        .iter()
        .filter(|it| it.is_kept)
        .map(|it| it.text.clone())
        .collect();
    let outcome = folder.damage(
        (&trust, &place.trust),
        &kept,
        &mut Second::start(),
        (count, seed()),
    );
    let same: u64 = outcome.same.values().sum();
    println!(
        "random, seed {}: {} reported, {same} changed nothing that is stated; {} put to both",
        seed(),
        outcome.reported,
        outcome.asked_second
    );
    let mut start = 0;
    // A line of a known key that is doubled differs from the original within itself.
    for part in &parts {
        let bytes = start..start + part.text.len();
        let (within, beyond) = outcome.same_within(&bytes);
        let what = part.text.lines().next().unwrap_or_default();
        println!(
            "  checkpoint, bytes {bytes:?}: {within} within, {beyond} across its ends: {what}"
        );
        start = bytes.end;
    }
    assert_eq!(outcome.reported + same, count);
}

/// The text of a note with its empty line, or one of its lines.
struct Part {
    text: String,
    /// Whether the log does not hold without it.
    is_kept: bool,
}

fn parts_of(note: &str, trust: &Trust) -> Vec<Part> {
    let (text, lines) = note.split_once("\n\n").unwrap();
    let known = |line: &str| {
        let signature = NoteSignature::parse_line(line).unwrap();
        let is_by =
            |key: &VerifierKey| key.name() == signature.name() && key.id() == signature.id();
        is_by(&trust.log_key) || trust.witnesses.iter().any(is_by)
    };
    let text = Part {
        text: format!("{text}\n\n"),
        is_kept: true,
    };
    let lines = lines.lines().map(|line| Part {
        text: format!("{line}\n"),
        is_kept: known(line),
    });
    std::iter::once(text).chain(lines).collect()
}

/// A whole log with a checkpoint that carries lines of everybody: the log, a stranger, a witness
/// that is asked for, and one that is not.
fn write_log_with_many_lines(folder: &Path, trust: &Path) {
    let mut log = LedgerMaker::journey(300);
    let size = log.size();
    let asked = witness("witness.example/vega", 3);
    let mut trusted = log.trust(size / 2);
    trusted["witnesses"] = json!([asked.verifier().to_string()]);
    trusted["cosignatures_required"] = 1.into();
    trusted["log_key"] = log.key(LOG).verifier().to_string().into();
    trusted["recovery_key"] = log.key(RECOVERY).verifier().to_string().into();
    trusted["key_size"] = size.into();
    let (own, stranger) = (log.key(LOG).clone(), log.new_key(LOG));
    let mut note = signed_checkpoint(log.origin(), &log.tree(size).head(), &[&own, &stranger]);
    for witness in [&asked, &witness("witness.example/else", 4)] {
        let line = cosignature(witness, &note, 1_700_000_000);
        note.push_str(&line);
    }
    log.export_with(folder, size, &note);
    fs::write(trust, trusted.to_string()).unwrap();
}

fn seed() -> u64 {
    number("ANTIPHON_TAMPER_SEED", SEED)
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}
