//! Stops that race with starts: after a stop was answered, or from 100 ms after the kill switch
//! appeared, until work is let go on, no process is started; also on a disk that fills up.
//!
//! In: the built binary, the task of the other crashes. Out: what a stop does to the log, which is the
//! engine's tests.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

use super::arena::{Arena, LOAD, Place};
use super::settlement::verify_log;
use super::window::{Window, fork, process_numbers};
use crate::client::{Answer, Client, text};
use crate::owner::{Owner, tail};
use crate::process::until;
use crate::random::Random;

/// Runs that wait before each race, and are leased at once.
const BACKLOG: u64 = 60;
/// Latest instant of a stop after work was let go on, ms.
const STOP_MS_MAX: u64 = 30;
/// From then on after it appeared the kill switch holds.
const KILL_SWITCH: Duration = Duration::from_millis(100);
/// What an owner ends with whose log had no room.
const NO_ROOM: i32 = 74;
/// How long an owner may take to do anything else that it must.
const PATIENCE: Duration = Duration::from_secs(30);
/// Room that is left when work is let go on, and at most at the stop, on a disk that fills up.
const ROOM_BYTES: u64 = 1024 * 1024;
const ROOM_BYTES_AT_STOP_MAX: u64 = 256 * 1024;

/// Races to run.
#[derive(Debug)]
pub(crate) struct Stops<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) plant: Option<&'static str>,
    pub(crate) races: u32,
    /// In memory: a disk that fills up in each race.
    pub(crate) place: Place,
    pub(crate) seed: u64,
}

/// How work is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Socket,
    CommandLine,
    KillSwitch,
}

const WAYS: [Way; 3] = [Way::Socket, Way::CommandLine, Way::KillSwitch];

#[derive(Debug, Default)]
struct Figures {
    signals: u64,
    starts: u64,
    /// Races in which something had started.
    hot: u32,
    /// Stops that were not answered, because the disk had no room.
    unanswered: u32,
    /// Owners that ended for that reason.
    ended: u32,
    /// Runs of theirs of which nobody knows.
    unknown: usize,
}

/// An owner at work, stopped between the races.
struct Field<'a> {
    arena: &'a Arena,
    owner: Owner,
    client: Client,
    random: Random,
    sink: File,
    /// Since when nothing may start.
    stopped_at: Option<u32>,
    /// Where nothing could start before this race.
    before: Option<Window>,
    runs: BTreeSet<String>,
    figures: Figures,
}

impl Stops<'_> {
    /// Runs them; fails when anything was started that must not be.
    pub(crate) fn run(&self) -> Result<()> {
        println!(
            "stops: {} races, place {:?}, seed {}",
            self.races, self.place, self.seed
        );
        let arena = Arena::with_slots(self.binary, self.plant, self.place, BACKLOG)?;
        arena.reserve_little()?;
        let began = Instant::now();
        let figures = self
            .race(&arena)
            .map_err(|error| anyhow!("{error:#}\n{}", tail(&arena.site.log)))?;
        println!(
            "  {} races, {} with work under way; {} signals, {} starts, 0 after a stop; \
             for lack of room {} stops unanswered, {} owners ended, {} runs unknown; {} s",
            self.races,
            figures.hot,
            figures.signals,
            figures.starts,
            figures.unanswered,
            figures.ended,
            figures.unknown,
            began.elapsed().as_secs()
        );
        Ok(())
    }

    fn race(&self, arena: &Arena) -> Result<Figures> {
        let mut field = Field::begin(arena, Random::part(self.seed, 0))?;
        for (race, way) in (1..=self.races).zip(WAYS.into_iter().cycle()) {
            field
                .race(way)
                .with_context(|| format!("race {race}, by {way:?}"))?;
            if race.is_multiple_of(250) {
                println!("  {race} of {}", self.races);
            }
        }
        ensure!(
            field.figures.hot > self.races / 2,
            "no races: {:?}",
            field.figures
        );
        field.end()
    }
}

