//! What the views forget with the bodies that are pruned.

use antiphon_core::id::Digest;
use antiphon_core::record::{Body, Evidence};
use antiphon_engine::ports::views::LetterRow;

use super::{
    Bench, Exit, Next, Open, Outcome, Projected, RunRow, accepted, all_runs, all_signals, fresh,
    key, leased, parked, plan, pruned, run_id, settled, signal,
};

pub(super) fn suite(open: Open<'_>) {
    like_building_anew(open);
    evidence(open);
    living(open);
}

fn digest(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

/// A settlement by record `seq` whose standard error is evidence `number`.
fn naming(seq: u64, run: u64, number: u64) -> Projected {
    let mut projected = settled(seq, run, Exit::Code(0), Outcome::Succeeded, Next::Ended);
    if let Some(Body::RunSettled(body)) = projected.record.as_mut().map(|it| &mut it.body)
        && let Evidence::Report(report) = &mut body.evidence
    {
        report.stderr.evidence = Some(digest(number));
    }
    projected
}

/// Each run is planned, leased and settled; then a file is parked.
fn records() -> Vec<Projected> {
    let record = |seq: u64| match seq % 4 {
        0 => {
            let mut signal = signal(seq, "Q_A");
            signal.key = Some(key(seq));
            signal.runs = vec![plan(seq, "dream")];
            accepted(seq, signal)
        }
        1 => leased(seq, seq.saturating_sub(1), 1),
        2 => naming(seq, seq.saturating_sub(2), seq),
        _ => parked(seq, None),
    };
    (0..40).map(record).collect()
}

fn forget(bench: &mut Bench, pruned_to: u64) {
    while !bench.builder.forget(pruned_to).unwrap() {}
}

type Answers = (Vec<u64>, Vec<RunRow>, Vec<LetterRow>, Vec<bool>);

fn answers(bench: &Bench) -> Answers {
    let names = |number| bench.views.names_evidence(&digest(number)).unwrap();
    (
        bench.seqs(&all_signals()),
        bench.views.runs(&all_runs()).unwrap(),
        bench.views.letters(99, true).unwrap(),
        (0..40).map(names).collect(),
    )
}

fn like_building_anew(open: Open<'_>) {
    let mut bench = fresh(open, &records());
    let whole = answers(&bench);
    forget(&mut bench, 0);
    assert_eq!(answers(&bench), whole, "nothing is pruned");
    for pruned_to in [1, 7, 8, 9, 30, 40] {
        for _twice in 0..2 {
            forget(&mut bench, pruned_to);
            let left = records().into_iter().map(|record| {
                let is_pruned = record.seq < pruned_to;
                if is_pruned {
                    pruned(record.seq)
                } else {
                    record
                }
            });
            let anew = fresh(open, &left.collect::<Vec<_>>());
            assert_eq!(answers(&bench), answers(&anew), "up to {pruned_to}");
        }
        let hashes: Vec<_> = (0..40).map(|number| key(number).hash).collect();
        let known = bench.index.lookup(&hashes).unwrap();
        assert_eq!(known.len(), 10, "keys live for their own time");
    }
    assert_eq!(bench.builder.complete_to().unwrap(), 40);
}

fn evidence(open: Open<'_>) {
    let records = [naming(0, 0, 7), naming(1, 1, 8), naming(2, 2, 7)];
    let mut bench = fresh(open, &records);
    let mut check = |pruned_to, expect: [bool; 2], claim| {
        forget(&mut bench, pruned_to);
        let named = [7, 8].map(|number| bench.views.names_evidence(&digest(number)).unwrap());
        assert_eq!(named, expect, "{claim}");
    };
    check(0, [true, true], "both are named");
    check(1, [true, true], "a later record names it, too");
    check(2, [true, false], "nothing names the second any more");
    check(3, [false, false], "nor the first");
}

fn living(open: Open<'_>) {
    let mut waiting = signal(0, "Q_A");
    waiting.runs = vec![plan(1, "dream"), plan(2, "dream")];
    let end = settled(2, 2, Exit::Code(0), Outcome::Succeeded, Next::Ended);
    let mut bench = fresh(open, &[accepted(0, waiting), leased(1, 2, 1), end]);
    forget(&mut bench, 3);
    assert_eq!(bench.run(1).state, "planned", "a run that lives is shown");
    assert_eq!(bench.views.run(&run_id(2)).unwrap(), None);
}
