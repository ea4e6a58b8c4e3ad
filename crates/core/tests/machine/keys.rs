//! Keys in the log: which event makes sense, where a key is valid, what is signed and by whom.

use antiphon_core::control::{Control, Refusal};
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::id::Digest;
use antiphon_core::input::Reply;
use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER, RECOVERY};
use antiphon_core::limits::{KEY_AGENTS_MAX, KEY_GRACE_MS, KEYS_REPLACED_MAX};
use antiphon_core::record::{
    Body, FirstKey, KeyRegistered, KeyRevoked, KeyRotated, LogCut, LogRestored, Record, RefusedHead,
};
use antiphon_core::state::{KeyFault, Keys, State};

use crate::fixture::{ORIGIN, agent, first_keys, key, starts, work};
use crate::world::World;

fn world() -> World {
    World::new(work(|_work| {}))
}

fn by() -> String {
    "ada".to_owned()
}

fn registered(name: &str, key: KeyText, custodial: bool) -> KeyRegistered {
    KeyRegistered {
        agent: agent(name),
        by: by(),
        custodial,
        key,
    }
}

fn rotated(name: &str, of: &KeyText, key: KeyText) -> KeyRotated {
    KeyRotated {
        agent: agent(name),
        by: by(),
        custodial: name != RECOVERY,
        key,
        of: of.id(),
    }
}

fn revoked(name: &str, of: &KeyText, from_seq: impl Into<Option<u64>>, key: KeyText) -> KeyRevoked {
    KeyRevoked {
        agent: agent(name),
        by: by(),
        custodial: name != RECOVERY,
        from_seq: from_seq.into(),
        key,
        of: of.id(),
        reason: "a test".to_owned(),
    }
}

/// The machine refuses what the state could not have applied either.
fn check(world: &mut World, control: Control, body: Body, expected: Result<(), KeyFault>) {
    let before = world.machine.state().clone();
    let record = Record {
        seq: before.next_seq,
        time_ms: before.time.wall_ms,
        elapsed_ms: before.time.elapsed_ms,
        body,
    };
    let applied = before.clone().apply(&record).map_err(|error| error.what);
    assert_eq!(applied, expected.map_err(KeyFault::what), "{record:?}");
    let output = world.control(control);
    match expected {
        Ok(()) => {
            let recorded = output.records.last();
            assert_eq!(recorded.map(|recorded| &recorded.body), Some(&record.body));
        }
        Err(fault) => {
            assert_eq!(
                output.reply,
                Reply::Refused(Refusal::Key(fault)),
                "{record:?}"
            );
            assert_eq!(*world.machine.state(), before, "nothing changed");
        }
    }
}

fn register(world: &mut World, body: KeyRegistered, expected: Result<(), KeyFault>) {
    let body = Box::new(body);
    check(
        world,
        Control::RegisterKey(body.clone()),
        Body::KeyRegistered(body),
        expected,
    );
}

fn rotate(world: &mut World, body: KeyRotated, expected: Result<(), KeyFault>) {
    let body = Box::new(body);
    check(
        world,
        Control::RotateKey(body.clone()),
        Body::KeyRotated(body),
        expected,
    );
}

fn revoke(world: &mut World, body: KeyRevoked, expected: Result<(), KeyFault>) {
    let body = Box::new(body);
    check(
        world,
        Control::RevokeKey(body.clone()),
        Body::KeyRevoked(body),
        expected,
    );
}

#[test]
fn an_agent_gets_its_first_key_once() {
    let world = &mut world();
    let lars = key("LARS", 10);
    register(world, registered("LARS", lars.clone(), false), Ok(()));
    register(
        world,
        registered("LARS", key("LARS", 11), false),
        Err(KeyFault::AgentKnown),
    );
    register(
        world,
        registered("FINN", key("LARS", 12), false),
        Err(KeyFault::Name),
    );
    register(
        world,
        registered("FINN", key("FINN", 10), false),
        Err(KeyFault::Used),
    );
    register(
        world,
        registered(OWNER, key(OWNER, 12), true),
        Err(KeyFault::AgentKnown),
    );
    for reserved in [LOG, RECOVERY] {
        register(
            world,
            registered(reserved, key(reserved, 12), reserved == LOG),
            Err(KeyFault::Reserved),
        );
    }
    let seq = world.log.last().unwrap().seq;
    let active = world.machine.state().keys.active("LARS").unwrap();
    assert_eq!((active.from_seq, &active.key), (seq + 1, &lars));
    assert!(!active.custodial);
}

