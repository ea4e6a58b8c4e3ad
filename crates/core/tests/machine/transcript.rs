//! What a machine was given and what it did, as text that a reviewer can read.
//!
//! Ids become `s1`, `r1`, `l1`, `a1`, `e1` (signal, run, letter, ask, expectation) and digests of
//! policies `p1`, in the order in which they appear; times are seconds of elapsed time.

mod body;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use antiphon_core::control::Control;
use antiphon_core::id::{Digest, Id};
use antiphon_core::input::{Effect, Event, Output, Reply};
use antiphon_core::record::Record;
use antiphon_core::report::{Exit, Fate, NotStarted, Report, ResultFile};

#[derive(Default)]
pub(crate) struct Transcript {
    text: String,
    ids: BTreeMap<Id, String>,
    policies: BTreeMap<Digest, String>,
}

impl Transcript {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A remark of the journey itself.
    pub(crate) fn say(&mut self, remark: &str) {
        writeln!(self.text, "\n# {remark}").unwrap();
    }

    /// Leaves out what was written so far: the journey begins here.
    pub(crate) fn begin(&mut self) {
        self.text.clear();
    }

    pub(crate) fn event(&mut self, elapsed_ms: u64, event: &Event) {
        let told = self.told(event);
        writeln!(self.text, "\n> {} {told}", seconds(elapsed_ms)).unwrap();
    }

    pub(crate) fn kept(&mut self, output: &Output) {
        self.output("  ", output);
    }

    /// A batch that was never committed.
    pub(crate) fn lost(&mut self, output: &Output) {
        self.output("~ ", output);
    }

    pub(crate) fn killed(&mut self) {
        self.text
            .push_str("\n--- kill -9; what was not committed never happened ---\n");
    }

    fn output(&mut self, margin: &str, output: &Output) {
        for record in &output.records {
            self.record(margin, record);
        }
        for effect in &output.effects {
            let told = match effect {
                Effect::Launch { token, run } => format!("launch {token} of {}", self.id(run)),
                Effect::Stop { token, cause } => format!("stop {token}: {cause:?}"),
            };
            writeln!(self.text, "{margin}! {told}").unwrap();
        }
        let reply = match &output.reply {
            Reply::Done => return,
            Reply::Accepted { id, seq, .. } => format!("accepted {} by {seq}", self.id(id)),
            Reply::Parked { letter, code, .. } => format!("parked {}: {code}", self.id(letter)),
            Reply::Planned { run } => format!("planned {}", self.id(run)),
            Reply::Changed { count } => format!("changed {count}"),
            Reply::Full => "full".to_owned(),
            Reply::Refused(refusal) => format!("refused: {refusal}"),
        };
        writeln!(self.text, "{margin}= {reply}").unwrap();
    }

    fn record(&mut self, margin: &str, record: &Record) {
        let kind = record.body.kind();
        let mut lines = self.body(&record.body).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(self.text, "{margin}{:>3} {kind} {first}", record.seq).unwrap();
        for line in lines {
            writeln!(self.text, "{margin}      {line}").unwrap();
        }
    }

    fn told(&mut self, event: &Event) -> String {
        match event {
            Event::Started(owner) => format!("an owner starts, epoch {}", owner.epoch),
            Event::Configured(policy) => format!("configured {}", self.policy(&policy.digest())),
            Event::Signal { draft, .. } => format!("signal {} {}", draft.name, draft.facts.text()),
            Event::Intent(intent) => format!("intent {} {}", intent.file, intent.document.text()),
            Event::Malformed { what, .. } => format!("malformed {}: {}", what.subject, what.error),
            Event::Reported { token, report } => format!("report of {token}: {}", ended(report)),
            Event::NotStarted { token, why } => {
                let why = match why {
                    NotStarted::Gate => "the gate is closed".to_owned(),
                    NotStarted::Later(error) => format!("not now: {error}"),
                    NotStarted::Never(error) => format!("never: {error}"),
                };
                format!("{token} was not started, {why}")
            }
            Event::Recovered { token, fate } => {
                let found = match fate {
                    Fate::Reported(report) => format!("its exit: {}", ended(report)),
                    Fate::NeverStarted => "it was never started".to_owned(),
                    Fate::Dead => "its tree is dead".to_owned(),
                    Fate::Unproven => "nothing certain".to_owned(),
                };
                format!("recovery finds of {token}: {found}")
            }
            Event::Control(control) => self.asked(control),
            Event::OwnerGoing => "the owner is going".to_owned(),
            Event::Tick => "time has passed".to_owned(),
            Event::SnapshotWritten { at_seq, .. } => {
                format!("a snapshot after {at_seq} is written")
            }
        }
    }

    fn asked(&mut self, control: &Control) -> String {
        match control {
            Control::SetMode { mode, .. } => format!("stop: mode {}", mode.as_str()),
            Control::SwitchSeen {
                switch,
                maintenance,
            } => format!("files: switch {switch:?}, maintenance {maintenance}"),
            Control::Cancel { run, .. } => format!("cancel {}", self.id(run)),
            Control::RetryRun { ended, .. } => format!("retry {}", self.id(&ended.id)),
            Control::Answer { ask, permit, .. } => {
                let answer = if *permit { "permit" } else { "deny" };
                format!("{answer} {}", self.id(ask))
            }
            Control::SetTask { task, enabled, .. } => match enabled {
                Some(true) => format!("enable {task}"),
                Some(false) => format!("disable {task}"),
                None => format!("leave {task} to the configuration"),
            },
            Control::ReplayLetter { letter, .. } => format!("replay {}", self.id(letter)),
            Control::PurgeLetters {
                letters,
                older_than_ms,
                ..
            } => {
                if letters.is_empty() {
                    format!("purge letters older than {}", seconds(*older_than_ms))
                } else {
                    format!("purge {}", self.all(letters))
                }
            }
            Control::CloseBreaker { rule, .. } => format!("close the breaker of {rule}"),
            Control::RegisterKey(body) => format!("register {} of {}", body.key.id(), body.agent),
            Control::RotateKey(body) => format!("rotate {} of {}", body.of, body.agent),
            Control::RevokeKey(body) => format!("revoke {} of {}", body.of, body.agent),
        }
    }

    fn id(&self, id: &Id) -> String {
        self.ids.get(id).cloned().unwrap_or_else(|| "?".to_owned())
    }

    fn all(&self, ids: &[Id]) -> String {
        let names: Vec<String> = ids.iter().map(|id| self.id(id)).collect();
        names.join(" ")
    }

    /// Gives a new thing of kind `letter` its short name.
    fn name(&mut self, letter: char, id: &Id) -> String {
        let number = 1 + self.ids.values().filter(|n| n.starts_with(letter)).count();
        let name = self.ids.entry(*id);
        name.or_insert_with(|| format!("{letter}{number}")).clone()
    }

    fn policy(&mut self, digest: &Digest) -> String {
        let number = self.policies.len() + 1;
        let name = self.policies.entry(*digest);
        name.or_insert_with(|| format!("p{number}")).clone()
    }
}

/// `ms` as seconds.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// How an attempt ended, in a few words.
fn ended(report: &Report) -> String {
    let exit = match report.exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    };
    let when = if report.exited_before_stop {
        ""
    } else {
        " after the stop"
    };
    let result = match &report.result {
        ResultFile::Absent => String::new(),
        ResultFile::Invalid(why) => format!(", unusable result: {why}"),
        ResultFile::Valid(facts) => format!(", result {}", facts.text()),
    };
    format!("{exit}{when}{result}")
}
