//! What every `ViewBuilder`, `KeyIndex` and `Views` must do together, by verb.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failed expectation is a failed test"
)]

mod forget;
mod letters;
mod runs;

use std::path::Path;
use std::sync::Arc;

use antiphon_core::id::Id;
use antiphon_core::name::SignalName;
use antiphon_core::record::Next;
use antiphon_core::report::Exit;
use antiphon_core::run::Outcome;
use antiphon_engine::ports::views::{
    KeyIndex, Projected, RunFilter, RunRow, SignalFilter, ViewBuilder, ViewError, Views,
};
use tempfile::TempDir;

use super::sample::{
    TIME_MS, accepted, id, key, leased, parked, plan, pruned, run_id, settled, signal, signal_id,
};

/// The three hands on the views of one root.
pub type Opened = (Box<dyn ViewBuilder>, Box<dyn KeyIndex>, Arc<dyn Views>);
/// Opens the views of a root for a log that ends at a sequence number.
pub type Open<'a> = &'a dyn Fn(&Path, Id, u64) -> Result<Opened, ViewError>;

/// Runs the whole suite.
///
/// # Panics
/// When a claim does not hold.
pub fn suite(open: Open<'_>) {
    opening(open);
    project(open);
    signals(open);
    runs::suite(open);
    letters::suite(open);
    rebuilding(open);
    forget::suite(open);
}

struct Bench {
    root: TempDir,
    builder: Box<dyn ViewBuilder>,
    index: Box<dyn KeyIndex>,
    views: Arc<dyn Views>,
}

impl Bench {
    fn seqs(&self, filter: &SignalFilter) -> Vec<u64> {
        self.views
            .signals(filter)
            .unwrap()
            .iter()
            .map(|row| row.seq)
            .collect()
    }

    fn run(&self, number: u64) -> RunRow {
        self.views.run(&run_id(number)).unwrap().unwrap()
    }
}

fn all_signals() -> SignalFilter {
    SignalFilter {
        limit: 99,
        ..SignalFilter::default()
    }
}

fn all_runs() -> RunFilter {
    RunFilter {
        limit: 99,
        ..RunFilter::default()
    }
}

/// The log that all samples are of.
fn log_id() -> Id {
    id(7, 7)
}

fn fresh(open: Open<'_>, records: &[Projected]) -> Bench {
    let root = tempfile::tempdir().unwrap();
    let (mut builder, index, views) = open(root.path(), log_id(), u64::MAX).unwrap();
    builder.project(records).unwrap();
    Bench {
        root,
        builder,
        index,
        views,
    }
}

fn opening(open: Open<'_>) {
    let mut bench = fresh(open, &[pruned(0), accepted(1, signal(1, "Q_A"))]);
    let ends = |opened: &mut Opened| {
        (
            opened.0.complete_to().unwrap(),
            opened.1.complete_to().unwrap(),
            opened.2.complete_to().unwrap(),
        )
    };
    let Bench {
        root,
        builder,
        index,
        views,
    } = &mut bench;
    assert_eq!(builder.complete_to().unwrap(), 2);
    assert_eq!(index.complete_to().unwrap(), 2);
    assert_eq!(views.complete_to().unwrap(), 2);
    let root = root.path();
    let mut again = open(root, log_id(), 2).unwrap();
    assert_eq!(
        ends(&mut again),
        (2, 2, 2),
        "the views of this log are kept"
    );
    drop(again);
    let mut shorter = open(root, log_id(), 1).unwrap();
    assert_eq!(
        ends(&mut shorter),
        (0, 0, 0),
        "views that are ahead of the log are made anew"
    );
    shorter.0.project(&[pruned(0)]).unwrap();
    drop(shorter);
    let mut other = open(root, id(8, 8), 9).unwrap();
    assert_eq!(
        ends(&mut other),
        (0, 0, 0),
        "views of another log are made anew"
    );
}

fn project(open: Open<'_>) {
    let records: Vec<_> = (0..6)
        .map(|seq| accepted(seq, signal(seq, "Q_A")))
        .collect();
    let mut bench = fresh(open, records.get(..4).unwrap());
    let gap = bench.builder.project(records.get(5..).unwrap());
    assert!(gap.is_err(), "a gap is refused");
    let inner = [records.get(4).cloned().unwrap(), pruned(9)];
    assert!(
        bench.builder.project(&inner).is_err(),
        "also within a batch"
    );
    assert_eq!(bench.builder.complete_to().unwrap(), 4, "and adds nothing");
    bench.builder.project(&records).unwrap();
    bench.builder.project(&records).unwrap();
    assert_eq!(
        bench.builder.complete_to().unwrap(),
        6,
        "what is there is passed over"
    );
    assert_eq!(bench.seqs(&all_signals()).len(), 6);
    bench.builder.project(&[]).unwrap();
}

