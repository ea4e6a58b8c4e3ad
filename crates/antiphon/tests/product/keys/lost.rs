//! Keys that are gone: stolen, or lost with their file.

use serde_json::json;

use super::{active, file_of, id, recoverable};
use crate::support::Site;

fn revoke(
    site: &Site,
    agent: &str,
    of: &str,
    recovery: &std::path::Path,
) -> crate::support::site::Said {
    let recovery = recovery.to_str().unwrap();
    site.run(&[
        "key",
        "revoke",
        agent,
        "--of",
        of,
        "--recovery-key",
        recovery,
        "--reason",
        "stolen",
    ])
}

#[test]
fn a37_a_revoked_key_signs_nothing_more_and_the_new_one_came_in_the_same_record() {
    let (site, recovery) = recoverable("");
    let owner = site.serve();
    for agent in ["operator", "log", "owner"] {
        let old = active(&site, agent);
        revoke(&site, agent, &id(&old), &recovery).must(0);
        let new = active(&site, agent);
        assert_ne!(new["id"], old["id"]);
        assert_eq!(new["custodial"], true);
        let again = revoke(&site, agent, &id(&old), &recovery);
        again.must(4);
    }
    site.run(&["stop", "pause"]).must(0);
    owner.emit("Q_A", &json!({}));
    owner.stop();
    site.verify();
}

#[test]
fn a37_only_the_recovery_key_revokes() {
    let (site, _recovery) = recoverable("");
    let old = active(&site, "operator");
    let operator = file_of(&site, &old);
    revoke(&site, "operator", &id(&old), &operator).must_refuse(2, "command.usage");
    let (other, foreign) = recoverable("");
    active(&other, "log");
    let refused = revoke(&site, "operator", &id(&old), &foreign);
    refused.must(4);
    assert_eq!(active(&site, "operator")["id"], old["id"]);
    site.verify();
}

#[test]
fn f23_without_its_key_an_owner_does_not_start_and_recovery_brings_a_new_one() {
    let (site, recovery) = recoverable("");
    for agent in ["log", "owner", "operator"] {
        let owner = site.serve();
        owner.emit("Q_A", &json!({}));
        owner.stop();
        let old = active(&site, agent);
        let file = file_of(&site, &old);
        std::fs::rename(&file, site.outside.join("lost.key")).unwrap();
        let words = site.start().must_end(78);
        assert!(words.contains("error[key.missing]"), "{words}");
        assert!(words.contains(&id(&old)), "{words}");
        assert!(words.contains("antiphon key revoke"), "{words}");
        site.run(&["signal", "emit", "Q_A"])
            .must_refuse(78, "key.missing");
        revoke(&site, agent, &id(&old), &recovery).must(0);
        let owner = site.serve();
        owner.emit("Q_A", &json!({}));
        site.run(&["stop", "pause"]).must(0);
        site.run(&["stop", "resume"]).must(0);
        owner.stop();
        assert_ne!(active(&site, agent)["id"], old["id"]);
        site.verify();
    }
}

#[test]
fn f23_a_key_that_is_put_back_is_as_if_it_never_was_away() {
    let (site, _recovery) = recoverable("");
    site.serve().stop();
    let file = file_of(&site, &active(&site, "owner"));
    let aside = site.outside.join("aside.key");
    std::fs::rename(&file, &aside).unwrap();
    site.start().must_end(78);
    std::fs::rename(&aside, &file).unwrap();
    site.serve().stop();
    site.verify();
}
