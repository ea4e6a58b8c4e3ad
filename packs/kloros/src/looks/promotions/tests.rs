use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use antiphon_core::signal::Facts;

const NOW_MS: i64 = 1_795_189_012_001;
const ACCEPTED: &str = "{\"promotion_id\": \"a\", \"accepted\": true}";

struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(PROMOTIONS)).unwrap();
        fs::create_dir(root.path().join(ACKNOWLEDGEMENTS)).unwrap();
        Self(root)
    }

    /// Writes a promotion that is `age_ms` old.
    fn put(&self, name: &str, content: &str, age_ms: i64) {
        let path = self.0.path().join(PROMOTIONS).join(name);
        fs::write(&path, content).unwrap();
        let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(NOW_MS - age_ms).unwrap());
        fs::File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(at)
            .unwrap();
    }

    fn acknowledge(&self, name: &str, content: &str) {
        fs::write(self.0.path().join(ACKNOWLEDGEMENTS).join(name), content).unwrap();
    }

    fn look(&self) -> Option<(String, Value)> {
        let call = LookCall {
            root: self.0.path(),
            options: &Facts::empty(),
            now_ms: NOW_MS,
        };
        let mut seen = look(&call).unwrap();
        assert!(seen.len() <= 1);
        seen.pop().map(|one| {
            (
                one.identity,
                serde_json::from_str(one.facts.text()).unwrap(),
            )
        })
    }
}

#[test]
fn e36_it_is_silent_when_there_is_none_or_all_are_acknowledged() {
    let empty = tempfile::tempdir().unwrap();
    let call = LookCall {
        root: empty.path(),
        options: &Facts::empty(),
        now_ms: NOW_MS,
    };
    assert_eq!(look(&call).unwrap(), []);
    let case = Case::new();
    assert_eq!(case.look(), None);
    case.put("a.json", "{}", 0);
    assert!(case.look().is_some());
    case.acknowledge("a_ack.json", ACCEPTED);
    assert_eq!(case.look(), None);
}

#[test]
fn e36_the_facts_say_what_is_there_and_the_set_is_its_identity() {
    let case = Case::new();
    case.put("a.json", "{}", 3_600_000);
    case.put("b.json", "{\"x\":1}", 90_000);
    let (identity, facts) = case.look().unwrap();
    assert_eq!(facts["promotion_count"], 2);
    assert_eq!(facts["oldest_promotion_age_hours"], 1);
    assert_eq!(facts["newest_promotion_age_hours"], 0.025);
    assert_eq!(facts["promotion_files"], json!(["a.json", "b.json"]));
    assert_eq!(facts["source"], "orchestrator_monitor");
    assert_eq!(facts["promotion_set"], json!(identity));
    case.put("b.json", "{\"x\":1}", 80_000);
    assert_eq!(
        case.look().unwrap().0,
        identity,
        "another age is not another set"
    );
    case.put("b.json", "{\"x\":2}", 80_000);
    assert_ne!(case.look().unwrap().0, identity, "another content is");
}

#[test]
fn half_an_acknowledgement_acknowledges_nothing() {
    let case = Case::new();
    case.put("a.json", "{}", 0);
    for content in ["", "{\"promotion_id\": \"a\", \"acc", "{}", "[]"] {
        case.acknowledge("a_ack.json", content);
        assert!(case.look().is_some(), "{content}");
    }
    case.acknowledge(
        "a_ack.json",
        "{\"promotion_id\": \"b\", \"accepted\": true}",
    );
    assert!(case.look().is_some());
}

#[test]
fn a_promotion_that_is_still_being_written_is_not_seen_until_it_settled() {
    let case = Case::new();
    case.put("half.json", "{\"schema\": \"v1\", ", SETTLE_MS - 1);
    assert_eq!(case.look(), None);
    case.put("half.json", "{\"schema\": \"v1\", ", SETTLE_MS);
    assert!(
        case.look().is_some(),
        "nobody finishes it: D-REAM will refuse it"
    );
}

#[test]
fn what_is_no_promotion_is_counted_and_hides_no_other() {
    let case = Case::new();
    case.put("good.json", "{}", 0);
    case.put("bad\nname.json", "{}", 0);
    case.put("note.txt", "{}", 0);
    case.put(".hidden.json", "{}", 0);
    fs::create_dir(case.0.path().join("promotions/folder.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", case.0.path().join("promotions/link.json")).unwrap();
    let (_, facts) = case.look().unwrap();
    assert_eq!(facts["promotion_files"], json!(["good.json"]));
    assert_eq!(facts["unreadable_count"], 3);
}

#[test]
fn a_set_is_bounded_and_the_oldest_go_first() {
    let case = Case::new();
    for index in 0..40_i64 {
        case.put(&format!("{index:02}.json"), "{}", index * 1_000);
    }
    let (_, facts) = case.look().unwrap();
    assert_eq!(facts["promotion_count"], 32);
    assert_eq!(facts["unacknowledged_count"], 40);
    assert_eq!(facts["promotion_files"][0], "08.json");
    assert_eq!(facts["promotion_files"][31], "39.json");
}

#[test]
fn a_clock_that_went_back_gives_no_negative_age() {
    let case = Case::new();
    case.put("a.json", "{}", -7_200_000);
    assert_eq!(case.look().unwrap().1["oldest_promotion_age_hours"], 0);
}
