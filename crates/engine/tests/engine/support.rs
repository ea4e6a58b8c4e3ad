//! A root of fakes, owners on it one after another, and the few words that tests need.

mod thread;

use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::Duration;

use antiphon_core::control::Control;
use antiphon_core::guard::Mode;
use antiphon_core::name::{AgentName, SignalName, SourceName, TaskName};
use antiphon_core::policy::{MonitorKind, MonitorSource, Policy, PolicySource, WorkerSource};
use antiphon_core::record::Body;
use antiphon_core::run::Completions;
use antiphon_core::signal::{Draft, Facts, Key};
use antiphon_core::task::{Interrupted, Program, ResourceLimits, ResultPolicy, Retry, Task};
use antiphon_engine::cosign::CosigningPolicy;
use antiphon_engine::error::EngineError;
use antiphon_engine::handle::{Handle, SubmitError, Submitted};
use antiphon_engine::owner::{OpenViews, Options, Owner, Ports};
use antiphon_engine::ports::witness::Witness;
use antiphon_engine::registry::Registry;
use antiphon_testkit::fakes::{
    Disk, FakeExecutor, FixedEntropy, Manner, ManualSwitch, MemoryCheckpoints, MemoryFiles,
    MemoryKeys, MemoryViews, VirtualClock,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use thread::on_its_own_thread;

/// Bytes of facts that make a batch the writer's: smaller ones are committed on the loop's thread,
/// which is also the test's.
const LARGE_BYTES: usize = 30_000;

/// A root of fakes.
pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) views: MemoryViews,
    pub(crate) files: Arc<MemoryFiles>,
    pub(crate) switch: Arc<ManualSwitch>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) keys: MemoryKeys,
    pub(crate) checkpoints: MemoryCheckpoints,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) options: Options,
    pub(crate) manner: Manner,
}

impl World {
    pub(crate) fn new() -> Self {
        watch();
        Self {
            disk: Disk::default(),
            views: MemoryViews::default(),
            files: Arc::default(),
            switch: Arc::default(),
            clock: Arc::default(),
            registry: Arc::default(),
            keys: MemoryKeys::default(),
            checkpoints: MemoryCheckpoints::default(),
            witnesses: Vec::new(),
            options: Options {
                root: PathBuf::from("/nowhere"),
                slots_max: 64,
                origin: "test".to_owned(),
                version: "0".to_owned(),
                pid: 1,
                reserve_bytes: Some(0),
                drain_ms: 1_000,
                retention_ms: None,
                without_keys: false,
                cosigning: CosigningPolicy::default(),
            },
            manner: Manner::Runs,
        }
    }

    /// The same root as a crash at this instant leaves it; the views are lost with it.
    pub(crate) fn crashed(&self) -> Self {
        Self {
            disk: Disk::of(self.disk.contents()),
            views: MemoryViews::default(),
            files: self.files.clone(),
            switch: self.switch.clone(),
            clock: self.clock.clone(),
            registry: self.registry.clone(),
            keys: self.keys.clone(),
            checkpoints: self.checkpoints.copy(),
            witnesses: self.witnesses.clone(),
            options: self.options.clone(),
            manner: self.manner,
        }
    }

    pub(crate) async fn open(&self, policy: Arc<Policy>) -> Result<Opened, EngineError> {
        let (executor, events) = FakeExecutor::new(self.manner);
        self.open_with(policy, executor, events).await
    }

