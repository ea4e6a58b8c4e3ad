//! The records that are signed, as an owner would write them.

use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::signature::{OPERATOR, RECOVERY};
use serde_json::json;

use super::{LedgerMaker, Stored};

impl LedgerMaker {
    /// A policy came into force.
    pub fn config_applied(&mut self, agent: &str) -> u64 {
        let digest = format!("{:064x}", self.size());
        let body = json!({
            "digest": digest, "evaluator": "none", "policy": {},
            "replaces": self.last_policy(),
        });
        self.signed(
            "config.applied",
            &body,
            &format!("policy:{digest}"),
            &[agent],
        )
    }

    /// The guards changed.
    pub fn guard_changed(&mut self, agent: &str) -> u64 {
        let body = json!({"by": agent, "guards": {}, "of": self.size()});
        self.signed("guard.changed", &body, "guards", &[agent])
    }

    /// A task was turned off.
    pub fn task_changed(&mut self, agent: &str) -> u64 {
        let body = json!({"by": agent, "enabled": false, "task": "dream"});
        self.signed("task.changed", &body, "task:dream", &[agent])
    }

    /// An ask was answered.
    pub fn ask_answered(&mut self, agent: &str) -> u64 {
        let id = "01890a5d-ac96-774b-bcce-b302099a8058";
        let body = json!({"ask": id, "by": agent, "permit": true, "rule": "r"});
        self.signed("ask.answered", &body, &format!("ask:{id}"), &[agent])
    }

    /// An agent got its first key.
    pub fn register(&mut self, agent: &str) -> u64 {
        let key = self.new_key(agent);
        let body = json!({
            "agent": agent, "by": OPERATOR, "custodial": true,
            "key": key.verifier().to_string(),
        });
        let signers = [(OPERATOR, self.key(OPERATOR).clone()), (agent, key.clone())];
        let seq = self.signed_by("key.registered", &body, &format!("key:{agent}"), &signers);
        self.hold(agent, key);
        seq
    }

    /// An agent's key was replaced.
    pub fn rotate(&mut self, agent: &str) -> u64 {
        let (old, new) = (self.key(agent).clone(), self.new_key(agent));
        let body = json!({
            "agent": agent, "by": OPERATOR, "custodial": true,
            "key": new.verifier().to_string(), "of": old.verifier().id().to_string(),
        });
        let signers = [(agent, old), (agent, new.clone())];
        let seq = self.signed_by("key.rotated", &body, &format!("key:{agent}"), &signers);
        self.hold(agent, new);
        seq
    }

    /// An agent's newest key was revoked from a place on, or from the revocation itself on.
    pub fn revoke(&mut self, agent: &str, from_seq: impl Into<Option<u64>>) -> u64 {
        let from_seq = from_seq.into();
        let (old, new) = (self.key(agent).clone(), self.new_key(agent));
        let body = json!({
            "agent": agent, "by": OPERATOR, "custodial": true, "from_seq": from_seq,
            "key": new.verifier().to_string(), "of": old.verifier().id().to_string(),
            "reason": "lost",
        });
        let signers = [(RECOVERY, self.key(RECOVERY).clone()), (agent, new.clone())];
        let seq = self.signed_by("key.revoked", &body, &format!("key:{agent}"), &signers);
        self.hold(agent, new);
        seq
    }

    /// The log was cut here.
    pub fn cut(&mut self) -> u64 {
        let size = self.size();
        let body = json!({
            "by": OPERATOR, "epoch": 2, "reason": "damaged",
            "refused": {"root": "00".repeat(32), "size": size + 3}, "size": size,
        });
        self.signed("log.cut", &body, "log", &[RECOVERY])
    }

    /// The log was restored here.
    pub fn restored(&mut self) -> u64 {
        let body = json!({"by": OPERATOR, "epoch": 3, "reason": "disk", "size": self.size()});
        self.signed("log.restored", &body, "log", &[RECOVERY])
    }

    /// The place of the last policy, 0 when there is none.
    fn last_policy(&self) -> u64 {
        let is_one = |record: &Stored| {
            Envelope::decode(&record.envelope).is_ok_and(|it| it.kind == "config.applied")
        };
        let place = self.records().iter().rposition(is_one);
        place.map_or(0, |place| u64::try_from(place).unwrap())
    }
}
