//! The keys of a log's agents and where each is valid, as two programs tell it that share no code: the
//! owner, from its state, and the second verifier, from the records.
//!
//! What must hold: at every place of the log one key of an agent is valid, or none where one was
//! revoked from an earlier place on; and the secrets of those that the owner holds are on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::client::text;
use crate::process::{output_of, repository};

/// Verifies a folder by a trust file and tells where which key is valid.
const SECOND_VERIFIER: &str = "import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from verify_ledger import INTEGER_MAX, Trust, Verification
verification = Verification(pathlib.Path(sys.argv[2]), Trust(pathlib.Path(sys.argv[3]).read_bytes()))
verdict = verification.run()
verdict['keys'] = [{'agent': it.agent, 'id': it.id, 'from': it.first,
                    'to': it.last + 1 if it.last < INTEGER_MAX else None} for it in verification.keys.all]
print(json.dumps(verdict))
";

/// A key and the places at which it is valid: from the first up to, and without, the second.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tenure {
    agent: String,
    from: u64,
    to: Option<u64>,
    id: String,
}

/// The tenures that `keys` tell, in order; keys that no record brought have none.
pub(crate) fn tenures(keys: &[Value]) -> BTreeSet<Tenure> {
    let of = |key: &Value| {
        Some(Tenure {
            agent: text(key, "agent").to_owned(),
            from: key.get("from")?.as_u64()?,
            to: key.get("to")?.as_u64(),
            id: text(key, "id").to_owned(),
        })
    };
    keys.iter().filter_map(of).collect()
}

/// At every place at most one key of an agent is valid, and at the end one is.
pub(crate) fn check(tenures: &BTreeSet<Tenure>) -> Result<()> {
    let mut by_agent: BTreeMap<&str, Vec<&Tenure>> = BTreeMap::new();
    for tenure in tenures {
        by_agent.entry(&tenure.agent).or_default().push(tenure);
    }
    ensure!(!by_agent.is_empty(), "the log has no keys");
    for (agent, tenures) in by_agent {
        for pair in tenures.windows(2) {
            if let [one, next] = pair {
                let is_over = one.to.is_some_and(|to| to <= next.from);
                ensure!(
                    is_over,
                    "two keys of {agent} are valid at once: {one:?} {next:?}"
                );
            }
        }
        let last = tenures.last().context("an agent without a key")?;
        ensure!(last.to.is_none(), "no key of {agent} is valid: {last:?}");
    }
    Ok(())
}

/// Every key that was acknowledged, by agent and id, came into the log.
pub(crate) fn check_acknowledged(
    tenures: &BTreeSet<Tenure>,
    acknowledged: &BTreeSet<(String, String)>,
) -> Result<()> {
    for (agent, id) in acknowledged {
        let is_there = tenures.iter().any(|it| it.agent == *agent && it.id == *id);
        ensure!(
            is_there,
            "the key {id} of {agent} was acknowledged and is lost"
        );
    }
    Ok(())
}

/// The owner of `root` has the secrets on disk of the valid keys that it says it holds.
pub(crate) fn check_held(keys: &[Value], root: &Path) -> Result<()> {
    for key in keys {
        let is_held = key.get("custodial") == Some(&Value::Bool(true));
        let file = root.join("keys").join(format!("{}.key", text(key, "id")));
        if is_held && text(key, "state") == "active" && !file.exists() {
            bail!("the secret of the valid key {key} is not on disk");
        }
    }
    Ok(())
}

/// What the second verifier says of the folder `export` by the trust file `trust`: which key is valid
/// where.
pub(crate) fn second_opinion(export: &Path, trust: &Path) -> Result<BTreeSet<Tenure>> {
    let mut python = Command::new("python3");
    python.args(["-B", "-c", SECOND_VERIFIER]);
    let said = output_of(
        python
            .arg(repository().join("tools"))
            .arg(export)
            .arg(trust),
    )?;
    let said: Value = serde_json::from_slice(&said)?;
    let is_good = said.get("ok") == Some(&Value::Bool(true));
    let problems = said.get("problems");
    ensure!(is_good, "the second verifier: {problems:?}");
    let keys = said.get("keys").and_then(Value::as_array);
    Ok(tenures(keys.context("it tells no keys")?))
}

/// The valid key of `agent`.
pub(crate) fn active<'a>(keys: &'a [Value], agent: &str) -> Option<&'a Value> {
    keys.iter()
        .find(|key| text(key, "agent") == agent && text(key, "state") == "active")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(tenures: &[(u64, Option<u64>)]) -> Vec<Value> {
        let key = |(number, (from, to)): (usize, &(u64, Option<u64>))| json!({"agent": "log", "id": format!("{number:08x}"), "from": from, "to": to});
        tenures.iter().enumerate().map(key).collect()
    }

    #[test]
    fn one_key_is_valid_at_a_place_or_none() {
        let check = |ranges: &[(u64, Option<u64>)], is_good: bool| {
            let checked = check(&tenures(&keys(ranges)));
            assert_eq!(checked.is_ok(), is_good, "{ranges:?}");
        };
        check(&[(0, None)], true);
        check(&[(0, Some(5)), (5, None)], true);
        check(&[(0, Some(3)), (5, None)], true);
        check(&[(0, Some(6)), (5, None)], false);
        check(&[(0, None), (5, None)], false);
        check(&[(0, Some(5)), (5, Some(9))], false);
        check(&[], false);
    }

    #[test]
    fn a_key_that_was_acknowledged_and_a_secret_that_is_held_are_missed() {
        let home = tempfile::tempdir().unwrap();
        let mut keys = keys(&[(0, None)]);
        let is_there = |id: &str| {
            let acknowledged = BTreeSet::from([("log".to_owned(), id.to_owned())]);
            check_acknowledged(&tenures(&keys), &acknowledged).is_ok()
        };
        assert!(is_there("00000000") && !is_there("00000001"));
        assert!(check_held(&keys, home.path()).is_ok());
        keys[0]["custodial"] = json!(true);
        keys[0]["state"] = json!("active");
        assert!(check_held(&keys, home.path()).is_err());
        std::fs::create_dir(home.path().join("keys")).unwrap();
        std::fs::write(home.path().join("keys/00000000.key"), "").unwrap();
        assert!(check_held(&keys, home.path()).is_ok());
    }
}
