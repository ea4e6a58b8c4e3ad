//! What may happen, small enough to shrink, and the policies that it happens under.

use antiphon_core::control::Control;
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::id::{Digest, Id};
use antiphon_core::input::{Event, Malformed};
use antiphon_core::key::{LOG, OPERATOR, OWNER, RECOVERY};
use antiphon_core::policy::{PolicySource, Rate, RuleSource, WorkerSource};
use antiphon_core::record::{KeyRegistered, KeyRevoked, KeyRotated};
use antiphon_core::report::{Fate, NotStarted, Report};
use antiphon_core::run::Completions;
use antiphon_core::state::State;
use antiphon_core::task::{Interrupted, ResultPolicy, Task};
use proptest::prelude::*;

use super::watch::Watched;
use crate::fixture::{
    agent, dedupe, exited, expectation, gave, key, killed, lock, retry, rule, rule_name, signal,
    starts, task, task_name, worker,
};
use crate::world::outside;

/// One thing that happens; numbers choose among what is there at that moment.
#[derive(Clone, Debug)]
pub(crate) enum Happens {
    Signal {
        name: usize,
        n: u8,
    },
    Malformed,
    Report {
        which: usize,
        how: u8,
    },
    StrayReport {
        token: u64,
    },
    NotStarted {
        which: usize,
        how: u8,
    },
    Cancel {
        which: usize,
    },
    Answer {
        which: usize,
        permit: bool,
    },
    Mode(u8),
    Files {
        switch: u8,
        maintenance: bool,
    },
    SetTask {
        which: usize,
        enabled: Option<bool>,
    },
    Key {
        which: usize,
        how: u8,
        number: u8,
        ago: u64,
    },
    Replay {
        which: usize,
    },
    Purge {
        which: usize,
    },
    CloseBreaker,
    Configure {
        which: usize,
    },
    Wait {
        ms: u64,
    },
    WallJump {
        ms: i64,
    },
    Kill {
        loses: bool,
        reboots: bool,
        fate: u8,
    },
    OwnerGoing,
}

const NAMES: [&str; 11] = [
    "Q_GO",
    "Q_LOCK",
    "Q_SLOW",
    "Q_ASK",
    "Q_KEY",
    "Q_CLEAR",
    "Q_FAIL",
    "Q_ECHO",
    "Q_LOOP",
    "Q_WORK_DONE",
    "Q_OFTEN",
];
const TASKS: [&str; 4] = ["work", "locked-a", "locked-b", "slow"];

const AGENTS: [&str; 6] = ["LARS", "FINN", LOG, OPERATOR, OWNER, RECOVERY];

pub(crate) fn story(length: usize) -> impl Strategy<Value = Vec<Happens>> {
    proptest::collection::vec(happens(), 1..length)
}

fn happens() -> impl Strategy<Value = Happens> {
    let which = || 0..4_usize;
    prop_oneof![
        8 => (0..NAMES.len(), 0..4_u8).prop_map(|(name, n)| Happens::Signal { name, n }),
        8 => (which(), 0..6_u8).prop_map(|(which, how)| Happens::Report { which, how }),
        5 => (0..90_000_u64).prop_map(|ms| Happens::Wait { ms }),
        2 => (which(), 0..3_u8).prop_map(|(which, how)| Happens::NotStarted { which, how }),
        2 => which().prop_map(|which| Happens::Cancel { which }),
        2 => (which(), any::<bool>()).prop_map(|(which, permit)| Happens::Answer { which, permit }),
        2 => (any::<bool>(), any::<bool>(), 0..4_u8)
            .prop_map(|(loses, reboots, fate)| Happens::Kill { loses, reboots, fate }),
        1 => Just(Happens::Malformed),
        1 => (0..200_u64).prop_map(|token| Happens::StrayReport { token }),
        1 => (0..4_u8).prop_map(Happens::Mode),
        1 => (0..3_u8, any::<bool>())
            .prop_map(|(switch, maintenance)| Happens::Files { switch, maintenance }),
        1 => (which(), any::<Option<bool>>())
            .prop_map(|(which, enabled)| Happens::SetTask { which, enabled }),
        2 => (0..AGENTS.len(), 0..4_u8, 1..30_u8, 0..20_u64)
            .prop_map(|(which, how, number, ago)| Happens::Key { which, how, number, ago }),
        1 => which().prop_map(|which| Happens::Replay { which }),
        1 => which().prop_map(|which| Happens::Purge { which }),
        1 => Just(Happens::CloseBreaker),
        1 => (0..2_usize).prop_map(|which| Happens::Configure { which }),
        1 => prop_oneof![Just(-259_200_000_i64), Just(31_536_000_000), -70_000..70_000_i64]
            .prop_map(|ms| Happens::WallJump { ms }),
        1 => Just(Happens::OwnerGoing),
    ]
}

