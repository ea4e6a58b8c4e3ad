//! A real owner over SQLite in a temporary root, whose executor reports at once what its task's
//! name says.

use std::future::ready;
use std::sync::Arc;

use antiphon_backend_sqlite::{SqliteStore, open_reader, open_views};
use antiphon_core::guard::Switch;
use antiphon_core::id::Digest;
use antiphon_core::key::KeyText;
use antiphon_core::policy::{Policy, PolicySource};
use antiphon_core::report::{Exit, Fate, NotStarted, Output, Report, ResultFile, StopCause};
use antiphon_core::signal::Facts;
use antiphon_core::time::Instant;
use antiphon_engine::cosign::CosigningPolicy;
use antiphon_engine::owner::{OpenViews, Options, Owner, Ports};
use antiphon_engine::ports::clock::Clock;
use antiphon_engine::ports::effector::Effector;
use antiphon_engine::ports::entropy::Entropy;
use antiphon_engine::ports::evidence::Evidence;
use antiphon_engine::ports::executor::{Answer, Executor, ExecutorEvent, Launch};
use antiphon_engine::ports::stop_switch::StopSwitch;
use antiphon_engine::registry::Registry;
use antiphon_http::client::Client;
use antiphon_http::serve::serve_stream;
use antiphon_http::{AppState, Custody, CustodyError, LogPool, Peer, router};
use antiphon_testkit::fakes::{MemoryCheckpoints, MemoryKeys};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What stands in evidence.
pub(crate) const KEPT: &[u8] = b"everything that was kept";

/// An owner and a client of it.
pub(crate) struct Fixture {
    pub(crate) client: Client,
    pub(crate) state: AppState,
    pub(crate) root: tempfile::TempDir,
    shutdown: CancellationToken,
    running: Vec<JoinHandle<()>>,
}

impl Fixture {
    /// Starts an owner with this policy, given as the core's own JSON.
    pub(crate) async fn start(policy: &serde_json::Value) -> Self {
        let root = tempfile::tempdir().unwrap();
        let source: PolicySource = serde_json::from_value(policy.clone()).unwrap();
        let policy = Arc::new(Policy::compile(source).unwrap());
        let (events, executor_events) = mpsc::channel(64);
        let (views_sender, views) = oneshot::channel();
        let path = root.path().to_owned();
        let ports = Ports {
            store: Box::new(SqliteStore::open(root.path(), 0).unwrap()),
            views: Box::new(move |log, next_seq| {
                let (builder, keys, views) = open_views(&path, *log, next_seq)?;
                drop(views_sender.send(views));
                Ok(OpenViews { builder, keys })
            }),
            executor: Arc::new(Hands { events }),
            executor_events,
            effector: Arc::new(World),
            stop_switch: Arc::new(World),
            clock: Arc::new(World),
            entropy: Box::new(World),
            signer: Arc::new(MemoryKeys::default()),
            checkpoints: Arc::new(MemoryCheckpoints::default()),
            witnesses: Vec::new(),
            registry: Arc::new(Registry::default()),
            observer: Box::new(|_| {}),
        };
        let options = Options {
            root: root.path().to_owned(),
            slots_max: 4,
            origin: "test".to_owned(),
            version: "0".to_owned(),
            pid: 1,
            reserve_bytes: Some(0),
            drain_ms: 0,
            retention_ms: None,
            without_keys: false,
            cosigning: CosigningPolicy::default(),
        };
        let shutdown = CancellationToken::new();
        let owner = Owner::open(ports, options, policy, shutdown.clone())
            .await
            .unwrap();
        let path = root.path().to_owned();
        let state = AppState {
            handle: owner.handle(),
            views: views.await.unwrap(),
            views_mark: owner.views_mark(),
            log: Arc::new(LogPool::new(move || open_reader(&path))),
            evidence: Arc::new(World),
            custody: Arc::new(World),
            policy: owner.handle().policy(),
            closing: shutdown.clone(),
        };
        let owner = tokio::spawn(async move { owner.run().await.unwrap() });
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let peer = Peer("tester".into());
        let serving = serve_stream(theirs, router(state.clone()), peer, shutdown.clone());
        let running = vec![owner, tokio::spawn(serving)];
        let client = Client::over(ours).await.unwrap();
        Self {
            client,
            state,
            root,
            shutdown,
            running,
        }
    }

