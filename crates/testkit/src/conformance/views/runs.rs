//! Runs, their attempts, and runs that an answer plans.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failed expectation is a failed test"
)]

use antiphon_core::id::Digest;
use antiphon_core::name::{RuleName, SignalName, TaskName};
use antiphon_core::record::{
    AskAnswered, Body, Next, Returned, RunCancelled, RunPlanned, RunReplanned, RunReturned,
    RunStopping,
};
use antiphon_core::report::{Exit, NotStarted, StopCause};
use antiphon_core::run::{Outcome, Plan};
use antiphon_core::signal::Facts;
use antiphon_engine::ports::views::{Projected, RunFilter, RunRow};

use super::super::sample::{
    TIME_MS, accepted, deferred, id, leased, plan, policy, projected, run_id, settled, signal,
    signal_id,
};
use super::{Open, all_runs, fresh};

pub(super) fn suite(open: Open<'_>) {
    runs(open);
    attempts(open);
    asks(open);
}

fn runs(open: Open<'_>) {
    let planning = |seq, runs: &[(u64, &str)]| {
        let mut signal = signal(seq, "Q_A");
        signal.runs = runs
            .iter()
            .map(|(number, task)| plan(*number, task))
            .collect();
        signal
    };
    let mut chained = planning(2, &[(3, "dream")]);
    chained.correlation = signal_id(1);
    let records = [
        policy(),
        accepted(1, planning(1, &[(1, "dream"), (2, "other")])),
        accepted(2, chained),
        leased(3, 1, 1),
        replanned(4, 2, plan(4, "other")),
    ];
    let bench = fresh(open, &records);
    let check = |change: &dyn Fn(&mut RunFilter), expect: &[u64]| {
        let mut filter = all_runs();
        change(&mut filter);
        let rows = bench.views.runs(&filter).unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let expect: Vec<_> = expect.iter().map(|number| run_id(*number)).collect();
        assert_eq!(ids, expect, "{filter:?}");
    };
    check(&|_| (), &[4, 3, 2, 1]);
    check(&|filter| filter.limit = 2, &[4, 3]);
    check(&|filter| filter.limit = 0, &[4]);
    check(
        &|filter| filter.task = Some(TaskName::new("dream").unwrap()),
        &[3, 1],
    );
    check(&|filter| filter.state = Some("leased".to_owned()), &[1]);
    check(
        &|filter| filter.state = Some("planned".to_owned()),
        &[4, 3, 2],
    );
    check(&|filter| filter.signal = Some(signal_id(1)), &[4, 2, 1]);
    check(
        &|filter| filter.correlation = Some(signal_id(1)),
        &[4, 3, 2, 1],
    );
    assert_eq!(
        bench.run(2).record_seqs,
        [4],
        "a run knows that it was planned again"
    );
    assert_eq!(bench.views.run(&run_id(99)).unwrap(), None);
    let waiting = RunRow {
        id: run_id(3),
        task: TaskName::new("dream").unwrap(),
        agent: "STIG".to_owned(),
        signal_id: signal_id(2),
        planned_seq: 2,
        state: "planned".to_owned(),
        attempt: 0,
        started_ms: None,
        finished_ms: None,
        exit_code: None,
        evidence_sha256: None,
        record_seqs: Vec::new(),
    };
    assert_eq!(bench.run(3), waiting, "a run that waits");
}

