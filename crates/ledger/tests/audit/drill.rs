//! Histories by the thousand, and keys that change by the hundred: what a verifier who saw one head,
//! or one witness, makes of them.

use antiphon_ledger::TreeHead;
use antiphon_ledger::note::Note;
use antiphon_ledger::signature::{LOG, OPERATOR};
use antiphon_ledger::witness::{AddCheckpoint, KnownLog, judge};
use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN, signed_checkpoint};

use super::partial::prover;
use super::{audit, audit_with, told};

/// Records of the history that was seen; its last signed one is before `PARTED_MIN`.
const SIZE: u64 = 60;
const PARTED_MIN: u64 = 20;

/// Another history of the same log than [`LedgerMaker::journey`], signed by the same key.
struct Other {
    maker: LedgerMaker,
    /// The first record that is not the same.
    parted: u64,
}

/// Makes another history that parts at a record.
type Parting = fn(&LedgerMaker, u64) -> Other;

/// The history as it was at `size`.
fn rolled_back(ours: &LedgerMaker, size: u64) -> Other {
    let mut maker = ours.clone();
    maker.records_mut().truncate(usize::try_from(size).unwrap());
    Other {
        maker,
        parted: size,
    }
}

/// A history that went on otherwise from `parted` on.
fn forked(ours: &LedgerMaker, parted: u64) -> Other {
    let mut other = rolled_back(ours, parted);
    while other.maker.size() < SIZE + parted % 7 {
        other.maker.guard_changed(OPERATOR);
    }
    other
}

/// The history with one record exchanged, and all after it chained again.
fn rewritten(ours: &LedgerMaker, place: u64) -> Other {
    let mut maker = ours.clone();
    let stranger = LedgerMaker::journey(usize::try_from(SIZE).unwrap() + 1);
    let last = stranger.records().last().unwrap().clone();
    maker.records_mut()[usize::try_from(place).unwrap()] = last;
    maker.chain_again(place);
    Other {
        maker,
        parted: place,
    }
}

/// Whether a witness who has cosigned `seen` cosigns `other` when it is told whatever the other
/// history can prove.
fn is_cosigned(seen: &LedgerMaker, size: u64, other: &LedgerMaker) -> bool {
    let keys = [seen.key(LOG).verifier().clone()];
    let known = KnownLog {
        keys: &keys,
        head: seen.tree(size).head(),
    };
    let grown = other.size();
    let proof = prover(other).consistency(size.min(grown), grown).unwrap();
    let note = Note::parse(other.checkpoint(grown).as_bytes()).unwrap();
    let request = AddCheckpoint::new(size, proof, note).unwrap();
    judge(&request, Some(&known)).is_ok()
}

#[test]
fn g18_a_thousand_rollbacks_forks_and_rewrites_are_seen_by_who_saw_a_head_and_by_a_witness() {
    let ours = LedgerMaker::journey(usize::try_from(SIZE).unwrap());
    assert!(is_cosigned(&ours, 30, &ours), "the history itself is");
    let kinds: [(Parting, &str); 3] = [
        (rolled_back, "head.ahead"),
        (forked, "head.fork"),
        (rewritten, "head.fork"),
    ];
    let mut cases = 0;
    for (make, code) in kinds {
        for parted in (PARTED_MIN..SIZE).step_by(2) {
            let other = make(&ours, parted);
            for seen in (other.parted + 1..=SIZE).step_by(1 + usize::from(code == "head.ahead")) {
                let found = told(&audit(&other.maker, Some(&ours.trust(seen))));
                assert_eq!(found, [(code, None)], "parted at {parted}, seen to {seen}");
                assert!(
                    !is_cosigned(&ours, seen, &other.maker),
                    "parted at {parted}, cosigned to {seen}"
                );
                cases += 1;
            }
        }
    }
    assert!(cases >= 1_000, "{cases}");
}

/// A log whose own key is rotated or revoked again and again. With it, for each size, the place in
/// [`LedgerMaker::keys`] of the key that is valid there.
fn drill() -> (LedgerMaker, Vec<usize>) {
    let mut maker = LedgerMaker::new(ORIGIN, 1);
    let mut valid = vec![0, 0];
    for turn in 0..50_u64 {
        // How far back a revocation reaches, at most to the first place of its key.
        for _record in 0..turn % 3 {
            maker.plain();
            valid.push(valid.last().copied().unwrap());
        }
        if turn % 2 == 0 {
            maker.rotate(LOG);
        } else {
            // From where it was lost, or from the revocation itself on.
            let lost = (turn % 4 == 1).then(|| maker.size() - turn % 3);
            maker.revoke(LOG, lost);
        }
        valid.push(valid.last().copied().unwrap() + 1);
    }
    (maker, valid)
}

#[test]
fn g20_f24_after_each_of_a_hundred_steps_of_a_drill_exactly_one_key_of_the_log_is_valid() {
    let (whole, valid) = drill();
    assert!(whole.size() >= 100, "{}", whole.size());
    let trust = whole.trust(0);
    for size in 1..=whole.size() {
        let place = usize::try_from(size).unwrap();
        let mut prefix = whole.clone();
        prefix.records_mut().truncate(place);
        let head: TreeHead = prefix.tree(size).head();
        // The valid one, the one before it and the one after it: none but the first will do.
        let first = valid[place].saturating_sub(1);
        let candidates = whole.keys(LOG).iter().enumerate().skip(first).take(3);
        for (number, key) in candidates {
            let checkpoint = signed_checkpoint(ORIGIN, &head, &[key]);
            let found = told(&audit_with(&prefix, Some(&trust), Some(&checkpoint)));
            if number == valid[place] {
                assert_eq!(found, [], "key {number} at {size}");
            } else {
                let refused = [("checkpoint.signature", None)];
                assert_eq!(found, refused, "key {number} at {size}");
            }
        }
    }
}