#[test]
fn a_key_takes_the_place_of_the_valid_one_and_of_no_other() {
    let world = &mut world();
    let (first, second, third) = (key(OWNER, 3), key(OWNER, 10), key(OWNER, 11));
    rotate(world, rotated(OWNER, &first, second.clone()), Ok(()));
    let seq = world.log.last().unwrap().seq;
    rotate(
        world,
        rotated(OWNER, &first, third.clone()),
        Err(KeyFault::Stale),
    );
    for used in [&first, &second] {
        rotate(
            world,
            rotated(OWNER, &second, used.clone()),
            Err(KeyFault::Used),
        );
    }
    rotate(
        world,
        rotated("LARS", &first, key("LARS", 12)),
        Err(KeyFault::AgentUnknown),
    );
    rotate(
        world,
        rotated(OWNER, &second, key(OPERATOR, 12)),
        Err(KeyFault::Name),
    );
    for (name, of) in [(LOG, 1), (OPERATOR, 2), (RECOVERY, 4)] {
        let body = KeyRotated {
            custodial: name == RECOVERY,
            ..rotated(name, &key(name, of), key(name, 20 + of))
        };
        rotate(world, body, Err(KeyFault::Custody));
    }
    rotate(
        world,
        rotated(RECOVERY, &key(RECOVERY, 4), key(RECOVERY, 13)),
        Ok(()),
    );
    let owner = &world.machine.state().keys.agents[&agent(OWNER)];
    assert_eq!(
        (&owner.active.key, owner.active.from_seq),
        (&second, seq + 1)
    );
    let [replaced] = owner.replaced.as_slice() else {
        panic!("one was replaced");
    };
    assert_eq!((&replaced.key, replaced.from_seq), (&first, 0));
    assert_eq!((replaced.end_seq, replaced.revoked), (seq + 1, false));
}

#[test]
fn a_key_is_revoked_from_one_of_its_own_records_on() {
    let world = &mut world();
    rotate(
        world,
        rotated(OWNER, &key(OWNER, 3), key(OWNER, 10)),
        Ok(()),
    );
    let from = world.machine.state().next_seq;
    world.tick_after(1_000);
    world.mode(Mode::Drain);
    world.mode(Mode::Normal);
    let now = world.machine.state().next_seq;
    let body = |from_seq| revoked(OWNER, &key(OWNER, 10), from_seq, key(OWNER, 11));
    revoke(world, body(from - 1), Err(KeyFault::Range));
    revoke(world, body(now + 1), Err(KeyFault::Range));
    revoke(
        world,
        revoked(OWNER, &key(OWNER, 3), from, key(OWNER, 11)),
        Err(KeyFault::Stale),
    );
    revoke(
        world,
        revoked(RECOVERY, &key(RECOVERY, 4), now, key(RECOVERY, 11)),
        Err(KeyFault::Reserved),
    );
    revoke(world, body(now - 1), Ok(()));
    let owner = &world.machine.state().keys.agents[&agent(OWNER)];
    assert_eq!(owner.active.from_seq, now + 1);
    assert_eq!(owner.replaced[1].end_seq, now - 1);
    assert!(owner.replaced[1].revoked);
    // Without a place from itself on, whatever was signed since someone looked.
    let now = world.machine.state().next_seq;
    revoke(
        world,
        revoked(OWNER, &key(OWNER, 11), None, key(OWNER, 12)),
        Ok(()),
    );
    let owner = &world.machine.state().keys.agents[&agent(OWNER)];
    assert_eq!(owner.replaced[2].end_seq, now);
}

#[test]
fn a_log_without_a_recovery_key_revokes_nothing_and_is_cut_by_its_owner() {
    let mut keys = first_keys();
    keys.pop();
    let world = &mut World::with_keys(work(|_work| {}), keys);
    revoke(
        world,
        revoked(OWNER, &key(OWNER, 3), 0, key(OWNER, 10)),
        Err(KeyFault::NoRecovery),
    );
    let body = cut(world.machine.state());
    let subject = body.signed_subject().unwrap();
    assert_eq!(subject.signer(&world.machine.state().keys), OWNER);
    let with_recovery = World::with_keys(work(|_work| {}), first_keys());
    let keys = &with_recovery.machine.state().keys;
    assert_eq!(subject.signer(keys), RECOVERY);
}

fn cut(state: &State) -> Body {
    Body::LogCut(Box::new(LogCut {
        by: by(),
        epoch: state.epoch + 1,
        reason: "a test".to_owned(),
        refused: RefusedHead {
            root: Digest([1; 32]),
            size: 9,
        },
        size: state.next_seq,
    }))
}

fn restored(state: &State) -> Body {
    Body::LogRestored(Box::new(LogRestored {
        by: by(),
        epoch: state.epoch + 1,
        reason: "a backup".to_owned(),
        size: state.next_seq,
    }))
}

/// Whether a log goes on so, and the epoch in which it does.
fn apply(before: &State, body: Body) -> Result<u64, &'static str> {
    let mut state = before.clone();
    let record = Record {
        seq: before.next_seq,
        time_ms: before.time.wall_ms,
        elapsed_ms: before.time.elapsed_ms,
        body,
    };
    state.apply(&record).map_err(|error| error.what)?;
    Ok(state.epoch)
}