    /// Another connection to the same owner.
    pub(crate) async fn connect(&mut self) -> Client {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let router = router(self.state.clone());
        let peer = Peer("another".into());
        let serving = serve_stream(theirs, router, peer, self.shutdown.clone());
        self.running.push(tokio::spawn(serving));
        Client::over(ours).await.unwrap()
    }

    /// Ends everything and waits for it.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        for running in self.running {
            running.await.unwrap();
        }
    }
}

impl Custody for World {
    fn pending(
        &self,
        _name: &str,
        _is_recorded: &dyn Fn(&KeyText) -> bool,
    ) -> Result<KeyText, CustodyError> {
        Err("no keys are made here".into())
    }

    fn held(&self) -> Vec<KeyText> {
        Vec::new()
    }
}

/// Reports at once: exit 0, or exit 3 for a task whose program is `fail`.
struct Hands {
    events: mpsc::Sender<ExecutorEvent>,
}

impl Executor for Hands {
    fn launch(&self, launch: Launch) -> Answer<'_, Result<(), NotStarted>> {
        let fails = launch.task.as_str() == "fail";
        Box::pin(async move {
            let report = report(if fails { 3 } else { 0 }, launch.facts);
            let report = Box::new(report);
            let event = ExecutorEvent::Reported {
                token: launch.token,
                report,
            };
            self.events.send(event).await.ok();
            Ok(())
        })
    }

    fn stop(&self, _token: u64, _cause: StopCause) {}

    fn kill_all(&self) {}

    fn forget(&self, _token: u64) {}

    fn recover(&self, _tokens: &[u64]) -> Answer<'_, Vec<(u64, Fate)>> {
        Box::pin(ready(Vec::new()))
    }
}

fn report(code: i32, result: Facts) -> Report {
    let stdout = Output {
        bytes: 1_000_000,
        cut: true,
        evidence: Some(Digest::of(KEPT)),
        sha256: Digest::of(b"all of it"),
        text: "head".to_owned(),
    };
    let stderr = Output {
        bytes: 5,
        text: "hello".to_owned(),
        ..Output::empty()
    };
    Report {
        duration_ms: 12,
        exit: Exit::Code(code),
        exited_before_stop: true,
        executor_stop: None,
        memory_kib_max: 640,
        processes_killed: 0,
        result: ResultFile::Valid(result),
        stderr,
        stdout,
        cpu_ms: 7,
    }
}

/// A world in which nothing moves.
struct World;

impl Clock for World {
    fn now(&self) -> Instant {
        Instant {
            wall_ms: 1_795_189_012_001,
            boot_ms: 1_000,
            boot_id: 7,
        }
    }
}

impl Entropy for World {
    fn bytes32(&mut self) -> std::io::Result<[u8; 32]> {
        Ok([7; 32])
    }
}

impl Effector for World {
    fn read(&self, _path: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn write(&self, _path: &str, _bytes: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

impl StopSwitch for World {
    fn state(&self) -> Switch {
        Switch::Clear
    }

    fn maintenance(&self) -> bool {
        false
    }
}

impl Evidence for World {
    fn read(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>> {
        Ok((*digest == Digest::of(KEPT)).then(|| KEPT.to_vec()))
    }

    fn sweep(
        &self,
        _before_ms: i64,
        _is_named: &mut dyn FnMut(&Digest) -> std::io::Result<bool>,
    ) -> std::io::Result<u64> {
        Ok(0)
    }
}
