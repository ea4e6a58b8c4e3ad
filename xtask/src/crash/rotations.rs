//! Keys under random kills: an owner works while the keys of its log are rotated and revoked, dies at
//! random instants, and whoever trusts the log since its beginning goes on trusting it.
//!
//! In: the built binary, the load of the other crashes, the hands of [`super::changes`]. Invariants
//! that it checks: after each kill the log verifies by a trust file from before all of them; of each
//! agent one key is valid and somebody holds it; no key that was acknowledged is lost. At the end a
//! second verifier, which shares no code, finds the same key at the same place.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use serde_json::Value;

use super::arena::{Arena, Place};
use super::changes::{Changes, Figures};
use super::load::Load;
use super::settlement::settle;
use super::tenures::{check, check_acknowledged, check_held, second_opinion, tenures};
use super::{LIFE_MS, Trial};
use crate::owner::tail;
use crate::process::until;
use crate::random::Random;

/// One owner in so many answers before its life begins, and is asked for its keys.
const ASKED_EVERY: u32 = 2;
/// What an owner ends with while another has its root: a command that became its owner.
const HELD: i32 = 75;
/// How long commands may hold a root one after another.
const COMMANDS_MAX: Duration = Duration::from_secs(30);

/// Runs `trial.crashes` kills; says what was done.
pub(crate) fn run(trial: &Trial<'_>) -> Result<()> {
    println!("rotations: {} kills, seed {}", trial.crashes, trial.seed);
    let arena = Arena::build(trial.binary, trial.plant, Place::Host)?;
    let began = Instant::now();
    let figures =
        through(trial, &arena).map_err(|error| anyhow!("{error:#}\n{}", tail(&arena.site.log)))?;
    println!(
        "  {} kills, {} rotations and {} revocations acknowledged, {} without an answer, {} s",
        trial.crashes,
        figures.rotations,
        figures.revocations,
        figures.unanswered,
        began.elapsed().as_secs()
    );
    Ok(())
}

fn through(trial: &Trial<'_>, arena: &Arena) -> Result<Figures> {
    let outside = arena.outside();
    let (recovery, trust) = (outside.join("recovery.key"), outside.join("trust.json"));
    arena
        .site
        .ask(&["init", "--recovery-key", &path(&recovery)])?;
    let mut first = arena.site.serve()?;
    first.wait_until_ready()?;
    arena.site.ask(&["key", "export", "--to", &path(&trust)])?;
    let mut changes = Changes::start(arena, recovery, trial.crashes, trial.seed)?;
    first.kill()?;
    let mut load = Load::start(&arena.site, trial.seed);
    kill_again_and_again(trial, arena, &trust, &mut load, &mut changes)?;
    let figures = changes.end()?;
    let account = settle(arena, load)?;
    ensure!(account.is_sound(), "{:?}", account.faults);
    let has_both = figures.rotations > 0 && figures.revocations > 0;
    ensure!(has_both, "the hands were idle: {figures:?}");
    judge(arena, &trust, &changes)?;
    Ok(figures)
}

fn kill_again_and_again(
    trial: &Trial<'_>,
    arena: &Arena,
    trust: &Path,
    load: &mut Load,
    changes: &mut Changes,
) -> Result<()> {
    let mut random = Random::part(trial.seed, u64::MAX);
    for kill in 1..=trial.crashes {
        let life = Duration::from_millis(random.between(LIFE_MS.0, LIFE_MS.1));
        let is_asked = kill.is_multiple_of(ASKED_EVERY);
        until("no command owns the root", COMMANDS_MAX, || {
            let lived = live_and_die(arena, life, is_asked.then_some(&*changes))?;
            Ok(lived.then_some(()))
        })?;
        load.check()?;
        changes.check()?;
        verify(arena, trust)?;
        if kill.is_multiple_of(50) {
            println!("  {kill} of {}", trial.crashes);
        }
    }
    Ok(())
}

/// Lets an owner live for so long and kills it; before that it is asked for the keys that `changes`
/// were promised. Says whether it was an owner at all: a command may have had its root.
fn live_and_die(arena: &Arena, life: Duration, changes: Option<&Changes>) -> Result<bool> {
    let mut owner = arena.site.serve()?;
    if let Some(changes) = changes
        && owner.answers_or_ends()?.is_none()
    {
        let acknowledged = changes.acknowledged();
        let tenures = tenures(&arena.site.ask(&["key", "list", "--all"])?);
        check(&tenures)?;
        check_acknowledged(&tenures, &acknowledged)?;
    }
    std::thread::park_timeout(life);
    match owner.ended()? {
        None if owner.kill()? => Ok(true),
        None => bail!("the owner ended by itself"),
        Some(status) if status.code() == Some(HELD) => Ok(false),
        Some(status) => bail!("the owner ended by itself: {status}"),
    }
}

/// The log verifies by the trust file.
fn verify(arena: &Arena, trust: &Path) -> Result<Value> {
    let said = ["ledger", "verify", "--trust", &path(trust)];
    let said = arena.site.ask(&said)?;
    let said = said.into_iter().next().unwrap_or_default();
    ensure!(said.get("ok") == Some(&Value::Bool(true)), "{said}");
    Ok(said)
}

/// At the end: the owner can go on signing with every key, all is sealed, and both verifiers find the
/// same keys.
fn judge(arena: &Arena, trust: &Path, changes: &Changes) -> Result<()> {
    let mut owner = arena.site.serve()?;
    owner.wait_until_ready()?;
    changes.rotate_all()?;
    let keys = arena.site.ask(&["key", "list", "--all"])?;
    owner.stop()?;
    check(&tenures(&keys))?;
    check_acknowledged(&tenures(&keys), &changes.acknowledged())?;
    check_held(&keys, &arena.site.root)?;
    let said = verify(arena, trust)?;
    let (size, sealed) = (said.get("size"), said.get("checkpoint_size"));
    ensure!(size == sealed, "the checkpoint was not renewed: {said}");
    let export = arena.outside().join("export");
    arena
        .site
        .ask(&["ledger", "export", "--to", &path(&export)])?;
    let second = second_opinion(&export, trust)?;
    ensure!(second == tenures(&keys), "{second:?} is not {keys:?}");
    Ok(())
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
