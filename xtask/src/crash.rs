//! The crash harness: an owner under load dies at random instants, by SIGKILL or with its disk's
//! power, or at each step of persistence, again and again; then every promise is accounted for.
//!
//! In: the built binary, a load, a cooperating sink that tasks write to. Out: whole stories of one
//! death, which are the journeys of the binary's tests. Invariants that it checks: every
//! acknowledged signal and every synced file is in the log exactly once; no lease token starts
//! twice; no start is without a run; the log verifies after each crash. With the same means keys are
//! changed under kills ([`rotations`]) and stops race with starts ([`stops`]).

mod account;
mod arena;
mod changes;
mod disk;
mod fail_points;
mod load;
mod rotations;
mod settlement;
mod steps;
mod stops;
mod tenures;
mod window;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde::Serialize;

use account::Account;
use arena::Arena;
pub(crate) use arena::Place;
use load::Load;
pub(crate) use rotations::run as rotate;
use settlement::{check_export, settle, verify_log};
pub(crate) use stops::Stops;

use crate::binary;
use crate::owner::{Owner, tail};
use crate::random::{Random, fresh_seed};

/// Earliest and latest instant of a crash after the owner's start, ms.
const LIFE_MS: (u64, u64) = (5, 250);
/// Kills of a control run when no number is given.
const CONTROL_CYCLES: u32 = 200;
/// Power cuts of a control run when no number is given.
const CONTROL_CUTS: u32 = 20;
/// Kills of a plain run when no number is given.
const CYCLES: u32 = 200;

/// What to run.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Kill the owner so many times [default: 200, or none with --power-cuts]
    #[arg(long)]
    pub(crate) cycles: Option<u32>,
    /// Cut the power of the owner's disk so many times (needs root)
    #[arg(long)]
    pub(crate) power_cuts: Option<u32>,
    /// Kill the owner so many times while keys are rotated and revoked instead
    #[arg(long)]
    pub(crate) rotations: Option<u32>,
    /// Stop the owner so many times while work is starting instead
    #[arg(long)]
    pub(crate) stops: Option<u32>,
    /// With --stops: on a disk that fills up (needs root)
    #[arg(long)]
    pub(crate) full_disk: bool,
    /// Kill, fail and hold up the owner at each step of persistence instead
    #[arg(long)]
    pub(crate) fail_points: bool,
    /// With --fail-points: only steps whose names contain this
    #[arg(long)]
    pub(crate) step: Vec<String>,
    /// Run a build that breaks its promise; the harness must notice
    #[arg(long)]
    pub(crate) control: Option<Control>,
    /// Repeat the instants and pauses of another run
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Verify the whole log after every so many crashes
    #[arg(long, default_value_t = 1)]
    pub(crate) verify_every: u32,
    /// Use this binary and build none
    #[arg(long)]
    pub(crate) binary: Option<PathBuf>,
}

/// A build that breaks its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Control {
    /// Effects are let go before their records are committed.
    EffectsFirst,
    /// Commits are not synced.
    NoSync,
}

impl Control {
    fn plant(self) -> &'static str {
        match self {
            Control::EffectsFirst => "effect_before_commit",
            Control::NoSync => "sync_dropped",
        }
    }
}

/// How the owner dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Death {
    Kill,
    PowerCut,
}

/// One run of the harness.
#[derive(Clone, Debug)]
pub(crate) struct Trial<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) plant: Option<&'static str>,
    pub(crate) death: Death,
    pub(crate) crashes: u32,
    pub(crate) verify_every: u32,
    pub(crate) seed: u64,
}

/// What a run of the harness found.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    death: Death,
    crashes: u32,
    verifications: u32,
    seconds: u64,
    seed: u64,
    #[serde(flatten)]
    pub(crate) account: Account,
}

/// Runs what the options ask for; fails when a promise was broken, or when a control build was
/// not noticed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(fresh_seed);
    let needs_faults = options.fail_points || options.control.is_some();
    let built = match &options.binary {
        Some(path) => path.clone(),
        None if needs_faults => binary::with_faults()?,
        None => binary::release()?,
    };
    if options.fail_points {
        return fail_points::run(&built, &options.step, seed);
    }
    let plant = options.control.map(Control::plant);
    let trial = |death, crashes| Trial {
        binary: &built,
        plant,
        death,
        crashes,
        verify_every: options.verify_every.max(1),
        seed,
    };
    if let Some(races) = options.stops {
        let stops = Stops {
            binary: &built,
            plant,
            races,
            place: if options.full_disk {
                Place::Memory
            } else {
                Place::Host
            },
            seed,
        };
        return stops.run();
    }
    if let Some(kills) = options.rotations {
        let broken = || format!("promises were broken (seed {seed})");
        return rotate(&trial(Death::Kill, kills)).with_context(broken);
    }
    let mut findings = Vec::new();
    for (death, crashes) in plan(options) {
        let finding = trial(death, crashes).run()?;
        finding.print()?;
        findings.push(finding);
    }
    let sound = findings.iter().all(Finding::is_sound);
    match (options.control, sound) {
        (None, true) => Ok(()),
        (None, false) => bail!("promises were broken (seed {seed})"),
        (Some(_), false) => {
            println!("the control build was noticed");
            Ok(())
        }
        (Some(control), true) => bail!("the harness did not notice the control {control:?}"),
    }
}

fn plan(options: &Options) -> Vec<(Death, u32)> {
    let (cycles, cuts) = match (options.cycles, options.power_cuts, options.control) {
        (None, None, None) => (CYCLES, 0),
        (None, None, Some(Control::EffectsFirst)) => (CONTROL_CYCLES, 0),
        (None, None, Some(Control::NoSync)) => (0, CONTROL_CUTS),
        (cycles, cuts, _) => (cycles.unwrap_or(0), cuts.unwrap_or(0)),
    };
    [(Death::Kill, cycles), (Death::PowerCut, cuts)]
        .into_iter()
        .filter(|(_, crashes)| *crashes > 0)
        .collect()
}

