//! Changes of keys: hands that rotate and revoke the keys of a log's agents at random, over the
//! socket and by the command line, while the owner is killed under them.
//!
//! In: a root whose log has begun. Out: what they were promised, and what must hold of the keys
//! ([`super::tenures`]). A command that finds no owner becomes one for its own time: that is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::arena::Arena;
use super::load::join;
use super::tenures::active;
use crate::client::{Client, text};
use crate::owner::Site;
use crate::random::Random;

/// Hands at work.
const HANDS: u64 = 2;
/// Longest pause of a hand between two changes, ms …
const PAUSE_MS: u64 = 60;
/// … of a run with so many kills or fewer; one with more is not to have more changes, for a log keeps
/// 256 keys of each agent.
const KILLS_OF_PAUSE: u32 = 150;
/// One change in so many is a revocation.
const REVOKE_EVERY: u64 = 3;

/// Agents whose keys the owner holds.
pub(crate) const HELD: [&str; 4] = ["log", "operator", "owner", "LARS"];
/// An agent that holds its own.
pub(crate) const APART: &str = "FINN";
/// The agent that signs revocations.
const RECOVERY: &str = "recovery";

/// Exit codes of a command that was refused, or whose owner was not there or died.
const REFUSED_OR_LOST: [i32; 2] = [4, 75];

/// Hands that change keys.
#[derive(Debug)]
pub(crate) struct Changes {
    shared: Arc<Shared>,
    hands: Vec<JoinHandle<Result<()>>>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rotations: u64,
    pub(crate) revocations: u64,
    /// Refused, because another change came first, or of unknown outcome.
    pub(crate) unanswered: u64,
}

#[derive(Debug)]
struct Shared {
    site: Site,
    /// Longest pause of a hand, ms.
    pause_ms: u64,
    origin: String,
    /// Where key files lie that the owner does not hold.
    outside: PathBuf,
    ends: AtomicBool,
    done: Mutex<Done>,
}

#[derive(Debug, Default)]
struct Done {
    figures: Figures,
    /// The keys that were acknowledged as valid, by agent and id.
    acknowledged: BTreeSet<(String, String)>,
    /// Key files of agents that hold their own, by id, whether or not they came into the log.
    files: BTreeMap<String, PathBuf>,
}

impl Changes {
    /// Registers the agents with the owner that runs, and lets the hands begin; `recovery` is the
    /// file of the recovery key.
    pub(crate) fn start(arena: &Arena, recovery: PathBuf, kills: u32, seed: u64) -> Result<Self> {
        let site = &arena.site;
        let keys = site.ask(&["key", "list"])?;
        let log = active(&keys, "log").context("the log has no key")?;
        let (origin, _) = text(log, "key").split_once('+').unwrap_or_default();
        let shared = Arc::new(Shared {
            site: site.clone(),
            pause_ms: PAUSE_MS * u64::from(kills.div_ceil(KILLS_OF_PAUSE)),
            origin: origin.to_owned(),
            outside: arena.outside().to_owned(),
            ends: AtomicBool::new(false),
            done: Mutex::default(),
        });
        let of_recovery = active(&keys, RECOVERY).context("the log has no recovery key")?;
        shared.done(|done| {
            done.files
                .insert(text(of_recovery, "id").to_owned(), recovery)
        });
        site.ask(&["key", "register", "LARS"])?;
        let (_id, file) = shared.generate(APART, "first")?;
        site.ask(&["key", "register", APART, "--key", &file.to_string_lossy()])?;
        let hand = |number| {
            let shared = Arc::clone(&shared);
            let random = Random::part(seed, u64::MAX - 1 - number);
            std::thread::spawn(move || Hand::new(&shared, number, random).work())
        };
        let hands = (0..HANDS).map(hand).collect();
        Ok(Self { shared, hands })
    }

    /// Fails when a hand has given up: it was told what it must never be told.
    pub(crate) fn check(&mut self) -> Result<()> {
        while let Some(index) = self.hands.iter().position(JoinHandle::is_finished) {
            join(self.hands.swap_remove(index))?;
        }
        Ok(())
    }

    /// Lets the hands end.
    pub(crate) fn end(&mut self) -> Result<Figures> {
        self.shared.ends.store(true, Ordering::Relaxed);
        for hand in self.hands.drain(..) {
            join(hand)?;
        }
        Ok(self.shared.done(|done| done.figures))
    }

    /// The keys that were acknowledged so far, by agent and id.
    pub(crate) fn acknowledged(&self) -> BTreeSet<(String, String)> {
        self.shared.done(|done| done.acknowledged.clone())
    }

    /// Once more: every agent's key is replaced, signed by the one that is valid. Somebody holds it.
    pub(crate) fn rotate_all(&self) -> Result<()> {
        let mut hand = Hand::new(&self.shared, HANDS, Random::part(0, 0));
        for agent in HELD.into_iter().chain([APART, RECOVERY]) {
            let keys = self.shared.site.ask(&["key", "list", "--all"])?;
            let before = active(&keys, agent).with_context(|| format!("{agent} has no key"))?;
            let (id, rotations) = (
                text(before, "id"),
                self.shared.done(|it| it.figures.rotations),
            );
            hand.rotate_by_command(agent, id)?;
            if self.shared.done(|it| it.figures.rotations) == rotations {
                bail!("the key {id} of {agent} cannot be replaced");
            }
        }
        Ok(())
    }
}

impl Drop for Changes {
    /// Lets the hands of a run that was broken off end.
    fn drop(&mut self) {
        self.end().ok();
    }
}

