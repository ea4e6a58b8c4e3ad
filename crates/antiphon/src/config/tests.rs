//! The loader, by what it reads and what it refuses.

use antiphon_core::policy::MonitorKind;
use antiphon_core::task::{Interrupted, Program, ResultPolicy};
use antiphon_engine::cosign::OnMissing;
use antiphon_testkit::fuzz::{Target, smoke};

use super::*;

fn parse(text: &str) -> Result<Configuration, ConfigError> {
    Configuration::parse_text(Path::new("antiphon.toml"), text)
}

#[test]
fn anything_is_a_configuration_or_is_refused_and_the_seeds_of_its_target_are_configurations() {
    smoke(&Target {
        name: "config_toml",
        feed: |bytes| {
            let text = std::str::from_utf8(bytes).ok();
            let read = text.and_then(|text| parse(text).ok());
            read.is_some_and(|read| read.compile().is_ok())
        },
    });
}

fn check_refused(text: &str, code: &str, message: &str) {
    let error = parse(text).expect_err(text);
    let hint = error
        .hint()
        .map(|hint| format!(" ({hint})"))
        .unwrap_or_default();
    assert_eq!(
        (error.code(), format!("{error}{hint}").as_str()),
        (code, message)
    );
}

const TASK: &str = "[[task]]\nname = \"t\"\n";

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_was_meant() {
    check_refused(
        "a = ",
        "config.syntax",
        "antiphon.toml:1:5: string values must be quoted, expected literal string",
    );
    check_refused(
        "[[rule]]\nname = \"r\"\nwen = \"true\"\non = \"A\"\n",
        "config.unknown_key",
        "antiphon.toml:3:1: unknown key `wen` in [[rule]] (did you mean `when`?)",
    );
    check_refused(
        "qqqqqqqq = 1",
        "config.unknown_key",
        "antiphon.toml:1:1: unknown key `qqqqqqqq` in the configuration \
         (the keys known here are disk, intent, ledger, log, monitor, retention, rule, slots, task, witness, worker)",
    );
    check_refused(
        &format!("{TASK}command = [\"a\"]\nretry = {{ limit = 1, bakoff = \"1s\" }}"),
        "config.unknown_key",
        "antiphon.toml:4:22: unknown key `bakoff` in [retry] (did you mean `backoff`?)",
    );
    check_refused(
        &format!("{TASK}command = [\"a\"]\ntimeout = 30"),
        "config.bad_value",
        "antiphon.toml:4:11: `timeout` needs a unit, such as \"30s\"",
    );
    check_refused(
        &format!("{TASK}command = [\"a\"]\ntimeout = \"30 minutes\""),
        "config.bad_value",
        "antiphon.toml:4:11: `timeout` is no duration; write a number and ms, s, m, h or d",
    );
    check_refused(
        "[[rule]]\nname = \"r\"\n",
        "config.bad_value",
        "antiphon.toml:1:1: `on` is missing in [[rule]]",
    );
    check_refused(
        "slots = 0",
        "config.bad_value",
        "antiphon.toml:1:9: `slots` must be a whole number from 1 to 256",
    );
    check_refused(
        "[log]\nlevel = \"loud\"",
        "config.bad_value",
        "antiphon.toml:2:9: `level` must be one of error, warn, info, debug, trace",
    );
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let check = |text: &str, message: &str| check_refused(text, "config.bad_value", message);
    check(
        TASK,
        "antiphon.toml:1:1: `command` or `builtin` is missing in [[task]]",
    );
    check(
        &format!("{TASK}command = [\"a\"]\nbuiltin = \"b\""),
        "antiphon.toml:4:11: `builtin` cannot stand beside a command",
    );
    check(
        &format!("{TASK}command = [\"a\"]\narguments = [\"b\"]"),
        "antiphon.toml:4:13: `arguments` is for a built-in; a command names its own",
    );
    check(
        &format!("{TASK}command = []"),
        "antiphon.toml:3:11: `command` must name a program",
    );
    check(
        &format!("{TASK}command = [\"a\"]\nlimits.cpu = \"1500ms\""),
        "antiphon.toml:4:14: `cpu` must be whole seconds",
    );
    let monitor = "[[monitor]]\nname = \"m\"\nemit = \"E\"\n";
    check(
        &format!("{monitor}kind = \"health\""),
        "antiphon.toml:1:1: `every` is missing in [[monitor]]",
    );
    check(
        &format!("{monitor}kind = \"health\"\nevery = \"0s\""),
        "antiphon.toml:5:9: `every` must be more than nothing",
    );
    check(
        &format!("{monitor}kind = \"expect\"\nevery = \"1s\""),
        "antiphon.toml:5:9: `every` has no meaning for kind expect",
    );
    check(
        "[retention]\nbodies = \"29d\"",
        "antiphon.toml:2:10: `bodies` must be at least 30d: keys are known for so long, and found \
         again by bodies",
    );
}

