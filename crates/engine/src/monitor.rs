//! Monitors look at the world on a schedule; only what is new becomes a signal.
//!
//! What a look saw last time stays in memory: the same thing still there is no news. An observation
//! that counts once for good carries an idempotency key, so a restart does not repeat it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::id::Digest;
use antiphon_core::input::Event;
use antiphon_core::name::SourceName;
use antiphon_core::policy::{MonitorKind, MonitorSource, Policy};
use antiphon_core::signal::{Draft, Facts, Key, Origin};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handle::{self, Handle, SubmitError};
use crate::health;
use crate::ports::clock::Clock;
use crate::probe::Probes;
use crate::registry::{Look, LookCall, LookError, Observation, Registry, Repeat};

/// The kind of monitor that looks at the engine itself.
pub const HEALTH: &str = "health";
/// The kind of monitor that runs a program: its option `command` is the program and its arguments,
/// without a shell. The JSON object in the file that `$ANTIPHON_RESULT` names is what it saw, its
/// text says whether that is new, and no file means nothing.
pub const COMMAND: &str = "command";

/// Runs the monitors of the policy in force.
pub struct Monitors {
    /// The data root, for looks.
    pub root: PathBuf,
    /// Where looks come from.
    pub registry: Arc<Registry>,
    /// The time that looks are told.
    pub clock: Arc<dyn Clock>,
    /// Where observations go.
    pub handle: Handle,
    /// Processes that look.
    pub probes: Arc<Probes>,
}

impl std::fmt::Debug for Monitors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitors")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Monitors {
    /// Runs until `shutdown`; a new policy starts its own monitors anew.
    pub async fn run(self, mut policy: watch::Receiver<Arc<Policy>>, shutdown: CancellationToken) {
        loop {
            let in_force = policy.borrow_and_update().clone();
            let until_changed = shutdown.child_token();
            let tasks = TaskTracker::new();
            for source in &in_force.source().monitors {
                if let Some(watcher) = self.watcher(source) {
                    tasks.spawn(watcher.run(until_changed.clone()));
                }
            }
            tasks.close();
            let is_over = tokio::select! {
                () = shutdown.cancelled() => true,
                changed = policy.changed() => changed.is_err(),
            };
            until_changed.cancel();
            tasks.wait().await;
            if is_over {
                return;
            }
        }
    }

    fn watcher(&self, source: &MonitorSource) -> Option<Watcher> {
        let MonitorKind::Look { kind, options } = &source.kind else {
            return None;
        };
        let eye = if kind == HEALTH {
            Eye::Health
        } else if kind == COMMAND {
            Eye::Command(argv_of(options))
        } else if let Some(look) = self.registry.find_look(kind) {
            Eye::Look(look)
        } else {
            let failure = format!("no monitor of kind `{kind}` is known");
            self.handle
                .notes
                .monitor(source.name.as_str(), Some(failure));
            return None;
        };
        Some(Watcher {
            eye,
            source: source.clone(),
            options: options.clone(),
            root: self.root.clone(),
            clock: self.clock.clone(),
            handle: self.handle.clone(),
            seen: BTreeSet::new(),
            probes: self.probes.clone(),
            looking: None,
        })
    }
}

enum Eye {
    Health,
    Command(Vec<String>),
    Look(Look),
}

struct Watcher {
    eye: Eye,
    source: MonitorSource,
    options: Facts,
    root: PathBuf,
    clock: Arc<dyn Clock>,
    handle: Handle,
    /// The identities that the last look saw.
    seen: BTreeSet<String>,
    probes: Arc<Probes>,
    /// A look that has not answered yet: no second one is started beside it.
    looking: Option<JoinHandle<Result<Vec<Observation>, LookError>>>,
}

