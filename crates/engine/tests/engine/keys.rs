//! Idempotency keys: one signal for each, whatever is between index and memory.

use antiphon_core::control::Control;
use antiphon_core::id::{Digest, Id};
use antiphon_core::input::{Intent, Malformed};
use antiphon_core::json::{Document, JsonLimits};
use antiphon_engine::handle::SubmitError;
use antiphon_engine::ports::intake::{Intake as _, IntakeAnswer};

use super::support::{World, keyed, plain, signal};

#[tokio::test]
async fn a_key_above_the_mark_of_the_index_is_known_after_a_kill() {
    let world = World::new();
    let running = world.start(plain()).await;
    let old = running.emit(keyed(signal("Q_NOTE"), "old")).await;
    running.kill().await;
    // The index stays behind: what follows is in the log only.
    world.views.stall();
    let running = world.start(plain()).await;
    let new = running.emit(keyed(signal("Q_NOTE"), "new")).await;
    running.kill().await;
    for world in [&world, &world.crashed()] {
        let running = world.start(plain()).await;
        for (key, first) in [("old", old), ("new", new)] {
            let again = running.emit(keyed(signal("Q_NOTE"), key)).await;
            assert_eq!(
                (again.id, again.seq, again.duplicate),
                (first.id, first.seq, true)
            );
        }
        let other = running.handle.submit(keyed(signal("Q_OTHER"), "new")).await;
        assert_eq!(other, Err(SubmitError::KeyConflict { id: new.id }));
        running.kill().await;
    }
}

#[tokio::test]
async fn ten_of_one_key_at_one_time_are_one_signal() {
    let world = World::new();
    let running = world.start(plain()).await;
    let answers: Vec<_> = (0..10)
        .map(|_| running.submit(keyed(signal("Q_NOTE"), "k")))
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    let mut fresh = 0;
    for answer in answers {
        let submitted = answer.await.unwrap().unwrap();
        ids.insert(submitted.id);
        fresh += u32::from(!submitted.duplicate);
    }
    assert_eq!((ids.len(), fresh), (1, 1));
    assert_eq!(world.count("signal.accepted"), 1);
    running.go().await.unwrap();
}

#[tokio::test]
async fn a_parked_file_is_answered_as_parked_again_after_a_restart() {
    let world = World::new();
    let running = world.start(plain()).await;
    let what = Malformed {
        subject: "intent:x.json".to_owned(),
        code: "json.syntax".to_owned(),
        error: "not JSON".to_owned(),
        excerpt: "{".to_owned(),
        sha256: Digest::of(b"{"),
    };
    let answer = running.handle.malformed(what.clone(), [1; 16]).await;
    assert_eq!(parked(&answer).1, "json.syntax");
    // The same file, met again before it could be moved aside: by an event and by a walk.
    let again = running.handle.malformed(what.clone(), [1; 16]).await;
    assert_eq!(again, answer);
    let intent = || Intent {
        file: "y.json".to_owned(),
        document: Document::parse(br#"{"type":"nothing"}"#, &JsonLimits::INTENT).unwrap(),
        key: [2; 16],
    };
    let routed = running.handle.intent(intent()).await;
    assert_eq!(parked(&routed).1, "intent.no_mapping");
    running.kill().await;
    let world = world.crashed();
    let running = world.start(plain()).await;
    let again = running.handle.malformed(what.clone(), [1; 16]).await;
    assert_eq!(again, answer);
    assert_eq!(running.handle.intent(intent()).await, routed);
    assert_eq!(world.count("letter.parked"), 2);
    let purge = Control::PurgeLetters {
        letters: vec![parked(&answer).0],
        older_than_ms: 0,
        by: "test".to_owned(),
    };
    running.handle.control(purge).await.unwrap();
    let again = running.handle.malformed(what, [1; 16]).await;
    assert_eq!(parked(&again), (parked(&answer).0, "intent.parked_before"));
    running.go().await.unwrap();
    let IntakeAnswer::Closed = world_gone(&world).await else {
        panic!("an owner that is gone closes the intake");
    };
}

fn parked(answer: &IntakeAnswer) -> (Id, &str) {
    match answer {
        IntakeAnswer::Parked { letter, code, .. } => (*letter, code),
        other => panic!("it was not parked: {other:?}"),
    }
}

async fn world_gone(world: &World) -> IntakeAnswer {
    let running = world.start(plain()).await;
    let handle = running.handle.clone();
    running.go().await.unwrap();
    let document = Document::parse(b"{}", &JsonLimits::INTENT).unwrap();
    let intent = Intent {
        file: "z.json".to_owned(),
        document,
        key: [3; 16],
    };
    handle.intent(intent).await
}