    pub(crate) async fn open_with(
        &self,
        policy: Arc<Policy>,
        executor: FakeExecutor,
        executor_events: tokio::sync::mpsc::Receiver<
            antiphon_engine::ports::executor::ExecutorEvent,
        >,
    ) -> Result<Opened, EngineError> {
        let shutdown = CancellationToken::new();
        let views = self.views.clone();
        let ports = Ports {
            store: Box::new(self.disk.open()?),
            views: Box::new(move |_log, _next_seq| {
                Ok(OpenViews {
                    builder: Box::new(views.clone()),
                    keys: Box::new(views),
                })
            }),
            executor: Arc::new(executor.clone()),
            executor_events,
            effector: self.files.clone(),
            stop_switch: self.switch.clone(),
            clock: self.clock.clone(),
            entropy: Box::new(FixedEntropy::default()),
            signer: Arc::new(self.keys.clone()),
            checkpoints: Arc::new(self.checkpoints.clone()),
            witnesses: self.witnesses.clone(),
            registry: self.registry.clone(),
            observer: Box::new(|_records| {}),
        };
        let owner = Owner::open(ports, self.options.clone(), policy, shutdown.clone()).await?;
        Ok(Opened {
            owner,
            executor,
            shutdown,
        })
    }

    pub(crate) async fn start(&self, policy: Arc<Policy>) -> Running {
        self.open(policy).await.unwrap().run()
    }

    /// The kinds of all records, in order, without the bookkeeping of starts and policies.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let plain = ["log.created", "owner.started", "config.applied"];
        let bodies = self.bodies();
        let kinds = bodies.iter().map(Body::kind);
        kinds.filter(|kind| !plain.contains(kind)).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<Body> {
        let records = self.disk.records();
        records
            .into_iter()
            .map(|projected| projected.record.unwrap().body)
            .collect()
    }

    /// How many records are of this kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.kinds().iter().filter(|found| **found == kind).count()
    }
}

impl Drop for World {
    /// A test that fails must not leave a writer waiting for a disk that is held.
    fn drop(&mut self) {
        self.disk.release();
    }
}

/// An owner that has recovered.
pub(crate) struct Opened {
    owner: Owner,
    pub(crate) executor: FakeExecutor,
    shutdown: CancellationToken,
}

impl Opened {
    pub(crate) fn run(self) -> Running {
        Running {
            handle: self.owner.handle(),
            executor: self.executor,
            shutdown: self.shutdown,
            ended: tokio::spawn(self.owner.run()),
        }
    }
}

/// An owner that runs.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) executor: FakeExecutor,
    pub(crate) shutdown: CancellationToken,
    pub(crate) ended: JoinHandle<Result<(), EngineError>>,
}

impl Running {
    /// Submits and waits for the answer.
    pub(crate) async fn emit(&self, draft: Draft) -> Submitted {
        self.handle.submit(draft).await.unwrap()
    }

    /// Submits; the answer comes when it comes.
    pub(crate) fn submit(&self, draft: Draft) -> JoinHandle<Result<Submitted, SubmitError>> {
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.submit(draft).await })
    }

    pub(crate) async fn stop(&self, mode: Mode) -> Result<(), SubmitError> {
        self.handle
            .stop(mode, "test".to_owned(), String::new())
            .await
    }

    pub(crate) async fn resume(&self) {
        self.handle.control(resume()).await.unwrap();
    }

    /// Asks it to go, and gives how it went.
    pub(crate) async fn go(self) -> Result<(), EngineError> {
        self.shutdown.cancel();
        self.ended().await
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(self) -> Result<(), EngineError> {
        self.ended.await.unwrap()
    }

    /// Ends it on the spot, as a kill does.
    pub(crate) async fn kill(self) {
        self.ended.abort();
        self.ended.await.unwrap_err();
    }

    /// Waits until so many records are durable.
    pub(crate) async fn durable(&self, world: &World, is_there: impl Fn(&World) -> bool) {
        let mut high_water = self.handle.high_water();
        while !is_there(world) {
            high_water.changed().await.unwrap();
        }
    }
}

pub(crate) fn resume() -> Control {
    Control::SetMode {
        mode: Mode::Normal,
        by: "test".to_owned(),
        reason: String::new(),
    }
}

