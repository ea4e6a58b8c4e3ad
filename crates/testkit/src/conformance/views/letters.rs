//! Dead letters, events and idempotency keys.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failed expectation is a failed test"
)]

use antiphon_core::guard::Guards;
use antiphon_core::record::{Body, GuardChanged, LettersPurged};
use antiphon_core::signal::Origin;
use antiphon_engine::ports::views::KnownKey;

use super::super::sample::{
    accepted, key, letter_id, parked, policy, projected, pruned, signal, signal_id,
};
use super::{Bench, Open, fresh, log_id};

pub(super) fn suite(open: Open<'_>) {
    letters(open);
    events(open);
    keys(open);
}

fn letters(open: Open<'_>) {
    let mut replay = signal(3, "Q_A");
    replay.origin = Origin::Replay(letter_id(1));
    let purge = LettersPurged {
        by: "age".to_owned(),
        letters: vec![letter_id(0)],
    };
    let bench = fresh(
        open,
        &[
            parked(0, None),
            parked(1, None),
            parked(2, None),
            accepted(3, replay),
            projected(4, Body::LettersPurged(Box::new(purge))),
        ],
    );
    let rows = |limit, with_purged| {
        let rows = bench.views.letters(limit, with_purged).unwrap();
        rows.iter()
            .map(|row| (row.seq, row.replays, row.purged))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows(9, false),
        [(2, 0, false), (1, 1, false)],
        "purged ones are left out"
    );
    assert_eq!(
        rows(9, true),
        [(2, 0, false), (1, 1, false), (0, 0, true)],
        "unless asked for"
    );
    assert_eq!(rows(1, true), [(2, 0, false)], "no more than asked for");
    let letter = bench.views.letter(&letter_id(1)).unwrap().unwrap();
    assert_eq!((letter.id, letter.seq), (letter_id(1), 1));
    assert_eq!(bench.views.letter(&letter_id(9)).unwrap(), None);
}

fn events(open: Open<'_>) {
    let guard = |seq| {
        let body = GuardChanged {
            by: "me".to_owned(),
            guards: Guards::default(),
            reason: String::new(),
            replaces: 0,
        };
        projected(seq, Body::GuardChanged(Box::new(body)))
    };
    let bench = fresh(
        open,
        &[
            policy(),
            accepted(1, signal(1, "Q_A")),
            guard(2),
            pruned(3),
            guard(4),
        ],
    );
    assert_eq!(
        bench.views.events(9).unwrap(),
        [4, 2, 0],
        "newest first, signals are none"
    );
    assert_eq!(
        bench.views.events(2).unwrap(),
        [4, 2],
        "no more than asked for"
    );
}

fn keys(open: Open<'_>) {
    let keyed = |seq, number| {
        let mut signal = signal(seq, "Q_A");
        signal.key = Some(key(number));
        accepted(seq, signal)
    };
    let mut bench = fresh(open, &[keyed(0, 10), accepted(1, signal(1, "Q_A"))]);
    let hash = |number| key(number).hash;
    let first = KnownKey {
        key: key(10),
        seq: 0,
        id: signal_id(0),
    };
    assert_eq!(bench.index.lookup(&[hash(10), hash(11)]).unwrap(), [first]);
    assert_eq!(bench.index.lookup(&[]).unwrap(), []);
    bench.builder.project(&[parked(2, Some(key(11)))]).unwrap();
    let letter = KnownKey {
        key: key(11),
        seq: 2,
        id: letter_id(2),
    };
    let mut both = bench.index.lookup(&[hash(11), hash(12), hash(10)]).unwrap();
    both.sort_by_key(|known| known.seq);
    assert_eq!(
        both,
        [first, letter],
        "what was projected is known at once, letters too"
    );
    assert_eq!(bench.index.complete_to().unwrap(), 3);
    let Bench {
        root,
        builder,
        index,
        views,
    } = bench;
    drop((builder, index, views));
    let (_, mut index, _) = open(root.path(), log_id(), 3).unwrap();
    assert_eq!(
        index.lookup(&[hash(11)]).unwrap(),
        [letter],
        "and after opening again"
    );
}