/// Two policies: rules, workers, locks and an expectation; and the same with one slot, other texts
/// of its tasks and one task fewer.
pub(crate) fn policies() -> [PolicySource; 2] {
    let both_ends = |name: &str| Task {
        lock: Some(lock("disk")),
        on_lost: Interrupted::Retry,
        retry: retry(1),
        ..task(name)
    };
    let work = Task {
        concurrency: 2,
        on_stop: Interrupted::Retry,
        priority: 1,
        retry: retry(2),
        ..task("work")
    };
    let slow = Task {
        result: ResultPolicy::Required,
        ..task("slow")
    };
    let first = PolicySource {
        monitors: vec![expectation(
            "answers",
            "Q_GO",
            "Q_WORK_DONE",
            30_000,
            "Q_SILENT",
        )],
        rules: rules(),
        slots: 3,
        tasks: vec![work, both_ends("locked-a"), both_ends("locked-b"), slow],
        workers: vec![
            worker("Q_GO", "work", "Q_WORK"),
            worker("Q_LOCK", "locked-a", "Q_LOCKED"),
            worker("Q_LOCK", "locked-b", "Q_LOCKED"),
            worker("Q_SLOW", "slow", "Q_SLOW"),
            looping(),
        ],
        ..PolicySource::default()
    };
    let mut second = first.clone();
    second.slots = 1;
    second.tasks.retain(|task| task.name.as_str() != "locked-b");
    second
        .workers
        .retain(|worker| worker.task.as_str() != "locked-b");
    second.rules.remove(0);
    for task in &mut second.tasks {
        task.timeout_ms = 5_000;
        task.start_within_ms = Some(3_000);
        task.concurrency = 1;
    }
    [first, second]
}

/// A worker whose end, through a rule, is its beginning.
fn looping() -> WorkerSource {
    WorkerSource {
        emits: Completions {
            succeeded: Some(signal("Q_LOOPED")),
            ..Completions::default()
        },
        ..worker("Q_LOOP", "work", "Q_LOOP")
    }
}

