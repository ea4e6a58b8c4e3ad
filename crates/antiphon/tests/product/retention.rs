//! Retention: an owner in another time prunes what has become old.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustix::process::{Signal, kill_process_group};
use serde_json::json;

use crate::support::{Owner, Site, until};

const CONFIGURATION: &str = r#"
[retention]
bodies = "30d"

[[worker]]
on = "Q_PRINT"
task = "print"
succeeded = "Q_PRINTED"

[[task]]
name = "print"
command = ["sh", "-c", "cat >&2; printf '%020000d'"]
"#;
const DAY_S: u64 = 86_400;

/// An owner for whom so many days more have passed since the machine booted.
fn serve_later(site: &Site, days: u64) -> Owner {
    let mut unshare = Command::new("unshare");
    let seconds = (days * DAY_S).to_string();
    unshare.args([
        "--time",
        "--boottime",
        &seconds,
        "--fork",
        "--kill-child",
        "--",
    ]);
    let mut owner = Owner::start(site.wrap(unshare, &["serve"]), site);
    owner.wait_until_ready();
    owner
}

fn stop(owner: Owner) {
    kill_process_group(owner.pid(), Signal::TERM).unwrap();
    owner.must_end(0);
}

/// The evidence that is kept, by the age that `age` gives it.
fn evidence(site: &Site, age: Option<Duration>) -> usize {
    let files = std::fs::read_dir(site.root.join("evidence")).unwrap();
    let age_all = |entry: std::io::Result<std::fs::DirEntry>| {
        if let Some(age) = age {
            let file = File::options()
                .write(true)
                .open(entry.unwrap().path())
                .unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
    };
    files.map(age_all).count()
}

#[test]
fn what_is_older_than_the_retention_goes_and_the_log_still_verifies() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let secret = json!({"secret": "the old lighthouse keeper"});
    let old = owner.emit("Q_PRINT", &secret);
    owner.settle(&old.id);
    owner.stop();
    assert_eq!(evidence(&site, Some(Duration::from_secs(40 * DAY_S))), 1);
    let before = site.ask_one(&["ledger", "verify"]);
    assert_eq!(before["pruned"], 0);

    let owner = serve_later(&site, 29);
    let young = owner.emit("Q_PRINT", &json!({"young": true}));
    owner.settle(&young.id);
    assert_eq!(owner.status()["pruned_to"], 0, "it is not old enough yet");
    stop(owner);

    let owner = serve_later(&site, 31);
    let status = owner.wait_status("old bodies are pruned", |status| {
        status["pruned_to"].as_u64() > Some(old.seq)
    });
    assert!(status["pruned_to"].as_u64() <= Some(young.seq), "{status}");
    until("old evidence is swept", || {
        (evidence(&site, None) == 1).then_some(())
    });
    let names: Vec<_> = site
        .ask(&["signal", "list", "--name", "Q_PRINT"])
        .iter()
        .map(|signal| signal["id"].clone())
        .collect();
    assert_eq!(names, [json!(young.id)]);
    site.run(&["signal", "show", &old.id])
        .must_refuse(3, "engine.not_found");
    let logs = site.ask(&["run", "list"]);
    assert_eq!(logs.len(), 1, "{logs:?}");
    stop(owner);

    let after = site.ask_one(&["ledger", "verify"]);
    assert_eq!(after["ok"], true, "{after}");
    assert!(after["pruned"].as_u64() > Some(0), "{after}");
    let said = site.run(&["status"]);
    assert!(
        said.out.contains("pruned     bodies below record"),
        "{said:?}"
    );
    // Built anew, the views know no more.
    std::fs::remove_file(site.root.join("views.db")).unwrap();
    assert_eq!(site.ask(&["signal", "list", "--name", "Q_PRINT"]).len(), 1);
}