#[test]
fn witnesses_that_make_no_sense_are_refused() {
    const KEY: &str = "witness.example/w1+eb762cc2+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    const LOG: &str = "log.example/a+2030c444+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    let witness = |name: &str, url: &str, key: &str| {
        format!("[[witness]]\nname = \"{name}\"\nurl = \"{url}\"\nkey = \"{key}\"\n")
    };
    let check = |text: &str, message: &str| check_refused(text, "config.bad_value", message);
    let good = witness("W", "http://localhost", KEY);
    parse(&good).unwrap();
    check(
        &witness("W", "https://localhost", KEY),
        "antiphon.toml:3:7: `url` is no place of a witness: https is not spoken: \
         put a proxy that speaks it on this machine, and name that by http",
    );
    check(
        &witness("W", "http://localhost", LOG),
        "antiphon.toml:4:7: `key` is the key of a log, not of a witness",
    );
    check(
        &format!("{good}{}", witness("W", "http://localhost", KEY)),
        "antiphon.toml:6:8: `name` is that of another witness",
    );
    check(
        &format!("{good}{}", witness("V", "http://localhost", KEY)),
        "antiphon.toml:8:7: `key` is that of another witness",
    );
    check(
        &format!("[ledger]\ncosignatures_required = 2\n{good}"),
        "antiphon.toml:2:25: `cosignatures_required` asks for more than the 1 witnesses that are named",
    );
}

#[test]
fn what_is_left_out_has_the_default_of_the_table_of_keys() {
    let read = parse(&format!("{TASK}builtin = \"pack.work\"")).unwrap();
    assert_eq!((read.policy.slots, read.owner.log_level), (4, "info"));
    assert_eq!(read.owner.disk_reserve_bytes, None);
    assert_eq!(read.owner.retention_ms, None);
    let task = &read.policy.tasks[0];
    assert_eq!(task.agent.as_str(), "SYSTEM");
    assert_eq!((task.timeout_ms, task.grace_ms), (600_000, 5_000));
    assert_eq!(
        (task.concurrency, task.priority, task.enabled),
        (4, 5, true)
    );
    assert_eq!(
        (task.on_lost, task.on_stop),
        (Interrupted::End, Interrupted::End)
    );
    assert_eq!(task.result, ResultPolicy::Optional);
    assert_eq!(task.retry.limit, 0);
    let retried = parse(&format!("{TASK}command = [\"a\"]\nretry = {{ limit = 2 }}")).unwrap();
    let retry = retried.policy.tasks[0].retry;
    assert_eq!(
        (retry.backoff_ms, retry.factor_permille, retry.wait_ms_max),
        (1_000, 2_000, 60_000)
    );
    assert_eq!(
        parse("").unwrap().policy,
        PolicySource {
            slots: 4,
            ..Default::default()
        }
    );
}

