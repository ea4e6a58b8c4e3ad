//! The crash harness: an owner under load dies at random instants, by SIGKILL or with its disk's
//! power, again and again; then every promise is accounted for.
//!
//! In: the built binary, a load, a cooperating sink that tasks write to. Out: single chosen
//! instants, which are the fail-point tests of the crates. Invariants that it checks: every
//! acknowledged signal and every synced file is in the log exactly once; no lease token starts
//! twice; no start is without a run; the log verifies after each crash.

mod account;
mod arena;
mod disk;
mod load;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use account::{Account, Evidence};
use arena::{Arena, LOAD};
use load::{Load, Promises};

use crate::binary;
use crate::owner::{Owner, tail};
use crate::process::until;
use crate::random::{Random, fresh_seed};

/// Earliest and latest instant of a crash after the owner's start, ms.
const LIFE_MS: (u64, u64) = (5, 250);
/// How long the work that is left may take at the end.
const DRAIN_MAX: Duration = Duration::from_mins(2);
/// More signals than any run of the harness makes.
const SIGNALS_MAX: &str = "100000000";
/// Runs that one list holds at most; with as many, the account would not be whole.
const RUNS_MAX: usize = 10_000;
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
    let built = match (&options.binary, options.control) {
        (Some(path), _) => path.clone(),
        (None, None) => binary::release()?,
        (None, Some(_)) => binary::planted()?,
    };
    let mut findings = Vec::new();
    for (death, crashes) in plan(options) {
        let plant = options.control.map(Control::plant);
        let verify_every = options.verify_every.max(1);
        let trial = Trial {
            binary: &built,
            plant,
            death,
            crashes,
            verify_every,
            seed,
        };
        let finding = trial.run()?;
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
        let arena = Arena::build(self.binary, self.plant, self.death == Death::PowerCut)?;
        let began = Instant::now();
        let mut finding = Finding::new(self);
        let mut load = Load::start(&arena.site, self.seed);
        let account = self
            .crash(&arena, &mut load, &mut finding)
            .and_then(|()| settle(&arena, load, &mut finding));
        match account {
            Ok(account) => finding.account = account,
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
            if crash % self.verify_every == 0 {
                verify(arena, finding)?;
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

fn verify(arena: &Arena, finding: &mut Finding) -> Result<()> {
    let answers = arena.site.ask(&["ledger", "verify"])?;
    finding.verifications += 1;
    match answers.as_slice() {
        [answer] if answer.get("ok") == Some(&Value::Bool(true)) => Ok(()),
        other => bail!("the log does not verify: {other:?}"),
    }
}

/// Lets the last owner finish what is left, and accounts.
fn settle(arena: &Arena, load: Load, finding: &mut Finding) -> Result<Account> {
    let mut owner = arena.site.serve()?;
    owner.wait_until_ready()?;
    let promises = load.end()?;
    until("the work drains", DRAIN_MAX, || {
        Ok(is_drained(arena)?.then_some(()))
    })?;
    verify(arena, finding)?;
    let account = draw(arena, &promises)?;
    owner.stop()?;
    Ok(account)
}

fn is_drained(arena: &Arena) -> Result<bool> {
    for entry in std::fs::read_dir(arena.site.root.join("intents"))? {
        if entry?
            .path()
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            return Ok(false);
        }
    }
    let answers = arena.site.ask(&["status"])?;
    let [status] = answers.as_slice() else {
        bail!("status printed {} documents", answers.len());
    };
    let figure = |name: &str| status.get(name).and_then(Value::as_u64);
    let live = ["runs_planned", "runs_leased", "runs_stopping"].map(figure);
    Ok(live == [Some(0); 3] && figure("views") == figure("records"))
}

fn draw(arena: &Arena, promises: &Promises) -> Result<Account> {
    let signals = arena
        .site
        .ask(&["signal", "list", "--name", LOAD, "--limit", SIGNALS_MAX])?;
    let runs = arena
        .site
        .ask(&["run", "list", "--limit", &RUNS_MAX.to_string()])?;
    if runs.len() >= RUNS_MAX {
        bail!("{RUNS_MAX} runs are more than a list holds: crash less often in one go");
    }
    let sink = std::fs::read_to_string(&arena.sink)?;
    Ok(Account::draw(&Evidence {
        promises,
        signals: &signals,
        runs: &runs,
        sink: &sink,
    }))
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
