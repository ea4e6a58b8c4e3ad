//! From a dropped file to a running process: the rename to the handler's first look at the clock.
//!
//! Floor: a loop over inotify that starts the same handler at once and stores nothing. Ours: an
//! owner in a process of its own, with an intent mapping and a worker; the signal, the decision and
//! the lease are durable before the handler starts. The handler is a few lines of C, so that what is
//! measured is not the handler.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::floor::inotify;
use super::place::{Place, written};
use super::report::{Figure, Report, value};
use super::samples::Samples;
use super::served::Served;
use super::{Bench, failed};
use crate::failure::Failure;
use crate::wire;

/// Files of a round when nothing else is said.
pub(super) const FILES: u32 = 300;
/// Files that are dropped a second.
const RATE: u32 = 50;
/// How long the last handlers may take.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether all have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const HANDLER: &str = include_str!("react/handler.c");

pub(super) fn run(bench: &mut Bench, files: u32) -> Result<(), Failure> {
    let handler = compile(&bench.place)?;
    let rounds = bench.rounds(
        "react",
        |place| {
            let folder = place.folder()?;
            Ok(floor(folder.path(), &handler, files)?.latencies().to_vec())
        },
        |place| Ok(ours(place, &handler, files)?.latencies().to_vec()),
    )?;
    let of = |name| value(&rounds.figures, name) / value(&rounds.floor, name);
    let added_us = value(&rounds.figures, "p50") - value(&rounds.floor, "p50");
    let report = Report {
        workload: "react",
        setting: vec![
            Figure::new("files", files, "files"),
            Figure::new("rate", RATE, "files/s"),
            Figure::new("rounds", bench.rounds, "rounds"),
        ],
        machine: bench.machine.clone(),
        ratio: vec![
            Figure::new("p50", of("p50"), "of inotify + spawn"),
            Figure::new("p99", of("p99"), "of inotify + spawn"),
            Figure::new("p50_added", added_us, "us"),
        ],
        floor: rounds.floor,
        figures: rounds.figures,
    };
    bench.tell(&report)
}

/// Compiles the handler.
fn compile(place: &Place) -> Result<PathBuf, Failure> {
    let source = place.path().join("handler.c");
    let handler = place.path().join("handler");
    std::fs::write(&source, HANDLER).map_err(|error| written(&source, error))?;
    let compiled = Command::new("cc")
        .args(["-O2", "-o"])
        .args([&handler, &source])
        .status();
    let hint = "react needs a C compiler: install one, or measure the rest".to_owned();
    let source = match compiled {
        Ok(status) if status.success() => return Ok(handler),
        Ok(status) => std::io::Error::other(status.to_string()),
        Err(error) => error,
    };
    Err(Failure::Bench {
        what: "the handler cannot be compiled by cc".to_owned(),
        hint: Some(hint),
        source: Some(source),
    })
}

fn floor(folder: &Path, handler: &Path, files: u32) -> Result<Samples, Failure> {
    const WHAT: &str = "the loop over inotify failed";
    let inbox = folder.join("inbox");
    std::fs::create_dir(&inbox).map_err(|error| written(&inbox, error))?;
    let output = folder.join("output");
    let watching = inotify::Loop::watch(&inbox).map_err(failed(WHAT))?;
    wire::runtime()?.block_on(async {
        let (handler, said) = (handler.to_owned(), output.clone());
        let running = tokio::task::spawn_blocking(move || watching.run(&handler, &said));
        let dropped = drop_files(folder, &inbox, files).await?;
        rename(folder, &inbox, inotify::END)?;
        let ended = running.await.map_err(|panicked| Failure::Bug {
            what: WHAT.to_owned(),
            source: Some(Box::new(panicked)),
        })?;
        ended.map_err(failed(WHAT))?;
        Ok(said_since(&output, &dropped))
    })
}

fn ours(place: &Place, handler: &Path, files: u32) -> Result<Samples, Failure> {
    let folder = place.folder()?;
    let output = folder.path().join("output");
    let root = place.root(&configuration(handler, &output))?;
    wire::runtime()?.block_on(async {
        let (served, _client) = Served::start(root.path()).await?;
        let dropped = drop_files(folder.path(), &root.path().join("intents"), files).await?;
        let end = tokio::time::Instant::now() + END_WITHIN;
        while lines(&output).len() < dropped.len() && tokio::time::Instant::now() < end {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        served.stop()?;
        let samples = said_since(&output, &dropped);
        if lines(&output).len() == dropped.len() {
            Ok(samples)
        } else {
            Err(Failure::bench("not every file was handled, or one twice"))
        }
    })
}

/// An intent becomes a signal, and a worker answers it with the handler.
fn configuration(handler: &Path, output: &Path) -> String {
    let (handler, output) = (handler.display(), output.display());
    format!(
        r#"
[[intent]]
match = "bench.react"
emit = "Q_BENCH_REACT"
facts = '{{"n": data.n}}'

[[worker]]
on = "Q_BENCH_REACT"
task = "bench-react"

[[task]]
name = "bench-react"
command = ["{handler}", "{output}"]
timeout = "1m"
"#
    )
}

/// Drops `files` intents into `inbox`, made ready in `folder`; gives the instant of each rename.
async fn drop_files(folder: &Path, inbox: &Path, files: u32) -> Result<Vec<u64>, Failure> {
    let mut dropped = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
    for n in 0..files {
        let name = format!("{n}.json");
        let path = folder.join(&name);
        let intent = format!(r#"{{"type":"bench.react","id":"bench-{n}","data":{{"n":{n}}}}}"#);
        std::fs::write(&path, intent).map_err(|error| written(&path, error))?;
        pace.tick().await;
        dropped.push(now_ns());
        std::fs::rename(&path, inbox.join(&name)).map_err(|error| written(&path, error))?;
    }
    Ok(dropped)
}

/// Drops an empty file called `name`.
fn rename(folder: &Path, inbox: &Path, name: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    std::fs::write(&path, "")
        .and_then(|()| std::fs::rename(&path, inbox.join(name)))
        .map_err(|error| written(&path, error))
}

/// How long after its rename each handler read the clock.
fn said_since(output: &Path, dropped: &[u64]) -> Samples {
    let mut samples = Samples::default();
    for (said_ns, n) in lines(output) {
        if let Some(dropped_ns) = dropped.get(n) {
            samples.add(Duration::from_nanos(said_ns.saturating_sub(*dropped_ns)));
        }
    }
    samples.end(Duration::ZERO)
}

/// What the handlers said so far: when, and for which file.
fn lines(output: &Path) -> Vec<(u64, usize)> {
    // Before the first handler there is no file.
    let text = std::fs::read_to_string(output).unwrap_or_default();
    text.lines().filter_map(line).collect()
}

/// A file is named by the digits in what follows the time: `17.json` or `{"n":17}`.
fn line(text: &str) -> Option<(u64, usize)> {
    let (said_ns, what) = text.split_once(' ')?;
    let digits: String = what.chars().filter(char::is_ascii_digit).collect();
    Some((said_ns.parse().ok()?, digits.parse().ok()?))
}

/// The clock that the handlers read, ns.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest_ns = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(rest_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_file_in_either_form() {
        let check = |text: &str, expect: Option<(u64, usize)>| assert_eq!(line(text), expect);
        check("1234567890 17.json", Some((1_234_567_890, 17)));
        check(r#"5 {"n":3}"#, Some((5, 3)));
        check("5 none", None);
        check("5", None);
    }
}
