//! What is signed and by whom; and that what agents sign themselves is recorded as they signed it, or
//! changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::id::Digest;
use antiphon_core::key::{LOG, OPERATOR, OWNER};
use antiphon_core::name::TaskName;
use antiphon_core::record::{Body, LogCut, LogRestored, RefusedHead};
use antiphon_core::report::Exit;
use antiphon_engine::continuation::Continuation;
use antiphon_engine::handle::Presigned;
use antiphon_engine::ports::clock::Clock as _;
use antiphon_ledger::signature::{SIGNED_KINDS, texts};
use antiphon_testkit::fakes::{AgentKey, FixedEntropy, presigned, report};

use super::ring::{
    active, answer, asking, asks, check_one_key_each, check_whole, judged, preview, recovery,
    register, revoke, rotate, stored, submit_signed,
};
use super::support::{Running, World, plain, policy, settle, signal};

pub(crate) fn set_task(enabled: bool, by: &str) -> Control {
    Control::SetTask {
        task: TaskName::new("work").unwrap(),
        enabled: Some(enabled),
        by: by.to_owned(),
    }
}

/// A long story in which everything that is signed happens at least once, and much that is not.
async fn journey(world: &World) {
    let origin = world.options.origin.clone();
    let running = world.start(asking()).await;
    for _ask in 0..3 {
        running.emit(signal("Q_ASK")).await;
    }
    running.emit(signal("Q_WORK")).await;
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    running
        .executor
        .finish(seen.tokens()[0], report(Exit::Code(1)));
    running
        .durable(world, |world| world.count("letter.parked") == 1)
        .await;
    let open = asks(&running);
    let handle = running.handle.clone();
    handle.control(answer(open[0], true, "ada")).await.unwrap();
    handle.control(answer(open[1], false, "ada")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    running
        .durable(world, |world| world.count("ask.answered") == 3)
        .await;
    handle.control(set_task(false, "ada")).await.unwrap();
    running.stop(Mode::Drain).await.unwrap();
    handle.switch_seen(Switch::Engaged, false).await.unwrap();
    handle.switch_seen(Switch::Clear, true).await.unwrap();
    running.resume().await;
    handle.configure(plain()).await.unwrap();
    keys(world, &running, &origin).await;
    running.go().await.unwrap();
    going_on(world);
    let running = world.start(asking()).await;
    running.go().await.unwrap();
}

/// Keys come and go.
async fn keys(world: &World, running: &Running, origin: &str) {
    let (held, handle) = (&world.keys, &running.handle);
    let finn = held.make(origin, "FINN");
    handle.control(register("FINN", &finn, true)).await.unwrap();
    let lars = [(); 3].map(|()| held.apart(origin, "LARS"));
    let first = register("LARS", &lars[0].text(), false);
    submit_signed(running, first, &[&lars[0]]).await.unwrap();
    for agent in [LOG, OPERATOR, OWNER, "FINN"] {
        let next = held.make(origin, agent);
        handle
            .control(rotate(running, agent, &next, true))
            .await
            .unwrap();
    }
    let second = rotate(running, "LARS", &lars[1].text(), false);
    submit_signed(running, second, &[&lars[0], &lars[1]])
        .await
        .unwrap();
    let recovery = recovery(world);
    for agent in [LOG, OPERATOR, OWNER] {
        let next = held.make(origin, agent);
        let revoked = revoke(running, agent, &next, true);
        submit_signed(running, revoked, &[&recovery]).await.unwrap();
    }
    let third = revoke(running, "LARS", &lars[2].text(), false);
    submit_signed(running, third, &[&lars[2], &recovery])
        .await
        .unwrap();
    submit_signed(running, set_task(true, "LARS"), &[&lars[2]])
        .await
        .unwrap();
    handle.control(set_task(false, "ada")).await.unwrap();
}

/// The log was cut, and then restored.
fn going_on(world: &World) {
    let (by, reason) = ("ada".to_owned(), "a test".to_owned());
    let cut = |epoch: u64, size: u64| {
        let refused = RefusedHead {
            root: Digest([7; 32]),
            size: size + 10,
        };
        Body::LogCut(Box::new(LogCut {
            by: by.clone(),
            epoch,
            reason: reason.clone(),
            refused,
            size,
        }))
    };
    let restored = |epoch: u64, size: u64| {
        Body::LogRestored(Box::new(LogRestored {
            by: by.clone(),
            epoch,
            reason: reason.clone(),
            size,
        }))
    };
    let bodies: [&dyn Fn(u64, u64) -> Body; 2] = [&cut, &restored];
    for body in bodies {
        let store = Box::new(world.disk.open().unwrap());
        let log = Continuation::open(store, Arc::new(world.keys.clone())).unwrap();
        let body = body(log.epoch(), log.head().next_seq);
        let signed = presigned(&log.preview(&body).unwrap(), &[&recovery(world)]);
        let entropy = Box::new(FixedEntropy::default());
        log.record(body, Some(&signed), entropy, world.clock.now())
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_the_kinds_of_the_format_are_signed_by_keys_that_are_valid_there() {
    let world = World::new();
    journey(&world).await;
    let records = stored(&world.disk);
    let mut met = BTreeSet::new();
    for record in &records {
        let is_asked = SIGNED_KINDS.contains(&record.kind.as_str());
        assert_eq!(record.sig.is_some(), is_asked, "{}", record.kind);
        met.insert(record.kind.as_str());
    }
    let never_met: Vec<_> = SIGNED_KINDS
        .iter()
        .filter(|kind| !met.contains(**kind))
        .collect();
    assert_eq!(never_met, [] as [&&str; 0]);
    assert!(
        met.len() >= SIGNED_KINDS.len() + 7,
        "and much else: {met:?}"
    );
    check_one_key_each(&world.disk);
}

/// Who signed the newest record.
fn newest_signers(world: &World) -> Vec<String> {
    let records = stored(&world.disk);
    let sig = records.last().unwrap().sig.clone().unwrap();
    let signer = |text: &str| text.split('+').next().unwrap().to_owned();
    texts(&sig).map(signer).collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_program_did_the_owner_signs_and_what_came_through_its_door_the_operator() {
    let world = World::new();
    let running = world.start(asking()).await;
    assert_eq!(newest_signers(&world), [OWNER], "the policy");
    running.stop(Mode::Drain).await.unwrap();
    assert_eq!(newest_signers(&world), [OPERATOR]);
    running
        .handle
        .switch_seen(Switch::Engaged, false)
        .await
        .unwrap();
    assert_eq!(newest_signers(&world), [OWNER]);
    running
        .handle
        .control(set_task(false, "ada"))
        .await
        .unwrap();
    assert_eq!(newest_signers(&world), [OPERATOR]);
    running.emit(signal("Q_ASK")).await;
    running.emit(signal("Q_ASK")).await;
    let open = asks(&running);
    running
        .handle
        .control(answer(open[0], false, "ada"))
        .await
        .unwrap();
    assert_eq!(newest_signers(&world), [OPERATOR]);
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    running
        .durable(&world, |world| world.count("ask.answered") == 2)
        .await;
    assert_eq!(newest_signers(&world), [OWNER]);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_signature_that_was_moved_to_another_record_does_not_fit() {
    let world = World::new();
    journey(&world).await;
    let records = stored(&world.disk);
    let signed: Vec<usize> = (0..records.len())
        .filter(|at| records[*at].sig.is_some())
        .collect();
    for pair in signed.windows(2) {
        let (_ring, problems) = judged(&world.disk, |sigs| sigs.swap(pair[0], pair[1]));
        let seqs: BTreeSet<u64> = problems.iter().map(|problem| problem.seq).collect();
        for at in pair {
            assert!(
                seqs.contains(&u64::try_from(*at).unwrap()),
                "{at}: {problems:?}"
            );
        }
    }
}

/// An owner that runs with an agent LARS who holds its own key.
pub(crate) async fn with_lars(world: &World) -> (Running, AgentKey) {
    let running = world.start(asking()).await;
    let lars = world.keys.apart(&world.options.origin, "LARS");
    let control = register("LARS", &lars.text(), false);
    submit_signed(&running, control, &[&lars]).await.unwrap();
    (running, lars)
}

#[tokio::test(start_paused = true)]
async fn an_agent_permits_with_its_own_key_and_the_record_is_what_it_signed() {
    let world = World::new();
    let (running, lars) = with_lars(&world).await;
    running.emit(signal("Q_ASK")).await;
    let control = answer(asks(&running)[0], true, "LARS");
    let preview = preview(&running, &control).await;
    let signed = presigned(&preview, &[&lars]);
    running
        .handle
        .control_signed(control, signed.clone())
        .await
        .unwrap();
    let records = stored(&world.disk);
    let answered = records
        .iter()
        .find(|record| record.kind == "ask.answered")
        .unwrap();
    assert_eq!(
        answered.body,
        [&signed.salt[..], preview.body.as_bytes()].concat()
    );
    let signature = signed.signatures[0].to_string();
    assert_eq!(
        answered.sig.as_deref(),
        Some(&*format!("[\"{signature}\"]"))
    );
    let after: Vec<&str> = records
        .iter()
        .rev()
        .map(|record| &*record.kind)
        .take(3)
        .collect();
    assert_eq!(after, ["run.leased", "run.planned", "ask.answered"]);
    check_whole(&world.disk);
    running.kill().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_puts_a_policy_in_force_and_stops_work_with_its_own_key() {
    let world = World::new();
    let (running, lars) = with_lars(&world).await;
    let next = policy(|source| source.slots = 1);
    let preview = running.handle.preview_policy(next.clone()).await;
    let signed = presigned(&preview.unwrap().unwrap(), &[&lars]);
    running
        .handle
        .configure_signed(next.clone(), signed)
        .await
        .unwrap();
    assert_eq!(newest_signers(&world), ["LARS"]);
    assert_eq!(running.handle.policy().borrow().digest(), next.digest());
    let stop = Control::SetMode {
        mode: Mode::Pause,
        by: "LARS".to_owned(),
        reason: "it overheats".to_owned(),
    };
    submit_signed(&running, stop, &[&lars]).await.unwrap();
    assert_eq!(newest_signers(&world), ["LARS"]);
    running.emit(signal("Q_WORK")).await;
    settle().await;
    assert_eq!(running.executor.seen().tokens(), [] as [u64; 0]);
    check_whole(&world.disk);
    running.go().await.unwrap();
}

/// Submits `control` with `signed`, which is refused with `code`, and nothing has changed.
pub(crate) async fn check_refused(
    world: &World,
    running: &Running,
    control: Control,
    signed: Presigned,
    code: &str,
) {
    let before = (world.disk.contents().head, running.handle.status().next_seq);
    let done = running.handle.control_signed(control, signed).await;
    let error = done.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.is_retryable());
    settle().await;
    let after = (world.disk.contents().head, running.handle.status().next_seq);
    assert_eq!(after, before, "{code}: nothing changed");
}

#[tokio::test(start_paused = true)]
async fn what_was_signed_otherwise_is_refused_and_changes_nothing() {
    let world = World::new();
    let (running, lars) = with_lars(&world).await;
    running.emit(signal("Q_ASK")).await;
    running.emit(signal("Q_ASK")).await;
    let open = asks(&running);
    let permit = || answer(open[0], true, "LARS");
    let good = presigned(&preview(&running, &permit()).await, &[&lars]);

    let mismatch = "signature.mismatch";
    let denial = answer(open[0], false, "LARS");
    check_refused(&world, &running, denial, good.clone(), mismatch).await;
    let other_ask = answer(open[1], true, "LARS");
    check_refused(&world, &running, other_ask, good.clone(), mismatch).await;
    let other_name = answer(open[0], true, "ada");
    check_refused(&world, &running, other_name, good.clone(), mismatch).await;
    let mut other_salt = good.clone();
    other_salt.salt[0] ^= 1;
    check_refused(&world, &running, permit(), other_salt, mismatch).await;
    // What LARS signed for the name of another is not what LARS did itself.
    let in_a_name = answer(open[0], true, "ada");
    let signed = presigned(&preview(&running, &in_a_name).await, &[&lars]);
    check_refused(&world, &running, in_a_name, signed, mismatch).await;
    let elsewhere = presigned(&preview(&running, &set_task(false, "LARS")).await, &[&lars]);
    check_refused(&world, &running, permit(), elsewhere, mismatch).await;
    let mut other_subject = preview(&running, &permit()).await;
    other_subject.subject = format!("ask:{}", open[1]);
    let other_subject = presigned(&other_subject, &[&lars]);
    check_refused(&world, &running, permit(), other_subject, mismatch).await;
    let mut other_log = preview(&running, &permit()).await;
    other_log.origin.push('x');
    let other_log = presigned(&other_log, &[&lars]);
    check_refused(&world, &running, permit(), other_log, mismatch).await;

    let twice = Presigned {
        signatures: [good.signatures.clone(), good.signatures.clone()].concat(),
        ..good.clone()
    };
    check_refused(&world, &running, permit(), twice, "signature.key").await;
    assert_eq!(asks(&running).len(), 2);
    let done = running.handle.control_signed(permit(), good).await;
    done.unwrap();
    check_whole(&world.disk);
    running.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a37_what_a_key_signs_that_is_replaced_or_unknown_or_must_not_sign_is_refused() {
    let world = World::new();
    let (running, lars) = with_lars(&world).await;
    let origin = world.options.origin.clone();
    running.emit(signal("Q_ASK")).await;
    let permit = |by: &str| answer(asks(&running)[0], true, by);
    let by_lars = presigned(&preview(&running, &permit("LARS")).await, &[&lars]);

    let next = world.keys.apart(&origin, "LARS");
    let rotation = rotate(&running, "LARS", &next.text(), false);
    submit_signed(&running, rotation, &[&lars, &next])
        .await
        .unwrap();
    check_refused(&world, &running, permit("LARS"), by_lars, "signature.key").await;

    let revocation = revoke(
        &running,
        "LARS",
        &world.keys.apart(&origin, "LARS").text(),
        false,
    );
    let stolen = presigned(&preview(&running, &revocation).await, &[&next]);
    check_refused(&world, &running, revocation, stolen, "signature.missing").await;

    let stranger = world.keys.apart(&origin, "FINN");
    let signed = presigned(&preview(&running, &permit("FINN")).await, &[&stranger]);
    check_refused(&world, &running, permit("FINN"), signed, "signature.key").await;
    let recovery = recovery(&world);
    let signed = presigned(&preview(&running, &permit("recovery")).await, &[&recovery]);
    check_refused(
        &world,
        &running,
        permit("recovery"),
        signed,
        "signature.key",
    )
    .await;
    check_whole(&world.disk);
    running.kill().await;
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_a_rotation_and_of_a_revocation_both_sign() {
    let world = World::new();
    let (running, lars) = with_lars(&world).await;
    let origin = world.options.origin.clone();
    let next = world.keys.apart(&origin, "LARS");
    let rotation = || rotate(&running, "LARS", &next.text(), false);
    let wanted = preview(&running, &rotation()).await;
    assert_eq!(wanted.keys, [lars.text(), next.text()]);
    for alone in [&lars, &next] {
        let signed = presigned(&wanted, &[alone]);
        check_refused(&world, &running, rotation(), signed, "signature.missing").await;
    }
    let unsigned = running.handle.control(rotation()).await.unwrap_err();
    assert_eq!(unsigned.code(), "signature.missing");
    submit_signed(&running, rotation(), &[&next, &lars])
        .await
        .unwrap();
    let stolen = running.handle.control(rotation()).await.unwrap_err();
    assert_eq!(stolen.code(), "key.used", "the log has had it");

    let third = world.keys.apart(&origin, "LARS");
    let revocation = || revoke(&running, "LARS", &third.text(), false);
    for alone in [&recovery(&world), &third] {
        let signed = presigned(&preview(&running, &revocation()).await, &[alone]);
        check_refused(&world, &running, revocation(), signed, "signature.missing").await;
    }
    submit_signed(&running, revocation(), &[&recovery(&world), &third])
        .await
        .unwrap();
    assert_eq!(active(&running, "LARS"), third.text());
    check_whole(&world.disk);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_preview_changes_nothing_and_there_is_none_of_what_is_not_signed() {
    let world = World::new();
    let running = world.start(asking()).await;
    let before = world.disk.contents().head;
    let drain = Control::SetMode {
        mode: Mode::Drain,
        by: "ada".to_owned(),
        reason: String::new(),
    };
    let shown = preview(&running, &drain).await;
    assert_eq!(
        (shown.kind, shown.subject.as_str()),
        ("guard.changed", "guards")
    );
    assert_eq!(shown.keys, [active(&running, OPERATOR)]);
    let resumed = running.handle.preview(super::support::resume()).await;
    assert_eq!(resumed, Ok(None), "it is so already");
    let purge = Control::PurgeLetters {
        letters: Vec::new(),
        older_than_ms: 0,
        by: "ada".to_owned(),
    };
    assert_eq!(running.handle.preview(purge).await, Ok(None));
    let nobody = answer(antiphon_core::id::Id::from_bytes([9; 16]), true, "ada");
    let refused = running.handle.preview(nobody).await.unwrap_err();
    assert_eq!(refused.code(), "engine.not_found");
    assert_eq!(running.handle.preview_policy(asking()).await, Ok(None));
    settle().await;
    assert_eq!(world.disk.contents().head, before);
    let bodies = world.bodies();
    assert!(matches!(bodies.last(), Some(Body::ConfigApplied(_))));
    running.go().await.unwrap();
}