#[test]
fn a_log_that_goes_on_says_how_much_was_kept_and_in_which_new_epoch() {
    let world = world();
    let state = world.machine.state();
    let refused = Err("it says of the log what it is not");
    for goes_on in [cut, restored] {
        assert_eq!(apply(state, goes_on(state)), Ok(state.epoch + 1));
        let changes: [fn(&mut State); 3] = [
            |state| state.next_seq += 1,
            |state| state.next_seq -= 1,
            |state| state.epoch -= 1,
        ];
        for change in changes {
            let mut other = state.clone();
            change(&mut other);
            assert_eq!(apply(state, goes_on(&other)), refused);
        }
    }
}

#[test]
fn agents_and_keys_of_an_agent_have_a_limit() {
    let world = &mut world();
    let public = |number: usize| Digest::of(&number.to_be_bytes()).0;
    let named = |name: &str, number: usize| {
        KeyText::of(&format!("{ORIGIN}/{name}"), &public(number)).unwrap()
    };
    let mut newest = key(OWNER, 3);
    for number in 0..KEYS_REPLACED_MAX {
        let next = named(OWNER, number);
        rotate(world, rotated(OWNER, &newest, next.clone()), Ok(()));
        newest = next;
    }
    let beyond = named(OWNER, KEYS_REPLACED_MAX);
    rotate(world, rotated(OWNER, &newest, beyond), Err(KeyFault::Full));
    for number in first_keys().len()..KEY_AGENTS_MAX {
        let name = format!("agent-{number}");
        let key = named(&name, 1_000 + number);
        register(world, registered(&name, key, true), Ok(()));
    }
    register(
        world,
        registered("beyond", named("beyond", 2_000), true),
        Err(KeyFault::Full),
    );
}

#[test]
fn a_log_begins_with_the_keys_of_its_agents_and_no_others() {
    let check = |expected: Result<(), KeyFault>, change: fn(&mut Vec<FirstKey>)| {
        let mut keys = first_keys();
        change(&mut keys);
        assert_eq!(
            Keys::first(ORIGIN, &keys).map(|_keys| ()),
            expected,
            "{keys:?}"
        );
    };
    check(Ok(()), |_keys| {});
    check(Ok(()), |keys| drop(keys.pop()));
    check(Err(KeyFault::Reserved), |keys| drop(keys.remove(0)));
    check(Err(KeyFault::Reserved), |keys| keys.swap(0, 1));
    check(Err(KeyFault::Reserved), |keys| {
        keys.push(keys[0].clone());
    });
    check(Err(KeyFault::Custody), |keys| keys[0].custodial = false);
    check(Err(KeyFault::Custody), |keys| keys[3].custodial = true);
    check(Err(KeyFault::Name), |keys| keys[1].key = key(OWNER, 9));
    check(Err(KeyFault::Used), |keys| keys[1].key = key(OPERATOR, 1));
    assert_eq!(Keys::first("a b", &first_keys()), Err(KeyFault::Name));
    assert_eq!(Keys::first("other", &first_keys()), Err(KeyFault::Name));
}

#[test]
fn a_replaced_key_is_deprecated_for_a_day() {
    let world = &mut world();
    world.wait(1_000);
    rotate(world, rotated(LOG, &key(LOG, 1), key(LOG, 11)), Ok(()));
    let log = &world.machine.state().keys.agents[&agent(LOG)];
    let since_ms = log.active.since_ms;
    let deprecated = |elapsed_ms| log.deprecated(elapsed_ms).map(|old| old.key.clone());
    assert_eq!(deprecated(since_ms), Some(key(LOG, 1)));
    assert_eq!(deprecated(since_ms + KEY_GRACE_MS - 1), Some(key(LOG, 1)));
    assert_eq!(deprecated(since_ms + KEY_GRACE_MS), None);
}

#[test]
fn a_revoked_key_is_not_deprecated_but_gone() {
    let world = &mut world();
    let now = world.machine.state().next_seq;
    revoke(world, revoked(LOG, &key(LOG, 1), now, key(LOG, 11)), Ok(()));
    let keys = &world.machine.state().keys.agents[&agent(LOG)];
    assert_eq!(keys.deprecated(keys.active.since_ms), None);
}

/// Who signs, and about what, as `docs/reference/ledger.md` says.
fn check_subject(body: &Body, text: &str, agent: &str, is_delegable: bool, has_new_key: bool) {
    let subject = body.signed_subject().unwrap();
    assert_eq!((subject.text.as_str(), subject.agent), (text, agent));
    assert_eq!(subject.is_delegable, is_delegable, "{text}");
    assert_eq!(subject.new_key.is_some(), has_new_key, "{text}");
}

