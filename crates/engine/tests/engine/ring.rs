//! A log judged by the ledger's own ring of keys, which knows nothing of the engine; and the words that
//! tests about keys need.

use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::id::Id;
use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER, RECOVERY};
use antiphon_core::name::{AgentName, RuleName, SignalName, TaskName};
use antiphon_core::policy::{Policy, RuleSource};
use antiphon_core::record::{KeyRegistered, KeyRevoked, KeyRotated};
use antiphon_engine::handle::{Preview, SubmitError};
use antiphon_engine::ports::store::Head;
use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::{SALT_BYTES, leaf_hash};
use antiphon_ledger::keyring::{Keyring, Tenure};
use antiphon_ledger::verify::Problem;
use antiphon_testkit::fakes::{AgentKey, Disk, presigned};

use super::support::{Running, World, policy};

/// A stored record, apart.
pub(crate) struct Stored {
    pub(crate) kind: String,
    /// The signatures in the envelope.
    pub(crate) sig: Option<String>,
    envelope: Vec<u8>,
    /// Salt and JSON.
    pub(crate) body: Vec<u8>,
}

/// Every record of a log as it is stored.
pub(crate) fn stored(disk: &Disk) -> Vec<Stored> {
    let turns = disk.contents().turns;
    let records = turns.iter().flat_map(|turn| turn.records().unwrap());
    let apart = |envelope: &[u8], body: &[u8]| {
        let read = Envelope::decode(envelope).unwrap();
        Stored {
            kind: read.kind.to_owned(),
            sig: read.sig.map(str::to_owned),
            envelope: envelope.to_vec(),
            body: body.to_vec(),
        }
    };
    records
        .map(|record| apart(record.envelope, record.body.unwrap()))
        .collect()
}

/// The ring of keys after all records of a log, and what is wrong with any of them when `change` has
/// been at its signatures.
pub(crate) fn judged(
    disk: &Disk,
    change: impl FnOnce(&mut Vec<Option<String>>),
) -> (Keyring, Vec<Problem>) {
    let records = stored(disk);
    let mut sigs: Vec<_> = records.iter().map(|record| record.sig.clone()).collect();
    change(&mut sigs);
    let mut ring = Keyring::new(None);
    let mut problems = Vec::new();
    for (seq, (record, sig)) in (0..).zip(records.iter().zip(&sigs)) {
        let envelope = Envelope {
            sig: sig.as_deref(),
            ..Envelope::decode(&record.envelope).unwrap()
        };
        problems.extend(ring.record(seq, &envelope, Some(&record.body[SALT_BYTES..])));
    }
    (ring, problems)
}

/// Every key and signature of the log is good.
pub(crate) fn check_whole(disk: &Disk) -> Keyring {
    let (ring, problems) = judged(disk, |_sigs| {});
    assert_eq!(problems, []);
    ring
}

/// The log is whole, and of each agent that the program signs for exactly one key is valid at every
/// place, but for those from which on a key was revoked up to the revocation.
pub(crate) fn check_one_key_each(disk: &Disk) {
    let ring = check_whole(disk);
    for agent in [LOG, OPERATOR, OWNER] {
        let of_agent = |key: &&Tenure| key.agent == agent;
        let mut next = 0;
        for key in ring.tenures().iter().filter(of_agent) {
            let revoked = ring.tenures().iter().filter(of_agent);
            let revoked: Vec<u64> = revoked
                .filter(|key| key.is_revoked)
                .filter_map(|key| key.end)
                .collect();
            assert!(
                key.first == next || revoked.contains(&next),
                "{agent} at {next}"
            );
            next = key.end.unwrap_or(u64::MAX);
        }
        assert_eq!(next, u64::MAX, "{agent} has a key now");
    }
}

/// A policy in which `Q_ASK` asks the operator before it starts `work`.
pub(crate) fn asking() -> Arc<Policy> {
    policy(|source| {
        source.rules = vec![RuleSource {
            approve: Some(OPERATOR.to_owned()),
            approve_within_ms: 60_000,
            cooldown_ms: 0,
            dedupe: None,
            emit: None,
            enabled: true,
            facts: None,
            name: RuleName::new("asks").unwrap(),
            on: SignalName::new("Q_ASK").unwrap(),
            rate: None,
            task: Some(TaskName::new("work").unwrap()),
            when: None,
        }];
    })
}

/// The asks that wait, oldest first.
pub(crate) fn asks(running: &Running) -> Vec<Id> {
    let status = running.handle.status();
    status.asks.iter().map(|ask| ask.id).collect()
}

pub(crate) fn answer(ask: Id, permit: bool, by: &str) -> Control {
    let by = by.to_owned();
    Control::Answer { ask, permit, by }
}

fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

pub(crate) fn register(name: &str, key: &KeyText, custodial: bool) -> Control {
    Control::RegisterKey(Box::new(KeyRegistered {
        agent: agent(name),
        by: "ada".to_owned(),
        custodial,
        key: key.clone(),
    }))
}

/// The valid key of `name` gives its place to `key`.
pub(crate) fn rotate(running: &Running, name: &str, key: &KeyText, custodial: bool) -> Control {
    Control::RotateKey(Box::new(KeyRotated {
        agent: agent(name),
        by: "ada".to_owned(),
        custodial,
        key: key.clone(),
        of: active(running, name).id(),
    }))
}

/// The valid key of `name` is revoked from now on, and `key` takes its place.
pub(crate) fn revoke(running: &Running, name: &str, key: &KeyText, custodial: bool) -> Control {
    Control::RevokeKey(Box::new(KeyRevoked {
        agent: agent(name),
        by: "ada".to_owned(),
        custodial,
        from_seq: None,
        key: key.clone(),
        of: active(running, name).id(),
        reason: "it was stolen".to_owned(),
    }))
}

/// The valid key of `name`, as far as is durable.
pub(crate) fn active(running: &Running, name: &str) -> KeyText {
    let keys = running.handle.keys().borrow().clone();
    keys.active(name).unwrap().key.clone()
}

/// What `control` would record.
pub(crate) async fn preview(running: &Running, control: &Control) -> Preview {
    let preview = running.handle.preview(control.clone()).await;
    preview.unwrap().expect("something to sign")
}

/// Submits `control`, signed by `keys`.
pub(crate) async fn submit_signed(
    running: &Running,
    control: Control,
    keys: &[&AgentKey],
) -> Result<(), SubmitError> {
    let signed = presigned(&preview(running, &control).await, keys);
    let done = running.handle.control_signed(control, signed).await;
    done.map(|_reply| ())
}

/// The recovery key of every world.
pub(crate) fn recovery(world: &World) -> AgentKey {
    let key = AgentKey::recovery(&world.options.origin);
    assert_eq!(
        key.text().name(),
        format!("{}/{RECOVERY}", world.options.origin)
    );
    key
}

/// The end of the log that `contents` holds.
pub(crate) fn head_of(contents: &antiphon_testkit::fakes::Contents) -> Head {
    let last = contents.turns.last().unwrap();
    let records = last.records().unwrap();
    Head {
        next_seq: last.next_seq(),
        last_leaf: leaf_hash(records.last().unwrap().envelope),
        root: last.root,
    }
}
