//! A log that was cut or restored: what is recorded first, by whom, and what the next owner makes of it.

use std::sync::Arc;

use antiphon_core::id::Digest;
use antiphon_core::key::OWNER;
use antiphon_core::record::{Body, LogCut, LogRestored, RefusedHead};
use antiphon_engine::continuation::Continuation;
use antiphon_engine::handle::SubmitError;
use antiphon_engine::ports::clock::Clock as _;
use antiphon_ledger::envelope::Envelope;
use antiphon_testkit::fakes::{AgentKey, FixedEntropy, presigned};

use super::support::{World, plain, signal};

async fn stopped() -> World {
    let world = World::new();
    let running = world.start(plain()).await;
    for _signal in 0..9 {
        running.emit(signal("Q_NOTE")).await;
    }
    running.go().await.unwrap();
    world
}

fn open(world: &World) -> Continuation {
    let store = Box::new(world.disk.open().unwrap());
    Continuation::open(store, Arc::new(world.keys.clone())).unwrap()
}

fn restored(continuation: &Continuation) -> Body {
    Body::LogRestored(Box::new(LogRestored {
        by: "an operator".to_owned(),
        epoch: continuation.epoch(),
        reason: "the disk is gone".to_owned(),
        size: continuation.head().next_seq,
    }))
}

fn cut(continuation: &Continuation) -> Body {
    let refused = RefusedHead {
        root: Digest([7; 32]),
        size: 99,
    };
    Body::LogCut(Box::new(LogCut {
        by: "an operator".to_owned(),
        epoch: continuation.epoch(),
        reason: "a page is broken".to_owned(),
        refused,
        size: continuation.head().next_seq,
    }))
}

fn recovery(world: &World) -> AgentKey {
    AgentKey::recovery(&world.options.origin)
}

#[tokio::test(start_paused = true)]
async fn a_log_goes_on_with_a_record_that_the_recovery_key_signed() {
    for body in [restored, cut] {
        let world = stopped().await;
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let continuation = open(&world);
        let (body, before) = (body(&continuation), *continuation.head());
        let preview = continuation.preview(&body).unwrap();
        let signed = presigned(&preview, &[&recovery(&world)]);
        let entropy = Box::new(FixedEntropy::default());
        let now = world.clock.now();
        let head = continuation.record(body.clone(), Some(&signed), entropy, now);
        assert_eq!(head.unwrap().next_seq, before.next_seq + 1);
        let last = world.disk.contents().turns.pop().unwrap();
        let envelope = last.records().unwrap()[0].envelope;
        let envelope = Envelope::decode(envelope).unwrap();
        assert!(envelope.sig.unwrap().contains("recovery+"), "{envelope:?}");
        let running = world.start(plain()).await;
        running.emit(signal("Q_NOTE")).await;
        running.go().await.unwrap();
        let bodies = world.bodies();
        let place = usize::try_from(before.next_seq).unwrap();
        assert_eq!(bodies[place], body);
        assert_eq!(bodies[place + 1].kind(), "owner.started");
        let elapsed = |seq: usize| world.disk.records()[seq].elapsed_ms;
        assert!(elapsed(place) >= elapsed(place - 1) + 5_000, "time went on");
        assert!(
            elapsed(place + 1) < elapsed(place) + 1_000,
            "and is counted once"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_that_is_not_signed_by_whom_it_must_be() {
    let world = stopped().await;
    let before = world.disk.contents().head;
    let try_with = |change: &dyn Fn(&World, &Continuation, &Body) -> Option<_>| {
        let continuation = open(&world);
        let body = restored(&continuation);
        let signed = change(&world, &continuation, &body);
        let entropy = Box::new(FixedEntropy::default());
        let error = continuation.record(body, signed.as_ref(), entropy, world.clock.now());
        error.unwrap_err().code()
    };
    let unsigned = try_with(&|_, _, _| None);
    let of_another = try_with(&|world, continuation, _| {
        let other = continuation.preview(&cut(continuation)).unwrap();
        Some(presigned(&other, &[&recovery(world)]))
    });
    let by_another = try_with(&|world, continuation, body| {
        let key = world.keys.apart(&world.options.origin, OWNER);
        Some(presigned(&continuation.preview(body).unwrap(), &[&key]))
    });
    assert_eq!(
        (unsigned, of_another, by_another),
        (
            "signature.missing",
            "signature.mismatch",
            "signature.missing"
        )
    );
    let continuation = open(&world);
    let mut body = restored(&continuation);
    if let Body::LogRestored(body) = &mut body {
        body.size += 1;
    }
    let signed = presigned(&continuation.preview(&body).unwrap(), &[&recovery(&world)]);
    let entropy = Box::new(FixedEntropy::default());
    let refused = continuation.record(body, Some(&signed), entropy, world.clock.now());
    assert_eq!(refused.unwrap_err().code(), "store.damaged");
    assert_eq!(world.disk.contents().head, before);
    let unsigned_kind = open(&world).preview(&world.bodies()[1]);
    assert_eq!(unsigned_kind.unwrap_err(), SubmitError::SignatureKey);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_verify_does_not_go_on() {
    let world = stopped().await;
    world.disk.change(|contents| contents.head.root[0] ^= 1);
    let store = Box::new(world.disk.open().unwrap());
    let refused = Continuation::open(store, Arc::new(world.keys.clone()));
    assert_eq!(refused.unwrap_err().code(), "store.damaged");
}
