//! The load: producers that submit signals and drop files while the owner is killed under them,
//! and that remember in this process, outside of every root, what they were promised.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::arena::{INTENT, LOAD};
use crate::client::{Answer, Client};
use crate::owner::Site;
use crate::random::Random;

/// Connections that submit; two and two share one sequence of keys and race for each.
const PRODUCERS: u64 = 8;
/// Longest pause of a producer between two signals, ms.
const SIGNAL_PAUSE_MS_MAX: u64 = 16;
/// Longest pause between two dropped files, ms.
const FILE_PAUSE_MS_MAX: u64 = 40;
/// One signal in so many starts a task.
const WORK_EVERY: u64 = 16;
/// One task in so many prints more than a record holds.
const LOUD_EVERY: u64 = 4 * WORK_EVERY;
/// One signal in so many is too large for a commit on the loop's own thread …
const LARGE_EVERY: u64 = 50;
/// … by so many bytes.
const LARGE_BYTES: usize = 30_000;
/// One file in so many is of a type that nothing routes.
const UNROUTED_EVERY: u64 = 8;
/// One acknowledged key in so many is sent again later.
const REPEAT_EVERY: u64 = 16;
/// Pause before an owner that does not answer is asked again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(3);

/// What the owner promised.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// The id that each key was acknowledged with.
    pub(crate) signals: BTreeMap<String, String>,
    /// Keys of files that lay in the inbox, synced.
    pub(crate) files: Vec<String>,
    /// Names of files that lay in the inbox, synced, and that no intent matches.
    pub(crate) unrouted: Vec<String>,
    /// Acknowledgements, repeated ones included.
    pub(crate) acknowledgements: u64,
    /// Keys that were acknowledged with two different ids.
    pub(crate) contradictions: Vec<String>,
}

/// A running load.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    intents: PathBuf,
    ends: AtomicBool,
    promises: Mutex<Promises>,
    /// Held for reading while a file is dropped, for writing while the disk is away.
    disk: RwLock<()>,
}

impl Load {
    pub(crate) fn start(site: &Site, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            socket: site.socket(),
            intents: site.root.join("intents"),
            ends: AtomicBool::new(false),
            promises: Mutex::default(),
            disk: RwLock::default(),
        });
        let mut threads = Vec::new();
        for producer in 0..PRODUCERS {
            let shared = Arc::clone(&shared);
            let random = Random::part(seed, producer);
            threads.push(std::thread::spawn(move || {
                Producer {
                    shared: &shared,
                    series: producer / 2,
                    random,
                    client: Client::new(shared.socket.clone()),
                }
                .run()
            }));
        }
        let dropper = Arc::clone(&shared);
        let random = Random::part(seed, PRODUCERS);
        threads.push(std::thread::spawn(move || drop_files(&dropper, random)));
        Self { shared, threads }
    }

    /// Runs `work` while no file is being dropped.
    pub(crate) fn without_files<T>(&self, work: impl FnOnce() -> T) -> T {
        let _held = self
            .shared
            .disk
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// Fails when a producer has given up: the owner answered what it must never answer.
    pub(crate) fn check(&mut self) -> Result<()> {
        while let Some(index) = self.threads.iter().position(JoinHandle::is_finished) {
            join(self.threads.swap_remove(index))?;
        }
        Ok(())
    }

    /// Ends the load and gives what was promised.
    pub(crate) fn end(mut self) -> Result<Promises> {
        self.shared.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            join(thread)?;
        }
        let mut promises = self
            .shared
            .promises
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *promises))
    }
}