fn signals(open: Open<'_>) {
    let of_chain = |seq, first: Id| {
        let mut signal = signal(seq, "Q_B");
        signal.correlation = first;
        accepted(seq, signal)
    };
    // The wall clock jumps back at record 4: since looks at times, not at places.
    let mut early = accepted(4, signal(4, "Q_A"));
    early.record.as_mut().unwrap().time_ms = TIME_MS;
    let records = [
        accepted(0, signal(0, "Q_A")),
        accepted(1, signal(1, "Q_B")),
        of_chain(2, signal_id(0)),
        of_chain(3, id(9, 9)),
        early,
        of_chain(5, signal_id(0)),
        accepted(6, signal(6, "Q_C")),
    ];
    let bench = fresh(open, &records);
    let check = |change: &dyn Fn(&mut SignalFilter), expect: &[u64]| {
        let mut filter = all_signals();
        change(&mut filter);
        assert_eq!(bench.seqs(&filter), expect, "{filter:?}");
    };
    let name = |text: &str| Some(SignalName::new(text).unwrap());
    check(&|_| (), &[6, 5, 4, 3, 2, 1, 0]);
    check(&|filter| filter.ascending = true, &[0, 1, 2, 3, 4, 5, 6]);
    check(&|filter| filter.limit = 2, &[6, 5]);
    check(&|filter| filter.limit = 0, &[6]);
    check(&|filter| filter.name = name("Q_A"), &[4, 0]);
    check(&|filter| filter.name = name("Q_NONE"), &[]);
    check(&|filter| filter.after_seq = Some(4), &[6, 5]);
    check(
        &|filter| filter.correlation = Some(signal_id(0)),
        &[5, 2, 0],
    );
    check(&|filter| filter.correlation = Some(signal_id(2)), &[]);
    check(&|filter| filter.correlation = Some(id(9, 9)), &[3]);
    check(
        &|filter| filter.since_ms = Some(TIME_MS + 3_000),
        &[6, 5, 3],
    );
    check(&|filter| filter.since_ms = Some(TIME_MS + 60_000), &[]);
    let several = |filter: &mut SignalFilter| {
        filter.name = name("Q_B");
        filter.correlation = Some(signal_id(0));
        filter.after_seq = Some(2);
    };
    check(&several, &[5]);
    let row = bench.views.signal(&signal_id(3)).unwrap().unwrap();
    assert_eq!((row.id, row.seq), (signal_id(3), 3));
    assert_eq!(bench.views.signal(&signal_id(99)).unwrap(), None);
}

/// The same log gives the same answers, in whatever portions it is read.
fn rebuilding(open: Open<'_>) {
    let records: Vec<_> = (0..40)
        .map(|seq| match seq % 4 {
            0 => {
                let mut signal = signal(seq, "Q_A");
                signal.key = Some(key(seq));
                signal.runs = vec![plan(seq, "dream")];
                accepted(seq, signal)
            }
            1 => leased(seq, seq - 1, 1),
            2 => settled(seq, seq - 2, Exit::Code(0), Outcome::Succeeded, Next::Ended),
            _ => parked(seq, None),
        })
        .collect();
    let answers = |mut bench: Bench| {
        let hashes: Vec<_> = (0..40).map(|number| key(number).hash).collect();
        let mut known = bench.index.lookup(&hashes).unwrap();
        known.sort_by_key(|known| known.seq);
        (
            bench
                .views
                .runs(&RunFilter {
                    limit: 99,
                    ..RunFilter::default()
                })
                .unwrap(),
            bench.views.signals(&all_signals()).unwrap(),
            bench.views.letters(99, true).unwrap(),
            known,
        )
    };
    let whole = answers(fresh(open, &records));
    let mut bench = fresh(open, &[]);
    for portion in records.chunks(7) {
        bench.builder.project(portion).unwrap();
    }
    assert_eq!(answers(bench), whole);
}
