//! What is hostile: files in the inbox of a running owner, and requests to its API.

mod requests;

use std::ffi::CString;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::{Site, until};

const CONFIGURATION: &str = r#"
slots = 1

[[intent]]
match = "greeting"
emit = "Q_HELLO"
facts = '{"n": data.n}'
"#;

/// How the name of a file that says why another was refused ends.
const REASON: &str = ".reason.json";

fn greeting(n: usize) -> Vec<u8> {
    json!({"type": "greeting", "id": "1", "data": {"n": n}})
        .to_string()
        .into_bytes()
}

/// Bytes that are no intent, their names, and the codes by which they are refused.
fn bad_contents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let facts = |text: &str| format!(r#"{{"type":"greeting","data":{{"n":{text}}}}}"#).into_bytes();
    vec![
        ("empty.json", vec![], "json.syntax"),
        ("no_json.json", b"hello".to_vec(), "json.syntax"),
        ("half.json", greeting(1)[..20].to_vec(), "json.syntax"),
        ("list.json", b"[1]".to_vec(), "json.not_an_object"),
        ("no_type.json", b"{}".to_vec(), "intent.no_type"),
        (
            "unknown.json",
            br#"{"type":"other","data":{}}"#.to_vec(),
            "intent.no_mapping",
        ),
        (
            "bytes.json",
            b"{\"type\":\"\xff\"}".to_vec(),
            "json.not_utf8",
        ),
        ("nul.json", b"{\"type\":\"a\0\"}".to_vec(), "json.syntax"),
        ("surrogate.json", facts(r#""\ud800""#), "json.surrogate"),
        ("deep.json", facts(&deep), "json.too_deep"),
        (
            "twice.json",
            br#"{"type":"greeting","type":"greeting"}"#.to_vec(),
            "json.duplicate_key",
        ),
        (
            "escaped_twice.json",
            br#"{"type":"greeting","\u0074ype":"b"}"#.to_vec(),
            "json.duplicate_key",
        ),
        ("nan.json", facts("NaN"), "json.syntax"),
        ("infinite.json", facts("1e400"), "json.number_range"),
        (
            "large_number.json",
            facts("18446744073709551616"),
            "json.number_range",
        ),
        ("large.json", vec![b' '; 5 << 20], "intent.too_large"),
        ("-rf.json", b"{".to_vec(), "json.syntax"),
    ]
}

/// Waits until nothing is left in the inbox, and gives the code that each rejected file bears.
fn codes(site: &Site, count: usize) -> Vec<(String, String)> {
    // Drafts of reasons begin with a dot.
    let reasons = || {
        let mut names = site.rejected();
        names.retain(|name| !name.starts_with('.') && name.ends_with(REASON));
        names
    };
    until("all is answered", || {
        (site.inbox().is_empty() && reasons().len() == count).then_some(())
    });
    let folder = site.root.join("intents/rejected");
    let mut codes = Vec::new();
    for name in reasons() {
        let file = name.strip_suffix(REASON).unwrap();
        let text = std::fs::read(folder.join(&name)).unwrap();
        let reason: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(reason["file"], file);
        assert!(
            folder.join(file).symlink_metadata().is_ok(),
            "{file} itself is kept"
        );
        codes.push((file.to_owned(), reason["code"].as_str().unwrap().to_owned()));
    }
    codes
}

#[test]
fn a11_f40_bad_files_are_set_aside_with_the_reason_and_stop_nobody() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    // Once it has taken one file its first walk is over: what is dropped now is met once, and bears
    // the reason for which it was refused, not that it was refused before.
    site.drop_intent("good.json", &greeting(7));
    until("it is taken", || site.inbox().is_empty().then_some(()));
    let bad = bad_contents();
    for (name, content, _) in &bad {
        site.drop_intent(name, content);
    }
    site.drop_intent("good.json", &greeting(8));
    let found = codes(&site, bad.len());
    let mut expected: Vec<(String, String)> = bad
        .iter()
        .map(|(name, _, code)| ((*name).to_owned(), (*code).to_owned()))
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    let good = site.ask(&["signal", "list"]);
    let good: Vec<&Value> = good.iter().map(|it| &it["facts"]["n"]).collect();
    assert_eq!(good, [7, 8]);
    let letters = site.ask(&["dlq", "list"]);
    assert_eq!(letters.len(), bad.len());
    owner.stop();
    site.verify();
}

#[test]
fn a7_a8_a9_what_is_no_plain_file_is_never_read() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let intents = site.root.join("intents");
    let secret = site.outside.join("secret.json");
    std::fs::write(&secret, greeting(1)).unwrap();
    symlink(&secret, intents.join("link.json")).unwrap();
    std::fs::hard_link(&secret, intents.join("hard.json")).unwrap();
    let pipe = CString::new(intents.join("pipe.json").to_str().unwrap()).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    std::fs::create_dir(intents.join("folder.json")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(intents.join("socket.json")).unwrap();
    let found = codes(&site, 5);
    let expected = [
        ("folder.json", "intent.not_a_file"),
        ("hard.json", "intent.link"),
        ("link.json", "intent.link"),
        ("pipe.json", "intent.not_a_file"),
        ("socket.json", "intent.not_a_file"),
    ];
    assert_eq!(
        found,
        expected.map(|(name, code)| (name.to_owned(), code.to_owned()))
    );
    assert_eq!(
        std::fs::read(&secret).unwrap(),
        greeting(1),
        "what lies outside is untouched"
    );
    let ignored = [".hidden.json", "note.txt"];
    for name in ignored {
        std::fs::write(intents.join(name), "x").unwrap();
    }
    site.drop_intent("good.json", &greeting(7));
    owner.wait_status("the good one is in", |_| {
        !site.inbox().contains(&"good.json".to_owned())
    });
    assert_eq!(site.inbox(), ignored, "other names are left alone");
    assert_eq!(site.ask(&["signal", "list"]).len(), 1);
    owner.stop();
}

#[test]
fn a11_ten_thousand_files_at_once_half_of_them_alike_are_all_routed_and_none_twice() {
    const PAIRS: usize = 5_000;
    let site = Site::new(CONFIGURATION);
    let prepared = site.root.join("prepared");
    std::fs::create_dir(&prepared).unwrap();
    for n in 0..PAIRS {
        std::fs::write(prepared.join(format!("{n}.json")), greeting(n)).unwrap();
        std::fs::write(prepared.join(format!("{n}-again.json")), greeting(n)).unwrap();
    }
    let owner = site.serve();
    for entry in std::fs::read_dir(&prepared).unwrap() {
        let entry = entry.unwrap();
        std::fs::rename(
            entry.path(),
            site.root.join("intents").join(entry.file_name()),
        )
        .unwrap();
    }
    until("all are taken", || site.inbox().is_empty().then_some(()));
    assert!(site.rejected().is_empty());
    let limit = (3 * PAIRS).to_string();
    let signals = site.ask(&["signal", "list", "--limit", &limit]);
    let mut counts = vec![0; PAIRS];
    for signal in &signals {
        counts[usize::try_from(signal["facts"]["n"].as_u64().unwrap()).unwrap()] += 1;
    }
    assert!(
        counts.iter().all(|count| *count == 2),
        "each pair is two intents"
    );

    // The same name and bytes later are a new intent.
    site.drop_intent("1.json", &greeting(1));
    until("it is taken", || site.inbox().is_empty().then_some(()));
    assert_eq!(
        site.ask(&["signal", "list", "--limit", &limit]).len(),
        2 * PAIRS + 1
    );
    owner.stop();
    site.verify();
}

#[test]
fn f49_f50_only_what_is_whole_is_taken_and_a_new_inbox_is_found() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let count = || site.ask(&["signal", "list"]).len();
    let path = site.root.join("intents/slow.json");
    let mut file = std::fs::File::create(&path).unwrap();
    let content = greeting(1);
    let (half, rest) = content.split_at(content.len() / 2);
    std::io::Write::write_all(&mut file, half).unwrap();
    site.drop_intent("whole.json", &greeting(2));
    until("the whole one is taken", || (count() == 1).then_some(()));
    assert_eq!(site.inbox(), ["slow.json"], "the open one waits");
    std::io::Write::write_all(&mut file, rest).unwrap();
    drop(file);
    until("it is taken when it is closed", || {
        (count() == 2).then_some(())
    });

    std::fs::rename(site.root.join("intents"), site.outside.join("gone")).unwrap();
    let inbox = site.root.join("new");
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("a.json"), greeting(3)).unwrap();
    std::fs::rename(&inbox, site.root.join("intents")).unwrap();
    until("what came with the new inbox is taken", || {
        (count() == 3).then_some(())
    });
    site.drop_intent("b.json", &greeting(4));
    until("so is what comes later", || (count() == 4).then_some(()));
    owner.stop();
}
