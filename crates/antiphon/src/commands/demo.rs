//! `antiphon demo`: the KLoROS loops live, on real input in a temporary root.
//!
//! Nothing is played: intents and promotions are dropped as files, the owner of this root routes
//! them, Python programs run, and each line of the story is a record of the log.

mod story;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_backend_sqlite::open_reader;
use antiphon_core::policy::MonitorKind;
use antiphon_engine::handle::Handle;
use antiphon_engine::read::Records;
use antiphon_kloros::demo::{self, MODULES_DISCOVERED};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::commands::init::write_starter;
use crate::commands::ledger::verify::verify_root;
use crate::config::Configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::tone::Tone;
use crate::owner::assembly::Held;
use crate::owner::clock::SystemClock;
use crate::packs;
use crate::wire::{self, Context};
use story::Story;

/// In the demo the world is looked at this often, ms: the pack's own 10 s are for a daemon.
const LOOK_EVERY_MS: u64 = 500;
/// Both loops close within this, or something is wrong.
const LONGEST: Duration = Duration::from_mins(3);
/// The story looks at the clock this often while nothing is recorded.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// End when both loops have closed
    #[arg(long)]
    pub(crate) once: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let home = tempfile::Builder::new()
        .prefix("antiphon-demo-")
        .tempdir()
        .map_err(|source| Failure::File {
            verb: "written",
            path: std::env::temp_dir(),
            source,
        })?;
    let root = home.path().join("root");
    antiphon_files::Root::create(&root)?;
    let registry = packs::registry();
    let pack = packs::pack(&registry, packs::DEMONSTRATED)?;
    write_starter(&root, pack.configuration, pack.files)?;
    let mut read = Configuration::load(&root, None)?;
    for monitor in &mut read.policy.monitors {
        if matches!(monitor.kind, MonitorKind::Look { .. }) {
            monitor.every_ms = LOOK_EVERY_MS;
        }
    }
    let (policy, config) = read.compile()?;
    let held = Held::take(&root, true, None)?;
    let exit = wire::runtime()?.block_on(async {
        let shutdown = CancellationToken::new();
        let started = Instant::now();
        drop_promotions(&root)?;
        let registry = Arc::new(registry);
        let running = held
            .open(policy, &config, registry, shutdown.clone())
            .await?;
        let handle = running.handle();
        let walked = running.inbox_walked();
        let owner = tokio::spawn(running.run());
        if let Some(mut walked) = walked {
            // An Err says that the owner is gone: its own end tells why.
            walked.wait_for(|walked| *walked).await.ok();
        }
        let mut story = Story::new(context.output, started);
        story.begin(&root)?;
        drop_intents(&root, &mut story)?;
        let told = tell(&root, &handle, &mut story, arguments.once).await;
        shutdown.cancel();
        let ended = owner.await.map_err(|panicked| Failure::Bug {
            what: "the owner panicked".to_owned(),
            source: Some(Box::new(panicked)),
        })?;
        let exit = told?;
        ended?;
        story.read_to_end(&mut Records::new(open_reader(&root)?))?;
        Ok::<_, Failure>((exit, story))
    });
    let (exit, story) = exit?;
    let begun = Instant::now();
    let audit = verify_root(&root)?;
    story.summary(&audit, begun.elapsed())?;
    Ok(if audit.is_intact() {
        exit
    } else {
        Exit::VerificationFailed
    })
}

/// Promotions lie there before the first look: a part of them would be a set of its own.
fn drop_promotions(root: &Path) -> Result<(), Failure> {
    for file in demo::drops(SystemClock::wall_ms()) {
        if !file.path.starts_with("intents/") {
            place(root, &file)?;
        }
    }
    Ok(())
}

fn drop_intents(root: &Path, story: &mut Story) -> Result<(), Failure> {
    for file in demo::drops(SystemClock::wall_ms()) {
        if file.path.starts_with("intents/") {
            place(root, &file)?;
        }
        story.dropped(&file)?;
    }
    Ok(())
}

/// Written under another name, then renamed: as a careful producer does it.
fn place(root: &Path, file: &demo::Drop) -> Result<(), Failure> {
    let path = root.join(&file.path);
    let failed = |source| Failure::File {
        verb: "written",
        path: path.clone(),
        source,
    };
    let folder = path.parent().unwrap_or(root);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let draft = path.with_extension("draft");
    std::fs::write(&draft, &file.bytes).map_err(failed)?;
    std::fs::rename(&draft, &path).map_err(failed)
}

/// Tells what is recorded as it is recorded, until both loops have closed or someone interrupts.
async fn tell(
    root: &Path,
    handle: &Handle,
    story: &mut Story,
    is_once: bool,
) -> Result<Exit, Failure> {
    let mut records = Records::new(open_reader(root)?);
    let mut high_water = handle.high_water();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|source| Failure::Bug {
        what: "signals cannot be heeded".to_owned(),
        source: Some(Box::new(source)),
    })?;
    let longest = tokio::time::sleep(LONGEST);
    tokio::pin!(longest);
    loop {
        story.read_to_end(&mut records)?;
        let status = handle.status();
        let is_quiet = status.runs_planned == 0 && status.runs_leased == 0;
        if is_once && is_quiet && story.is_closed(MODULES_DISCOVERED) {
            return Ok(Exit::Done);
        }
        tokio::select! {
            changed = high_water.changed() => if changed.is_err() {
                return Ok(Exit::Bug);
            },
            () = tokio::time::sleep(PROGRESS_EVERY) => story.progress(),
            () = &mut longest, if is_once => {
                story.say(Tone::Bad, "the loops did not close in time")?;
                return Ok(Exit::TimedOut);
            }
            _interrupt = interrupt.recv() => return Ok(Exit::Done),
        }
    }
}
