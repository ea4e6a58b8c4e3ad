//! Bytes that may never change: each kind of body at version 1, and a snapshot of the state.
//!
//! The committed files are what old logs hold. A test that fails here means a new version of the
//! kind, not a new file.

mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use antiphon_core::control::Control;
use antiphon_core::guard::Mode;
use antiphon_core::json::{Document, JsonLimits};
use antiphon_core::key::{OPERATOR, OWNER};
use antiphon_core::policy::{Rate, RuleSource};
use antiphon_core::record::{Body, CodecError, KeyRevoked, KeyRotated};
use antiphon_core::state::State;

use crate::fixture::{agent, dedupe, exited, expectation, key, rule, starts, task_name, work};
use crate::kept;
use crate::world::World;

const RECORDS: &str = include_str!("../golden/records.txt");
const STATE: &str = include_str!("../golden/state.txt");

fn encoded(body: &Body) -> String {
    let mut bytes = Vec::new();
    body.encode(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Canonical by our own parser and by another one's.
fn check_canonical(text: &str) {
    let ours = Document::parse(text.as_bytes(), &JsonLimits::BODY).unwrap();
    assert_eq!(ours.text(), text);
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_jcs::to_string(&value).unwrap(), text);
}

#[test]
fn the_bytes_of_every_kind_of_body_are_frozen() {
    let mut text = String::new();
    let mut kinds = BTreeSet::new();
    for body in samples::bodies() {
        let encoded = encoded(&body);
        check_canonical(&encoded);
        writeln!(text, "{} 1 {encoded}", body.kind()).unwrap();
        kinds.insert(body.kind());
    }
    assert_eq!(kinds.len(), Body::KINDS.len(), "each kind has a sample");
    kept::check("golden/records.txt", &text);
}

#[test]
fn frozen_bytes_are_read_as_what_they_were_written_from() {
    let mut samples = samples::bodies().into_iter();
    for line in RECORDS.lines() {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (version, json) = rest.split_once(' ').unwrap();
        let body = Body::decode(kind, version.parse().unwrap(), json.as_bytes()).unwrap();
        assert_eq!(encoded(&body), json);
        assert_eq!(Some(body), samples.next(), "{kind}");
    }
    assert_eq!(samples.next(), None);
}

#[test]
fn a_kind_a_version_or_a_field_that_is_not_known_is_refused() {
    let line = RECORDS.lines().next().unwrap();
    let (kind, rest) = line.split_once(' ').unwrap();
    let json = rest.split_once(' ').unwrap().1;
    let refused = |kind: &str, version: u32, json: &str| {
        Body::decode(kind, version, json.as_bytes()).unwrap_err()
    };
    let unknown = refused("from.tomorrow", 1, json);
    assert!(matches!(unknown, CodecError::Unknown { version: 1, .. }));
    let newer = refused(kind, 2, json);
    assert!(
        newer
            .to_string()
            .contains("version 2 needs a newer antiphon")
    );
    let more = json.replacen('{', r#"{"a_new_field":1,"#, 1);
    assert!(matches!(refused(kind, 1, &more), CodecError::Decode { .. }));
}

/// A world that has something of everything that a state can hold.
fn full_world() -> World {
    let mut source = work(|work| work.concurrency = 1);
    source.monitors = vec![expectation(
        "answers", "Q_GO", "Q_NEVER", 30_000, "Q_SILENT",
    )];
    source.rules = vec![
        RuleSource {
            dedupe: Some(dedupe("facts.key", "Q_CLEAR")),
            rate: Some(Rate {
                limit: 3,
                per_ms: 60_000,
            }),
            ..rule("remembers", "Q_KEY", "Q_KEYED")
        },
        RuleSource {
            approve: Some("operator".to_owned()),
            approve_within_ms: 60_000,
            ..starts("asks", "Q_ASK", "work")
        },
        rule("echo", "Q_ECHO", "Q_ECHO"),
        RuleSource {
            when: Some("facts.missing".to_owned()),
            ..rule("fails", "Q_FAIL", "Q_NEVER")
        },
    ];
    let mut world = World::new(source);
    for (name, json) in [
        ("Q_KEY", r#"{"key":"one"}"#),
        ("Q_ASK", r#"{"n":1}"#),
        ("Q_ECHO", "{}"),
        ("Q_FAIL", "{}"),
        ("Q_GO", r#"{"n":1.5,"text":"é\n"}"#),
        ("Q_GO", "{}"),
        ("Q_GO", "{}"),
    ] {
        world.wait(1_000);
        world.signal(name, json);
    }
    let token = world.token();
    world.report(token, exited(1));
    let letter = *world.machine.state().letters.keys().next().unwrap();
    world.control(Control::ReplayLetter {
        letter,
        by: "ada".to_owned(),
    });
    world.control(Control::SetTask {
        task: task_name("work"),
        enabled: Some(true),
        by: "ada".to_owned(),
    });
    replace_keys(&mut world);
    world.mode(Mode::Drain);
    let run = world.machine.leases().next().unwrap().1;
    world.cancel(run);
    world.give(antiphon_core::input::Event::SnapshotWritten {
        at_seq: 3,
        sha256: antiphon_core::id::Digest([7; 32]),
    });
    world
}

/// One key is rotated twice, another revoked.
fn replace_keys(world: &mut World) {
    for (from, to) in [(2, 5), (5, 6)] {
        world.control(Control::RotateKey(Box::new(KeyRotated {
            agent: agent(OPERATOR),
            by: "ada".to_owned(),
            custodial: true,
            key: key(OPERATOR, to),
            of: key(OPERATOR, from).id(),
        })));
    }
    world.control(Control::RevokeKey(Box::new(KeyRevoked {
        agent: agent(OWNER),
        by: "ada".to_owned(),
        custodial: true,
        from_seq: Some(2),
        key: key(OWNER, 7),
        of: key(OWNER, 3).id(),
        reason: "it was stolen".to_owned(),
    })));
}

#[test]
fn the_bytes_of_a_state_are_frozen() {
    let world = full_world();
    let state = world.machine.state();
    assert!(!state.asks.is_empty() && !state.expectations.is_empty());
    assert!(!state.letters.is_empty() && !state.overrides.is_empty());
    assert!(!state.rules.is_empty() && state.runs.len() > 1);
    let text = String::from_utf8(state.to_bytes().unwrap()).unwrap();
    check_canonical(&text);
    kept::check("golden/state.txt", &format!("{text}\n"));
}

#[test]
fn a_frozen_state_is_read_and_another_version_is_refused() {
    let text = STATE.trim_end();
    let state = State::from_bytes(text.as_bytes()).unwrap();
    assert_eq!(state, *full_world().machine.state());
    assert_eq!(state.to_bytes().unwrap(), text.as_bytes());
    let newer = text.replace(r#","version":1}"#, r#","version":2}"#);
    assert_ne!(newer, text);
    let refusal = State::from_bytes(newer.as_bytes()).unwrap_err();
    assert!(refusal.to_string().contains("version 2"), "{refusal}");
}