#[test]
fn every_key_of_the_table_is_read() {
    let read = parse(include_str!("every_key.toml")).unwrap();
    assert_eq!(
        schema::keys_of(ROOT),
        schema::keys_in(include_str!("every_key.toml"))
    );
    let task = &read.policy.tasks[0];
    assert_eq!(
        task.program,
        Program::Process {
            argv: vec!["python3".into(), "a.py".into()]
        }
    );
    assert_eq!(
        (task.limits.cpu_seconds, task.limits.memory_bytes),
        (Some(30), Some(512 << 20))
    );
    assert_eq!(task.retry.factor_permille, 1_500);
    let [command, expect, look] = read.policy.monitors.as_slice() else {
        panic!("three")
    };
    let MonitorKind::Look { options, .. } = &command.kind else {
        panic!("a look")
    };
    assert_eq!(options.text(), r#"{"command":["df","-h"]}"#);
    assert!(
        matches!(&expect.kind, MonitorKind::Expect { within_ms: 60_000, expect, .. } if expect.len() == 2)
    );
    assert!(
        matches!(&look.kind, MonitorKind::Look { options, .. } if options.text() == r#"{"free":5}"#)
    );
    assert_eq!(
        read.policy.rules[0]
            .rate
            .map(|rate| (rate.limit, rate.per_ms)),
        Some((3, 3_600_000))
    );
    assert_eq!(read.owner.disk_reserve_bytes, Some(1 << 30));
    let witnesses = &read.owner.witnesses;
    assert_eq!(witnesses.policy.required, 1);
    assert_eq!(witnesses.policy.on_missing, OnMissing::Stop);
    assert_eq!(witnesses.list[0].name, "VEGA");
    assert_eq!(read.owner.retention_ms, Some(90 * 86_400_000));
}

#[test]
fn files_add_up_in_name_order_and_a_key_is_set_once() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let intent = |name: &str| format!("[[intent]]\nmatch = \"{name}\"\nemit = \"E\"\n");
    write("antiphon.toml", &intent("main"));
    write("conf.d/20-b.toml", &intent("b"));
    write("conf.d/10-a.toml", &format!("slots = 2\n{}", intent("a")));
    write("conf.d/.10-hidden.toml", "nonsense");
    write("conf.d/README", "nonsense");
    let read = Configuration::load(root.path(), None).unwrap();
    let order: Vec<_> = read
        .policy
        .intents
        .iter()
        .map(|i| i.pattern.as_str())
        .collect();
    assert_eq!((order, read.policy.slots), (vec!["main", "a", "b"], 2));

    write("conf.d/30-c.toml", "\nslots = 3\n");
    let error = Configuration::load(root.path(), None).unwrap_err();
    let at = root.path().join("conf.d").display().to_string();
    assert_eq!(error.code(), "config.conflict");
    assert_eq!(
        error.to_string(),
        format!("{at}/30-c.toml:2:9: `slots` is already set at {at}/10-a.toml:1:9")
    );
}

#[test]
fn a_root_without_a_configuration_is_empty_and_a_named_file_must_exist() {
    let root = tempfile::tempdir().unwrap();
    assert!(
        Configuration::load(root.path(), None)
            .unwrap()
            .files
            .is_empty()
    );
    let named = root.path().join("other.toml");
    let error = Configuration::load(root.path(), Some(&named)).unwrap_err();
    assert_eq!(error.code(), "config.unreadable");
}

#[test]
fn a30_a_configuration_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let check = |path: &Path, mode: u32, code: Option<&str>| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let read = Configuration::load(root.path(), None);
        assert_eq!(read.err().map(|error| error.code()), code, "{mode:o}");
    };
    let file = root.path().join(FILE);
    std::fs::write(&file, "slots = 2").unwrap();
    check(&file, 0o664, Some("config.loose"));
    check(&file, 0o602, Some("config.loose"));
    check(&file, 0o644, None);
    let folder = root.path().join(FOLDER);
    std::fs::create_dir(&folder).unwrap();
    check(&folder, 0o777, Some("config.loose"));
    check(&folder, 0o755, None);
}

#[test]
fn a_policy_error_is_found_again_in_the_file() {
    let text = "[[rule]]\nname = \"a.b\"\non = \"A\"\nemit = \"B\"\ndedupe = { key = \"x\" }\n";
    let places = parse(text).unwrap().places;
    let check = |path: &str, expect: &str| {
        let error = PolicyError {
            path: path.to_owned(),
            message: "is wrong".to_owned(),
        };
        assert_eq!(locate(&places, &error).to_string(), expect);
    };
    check("rule.a.b.on", "antiphon.toml:3:6: rule.a.b.on: is wrong");
    check(
        "rule.a.b.dedupe.key",
        "antiphon.toml:5:18: rule.a.b.dedupe.key: is wrong",
    );
    check(
        "rule.a.b.when",
        "antiphon.toml:1:1: rule.a.b.when: is wrong",
    );
    check("rule.other.when", "rule.other.when: is wrong");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "[\\[\\]a-z =\"{}.,0-9\n]{0,200}") {
        let _refused_or_read = parse(&text).is_ok();
    }
}
