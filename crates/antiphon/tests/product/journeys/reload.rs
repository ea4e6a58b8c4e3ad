//! The configuration is read anew on SIGHUP: whole, or not at all.

use rustix::process::Signal;
use serde_json::json;

use super::CONFIGURATION;
use crate::support::Site;

#[test]
fn f53_a_configuration_that_is_wrong_changes_nothing_and_is_visible() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let policy = owner.status()["policy"].clone();
    let rules = site.ask(&["rule", "list"]);
    let half: String = CONFIGURATION
        .chars()
        .take(CONFIGURATION.len() / 2)
        .collect();
    let half = half.trim_end_matches(|c| c != '=');
    let check = |configuration: &str, part: &str| {
        site.configure(configuration);
        owner.signal(Signal::HUP);
        let status = owner.wait_status(part, |status| {
            status["reload_error"]
                .as_str()
                .is_some_and(|error| error.contains(part))
        });
        assert_eq!(status["policy"], policy);
        assert_eq!(site.ask(&["rule", "list"]), rules);
        let runs = owner.emit_and_settle("Q_HELLO", &json!({"name": part}));
        assert_eq!(runs[0]["state"], "succeeded", "work goes on as before");
        let told = site.run(&["status"]).out;
        assert!(told.contains("the last reload was refused"), "{told}");
    };
    check("[[rule]\nname = 1", "antiphon.toml:1:");
    check(
        &format!("{CONFIGURATION}\n[[rule]]\nnam = \"x\""),
        "unknown key `nam`",
    );
    check(half, "antiphon.toml:");
    check(
        &CONFIGURATION.replace("facts.name != ''", "facts.name !="),
        "answer",
    );

    site.configure(&CONFIGURATION.replace("Q_ANSWERED", "Q_REPLIED"));
    owner.signal(Signal::HUP);
    let status = owner.wait_status("the new one", |status| status["policy"] != policy);
    assert_eq!(status["reload_error"], json!(null));
    owner.emit_and_settle("Q_HELLO", &json!({"name": "new"}));
    assert_eq!(
        site.ask(&["signal", "list", "--name", "Q_REPLIED"]).len(),
        1
    );
    assert_eq!(
        site.ask(&["signal", "list", "--name", "Q_ANSWERED"]).len(),
        4
    );
    owner.stop();
}

#[test]
fn f53_work_that_runs_is_not_touched_by_a_reload() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let policy = owner.status()["policy"].clone();
    let held = owner.emit("Q_HOLD", &json!({}));
    owner.wait_status("it runs", |status| status["runs_leased"] == 1);
    site.configure("");
    owner.signal(Signal::HUP);
    owner.wait_status("nothing is configured", |status| status["policy"] != policy);
    std::fs::write(site.outside.join("go"), "").unwrap();
    let runs = owner.settle(&held.id);
    assert_eq!(runs[0]["state"], "succeeded");
    assert_eq!(site.ask(&["signal", "list", "--name", "Q_HELD"]).len(), 1);
    owner.stop();
}