impl Shared {
    fn done<T>(&self, change: impl FnOnce(&mut Done) -> T) -> T {
        change(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new key file of `agent`: its id and path.
    fn generate(&self, agent: &str, name: &str) -> Result<(String, PathBuf)> {
        let file = self.outside.join(format!("{agent}-{name}.key"));
        let path = file.to_string_lossy();
        let made = [
            "key",
            "generate",
            agent,
            "--to",
            &path,
            "--origin",
            &self.origin,
        ];
        let made = self.site.ask(&made)?;
        let id = made.first().map_or("", |made| text(made, "id")).to_owned();
        self.done(|done| done.files.insert(id.clone(), file.clone()));
        Ok((id, file))
    }

    /// The file of the key that an agent holds itself.
    fn file(&self, id: &str) -> Result<String> {
        let file = self.done(|done| done.files.get(id).cloned());
        let file = file.with_context(|| format!("nobody made the key {id}"))?;
        Ok(file.to_string_lossy().into_owned())
    }
}

/// One who changes keys.
struct Hand<'a> {
    shared: &'a Shared,
    number: u64,
    random: Random,
    client: Client,
    /// Key files that it made.
    made: u64,
}

impl<'a> Hand<'a> {
    fn new(shared: &'a Shared, number: u64, random: Random) -> Self {
        Self {
            shared,
            number,
            random,
            client: Client::new(shared.site.socket()),
            made: 0,
        }
    }

    fn work(mut self) -> Result<()> {
        while !self.shared.ends.load(Ordering::Relaxed) {
            let pause = self.random.between(0, self.shared.pause_ms);
            std::thread::park_timeout(Duration::from_millis(pause));
            // Whoever does not answer is dead, or not there yet.
            if let Some(keys) = self.keys() {
                self.change(&keys)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, keys: &[Value]) -> Result<()> {
        let agents = [HELD.as_slice(), &[APART, RECOVERY]].concat();
        let last = u64::try_from(agents.len() - 1)?;
        let chosen = usize::try_from(self.random.between(0, last))?;
        let Some(agent) = agents.get(chosen).copied() else {
            return Ok(());
        };
        let key = active(keys, agent).with_context(|| format!("{agent} has no key"))?;
        let id = text(key, "id");
        if agent != RECOVERY && self.random.once_in(REVOKE_EVERY) {
            let recovery = active(keys, RECOVERY).context("the log has no recovery key")?;
            self.revoke(agent, id, text(recovery, "id"))
        } else if HELD.contains(&agent) && self.random.once_in(2) {
            self.rotate_by_socket(agent)
        } else {
            self.rotate_by_command(agent, id)
        }
    }

    fn rotate_by_socket(&mut self, agent: &str) -> Result<()> {
        let path = format!("/api/v1/keys/{agent}/rotate");
        let answer = self.client.post(&path, "", "").ok();
        let key = match answer {
            Some(answer) if answer.status == 200 => Some(serde_json::from_slice(&answer.body)?),
            Some(answer) if ![409, 429, 503].contains(&answer.status) => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                bail!("a rotation was answered with {}: {said}", answer.status);
            }
            Some(_) | None => None,
        };
        self.note(agent, key.as_ref(), |figures| figures.rotations += 1);
        Ok(())
    }

    fn rotate_by_command(&mut self, agent: &str, id: &str) -> Result<()> {
        let mut arguments = vec!["key".to_owned(), "rotate".to_owned(), agent.to_owned()];
        if !HELD.contains(&agent) {
            let (old, new) = (self.shared.file(id)?, self.generate(agent)?);
            arguments.extend(["--key".to_owned(), old, "--new".to_owned(), new]);
        }
        let key = self.run(&arguments)?;
        self.note(agent, key.as_ref(), |figures| figures.rotations += 1);
        Ok(())
    }

    fn revoke(&mut self, agent: &str, id: &str, recovery: &str) -> Result<()> {
        let recovery = self.shared.file(recovery)?;
        let words = ["key", "revoke", agent, "--of", id, "--reason", "crash"];
        let mut arguments: Vec<String> = words.map(str::to_owned).to_vec();
        arguments.extend(["--recovery-key".to_owned(), recovery]);
        if !HELD.contains(&agent) {
            arguments.extend(["--new".to_owned(), self.generate(agent)?]);
        }
        let key = self.run(&arguments)?;
        self.note(agent, key.as_ref(), |figures| figures.revocations += 1);
        Ok(())
    }

    fn generate(&mut self, agent: &str) -> Result<String> {
        self.made += 1;
        let name = format!("{}-{}", self.number, self.made);
        let (_id, file) = self.shared.generate(agent, &name)?;
        Ok(file.to_string_lossy().into_owned())
    }

    /// The key that a command says is valid now; nothing when it was refused or its owner died.
    fn run(&self, arguments: &[String]) -> Result<Option<Value>> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = self.shared.site.output(&arguments)?;
        match output.status.code() {
            Some(0) => Ok(Some(serde_json::from_slice(&output.stdout)?)),
            Some(code) if REFUSED_OR_LOST.contains(&code) => Ok(None),
            _ => bail!(
                "{}: {}\n{}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }

    fn note(&self, agent: &str, key: Option<&Value>, count: impl FnOnce(&mut Figures)) {
        self.shared.done(|done| {
            let Some(key) = key else {
                done.figures.unanswered += 1;
                return;
            };
            count(&mut done.figures);
            let id = text(key, "id").to_owned();
            done.acknowledged.insert((agent.to_owned(), id));
        });
    }

    /// Every key, when the owner answers.
    fn keys(&mut self) -> Option<Vec<Value>> {
        let answer = self.client.get("/api/v1/keys").ok()?;
        serde_json::from_slice(&answer.body).ok()
    }
}
