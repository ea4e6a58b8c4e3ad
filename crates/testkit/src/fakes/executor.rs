//! Hands that start nothing, remember everything, and report when a test says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use antiphon_core::report::{Exit, Fate, NotStarted, Output, Report, ResultFile, StopCause};
use antiphon_engine::ports::executor::{Answer, Executor, ExecutorEvent, Launch};
use tokio::sync::{mpsc, watch};

/// Events that may wait for the loop.
const EVENTS_MAX: usize = 4_096;
/// How often a tree that dies late lets others go first.
const YIELDS_OF_DYING: u32 = 50;

/// What becomes of what is launched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It runs until it is told to stop, killed or finished by the test.
    #[default]
    Runs,
    /// It succeeds at once.
    Succeeds,
    /// It runs, and a stop does not stop it; a kill does, a moment later.
    Ignores,
    /// It runs whatever it is told.
    Immortal,
    /// Its launch is never answered.
    Silent,
}

/// What the engine asked of the executor, in order.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Attempts whose process exists.
    pub launched: Vec<Launch>,
    /// Stops, also of tokens that were not known.
    pub stopped: Vec<(u64, StopCause)>,
    /// How often everything was killed.
    pub kills: u32,
    /// Settlements that became durable.
    pub forgotten: Vec<u64>,
    /// Leases of a lost owner that were asked about.
    pub recovered: Vec<u64>,
    /// Tokens whose process exists.
    pub running: BTreeSet<u64>,
}

impl Seen {
    /// The tokens of all launches.
    #[must_use]
    pub fn tokens(&self) -> Vec<u64> {
        self.launched.iter().map(|launch| launch.token).collect()
    }
}

/// The hands of one owner.
#[derive(Clone, Debug)]
pub struct FakeExecutor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    events: mpsc::Sender<ExecutorEvent>,
}

#[derive(Debug, Default)]
struct Inner {
    seen: Seen,
    manner: Manner,
    /// How often a launch yields before its process exists.
    yields: u32,
    refusals: VecDeque<NotStarted>,
    fates: BTreeMap<u64, Fate>,
}

impl FakeExecutor {
    /// Hands that do as `manner` says, and what they tell the loop.
    #[must_use]
    pub fn new(manner: Manner) -> (Self, mpsc::Receiver<ExecutorEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let inner = Inner {
            manner,
            ..Inner::default()
        };
        let shared = Shared {
            inner: Mutex::new(inner),
            changed: watch::Sender::new(0),
            events,
        };
        (Self(Arc::new(shared)), receiver)
    }

    /// From now on things go in this manner.
    pub fn set_manner(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    /// A launch lets others go first so many times before its process exists.
    pub fn set_yields(&self, yields: u32) {
        self.lock().yields = yields;
    }

    /// The next launch that is not refused yet is refused.
    pub fn refuse(&self, why: NotStarted) {
        self.lock().refusals.push_back(why);
    }

    /// What became of `token`, when a later owner asks; else nothing is known of it.
    pub fn set_fate(&self, token: u64, fate: Fate) {
        self.lock().fates.insert(token, fate);
    }

    /// What was asked so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }

    /// Waits until what was asked is as `is_there` says, and gives it.
    pub async fn until(&self, is_there: impl Fn(&Seen) -> bool) -> Seen {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let seen = self.seen();
            if is_there(&seen) {
                return seen;
            }
            changed.changed().await.unwrap();
        }
    }

    /// The tree of `token` is dead: it is reported.
    pub fn finish(&self, token: u64, report: Report) {
        self.lock().seen.running.remove(&token);
        self.tell(ExecutorEvent::Reported {
            token,
            report: Box::new(report),
        });
        self.note();
    }

    /// The executor cannot go on.
    pub fn lose(&self) {
        self.tell(ExecutorEvent::Lost {
            reason: "the spawner is gone".to_owned(),
        });
    }

    fn tell(&self, event: ExecutorEvent) {
        // The loop is gone when nobody listens.
        self.0.events.try_send(event).ok();
    }

    fn note(&self) {
        self.0
            .changed
            .send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap()
    }

    fn die_all(&self, tokens: &[u64]) {
        for token in tokens {
            if self.lock().seen.running.contains(token) {
                self.die(*token, 9);
            }
        }
    }

    fn die(&self, token: u64, signal: i32) {
        let mut report = report(Exit::Signal(signal));
        report.exited_before_stop = false;
        self.finish(token, report);
    }
}

impl Executor for FakeExecutor {
    fn launch(&self, launch: Launch) -> Answer<'_, Result<(), NotStarted>> {
        Box::pin(async move {
            let yields = self.lock().yields;
            for _turn in 0..yields {
                tokio::task::yield_now().await;
            }
            if self.lock().manner == Manner::Silent {
                std::future::pending::<()>().await;
            }
            let token = launch.token;
            let manner = {
                let mut inner = self.lock();
                if let Some(why) = inner.refusals.pop_front() {
                    return Err(why);
                }
                inner.seen.launched.push(launch);
                inner.seen.running.insert(token);
                inner.manner
            };
            self.note();
            if manner == Manner::Succeeds {
                self.finish(token, report(Exit::Code(0)));
            }
            Ok(())
        })
    }

    fn stop(&self, token: u64, cause: StopCause) {
        let dies = {
            let mut inner = self.lock();
            inner.seen.stopped.push((token, cause));
            let obeys = matches!(inner.manner, Manner::Runs | Manner::Succeeds);
            obeys && inner.seen.running.contains(&token)
        };
        self.note();
        if dies {
            self.die(token, 15);
        }
    }

    fn kill_all(&self) {
        let (dying, manner) = {
            let mut inner = self.lock();
            inner.seen.kills = inner.seen.kills.saturating_add(1);
            let running: Vec<u64> = inner.seen.running.iter().copied().collect();
            (running, inner.manner)
        };
        self.note();
        match manner {
            Manner::Runs | Manner::Succeeds => self.die_all(&dying),
            Manner::Ignores => {
                let executor = self.clone();
                tokio::spawn(async move {
                    for _turn in 0..YIELDS_OF_DYING {
                        tokio::task::yield_now().await;
                    }
                    executor.die_all(&dying);
                });
            }
            Manner::Immortal | Manner::Silent => {}
        }
    }

    fn forget(&self, token: u64) {
        self.lock().seen.forgotten.push(token);
        self.note();
    }

    fn recover(&self, tokens: &[u64]) -> Answer<'_, Vec<(u64, Fate)>> {
        let mut inner = self.lock();
        inner.seen.recovered.extend(tokens);
        let fates = tokens
            .iter()
            .filter_map(|token| Some((*token, inner.fates.get(token)?.clone())))
            .collect();
        Box::pin(std::future::ready(fates))
    }
}

/// A report of an attempt that ended so by itself, with nothing to show.
#[must_use]
pub fn report(exit: Exit) -> Report {
    Report {
        duration_ms: 1,
        exit,
        exited_before_stop: true,
        executor_stop: None,
        memory_kib_max: 0,
        processes_killed: 0,
        result: ResultFile::Absent,
        stderr: Output::empty(),
        stdout: Output::empty(),
        cpu_ms: 0,
    }
}
