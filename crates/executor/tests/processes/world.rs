//! A root, a spawner and an executor for one test, and looks at what they leave.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use antiphon_core::id::Id;
use antiphon_core::report::{Fate, NotStarted, Report};
use antiphon_core::signal::Facts;
use antiphon_core::task::{Program, ResourceLimits};
use antiphon_engine::ports::executor::{Executor as _, ExecutorEvent, Launch};
use antiphon_executor::{Error, Options, ProcessExecutor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One owner on one root.
pub(crate) struct World {
    pub(crate) executor: ProcessExecutor,
    pub(crate) events: mpsc::Receiver<ExecutorEvent>,
    pub(crate) spawner_pid: u32,
    service: JoinHandle<Result<(), Error>>,
    root: Root,
}

/// A root, removed in the end if it is this test's own.
enum Root {
    Own(tempfile::TempDir),
    Given(PathBuf),
}

impl World {
    /// A new root with an owner that has recovered nothing.
    pub(crate) async fn new() -> Self {
        let world = Self::start(Root::Own(tempfile::tempdir().unwrap()));
        world.executor.recover(&[]).await;
        world
    }

    /// An owner of `root` that recovers `tokens`.
    pub(crate) async fn recover(root: &Path, tokens: &[u64]) -> (Self, BTreeMap<u64, Fate>) {
        let world = Self::start(Root::Given(root.to_owned()));
        let fates = world.executor.recover(tokens).await;
        (world, fates.into_iter().collect())
    }

    fn start(root: Root) -> Self {
        let executable = std::env::current_exe().unwrap();
        let handle = antiphon_spawner::start(&root.path().join("run"), &executable).unwrap();
        let spawner_pid = handle.child.id();
        let options = Options {
            root: root.path().to_owned(),
            executable,
        };
        let (executor, service, events) = ProcessExecutor::new(options, handle).unwrap();
        let service = tokio::spawn(service.run());
        Self {
            executor,
            events,
            spawner_pid,
            service,
            root,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Runs `launch` to its end.
    pub(crate) async fn run(&mut self, launch: Launch) -> Report {
        let token = launch.token;
        self.executor.launch(launch).await.unwrap();
        self.report(token).await
    }

    pub(crate) async fn refused(&self, launch: Launch) -> NotStarted {
        self.executor.launch(launch).await.unwrap_err()
    }

    /// The next event, which must be the report of `token`.
    pub(crate) async fn report(&mut self, token: u64) -> Report {
        let (reported, report) = self.any_report().await;
        assert_eq!(reported, token);
        report
    }

    pub(crate) async fn any_report(&mut self) -> (u64, Report) {
        match self.events.recv().await.expect("an event") {
            ExecutorEvent::Reported { token, report } => (token, *report),
            ExecutorEvent::Lost { reason } => panic!("lost: {reason}"),
        }
    }

    /// Ends the owner in good order; nothing of it may be left.
    pub(crate) async fn end(self) {
        let Self {
            executor,
            events,
            service,
            root,
            ..
        } = self;
        drop((executor, events));
        service.await.unwrap().unwrap();
        assert_eq!(survivors(root.path()), Vec::<String>::new());
    }

    /// Ends the owner whatever happened.
    pub(crate) async fn abandon(self) {
        drop((self.executor, self.events));
        self.service.await.unwrap().ok();
    }

    /// Names in `run/` that belong to attempts.
    pub(crate) fn left_in_run(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.root().join("run")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
            .collect()
    }
}

impl Root {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}

/// A launch of `argv` without facts, limits or environment.
pub(crate) fn launch(token: u64, argv: &[&str]) -> Launch {
    Launch {
        token,
        run: Id::from_bytes([1; 16]),
        attempt: 2,
        task: "test".to_owned().try_into().unwrap(),
        agent: "STIG".to_owned().try_into().unwrap(),
        signal: Id::from_bytes([2; 16]),
        correlation: Id::from_bytes([0xab; 16]),
        program: Program::Process {
            argv: argv.iter().map(ToString::to_string).collect(),
        },
        working_directory: None,
        environment: BTreeMap::new(),
        limits: ResourceLimits::default(),
        facts: Facts::empty(),
        deadline_wall_ms: 1_000,
        grace_ms: 60_000,
    }
}

/// A launch of a shell script.
pub(crate) fn shell(token: u64, script: &str) -> Launch {
    launch(token, &["sh", "-c", script])
}

/// Processes that an attempt beneath `root` has left: by environment or by arguments.
pub(crate) fn survivors(root: &Path) -> Vec<String> {
    let root = root.to_str().unwrap();
    let mut found = Vec::new();
    for pid in pids() {
        let read = |file: &str| {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let (arguments, environment) = (read("cmdline"), read("environ"));
        // The spawner and the keepers are named by the root too, and belong there.
        let ours = arguments.contains("__spawner") || arguments.contains("__owner");
        if (arguments.contains(root) || environment.contains(root)) && !ours {
            found.push(format!("{pid} {arguments}"));
        }
    }
    found
}

/// The process of an attempt beneath `root` whose arguments begin with `arguments`, once it runs.
pub(crate) async fn running(root: &Path, arguments: &[&str]) -> i32 {
    let root = root.to_str().unwrap();
    let arguments = arguments.join("\0");
    let mut found = None;
    until(|| {
        found = pids().find(|pid| {
            let read = |file| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("cmdline").starts_with(arguments.as_bytes())
                && String::from_utf8_lossy(&read("environ")).contains(root)
        });
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// Spawner and keepers of `root`.
pub(crate) fn spawner_processes(root: &Path) -> Vec<i32> {
    let run = root.join("run");
    let wanted = format!("__spawner\0{}\0", run.to_str().unwrap());
    let arguments = |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pids()
        .filter(|pid| String::from_utf8_lossy(&arguments(pid)).ends_with(&wanted))
        .collect()
}

/// State and parent of a process, while there is one.
pub(crate) fn state_and_parent(pid: i32) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// All processes.
pub(crate) fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Waits until `path` exists, woken by nothing: for programs that tell by a file.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