impl<'a> Field<'a> {
    fn begin(arena: &'a Arena, random: Random) -> Result<Self> {
        let mut owner = arena.site.serve()?;
        owner.wait_until_ready()?;
        let mut field = Self {
            arena,
            owner,
            client: Client::new(arena.site.socket()),
            random,
            sink: File::open(&arena.sink)?,
            stopped_at: None,
            before: None,
            runs: BTreeSet::new(),
            figures: Figures::default(),
        };
        ensure!(field.stop(Way::Socket)?, "the first stop was refused");
        Ok(field)
    }

    /// Lets work go on, stops it while it starts, and sees that nothing was started since.
    fn race(&mut self, way: Way) -> Result<()> {
        self.on_owners(Self::begin_work)?;
        self.pause(STOP_MS_MAX);
        if let Some(disk) = &self.arena.disk {
            disk.fill_to(self.random.between(0, ROOM_BYTES_AT_STOP_MAX))?;
            self.pause(STOP_MS_MAX / 3);
        }
        let is_stopped = self.stop(way)?;
        if !is_stopped {
            ensure!(self.arena.disk.is_some(), "the stop was not answered");
            self.figures.unanswered += 1;
        }
        self.settle()?;
        if !is_stopped {
            // It may have been taken or not: nothing is said of what started.
            self.on_owners(|field| {
                let is_stopped = field.stop(Way::Socket)?;
                ensure!(is_stopped, "a stop was refused with room on the disk");
                Ok(())
            })?;
            self.settle()?;
        }
        self.figures.hot += u32::from(self.judge()? > 0);
        Ok(())
    }

    /// Lets runs wait, then begin, on a disk that has little room if it can be filled.
    fn begin_work(&mut self) -> Result<()> {
        self.emit()?;
        if let Some(disk) = &self.arena.disk {
            disk.fill_to(ROOM_BYTES)?;
        }
        self.resume()
    }

    fn pause(&mut self, most_ms: u64) {
        std::thread::park_timeout(Duration::from_millis(self.random.between(0, most_ms)));
    }