impl Trial<'_> {
    /// Runs it to its account.
    pub(crate) fn run(&self) -> Result<Finding> {
        println!(
            "crash: {:?}, {} times, seed {}",
            self.death, self.crashes, self.seed
        );
        let place = match self.death {
            Death::Kill => Place::Host,
            Death::PowerCut => Place::Image,
        };
        let arena = Arena::build(self.binary, self.plant, place)?;
        // An owner that cannot even come up would look like a broken promise.
        let mut first = arena.site.serve()?;
        first.wait_until_ready()?;
        first.kill()?;
        let began = Instant::now();
        let mut finding = Finding::new(self);
        let mut load = Load::start(&arena.site, self.seed);
        let account = self
            .crash(&arena, &mut load, &mut finding)
            .and_then(|()| settle(&arena, load));
        match account {
            Ok(account) => {
                finding.account = account;
                finding.verifications += 1;
            }
            Err(error) => finding.account.fault(
                "run broken off",
                format!("{error:#}\n{}", tail(&arena.site.log)),
            ),
        }
        finding.seconds = began.elapsed().as_secs();
        Ok(finding)
    }

    fn crash(&self, arena: &Arena, load: &mut Load, finding: &mut Finding) -> Result<()> {
        let mut random = Random::part(self.seed, u64::MAX);
        for crash in 1..=self.crashes {
            let owner = arena.site.serve()?;
            let life = Duration::from_millis(random.between(LIFE_MS.0, LIFE_MS.1));
            std::thread::park_timeout(life);
            load.check()?;
            if !load.without_files(|| end(owner, arena))? {
                bail!("the owner ended by itself");
            }
            finding.crashes += 1;
            check_export(arena)?;
            if crash % self.verify_every == 0 {
                verify_log(arena)?;
                finding.verifications += 1;
            }
            if crash % 50 == 0 {
                println!("  {crash} of {}", self.crashes);
            }
        }
        Ok(())
    }
}

/// Kills the owner and, on a disk of its own, cuts the power. Says whether the owner was alive.
fn end(owner: Owner, arena: &Arena) -> Result<bool> {
    let alive = owner.kill()?;
    if let Some(disk) = &arena.disk {
        disk.cut_power()?;
    }
    Ok(alive)
}

impl Finding {
    fn new(trial: &Trial<'_>) -> Self {
        Self {
            death: trial.death,
            crashes: 0,
            verifications: 0,
            seconds: 0,
            seed: trial.seed,
            account: Account::default(),
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.account.is_sound()
    }

    /// Prints the figures as a table and as one line of JSON.
    pub(crate) fn print(&self) -> Result<()> {
        let account = &self.account;
        let rows = [
            ("crashes", u64::from(self.crashes)),
            ("log verified", u64::from(self.verifications)),
            ("acknowledgements", account.acknowledgements),
            ("signals acknowledged", account.signals_promised),
            ("files dropped and synced", account.files_promised),
            ("unrouted files dropped", account.unrouted_promised),
            ("dead letters", account.letters),
            ("signals of the load in the log", account.signals_in_log),
            ("runs", account.runs),
            ("starts seen by the sink", account.starts),
            ("seconds", self.seconds),
        ];
        for (name, value) in rows {
            println!("  {name:<32}{value:>9}");
        }
        for (state, runs) in &account.runs_by_state {
            println!("  {:<32}{runs:>9}", format!("runs {state}"));
        }
        if account.is_sound() {
            println!("  {:<32}{:>9}", "promises broken", 0);
        }
        for (kind, fault) in &account.faults {
            println!("  {kind}: {}", fault.count);
            for example in &fault.examples {
                println!("    {example}");
            }
        }
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short run on the binary that the suites build; `cargo xtask crash` makes long ones.
    fn check(death: Death, crashes: u32) -> Account {
        let trial = Trial {
            binary: &binary::debug().unwrap(),
            plant: None,
            death,
            crashes,
            verify_every: 1,
            seed: fresh_seed(),
        };
        let account = trial.run().unwrap().account;
        assert!(account.is_sound(), "{:?}", account.faults);
        assert!(account.acknowledgements > 0 && account.files_promised > 0);
        account
    }

    #[test]
    fn f2_an_owner_killed_at_any_instant_loses_nothing_and_starts_nothing_twice() {
        check(Death::Kill, 10);
    }

    #[test]
    fn f24_one_key_of_each_agent_is_valid_whenever_an_owner_is_killed_while_they_change() {
        let trial = Trial {
            binary: &binary::debug().unwrap(),
            plant: None,
            death: Death::Kill,
            crashes: 8,
            verify_every: 1,
            seed: fresh_seed(),
        };
        rotate(&trial).unwrap();
    }

    fn check_stops(races: u32, place: Place) {
        let stops = Stops {
            binary: &binary::debug().unwrap(),
            plant: None,
            races,
            place,
            seed: fresh_seed(),
        };
        stops.run().unwrap();
    }

    #[test]
    fn f54_nothing_starts_after_a_stop() {
        check_stops(24, Place::Host);
    }

    /// Needs root, to mount a disk in memory.
    #[test]
    fn f54_nothing_starts_after_a_stop_on_a_disk_that_fills_up() {
        check_stops(6, Place::Memory);
    }

    /// Needs root, to mount an image whose power can be cut.
    #[test]
    fn f3_f4_what_was_acknowledged_or_declared_is_there_whole_after_a_power_cut() {
        let account = check(Death::PowerCut, 5);
        assert!(account.letters > 0, "nothing was declared");
    }
}
