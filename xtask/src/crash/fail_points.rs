//! Fail-points: an owner under load dies, fails and is held up at each step of persistence.
//!
//! In: one root for each step, with the load and the account of the random crashes. Out: which
//! steps there are ([`super::steps`]). Invariants, besides those of the account: every step is
//! reached; an owner whose step failed ends with an error or goes on, as the table says; the next
//! owner is ready within [`RECOVERY_MAX`].

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::arena::{Arena, Place};
use super::load::Load;
use super::settlement::{settle, verify_log};
use super::steps::{Action, Met, OnError, STEPS, Step};
use crate::owner::{Owner, tail};
use crate::process::until;

/// How long an owner may take to come to its step under load.
const REACHED_MAX: Duration = Duration::from_secs(30);
/// How long an owner whose step failed may take to end.
const END_MAX: Duration = Duration::from_secs(15);
/// How long the next owner may take until it answers.
const RECOVERY_MAX: Duration = Duration::from_secs(2);
/// What the owner's log says when a step is reached.
const REACHED: &str = "fail-point reached";

/// The hit at which `action` comes: each has its own, so that the owner is found in different
/// states. A step of the start is met once.
pub(crate) fn hit(step: &Step, action: Action) -> u32 {
    match (step.met, action) {
        (Met::UnderLoad | Met::Pruning, Action::Kill) => 3,
        (Met::UnderLoad | Met::Pruning, Action::Error) => 2,
        (Met::UnderLoad | Met::Pruning, Action::Delay) | (Met::OnEmptyRoot | Met::AtStart, _) => 1,
    }
}

/// Goes through the steps whose names contain one of `names`, or through all.
pub(crate) fn run(binary: &Path, names: &[String], seed: u64) -> Result<()> {
    let wanted =
        |step: &&Step| names.is_empty() || names.iter().any(|name| step.name.contains(name));
    let steps: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    ensure!(!steps.is_empty(), "no step is called so");
    let began = Instant::now();
    let (mut broken, mut slowest) = (Vec::new(), Duration::ZERO);
    for step in &steps {
        let (verdict, recovery) = match go_through(binary, step, seed) {
            Ok(recovery) => ("sound".to_owned(), recovery),
            Err(error) => {
                broken.push(step.name);
                (format!("BROKEN: {error:#}"), Duration::ZERO)
            }
        };
        slowest = slowest.max(recovery);
        println!("  {:<26}{verdict}", step.name);
    }
    println!(
        "fail-points: {} steps, {} actions each, {} broken, slowest recovery {} ms, {} s",
        steps.len(),
        Action::ALL.len(),
        broken.len(),
        slowest.as_millis(),
        began.elapsed().as_secs()
    );
    if broken.is_empty() {
        Ok(())
    } else {
        bail!(
            "steps that broke a promise: {} (seed {seed})",
            broken.join(" ")
        )
    }
}

/// All actions of one step, on one root or, when a root comes to it only once, on one for each.
/// Gives the slowest recovery.
fn go_through(binary: &Path, step: &Step, seed: u64) -> Result<Duration> {
    if step.met == Met::OnEmptyRoot {
        let times = Action::ALL.map(|action| on_one_root(binary, step, &[action], seed));
        let times = times.into_iter().collect::<Result<Vec<_>>>()?;
        return Ok(times.into_iter().max().unwrap_or_default());
    }
    on_one_root(binary, step, &Action::ALL, seed)
}

fn on_one_root(binary: &Path, step: &Step, actions: &[Action], seed: u64) -> Result<Duration> {
    let arena = Arena::build(binary, None, Place::Host)?;
    if step.met == Met::Pruning {
        arena.prune()?;
    }
    let mut load = Load::start(&arena.site, seed);
    let mut slowest = Duration::ZERO;
    for action in actions {
        let mut act = || -> Result<Duration> {
            meet(&arena, step, *action)?;
            load.check()?;
            recover(&arena)
        };
        let recovery = act().with_context(|| shown(&arena, action.name()))?;
        slowest = slowest.max(recovery);
    }
    let account = settle(&arena, load).with_context(|| shown(&arena, "at the end"))?;
    ensure!(account.is_sound(), "{:?}", account.faults);
    Ok(slowest)
}

fn shown(arena: &Arena, what: &str) -> String {
    format!("{what}\n{}", tail(&arena.site.log))
}

/// Lets an owner come to the step, sees that it takes it as it must, and leaves no owner.
fn meet(arena: &Arena, step: &Step, action: Action) -> Result<()> {
    let said_before = reached(arena)?;
    let armed = format!("{}={}@{}", step.name, action.name(), hit(step, action));
    let mut owner = arena.site.serve_armed(&armed)?;
    until("the step is reached", REACHED_MAX, || {
        let ended_before = owner.ended()?;
        let is_reached = reached(arena)? > said_before;
        if let (Some(status), false) = (ended_before, is_reached) {
            bail!("the owner ended before its step: {status}");
        }
        Ok(is_reached.then_some(()))
    })?;
    match (action, step.on_error) {
        (Action::Kill, _) => ensure!(!end(&mut owner)?.success(), "it ended well"),
        (Action::Error, OnError::Ends) => {
            let status = end(&mut owner)?;
            ensure!(status.code().is_some_and(|code| code != 0), "{status}");
        }
        (Action::Error, OnError::GoesOn) | (Action::Delay, _) => {
            owner.wait_until_ready()?;
            ensure!(owner.kill()?, "the owner ended by itself");
        }
    }
    Ok(())
}

fn end(owner: &mut Owner) -> Result<std::process::ExitStatus> {
    until("the owner ends", END_MAX, || owner.ended())
}

/// Times that the owner's log says that a step was reached.
fn reached(arena: &Arena) -> Result<usize> {
    match std::fs::read_to_string(&arena.site.log) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        text => Ok(text?.matches(REACHED).count()),
    }
}

/// The log verifies, and the next owner is soon ready; then it is killed.
fn recover(arena: &Arena) -> Result<Duration> {
    verify_log(arena)?;
    let began = Instant::now();
    let mut owner = arena.site.serve()?;
    owner.wait_until_ready()?;
    let recovery = began.elapsed();
    ensure!(
        recovery < RECOVERY_MAX,
        "ready only after {} ms",
        recovery.as_millis()
    );
    ensure!(owner.kill()?, "the owner ended by itself");
    Ok(recovery)
}