fn rules() -> Vec<RuleSource> {
    let asking = RuleSource {
        approve: Some("operator".to_owned()),
        approve_within_ms: 60_000,
        emit: Some(signal("Q_GO")),
        ..starts("asks", "Q_ASK", "slow")
    };
    vec![
        RuleSource {
            dedupe: Some(dedupe("string(facts.n)", "Q_CLEAR")),
            ..rule("keys", "Q_KEY", "Q_GO")
        },
        asking,
        RuleSource {
            when: Some("facts.missing == 1".to_owned()),
            ..rule("fails", "Q_FAIL", "Q_GO")
        },
        rule("echoes", "Q_ECHO", "Q_ECHO"),
        rule("loops", "Q_LOOPED", "Q_LOOP"),
        rule("clears", "Q_WORK_DONE", "Q_CLEAR"),
        RuleSource {
            cooldown_ms: 2_000,
            rate: Some(Rate {
                limit: 3,
                per_ms: 60_000,
            }),
            when: Some("state.count.Q_OFTEN >= 0".to_owned()),
            ..starts("often", "Q_OFTEN", "work")
        },
        RuleSource {
            facts: Some(r#"{"n": 9, "after": facts.after}"#.to_owned()),
            ..rule("alarms", "Q_SILENT", "Q_SLOW")
        },
    ]
}

pub(crate) fn play(world: &mut Watched, happens: &Happens) {
    match *happens {
        Happens::Signal { name, n } => {
            world.step(outside(NAMES[name], &format!(r#"{{"n":{n}}}"#)));
        }
        Happens::Malformed => world.step(malformed()),
        Happens::Report { which, how } => {
            if let Some(token) = pick(&world.tokens(), which) {
                let report = Box::new(report(how));
                world.step(Event::Reported { token, report });
            }
        }
        Happens::StrayReport { token } => {
            if !world.tokens().contains(&token) {
                world.stray(token);
            }
        }
        Happens::NotStarted { which, how } => {
            if let Some(token) = pick(&world.tokens(), which) {
                let why = not_started(how);
                world.step(Event::NotStarted { token, why });
            }
        }
        Happens::Wait { ms } => {
            world.wait(ms);
            world.step(Event::Tick);
        }
        Happens::WallJump { ms } => {
            world.jump(ms);
            world.step(Event::Tick);
        }
        Happens::Configure { which } => world.configure(which),
        Happens::Kill {
            loses,
            reboots,
            fate,
        } => world.kill(loses, reboots, &self::fate(fate)),
        Happens::OwnerGoing => world.step(Event::OwnerGoing),
        ref asked => {
            if let Some(control) = control(world, asked) {
                world.step(Event::Control(control));
            }
        }
    }
}

fn control(world: &Watched, happens: &Happens) -> Option<Control> {
    let state = world.state();
    let by = "ada".to_owned();
    Some(match *happens {
        Happens::Cancel { which } => Control::Cancel {
            run: any_of(state.runs.keys().copied(), which)?,
            by,
        },
        Happens::Answer { which, permit } => Control::Answer {
            ask: any_of(state.asks.keys().copied(), which)?,
            permit,
            by,
        },
        Happens::Replay { which } => Control::ReplayLetter {
            letter: any_of(state.letters.keys().copied(), which)?,
            by,
        },
        Happens::Purge { which } => Control::PurgeLetters {
            letters: any_of(state.letters.keys().copied(), which)
                .into_iter()
                .collect(),
            older_than_ms: 60_000,
            by,
        },
        Happens::Mode(which) => Control::SetMode {
            mode: [Mode::Normal, Mode::Drain, Mode::Pause, Mode::Kill][usize::from(which)],
            by,
            reason: String::new(),
        },
        Happens::Files {
            switch,
            maintenance,
        } => Control::SwitchSeen {
            switch: [Switch::Clear, Switch::Engaged, Switch::Unreadable][usize::from(switch)],
            maintenance,
        },
        Happens::SetTask { which, enabled } => Control::SetTask {
            task: task_name(TASKS[which]),
            enabled,
            by,
        },
        Happens::Key {
            which,
            how,
            number,
            ago,
        } => key_event(state, AGENTS[which], how, number, ago),
        Happens::CloseBreaker => Control::CloseBreaker {
            rule: rule_name("echoes"),
            by,
        },
        _ => return None,
    })
}

/// Something about the key of `name`, which more often than not makes sense.
fn key_event(state: &State, name: &str, how: u8, number: u8, ago: u64) -> Control {
    let (agent, by) = (agent(name), "ada".to_owned());
    let valid = state.keys.active(name);
    let of = valid.map_or_else(|| key(name, number).id(), |active| active.key.id());
    let custodial = matches!(name, LOG | OPERATOR | OWNER) || (name != RECOVERY && number > 15);
    let key = key(name, number);
    match how {
        0 => Control::RegisterKey(Box::new(KeyRegistered {
            agent,
            by,
            custodial,
            key,
        })),
        1 => Control::RevokeKey(Box::new(KeyRevoked {
            agent,
            by,
            custodial,
            from_seq: ago
                .checked_sub(1)
                .map(|ago| state.next_seq.saturating_sub(ago)),
            key,
            of,
            reason: "a test".to_owned(),
        })),
        _ => Control::RotateKey(Box::new(KeyRotated {
            agent,
            by,
            custodial,
            key,
            of,
        })),
    }
}

fn any_of(ids: impl Iterator<Item = Id>, which: usize) -> Option<Id> {
    pick(&ids.collect::<Vec<Id>>(), which)
}

fn pick<T: Copy>(all: &[T], which: usize) -> Option<T> {
    let place = which.checked_rem(all.len())?;
    all.get(place).copied()
}

fn report(how: u8) -> Report {
    match how {
        0 => exited(0),
        1 => exited(1),
        2 => killed(),
        3 => Report {
            exited_before_stop: false,
            ..exited(0)
        },
        _ => gave(r#"{"n":1}"#),
    }
}

fn not_started(how: u8) -> NotStarted {
    match how {
        0 => NotStarted::Gate,
        1 => NotStarted::Later("EAGAIN".to_owned()),
        _ => NotStarted::Never("ENOENT".to_owned()),
    }
}

fn fate(which: u8) -> Fate {
    match which {
        0 => Fate::NeverStarted,
        1 => Fate::Dead,
        2 => Fate::Unproven,
        _ => Fate::Reported(Box::new(gave("{}"))),
    }
}

fn malformed() -> Event {
    Event::Malformed {
        what: Box::new(Malformed {
            subject: "intent:x.json".to_owned(),
            code: "json.syntax".to_owned(),
            error: "no JSON".to_owned(),
            excerpt: "{".to_owned(),
            sha256: Digest::of(b"{"),
        }),
        key: None,
    }
}
