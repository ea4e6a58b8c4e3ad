//! The inbox on a real directory, before an engine that is made up: it remembers what it was given
//! and answers as told. Tests wait for what the engine saw, or for the inbox to end.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};

use antiphon_core::id::Id;
use antiphon_core::input::{Intent, Malformed};
use antiphon_core::time::Instant;
use antiphon_engine::ports::executor::Answer;
use antiphon_engine::ports::intake::IntakeAnswer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

mod arrival;
mod half_written;
mod hostile;
mod lost;

const HOUR_MS: i64 = 3_600_000;
/// What has not come by then will not come: the test fails instead of hanging.
const HANGS: Duration = Duration::from_secs(30);

/// How the engine answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Answers,
    Holds,
    IsFull,
    IsGoing,
}

/// The engine that is made up.
#[derive(Clone, Default)]
struct Engine(Arc<EngineState>);

#[derive(Default)]
struct EngineState {
    seen: Mutex<Seen>,
    count: watch::Sender<u64>,
}

#[derive(Default)]
struct Seen {
    mood: Mood,
    /// Every key ever answered, and how.
    answers: BTreeMap<[u8; 16], IntakeAnswer>,
    /// Intents with a new key, in the order in which they came.
    intents: Vec<Intent>,
    malformed: Vec<Malformed>,
    handed_over: usize,
    refused: usize,
    held: Vec<(oneshot::Sender<IntakeAnswer>, IntakeAnswer)>,
}

impl Engine {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap()
    }

    fn is(&self, mood: Mood) {
        self.seen().mood = mood;
        if mood == Mood::Answers {
            for (held, answer) in std::mem::take(&mut self.seen().held) {
                held.send(answer).unwrap_or_default();
            }
        }
    }

    /// Waits until what was seen is as `wanted`.
    async fn until(&self, wanted: impl Fn(&Seen) -> bool) {
        let mut count = self.0.count.subscribe();
        let seen = async {
            while !wanted(&self.seen()) {
                count.changed().await.unwrap();
            }
        };
        let is_seen = tokio::time::timeout(HANGS, seen).await.is_ok();
        assert!(is_seen, "it never came; what came was {:?}", self.texts());
    }

    async fn until_intents(&self, number: usize) {
        self.until(|seen| seen.intents.len() >= number).await;
    }

    fn texts(&self) -> Vec<String> {
        self.seen()
            .intents
            .iter()
            .map(|intent| intent.document.text().to_owned())
            .collect()
    }

    fn codes(&self) -> Vec<String> {
        self.seen()
            .malformed
            .iter()
            .map(|malformed| malformed.code.clone())
            .collect()
    }

    fn answer(
        &self,
        key: [u8; 16],
        fresh: impl FnOnce(&mut Seen) -> IntakeAnswer,
    ) -> Answer<'_, IntakeAnswer> {
        let mut seen = self.seen();
        seen.handed_over += 1;
        let answer = match seen.mood {
            Mood::IsFull => {
                seen.refused += 1;
                IntakeAnswer::Later
            }
            Mood::IsGoing => IntakeAnswer::Closed,
            Mood::Answers | Mood::Holds => {
                let known = seen.answers.get(&key).cloned();
                let answer = known.unwrap_or_else(|| fresh(&mut seen));
                seen.answers.insert(key, answer.clone());
                answer
            }
        };
        let held = (seen.mood == Mood::Holds).then(|| {
            let (sender, receiver) = oneshot::channel();
            seen.held.push((sender, answer.clone()));
            receiver
        });
        drop(seen);
        self.0.count.send_modify(|count| *count += 1);
        Box::pin(async move {
            match held {
                Some(held) => held.await.unwrap_or(IntakeAnswer::Closed),
                None => answer,
            }
        })
    }
}

impl Intake for Engine {
    fn intent(&self, intent: Intent) -> Answer<'_, IntakeAnswer> {
        self.answer(intent.key, |seen| {
            seen.intents.push(intent);
            let seq = u64::try_from(seen.intents.len()).unwrap();
            IntakeAnswer::Accepted {
                id: Id::from_bytes([0; 16]),
                seq,
                duplicate: false,
            }
        })
    }

    fn malformed(&self, malformed: Malformed, key: [u8; 16]) -> Answer<'_, IntakeAnswer> {
        self.answer(key, |seen| {
            let Malformed { code, error, .. } = malformed.clone();
            seen.malformed.push(malformed);
            IntakeAnswer::Parked {
                letter: Id::from_bytes([7; 16]),
                code,
                error,
            }
        })
    }
}

/// The wall clock, and by how much it is wrong.
#[derive(Default)]
struct TestClock {
    ahead_ms: AtomicI64,
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let wall_ms = i64::try_from(since.as_millis()).unwrap();
        Instant {
            wall_ms: wall_ms + self.ahead_ms.load(Ordering::Relaxed),
            boot_ms: 0,
            boot_id: 0,
        }
    }
}

/// A root with an inbox that may be started and stopped.
struct World {
    home: tempfile::TempDir,
    root: Root,
    engine: Engine,
    clock: Arc<TestClock>,
    options: InboxOptions,
    running: Option<(JoinHandle<()>, CancellationToken)>,
}

impl World {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// For very many files: in memory, where making one costs a hundredth.
    fn large() -> Self {
        Self::at(
            tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .unwrap(),
        )
    }

    fn at(home: tempfile::TempDir) -> Self {
        let root = Root::create(&home.path().join("root")).unwrap();
        Self {
            home,
            root,
            engine: Engine::default(),
            clock: Arc::default(),
            options: InboxOptions::default(),
            running: None,
        }
    }

    /// Starts the inbox and waits until it has looked at all that is there.
    async fn start(&mut self) {
        let mut walked = self.start_only();
        let walked = walked.wait_for(|walked| *walked);
        tokio::time::timeout(HANGS, walked)
            .await
            .expect("the walk ends")
            .unwrap();
    }

    fn start_only(&mut self) -> watch::Receiver<bool> {
        let inbox = Inbox::new(self.root.clone(), self.clock.clone(), self.options.clone());
        let walked = inbox.walked();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(inbox.run(self.engine.clone(), shutdown.clone()));
        self.running = Some((task, shutdown));
        walked
    }

    /// Stops the inbox: what was answered has left when it ends.
    async fn stop(&mut self) {
        let (task, shutdown) = self.running.take().unwrap();
        shutdown.cancel();
        tokio::time::timeout(HANGS, task)
            .await
            .expect("the inbox ends")
            .unwrap();
    }

    /// Ends the inbox as a crash would.
    async fn crash(&mut self) {
        let (task, _) = self.running.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    fn intents(&self) -> PathBuf {
        self.root.path().join("intents")
    }

    fn rejected(&self) -> PathBuf {
        self.intents().join("rejected")
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.intents().join(name)
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file in place.
    fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Drops a file as it should be: written elsewhere and renamed in.
    fn drop_in(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let staged = self.outside("staged");
        fs::write(&staged, content).unwrap();
        fs::rename(staged, self.path(name)).unwrap();
    }

    /// Names in a directory, sorted.
    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Asserts that nothing is left in the inbox.
    fn assert_empty(&self) {
        assert_eq!(Self::names(&self.intents()), ["rejected"]);
    }

    /// The reason that stands beside what was moved aside.
    fn reason(&self, name: &str) -> serde_json::Value {
        let path = self.rejected().join(format!("{name}.reason.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }
}