impl Drop for Load {
    /// Lets the producers of a run that was broken off end.
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    fn promised(&self, change: impl FnOnce(&mut Promises)) {
        change(&mut self.promises.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

struct Producer<'a> {
    shared: &'a Shared,
    series: u64,
    random: Random,
    client: Client,
}

impl Producer<'_> {
    fn run(mut self) -> Result<()> {
        for number in 0.. {
            if self.shared.ends() {
                return Ok(());
            }
            self.submit(number)?;
            if number > 0 && self.random.once_in(REPEAT_EVERY) {
                let earlier = self.random.between(0, number - 1);
                self.submit(earlier)?;
            }
            std::thread::park_timeout(Duration::from_millis(
                self.random.between(0, SIGNAL_PAUSE_MS_MAX),
            ));
        }
        Ok(())
    }

    /// Sends one signal until it is acknowledged, however often the owner dies meanwhile. At the
    /// end of the load it gives up: nothing was promised for that key.
    fn submit(&mut self, number: u64) -> Result<()> {
        let key = format!("{}-{number}", self.series);
        let facts = facts(&key, number);
        let body = format!(r#"{{"signal":"{LOAD}","source":"crash","facts":{facts}}}"#);
        while !self.shared.ends() {
            match self.client.post("/api/v1/signals", &key, &body) {
                Ok(answer) if answer.status == 202 => return self.acknowledged(key, &answer),
                Ok(Answer {
                    status: 429 | 503 | 507,
                    ..
                }) => {}
                Ok(answer) => bail!(
                    "a signal was answered with {}: {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                ),
                Err(_lost) => {}
            }
            std::thread::park_timeout(RECONNECT_PAUSE);
        }
        Ok(())
    }

    fn acknowledged(&self, key: String, answer: &Answer) -> Result<()> {
        let answer: Value = serde_json::from_slice(&answer.body)?;
        let Some(id) = answer.get("id").and_then(Value::as_str) else {
            bail!("an acknowledgement without an id: {answer}");
        };
        self.shared.promised(|promises| {
            promises.acknowledgements += 1;
            let known = promises
                .signals
                .entry(key.clone())
                .or_insert_with(|| id.to_owned());
            if known != id {
                promises.contradictions.push(key);
            }
        });
        Ok(())
    }
}

/// Drops files as a careful program does: written under another name, synced, renamed, the folder
/// synced. From then on the file may not be lost.
fn drop_files(shared: &Shared, mut random: Random) -> Result<()> {
    for number in 0.. {
        if shared.ends() {
            return Ok(());
        }
        let is_unrouted = number % UNROUTED_EVERY == 1;
        let key = format!("file-{number}");
        let text = if is_unrouted {
            format!(r#"{{"type":"crash.unrouted","id":"{key}"}}"#)
        } else {
            let data = facts(&key, number);
            format!(r#"{{"type":"{INTENT}","id":"{key}","data":{data}}}"#)
        };
        {
            let _disk = shared.disk.read().unwrap_or_else(PoisonError::into_inner);
            drop_file(&shared.intents, &key, &text)?;
        }
        shared.promised(|promises| {
            if is_unrouted {
                promises.unrouted.push(format!("{key}.json"));
            } else {
                promises.files.push(key);
            }
        });
        std::thread::park_timeout(Duration::from_millis(random.between(1, FILE_PAUSE_MS_MAX)));
    }
    Ok(())
}

fn drop_file(intents: &Path, key: &str, text: &str) -> Result<()> {
    let hidden = intents.join(format!(".{key}.tmp"));
    let mut file = File::create(&hidden)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&hidden, intents.join(format!("{key}.json")))?;
    File::open(intents)?.sync_all()?;
    Ok(())
}

/// The facts of the load's signal `number`: the same each time that it is sent.
fn facts(key: &str, number: u64) -> String {
    let work = number.is_multiple_of(WORK_EVERY);
    let loud = number.is_multiple_of(LOUD_EVERY);
    let is_large = number % LARGE_EVERY == LARGE_EVERY - 1;
    let filler = "x".repeat(if is_large { LARGE_BYTES } else { 0 });
    format!(r#"{{"key":"{key}","work":{work},"loud":{loud},"filler":"{filler}"}}"#)
}

/// The end of a thread.
pub(super) fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread
        .join()
        .unwrap_or_else(|_panic| bail!("a thread of the load panicked"))
}
