//! What holds whatever happens: random inputs, reports, kills and clocks over a small policy.

mod inputs;
mod watch;

use antiphon_core::guard::{Mode, Switch};
use antiphon_core::input::Event;
use antiphon_core::json::{Document, JsonLimits};
use antiphon_core::record::{Body, Record};
use antiphon_core::state::State;
use proptest::prelude::*;

use inputs::Happens;
use watch::Watched;

use crate::fixture::gave;

/// Rounds within which everything must have ended once it may.
const ROUNDS_MAX: usize = 200;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_fold_from_every_snapshot_gives_the_same_state(story in inputs::story(60)) {
        let world = play(&story);
        let last = world.state().to_bytes().unwrap();
        let mut states = vec![State::default()];
        for record in world.log() {
            let mut next = states.last().unwrap().clone();
            next.apply(record).unwrap();
            states.push(next);
        }
        prop_assert_eq!(&states.last().unwrap().to_bytes().unwrap(), &last);
        for at in (0..states.len()).step_by(7) {
            let snapshot = states[at].to_bytes().unwrap();
            let mut state = State::from_bytes(&snapshot).unwrap();
            prop_assert_eq!(&state, &states[at]);
            for record in &world.log()[at..] {
                state.apply(record).unwrap();
            }
            prop_assert_eq!(&state.to_bytes().unwrap(), &last, "from the snapshot after {}", at);
        }
    }

    #[test]
    fn every_record_has_one_canonical_form_within_its_limit(story in inputs::story(60)) {
        let world = play(&story);
        for record in world.log() {
            let mut bytes = Vec::new();
            record.body.encode(&mut bytes).unwrap();
            // The limits of a body are part of the parse.
            let document = Document::parse(&bytes, &JsonLimits::BODY).unwrap();
            prop_assert_eq!(document.text().as_bytes(), &*bytes);
            let read = Body::decode(record.body.kind(), 1, &bytes).unwrap();
            prop_assert_eq!(&read, &record.body);
            let mut again = Vec::new();
            read.encode(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }

    /// [`Watched`] looks at each step: leases within slots, concurrency and locks, one for each run,
    /// none while a guard forbids it, no token and no id twice, one refusal for each stray report,
    /// and a machine built anew from the state decides the same.
    #[test]
    fn no_step_breaks_a_limit(story in inputs::story(120)) {
        play(&story);
    }

    #[test]
    fn everything_that_was_planned_ends_when_reports_come_and_time_goes_on(
        story in inputs::story(80),
    ) {
        let mut world = play(&story);
        let by = || "ada".to_owned();
        world.switch(Switch::Clear, false);
        world.mode(Mode::Normal, by());
        world.leave_tasks_to_the_configuration();
        let mut rounds = 0;
        while !world.is_at_rest() {
            rounds += 1;
            prop_assert!(rounds <= ROUNDS_MAX, "still at work: {:?}", world.state().runs);
            for token in world.tokens() {
                let report = Box::new(gave("{}"));
                world.step(Event::Reported { token, report });
            }
            world.wait(600_000);
            world.step(Event::Tick);
        }
    }

    #[test]
    fn what_does_not_follow_is_refused(story in inputs::story(40)) {
        let world = play(&story);
        let mut state = State::default();
        for record in world.log() {
            let out_of_place = Record { seq: record.seq + 1, ..record.clone() };
            prop_assert!(state.clone().apply(&out_of_place).is_err());
            if let Some(earlier_ms) = state.time.elapsed_ms.checked_sub(1) {
                let earlier = Record { elapsed_ms: earlier_ms, ..record.clone() };
                prop_assert!(state.clone().apply(&earlier).is_err());
            }
            state.apply(record).unwrap();
            if happens_once(&record.body) {
                let again = Record { seq: state.next_seq, ..record.clone() };
                let refused = state.clone().apply(&again);
                prop_assert!(refused.is_err(), "{:?} twice", record.body);
            }
        }
    }

    #[test]
    fn what_was_signed_once_never_follows_again(story in inputs::story(60)) {
        let world = play(&story);
        let signed = world.log().iter().filter(|it| it.body.signed_subject().is_some());
        for record in signed {
            let state = world.state();
            let (seq, elapsed_ms) = (state.next_seq, state.time.elapsed_ms);
            let again = Record { seq, elapsed_ms, ..record.clone() };
            prop_assert!(state.clone().apply(&again).is_err(), "{:?} again", record.body);
        }
    }
}

/// Plays `story` under watch.
fn play(story: &[Happens]) -> Watched {
    let mut world = Watched::new(inputs::policies());
    for happens in story {
        inputs::play(&mut world, happens);
    }
    world
}

/// Whether the same body cannot follow itself.
fn happens_once(body: &Body) -> bool {
    match body {
        Body::AskAnswered(_)
        | Body::ConfigApplied(_)
        | Body::GuardChanged(_)
        | Body::KeyRegistered(_)
        | Body::KeyRevoked(_)
        | Body::KeyRotated(_)
        | Body::LogCreated(_)
        | Body::RunCancelled(_)
        | Body::RunLeased(_)
        | Body::RunPlanned(_)
        | Body::RunReplanned(_)
        | Body::RunReturned(_)
        | Body::RunSettled(_)
        | Body::RunStopping(_)
        | Body::TaskChanged(_) => true,
        Body::SignalAccepted(body) => !body.runs.is_empty(),
        Body::BreakerChanged(_)
        | Body::ClockJumped(_)
        | Body::LetterParked(_)
        | Body::LettersPurged(_)
        | Body::LogCut(_)
        | Body::LogRestored(_)
        | Body::OwnerStarted(_)
        | Body::ReportRefused(_)
        | Body::SnapshotTaken(_) => false,
    }
}