impl Watcher {
    /// Looks until `shutdown`; a look under way is left to itself then.
    async fn run(mut self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.watch() => {}
        }
    }

    async fn watch(&mut self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(self.source.every_ms));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looked = self.look().await;
            let failure = match looked {
                Ok(observations) => self.report(observations).await.err(),
                Err(failure) => Some(failure),
            };
            self.handle
                .notes
                .monitor(self.source.name.as_str(), failure);
        }
    }

    async fn look(&mut self) -> Result<Vec<Observation>, String> {
        let timeout = Duration::from_millis(self.source.timeout_ms);
        let look = match &self.eye {
            Eye::Health => return Ok(health::look(&self.handle.status(), &self.options)),
            Eye::Command(argv) => return self.run_command(argv.clone(), timeout).await,
            Eye::Look(look) => *look,
        };
        let mut looking = match self.looking.take() {
            Some(late) => late,
            None => self.begin(look),
        };
        match tokio::time::timeout(timeout, &mut looking).await {
            Err(_elapsed) => {
                self.looking = Some(looking);
                let timeout_ms = timeout.as_millis();
                Err(format!("the look took longer than {timeout_ms} ms"))
            }
            Ok(Err(join)) => Err(format!("the look failed: {join}")),
            Ok(Ok(Err(error))) => Err(error.message),
            Ok(Ok(Ok(observations))) => Ok(observations),
        }
    }

    fn begin(&self, look: Look) -> JoinHandle<Result<Vec<Observation>, LookError>> {
        let (root, options) = (self.root.clone(), self.options.clone());
        let now_ms = self.clock.now().wall_ms;
        tokio::task::spawn_blocking(move || {
            look(&LookCall {
                root: &root,
                options: &options,
                now_ms,
            })
        })
    }

    async fn run_command(
        &self,
        argv: Vec<String>,
        timeout: Duration,
    ) -> Result<Vec<Observation>, String> {
        let now_ms = self.clock.now().wall_ms;
        let seen = self
            .probes
            .run(&self.source.name, argv, timeout, now_ms)
            .await?;
        Ok(seen
            .into_iter()
            .map(|facts| Observation {
                identity: Digest::of(facts.text().as_bytes()).to_string(),
                repeat: Repeat::OnChange,
                facts,
            })
            .collect())
    }

    /// Emits what is new. What was not taken is news again the next time.
    async fn report(&mut self, observations: Vec<Observation>) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut failure = Ok(());
        for observation in observations {
            let is_known =
                seen.contains(&observation.identity) || self.seen.contains(&observation.identity);
            if !is_known && let Err(error) = self.emit(&observation).await {
                failure = Err(error.to_string());
                continue;
            }
            seen.insert(observation.identity);
        }
        self.seen = seen;
        failure
    }

    async fn emit(&self, observation: &Observation) -> Result<(), SubmitError> {
        let name = self.source.emit.clone();
        let facts = observation.facts.clone();
        // A monitor's name is a source's name: both are names.
        let Ok(by) = SourceName::new(self.source.name.as_str()) else {
            return Ok(());
        };
        let key = match observation.repeat {
            Repeat::OnChange => None,
            Repeat::Once => {
                let text = format!("{}\0{}", self.source.name, observation.identity);
                let once = Key::new("monitor", text.as_bytes(), &name, &Facts::empty());
                Some(once)
            }
        };
        let mut draft = Draft::new(name, by, facts);
        draft.key = key;
        let origin = Origin::Monitor(self.source.name.clone());
        let event = Event::Signal {
            draft: Box::new(draft),
            origin,
        };
        let answered = handle::ask(&self.handle.signals, event).await?;
        match answered.done() {
            // Its dead letter says it: it is no news again.
            Ok(_) | Err(SubmitError::Suspect { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The program and its arguments; none when the option is missing, which the start then refuses.
fn argv_of(options: &Facts) -> Vec<String> {
    let command = options.document().root().get("command");
    let words = command.iter().flat_map(antiphon_core::json::View::items);
    words
        .filter_map(|word| Some(word.as_str()?.into_owned()))
        .collect()
}
