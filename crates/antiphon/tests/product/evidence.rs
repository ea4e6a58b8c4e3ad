//! What leaves the house: an export and the evidence of one run, judged by the second verifier,
//! which shares no code with this program.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::Site;

const CONFIGURATION: &str = r#"
[[worker]]
on = "Q_PRINT"
task = "print"
succeeded = "Q_PRINTED"

[[task]]
name = "print"
command = ["sh", "-c", "cat >&2; printf '%020000d'"]
"#;

/// A site whose log holds one run and is sealed to its end, and the id of that run.
fn site_with_a_run() -> (Site, String) {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    owner.emit_and_settle("Q_PRINT", &json!({"n": 1}));
    owner.stop();
    let run = site.ask(&["run", "list"]).remove(0);
    let run = run["id"].as_str().unwrap().to_owned();
    (site, run)
}

/// Takes something out of the log of `site`, and the trust file that goes with it.
fn exported(site: &Site, arguments: &[&str]) -> (PathBuf, PathBuf) {
    let (folder, trust) = (site.outside.join("export"), site.outside.join("trust.json"));
    let mut export = vec!["ledger", "export", "--to", folder.to_str().unwrap()];
    export.extend(arguments);
    site.run(&export).must(0);
    let to = trust.to_str().unwrap();
    site.run(&["key", "export", "--to", to]).must(0);
    (folder, trust)
}

fn second_verdict(folder: &Path, trust: &Path) -> Value {
    let verifier = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_ledger.py");
    let mut python = Command::new("python3");
    python.arg(verifier).arg(folder).arg("--trust").arg(trust);
    let said = python.output().unwrap();
    serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
fn the_evidence_of_a_run_stands_before_a_second_verifier_alone() {
    let (site, run) = site_with_a_run();
    let (folder, trust) = exported(&site, &["--run", &run]);
    let verdict = second_verdict(&folder, &trust);
    assert_eq!(verdict["ok"], true, "{verdict}");
    let outputs = folder.join("evidence").read_dir().unwrap();
    let output = outputs.map(|entry| entry.unwrap().path()).next().unwrap();
    std::fs::write(output, "another output").unwrap();
    assert_eq!(second_verdict(&folder, &trust)["ok"], false);
}

#[test]
fn an_export_stands_before_a_second_verifier() {
    let (site, _run) = site_with_a_run();
    let (folder, trust) = exported(&site, &[]);
    let verdict = second_verdict(&folder, &trust);
    assert_eq!(verdict["ok"], true, "{verdict}");
    let bodies = folder.join("body").read_dir().unwrap();
    let partial = bodies.map(|entry| entry.unwrap().path()).next().unwrap();
    let bundle = partial.read_dir().unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&bundle).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    assert_eq!(second_verdict(&folder, &trust)["ok"], false);
}
