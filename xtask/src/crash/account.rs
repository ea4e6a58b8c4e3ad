//! The account: what the log and the sink hold against what was promised.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::load::Promises;
use crate::client::text;

/// Everything that the end of a run is judged by.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) promises: &'a Promises,
    /// Whether bodies were pruned: then what is not there says nothing.
    pub(crate) is_pruned: bool,
    /// Signals of the load, as `signal list` prints them.
    pub(crate) signals: &'a [Value],
    /// Dead letters, as `dlq list` prints them.
    pub(crate) letters: &'a [Value],
    /// The export of the dead letters.
    pub(crate) export: &'a str,
    /// Runs, as `run list` prints them.
    pub(crate) runs: &'a [Value],
    /// Lines of the sink: token, run, attempt, process.
    pub(crate) sink: &'a str,
}

/// Dead letters that the export holds: the newest.
const EXPORT_MAX: u64 = 1_000;
/// Instances of one kind of fault that are kept to show.
const EXAMPLES_MAX: usize = 5;

/// What is no fault when bodies were pruned.
const PRUNED: [&str; 5] = [
    "acknowledged signal lost",
    "dropped file lost",
    "unrouted file lost",
    "export is not what the log holds",
    "start without a run",
];

/// A kind of fault that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    pub(crate) count: u64,
    /// The first few.
    pub(crate) examples: Vec<String>,
}

/// The figures of a run. There must be no faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    pub(crate) acknowledgements: u64,
    pub(crate) signals_promised: u64,
    pub(crate) files_promised: u64,
    pub(crate) unrouted_promised: u64,
    pub(crate) letters: u64,
    pub(crate) signals_in_log: u64,
    pub(crate) runs: u64,
    pub(crate) runs_by_state: BTreeMap<String, u64>,
    pub(crate) starts: u64,
    pub(crate) faults: BTreeMap<&'static str, Fault>,
}

impl Account {
    pub(crate) fn draw(evidence: &Evidence<'_>) -> Self {
        let mut account = Self {
            acknowledgements: evidence.promises.acknowledgements,
            signals_promised: count(&evidence.promises.signals),
            files_promised: count(&evidence.promises.files),
            unrouted_promised: count(&evidence.promises.unrouted),
            letters: count(evidence.letters),
            signals_in_log: count(evidence.signals),
            runs: count(evidence.runs),
            starts: count(evidence.sink.lines()),
            ..Self::default()
        };
        account.settle_signals(evidence);
        account.settle_letters(evidence);
        account.settle_runs(evidence);
        if evidence.is_pruned {
            account.faults.retain(|kind, _| !PRUNED.contains(kind));
        }
        account
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Adds something that was found wrong beside the account itself.
    pub(crate) fn fault(&mut self, kind: &'static str, what: impl Into<String>) {
        let fault = self.faults.entry(kind).or_default();
        fault.count += 1;
        if fault.examples.len() < EXAMPLES_MAX {
            fault.examples.push(what.into());
        }
    }

    fn settle_signals(&mut self, evidence: &Evidence<'_>) {
        let mut by_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for signal in evidence.signals {
            let id = text(signal, "id");
            if !ids.insert(id) {
                self.fault("signal listed twice", id);
            }
            let key = signal.get("facts").map_or("", |facts| text(facts, "key"));
            by_key.entry(key).or_default().push(id);
        }
        for (key, ids) in &by_key {
            if ids.len() > 1 {
                self.fault("signal accepted twice", format!("{key}: {}", ids.join(" ")));
            }
        }
        for (key, id) in &evidence.promises.signals {
            if !ids.contains(id.as_str()) {
                self.fault("acknowledged signal lost", format!("{key}: {id}"));
            }
        }
        for key in &evidence.promises.contradictions {
            self.fault("key acknowledged as two signals", key);
        }
        for key in &evidence.promises.files {
            if !by_key.contains_key(key.as_str()) {
                self.fault("dropped file lost", key);
            }
        }
    }

    /// Each file that nothing routes is one dead letter, and each of those is in the export.
    fn settle_letters(&mut self, evidence: &Evidence<'_>) {
        let mut subjects: BTreeMap<&str, u64> = BTreeMap::new();
        for letter in evidence.letters {
            *subjects.entry(text(letter, "subject")).or_default() += 1;
        }
        for (subject, letters) in &subjects {
            if *letters > 1 && subject.starts_with("intent:") {
                self.fault("file parked twice", *subject);
            }
        }
        for name in &evidence.promises.unrouted {
            if !subjects.contains_key(format!("intent:{name}").as_str()) {
                self.fault("unrouted file lost", name);
            }
        }
        let mut exported = 0;
        for line in evidence.export.lines() {
            exported += 1;
            if serde_json::from_str::<Value>(line).is_err() {
                self.fault("line of the export torn", line);
            }
        }
        if exported != count(evidence.letters).min(EXPORT_MAX) {
            let what = format!("{exported} of {}", evidence.letters.len());
            self.fault("export is not what the log holds", what);
        }
    }

    fn settle_runs(&mut self, evidence: &Evidence<'_>) {
        let mut starts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut started_runs = BTreeSet::new();
        for line in evidence.sink.lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                [token, run, _attempt, _process] => {
                    *starts.entry(token).or_default() += 1;
                    started_runs.insert(*run);
                }
                _ => self.fault("line of the sink torn", line),
            }
        }
        for (token, times) in starts {
            if times > 1 {
                self.fault("token started twice", format!("{token}: {times} starts"));
            }
        }
        let mut runs = BTreeSet::new();
        for run in evidence.runs {
            let (id, state) = (text(run, "id"), text(run, "state"));
            runs.insert(id);
            *self.runs_by_state.entry(state.to_owned()).or_default() += 1;
            if state == "succeeded" && !started_runs.contains(id) {
                self.fault("run succeeded without a start", id);
            }
        }
        for run in started_runs.difference(&runs) {
            self.fault("start without a run", *run);
        }
    }
}

