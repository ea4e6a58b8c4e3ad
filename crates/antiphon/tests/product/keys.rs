//! Keys: made, kept, rotated, revoked, lost; and records that were signed elsewhere.

mod custody;
mod elsewhere;
mod lost;

use std::path::PathBuf;

use serde_json::Value;

use crate::support::Site;

/// A site whose recovery key lies in a file outside, and that file.
fn recoverable(configuration: &str) -> (Site, PathBuf) {
    let site = Site::new(configuration);
    let file = site.outside.join("recovery.key");
    site.run(&["init", "--recovery-key", file.to_str().unwrap()])
        .must(0);
    (site, file)
}

/// The valid key of `agent`.
fn active(site: &Site, agent: &str) -> Value {
    let keys = site.ask(&["key", "list", "--all"]);
    let is_it = |key: &&Value| key["agent"] == agent && key["state"] == "active";
    let found: Vec<&Value> = keys.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{agent}: {keys:?}");
    found[0].clone()
}

fn id(key: &Value) -> String {
    key["id"].as_str().unwrap().to_owned()
}

/// The file of a key that the owner holds.
fn file_of(site: &Site, key: &Value) -> PathBuf {
    site.root.join("keys").join(format!("{}.key", id(key)))
}