fn attempts(open: Open<'_>) {
    let mut bench = fresh(open, &[planned(0)]);
    let mut check = |record: Projected, state: &str, attempt: u32, ended: (bool, Option<i32>)| {
        let seq = record.seq;
        bench.builder.project(&[record]).unwrap();
        let row = bench.run(1);
        let found = (row.finished_ms.is_some(), row.exit_code);
        assert_eq!(
            (row.state.as_str(), row.attempt, found),
            (state, attempt, ended),
            "at {seq}"
        );
        row
    };
    let again = Next::Planned { due_ms: 9 };
    let failed = settled(4, 1, Exit::Code(3), Outcome::Failed, again);
    let timed_out = settled(7, 1, Exit::Signal(15), Outcome::TimedOut, Next::Ended);
    check(leased(1, 1, 1), "leased", 1, (false, None));
    check(returned(2), "planned", 0, (false, None));
    check(leased(3, 1, 1), "leased", 1, (false, None));
    let row = check(failed, "planned", 1, (false, Some(3)));
    assert_eq!(row.started_ms, Some(TIME_MS + 3_000));
    check(leased(5, 1, 2), "leased", 2, (false, None));
    check(stopping(6), "stopping", 2, (false, None));
    let row = check(timed_out, "timed_out", 2, (true, None));
    assert_eq!(row.agent, "LARS", "the lease names the agent");
    assert_eq!(row.finished_ms, Some(TIME_MS + 7_000));
    assert_eq!(row.evidence_sha256, Some(Digest::of(b"").to_string()));
    assert_eq!(row.record_seqs, [1, 2, 3, 4, 5, 6, 7], "oldest first");

    let bench = fresh(open, &[planned(0), cancelled(1)]);
    let row = bench.run(1);
    let end = (row.state.as_str(), row.finished_ms, row.record_seqs);
    assert_eq!(end, ("cancelled", Some(TIME_MS + 1_000), vec![1]));
}

fn asks(open: Open<'_>) {
    let mut asking = signal(0, "Q_A");
    asking.correlation = id(9, 9);
    asking.decisions = vec![deferred(1)];
    let answer = AskAnswered {
        ask: id(4, 1),
        by: "me".to_owned(),
        permit: true,
        rule: RuleName::new("rule").unwrap(),
    };
    let follows = RunPlanned {
        ask: id(4, 1),
        runs: vec![plan(1, "dream")],
    };
    let mut bench = fresh(open, &[accepted(0, asking)]);
    // In two batches: what stands between them is on disk.
    for (seq, body) in [
        (1, Body::AskAnswered(Box::new(answer))),
        (2, Body::RunPlanned(Box::new(follows))),
    ] {
        bench.builder.project(&[projected(seq, body)]).unwrap();
    }
    let row = bench.run(1);
    let by_answer = "a run that an answer plans is of the signal that asked";
    assert_eq!(
        (row.signal_id, row.planned_seq),
        (signal_id(0), 2),
        "{by_answer}"
    );
    let chain = RunFilter {
        correlation: Some(id(9, 9)),
        limit: 9,
        ..RunFilter::default()
    };
    assert_eq!(bench.views.runs(&chain).unwrap(), [row], "and of its chain");
    assert_eq!(bench.views.events(9).unwrap(), [1]);
}

fn planned(seq: u64) -> Projected {
    let mut signal = signal(seq, "Q_A");
    signal.runs = vec![plan(1, "dream")];
    accepted(seq, signal)
}

fn returned(seq: u64) -> Projected {
    let why = Returned::NotStarted(NotStarted::Gate);
    let body = RunReturned {
        due_ms: 0,
        run: run_id(1),
        token: 1,
        why,
    };
    projected(seq, Body::RunReturned(Box::new(body)))
}

fn stopping(seq: u64) -> Projected {
    let body = RunStopping {
        by: None,
        cause: StopCause::Deadline,
        run: run_id(1),
        token: 5,
    };
    projected(seq, Body::RunStopping(Box::new(body)))
}

fn cancelled(seq: u64) -> Projected {
    let task = TaskName::new("dream").unwrap();
    let body = RunCancelled {
        by: "me".to_owned(),
        run: run_id(1),
        task,
    };
    projected(seq, Body::RunCancelled(Box::new(body)))
}

/// Run `of` of signal 1 is planned again.
fn replanned(seq: u64, of: u64, plan: Plan) -> Projected {
    let body = RunReplanned {
        by: "me".to_owned(),
        correlation: signal_id(1),
        depth: 0,
        facts: Facts::empty(),
        of: run_id(of),
        plan,
        signal: signal_id(1),
        signal_name: SignalName::new("Q_A").unwrap(),
    };
    projected(seq, Body::RunReplanned(Box::new(body)))
}