fn count<T>(items: impl IntoIterator<Item = T>) -> u64 {
    items.into_iter().map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn promises() -> Promises {
        Promises {
            signals: BTreeMap::from([("0-0".to_owned(), "A".to_owned())]),
            files: vec!["file-0".to_owned()],
            unrouted: vec!["file-7.json".to_owned()],
            acknowledgements: 1,
            contradictions: Vec::new(),
        }
    }

    fn check(signals: &[Value], runs: &[Value], sink: &str, faults: &[&str]) {
        let letters = [json!({"subject": "intent:file-7.json"})];
        check_letters(signals, &letters, "{}\n", runs, sink, faults);
    }

    fn check_letters(
        signals: &[Value],
        letters: &[Value],
        export: &str,
        runs: &[Value],
        sink: &str,
        faults: &[&str],
    ) {
        let promises = promises();
        let account = Account::draw(&Evidence {
            promises: &promises,
            is_pruned: false,
            signals,
            letters,
            export,
            runs,
            sink,
        });
        let found: Vec<&str> = account.faults.keys().copied().collect();
        assert_eq!(found, faults);
    }

    fn signal(id: &str, key: &str) -> Value {
        json!({"id": id, "facts": {"key": key}})
    }

    fn run(id: &str, state: &str) -> Value {
        json!({"id": id, "state": state})
    }

    #[test]
    fn what_was_promised_and_is_there_once_is_sound() {
        let signals = [
            signal("A", "0-0"),
            signal("B", "file-0"),
            signal("C", "0-1"),
        ];
        check(
            &signals,
            &[run("R", "succeeded")],
            "7 R 1 51\n9 R 2 52\n",
            &[],
        );
    }

    #[test]
    fn what_is_missing_is_found() {
        check(
            &[],
            &[],
            "",
            &["acknowledged signal lost", "dropped file lost"],
        );
    }

    #[test]
    fn what_is_there_twice_is_found() {
        let twice = [
            signal("A", "0-0"),
            signal("B", "0-0"),
            signal("C", "file-0"),
        ];
        check(&twice, &[], "", &["signal accepted twice"]);
        let listed = [
            signal("A", "0-0"),
            signal("A", "0-0"),
            signal("C", "file-0"),
        ];
        check(
            &listed,
            &[],
            "",
            &["signal accepted twice", "signal listed twice"],
        );
    }

    #[test]
    fn starts_that_the_log_does_not_explain_are_found() {
        let signals = [signal("A", "0-0"), signal("B", "file-0")];
        check(
            &signals,
            &[run("R", "failed")],
            "7 R 1 51\n7 R 1 52\n",
            &["token started twice"],
        );
        check(&signals, &[], "7 R 1 51\n", &["start without a run"]);
        check(
            &signals,
            &[run("R", "succeeded")],
            "",
            &["run succeeded without a start"],
        );
        check(&signals, &[], "7 R 1", &["line of the sink torn"]);
    }
    #[test]
    fn an_unrouted_file_without_its_letter_and_a_stale_export_are_found() {
        let signals = [signal("A", "0-0"), signal("B", "file-0")];
        let letter = json!({"subject": "intent:file-7.json"});
        let with = |letters: &[Value], export: &str, faults: &[&str]| {
            check_letters(&signals, letters, export, &[], "", faults);
        };
        with(&[], "", &["unrouted file lost"]);
        with(
            &[letter.clone(), letter.clone()],
            "{}\n{}\n",
            &["file parked twice"],
        );
        let one = [letter];
        with(&one, "", &["export is not what the log holds"]);
        with(&one, "{\n", &["line of the export torn"]);
    }
}