/// Lets everything happen that can happen without more input.
pub(crate) async fn settle() {
    for _turn in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A signal of this name.
pub(crate) fn signal(name: &str) -> Draft {
    let name = SignalName::new(name).unwrap();
    Draft::new(name, SourceName::new("test").unwrap(), Facts::empty())
}

/// A signal so large that its batch is the writer's.
pub(crate) fn large(name: &str) -> Draft {
    sized(name, LARGE_BYTES)
}

/// A signal with so many bytes of facts.
pub(crate) fn sized(name: &str, bytes: usize) -> Draft {
    let mut draft = signal(name);
    let facts = serde_json::json!({ "text": "x".repeat(bytes) });
    draft.facts = Facts::parse(facts.to_string().as_bytes()).unwrap();
    draft
}

/// The same with an idempotency key.
pub(crate) fn keyed(mut draft: Draft, key: &str) -> Draft {
    draft.key = Some(Key::new("test", key.as_bytes(), &draft.name, &draft.facts));
    draft
}

/// A task that is tried again when it was stopped or lost.
pub(crate) fn task(name: &str) -> Task {
    Task {
        agent: AgentName::new("LARS").unwrap(),
        concurrency: 64,
        enabled: true,
        environment: std::collections::BTreeMap::new(),
        grace_ms: 1_000,
        limits: ResourceLimits::default(),
        lock: None,
        name: TaskName::new(name).unwrap(),
        on_lost: Interrupted::End,
        on_stop: Interrupted::Retry,
        priority: 5,
        program: Program::Process {
            argv: vec![name.to_owned()],
        },
        result: ResultPolicy::Optional,
        retry: Retry::NEVER,
        start_within_ms: None,
        timeout_ms: 60_000,
        working_directory: None,
    }
}

/// A worker that answers `on` with `task`, and says `Q_DONE` when that succeeds.
pub(crate) fn worker(on: &str, task: &str) -> WorkerSource {
    WorkerSource {
        emits: Completions {
            failed: None,
            succeeded: Some(SignalName::new("Q_DONE").unwrap()),
            timed_out: None,
        },
        on: SignalName::new(on).unwrap(),
        task: TaskName::new(task).unwrap(),
        when: None,
    }
}

/// A monitor of this kind that says `Q_SEEN`.
pub(crate) fn monitor(name: &str, kind: MonitorKind) -> MonitorSource {
    MonitorSource {
        emit: SignalName::new("Q_SEEN").unwrap(),
        every_ms: 1_000,
        kind,
        name: antiphon_core::name::MonitorName::new(name).unwrap(),
        timeout_ms: 500,
    }
}

/// A policy of 64 slots in which `Q_WORK` is answered by the task `work`, with changes.
pub(crate) fn policy(change: impl FnOnce(&mut PolicySource)) -> Arc<Policy> {
    let mut source = PolicySource {
        slots: 64,
        tasks: vec![task("work")],
        workers: vec![worker("Q_WORK", "work")],
        ..PolicySource::default()
    };
    change(&mut source);
    Arc::new(Policy::compile(source).unwrap())
}

/// The same without changes.
pub(crate) fn plain() -> Arc<Policy> {
    policy(|_source| {})
}

/// How long the tests of this program may take together.
const SUITE_MAX: Duration = Duration::from_mins(2);

/// Ends the program when it hangs: a wake-up that was lost is a failure, no silence.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        std::thread::spawn(move || {
            // Nothing is ever sent: only time passes.
            let (_held, nothing) = std::sync::mpsc::channel::<()>();
            nothing.recv_timeout(SUITE_MAX).unwrap_err();
            #[expect(
                clippy::disallowed_methods,
                reason = "a test that hangs cannot be told to fail"
            )]
            std::process::abort();
        });
    });
}

/// Lets others go first, so many times.
pub(crate) async fn yields(times: u32) {
    for _turn in 0..times {
        tokio::task::yield_now().await;
    }
}

/// Numbers that one seed gives again and again (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed >> 33) % u64::from(end)).unwrap()
    }
}
