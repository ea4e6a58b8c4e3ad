use std::fs;

use super::*;
use antiphon_core::signal::Facts;

const REGISTRY: &str = "core:\n  module: src.core\n\n# a\n# b\naudio:\n  module: src.audio\n  enabled: true\n  description: \"x\"\n  auto_discovered: true\n  discovered_at: \"2026-11-20T15:36:52.001Z\"\n  py_files: 5\n";
const LINE: &str = "{\"capability\":\"module.audio\",\"module_name\":\"audio\",\"question_id\":\"discover.module.audio\",\"investigation_timestamp\":\"t\"}\n";

fn look_at(root: &Path) -> Vec<Observation> {
    look(&LookCall {
        root,
        options: &Facts::empty(),
        now_ms: 0,
    })
    .unwrap()
}

#[test]
fn e36_a_module_that_was_integrated_is_told_once_with_the_facts_of_the_design() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(look_at(root.path()), []);
    fs::write(root.path().join(CAPABILITIES), REGISTRY).unwrap();
    assert_eq!(look_at(root.path()), [], "the integrator has not finished");
    fs::write(root.path().join(INTEGRATED), LINE).unwrap();
    let seen = look_at(root.path());
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].identity, "audio@2026-11-20T15:36:52.001Z");
    assert_eq!(seen[0].repeat, Repeat::Once);
    let facts: Value = serde_json::from_str(seen[0].facts.text()).unwrap();
    assert_eq!(facts["module_name"], "audio");
    assert_eq!(facts["module_path"], "src.audio");
    assert_eq!(facts["investigation_id"], "discover.module.audio");
    assert_eq!(facts["py_files_count"], 5);
    assert_eq!(facts["has_init"], false);
    fs::create_dir_all(root.path().join("src/audio")).unwrap();
    fs::write(root.path().join("src/audio/__init__.py"), "").unwrap();
    let facts: Value = serde_json::from_str(look_at(root.path())[0].facts.text()).unwrap();
    assert_eq!(facts["has_init"], true);
}

#[test]
fn a_registry_that_cannot_be_read_is_an_error_and_no_silence() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(CAPABILITIES), [0xff]).unwrap();
    let call = LookCall {
        root: root.path(),
        options: &Facts::empty(),
        now_ms: 0,
    };
    assert!(
        look(&call)
            .unwrap_err()
            .message
            .starts_with("kloros.malformed")
    );
}