    /// Lets so many runs wait.
    fn emit(&mut self) -> Result<()> {
        let waiting = figure(&self.status()?, "runs_planned");
        for _signal in waiting..BACKLOG {
            let key = format!("stop-{}", self.figures.signals);
            let body = format!(r#"{{"signal":"{LOAD}","source":"stops","facts":{{"work":true}}}}"#);
            // Whether there is room again is not asked at every signal.
            until("signals are taken", PATIENCE, || {
                let answer = self.client.post("/api/v1/signals", &key, &body)?;
                match answer.status {
                    202 => Ok(Some(())),
                    507 => Ok(None),
                    _ => bail!("a signal: {}", said(&answer)),
                }
            })?;
            self.figures.signals += 1;
        }
        Ok(())
    }

    /// Stops work, and takes the number of a process that was forked since. Says whether the stop
    /// was answered.
    fn stop(&mut self, way: Way) -> Result<bool> {
        let is_answered = match way {
            Way::Socket => {
                let reason = r#"{"reason":"race"}"#;
                let answer = self.client.post("/api/v1/stop/kill", "", reason);
                answer.is_ok_and(|answer| answer.status == 200)
            }
            Way::CommandLine => {
                let stop = ["stop", "kill", "--reason", "race"];
                self.arena.site.output(&stop)?.status.success()
            }
            Way::KillSwitch => {
                File::create(self.switch()).context("the kill switch")?;
                std::thread::park_timeout(KILL_SWITCH);
                true
            }
        };
        self.stopped_at = is_answered.then(fork).transpose()?;
        Ok(is_answered)
    }

    /// Waits until what ran is gone; then there is room again. An owner that had none may have ended.
    fn settle(&mut self) -> Result<()> {
        let has_ended = until("what ran is gone", PATIENCE, || {
            if self.owner.ended()?.is_some() {
                return Ok(Some(true));
            }
            let Ok(status) = self.status() else {
                return Ok(None);
            };
            let is_seen = !self.switch().exists() || text(&status, "killswitch") == "engaged";
            let live = figure(&status, "runs_leased") + figure(&status, "runs_stopping");
            let is_idle = is_seen && (live == 0 || self.stopped_at.is_none());
            Ok(is_idle.then_some(false))
        })?;
        match &self.arena.disk {
            Some(_) if has_ended => self.replace_owner(),
            Some(disk) => disk.empty(),
            None => Ok(()),
        }
    }

    /// Does `act`, again and again while owners end late for what they had no room for.
    fn on_owners(&mut self, act: impl Fn(&mut Self) -> Result<()>) -> Result<()> {
        while let Err(error) = act(self) {
            let replaced = self.replace_owner();
            replaced.map_err(|lives| error.context(lives))?;
        }
        Ok(())
    }

    /// Gives the room back and starts the next owner, in the place of one that ended for lack of it.
    fn replace_owner(&mut self) -> Result<()> {
        let disk = self.arena.disk.as_ref().context("there is room")?;
        let status = until("the owner ends", PATIENCE, || self.owner.ended())?;
        ensure!(status.code() == Some(NO_ROOM), "the owner ended: {status}");
        self.figures.ended += 1;
        disk.empty()?;
        self.owner = self.arena.site.serve()?;
        self.client.forget();
        self.owner.wait_until_ready()
    }

    /// Lets work go on; from just before, processes may start again.
    fn resume(&mut self) -> Result<()> {
        let (from, to) = (self.stopped_at.take(), fork()?);
        self.before = from.map(|from| Window { from, to });
        if self.switch().exists() {
            std::fs::remove_file(self.switch())?;
            until("the file is seen to be gone", PATIENCE, || {
                Ok((text(&self.status()?, "killswitch") == "clear").then_some(()))
            })?;
        }
        let answer = self.client.post("/api/v1/stop/resume", "", "{}")?;
        ensure!(answer.status == 200, "a resume: {}", said(&answer));
        Ok(())
    }

    /// Reads what was started, how much it is, and compares it with when nothing could be.
    fn judge(&mut self) -> Result<u64> {
        let (now, modulus) = (fork()?, process_numbers()?);
        let current = self.stopped_at.map(|from| Window { from, to: now });
        let mut text = String::new();
        self.sink.read_to_string(&mut text)?;
        // A line that is not whole yet is read the next time.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let ahead = i64::try_from(text.len() - whole)?;
        self.sink.seek(SeekFrom::Current(-ahead))?;
        let before = self.figures.starts;
        for line in text.get(..whole).unwrap_or_default().lines() {
            let [_token, run, _attempt, process] = line.split(' ').collect::<Vec<_>>()[..] else {
                bail!("a line of the sink is torn: {line}");
            };
            let process: u32 = process.parse()?;
            for window in self.before.iter().chain(&current) {
                let is_late = window.holds(process, modulus);
                ensure!(!is_late, "started while nothing may be: {line}, {window:?}");
            }
            self.figures.starts += 1;
            self.runs.insert(run.to_owned());
        }
        Ok(self.figures.starts - before)
    }

    /// Lets all work be done; none of it was dropped.
    fn end(mut self) -> Result<Figures> {
        self.on_owners(Self::resume)?;
        until("all is done", PATIENCE, || {
            let status = self.status()?;
            let live = ["runs_planned", "runs_leased", "runs_stopping"];
            let live: u64 = live.iter().map(|name| figure(&status, name)).sum();
            Ok((live == 0).then_some(()))
        })?;
        self.judge()?;
        // Without room nobody could write down how the work of an owner that ended came to its own end.
        let unknown = ["run", "list", "--state", "unknown", "--limit", "100000"];
        let unknown = self.arena.site.ask(&unknown)?;
        let is_whole = unknown.is_empty() || self.figures.ended > 0;
        ensure!(is_whole, "work was lost: {unknown:?}");
        self.figures.unknown = unknown.len();
        let lost = unknown.iter().map(|run| text(run, "id").to_owned());
        self.runs.extend(lost);
        let (done, signals) = (self.runs.len(), self.figures.signals);
        ensure!(
            u64::try_from(done)? == signals,
            "{done} of {signals} signals started work"
        );
        self.owner.stop()?;
        verify_log(self.arena)?;
        Ok(self.figures)
    }

    fn switch(&self) -> std::path::PathBuf {
        self.arena.site.root.join("killswitch")
    }

    fn status(&mut self) -> Result<Value> {
        let answer = self.client.get("/api/v1/status")?;
        ensure!(answer.status == 200, "the status: {}", said(&answer));
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

fn figure(status: &Value, name: &str) -> u64 {
    status.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn said(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    format!("{} {body}", answer.status)
}