#[test]
fn each_signed_kind_has_its_subject_and_its_signers() {
    let mut source = work(|_work| {});
    source.rules = vec![antiphon_core::policy::RuleSource {
        approve: Some(OPERATOR.to_owned()),
        approve_within_ms: 60_000,
        ..starts("asks", "Q_ASK", "work")
    }];
    let world = &mut World::new(source);
    let policy = world.machine.policy().digest();
    let digest = format!("policy:{policy}");
    let applied = world
        .log
        .iter()
        .find(|record| record.body.kind() == "config.applied");
    check_subject(&applied.unwrap().body, &digest, OWNER, true, false);

    let newest = |world: &World| world.log.last().unwrap().body.clone();
    world.mode(Mode::Drain);
    check_subject(&newest(world), "guards", OPERATOR, true, false);
    world.switch(Switch::Clear, true);
    check_subject(&newest(world), "guards", OWNER, true, false);
    world.control(Control::SetTask {
        task: crate::fixture::task_name("work"),
        enabled: Some(false),
        by: by(),
    });
    check_subject(&newest(world), "task:work", OPERATOR, true, false);

    world.signal("Q_ASK", "{}");
    world.signal("Q_ASK", "{}");
    let asks: Vec<_> = world.machine.state().asks.keys().copied().collect();
    let answer = Control::Answer {
        ask: asks[0],
        permit: false,
        by: by(),
    };
    world.control(answer);
    check_subject(
        &newest(world),
        &format!("ask:{}", asks[0]),
        OPERATOR,
        true,
        false,
    );
    world.tick_after(61_000);
    check_subject(
        &newest(world),
        &format!("ask:{}", asks[1]),
        OWNER,
        true,
        false,
    );

    register(world, registered("LARS", key("LARS", 10), false), Ok(()));
    check_subject(&newest(world), "key:LARS", OPERATOR, false, true);
    let body = KeyRotated {
        custodial: false,
        ..rotated("LARS", &key("LARS", 10), key("LARS", 11))
    };
    rotate(world, body, Ok(()));
    check_subject(&newest(world), "key:LARS", "LARS", false, true);
    let now = world.machine.state().next_seq;
    revoke(
        world,
        revoked("LARS", &key("LARS", 11), now, key("LARS", 12)),
        Ok(()),
    );
    check_subject(&newest(world), "key:LARS", RECOVERY, false, true);
    for body in [cut(world.machine.state()), restored(world.machine.state())] {
        check_subject(&body, "log", RECOVERY, false, false);
    }
}

#[test]
fn nobody_acts_in_the_name_of_the_program() {
    let world = &mut world();
    for reserved in ["files", "deadline"] {
        let output = world.control(Control::SetMode {
            mode: Mode::Pause,
            by: reserved.to_owned(),
            reason: String::new(),
        });
        assert_eq!(output.reply, Reply::Refused(Refusal::ReservedName));
        assert_eq!(output.records, []);
    }
}

#[test]
fn runs_are_planned_by_a_permit_in_the_record_before_and_by_nothing_else() {
    let mut source = work(|_work| {});
    source.rules = vec![antiphon_core::policy::RuleSource {
        approve: Some(OPERATOR.to_owned()),
        approve_within_ms: 60_000,
        ..starts("asks", "Q_ASK", "work")
    }];
    let world = &mut World::new(source);
    world.signal("Q_ASK", r#"{"n":1}"#);
    let before = world.machine.state().clone();
    let ask = *before.asks.keys().next().unwrap();
    let output = world.control(Control::Answer {
        ask,
        permit: true,
        by: by(),
    });
    let kinds: Vec<_> = output
        .records
        .iter()
        .map(|record| record.body.kind())
        .collect();
    assert_eq!(kinds, ["ask.answered", "run.planned", "run.leased"]);
    let planned = Record {
        seq: before.next_seq,
        ..output.records[1].clone()
    };
    assert!(before.clone().apply(&planned).is_err(), "no permit");
    let mut denied = before.clone();
    let mut denial = output.records[0].clone();
    if let Body::AskAnswered(answered) = &mut denial.body {
        answered.permit = false;
    }
    denied.apply(&denial).unwrap();
    assert!(denied.apply(&output.records[1]).is_err(), "a denial");
    let mut later = before;
    later.apply(&output.records[0]).unwrap();
    let between = Record {
        seq: later.next_seq,
        body: Body::SnapshotTaken(Box::new(antiphon_core::record::SnapshotTaken {
            at_seq: 1,
            sha256: Digest([0; 32]),
            state_version: 1,
        })),
        ..output.records[0].clone()
    };
    later.apply(&between).unwrap();
    let planned = Record {
        seq: later.next_seq,
        ..output.records[1].clone()
    };
    assert!(later.apply(&planned).is_err(), "a record between");
}
