//! What the machine itself can do: the ground under every other figure.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use serde::Serialize;

use super::floor::{spawn, sync};
use super::place::Place;
use super::report::Figure;
use super::report::Report;
use super::{Bench, failed};
use crate::failure::Failure;

/// Syncs that are timed.
const SYNCS: u32 = 2_000;
/// Processes that are started.
const SPAWNS: u32 = 300;

/// What the machine is, with the floors that every report bears.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    cpus: u32,
    kernel: String,
    filesystem: String,
    fdatasync_p50_us: f64,
    fdatasync_p99_us: f64,
    spawn_p50_us: f64,
}

impl Machine {
    /// The machine, and the disk below `place`.
    pub(super) fn of(place: &Place) -> Result<Self, Failure> {
        let folder = place.folder()?;
        let appended = sync::append(folder.path(), sync::Until::Count(SYNCS / 4))?;
        let spawned = spawn::run(SPAWNS / 4)?;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            filesystem: filesystem(place)?,
            fdatasync_p50_us: appended.percentile_us(50),
            fdatasync_p99_us: appended.percentile_us(99),
            spawn_p50_us: spawned.percentile_us(50),
        })
    }
}

pub(super) fn run(bench: &mut Bench) -> Result<(), Failure> {
    bench.step("machine: syncs and processes");
    let mut rounds = Vec::new();
    for _round in 0..bench.rounds {
        let folder = bench.place.folder()?;
        let appended = sync::append(folder.path(), sync::Until::Count(SYNCS))?;
        let preallocated = sync::preallocated(folder.path(), sync::Until::Count(SYNCS))?;
        let spawned = spawn::run(SPAWNS)?;
        rounds.push(vec![
            Figure::new("append_fdatasync_rate", appended.rate(), "/s"),
            Figure::new("append_fdatasync_p50", appended.percentile_us(50), "us"),
            Figure::new("append_fdatasync_p99", appended.percentile_us(99), "us"),
            Figure::new("preallocated_fdatasync_rate", preallocated.rate(), "/s"),
            Figure::new(
                "preallocated_fdatasync_p50",
                preallocated.percentile_us(50),
                "us",
            ),
            Figure::new(
                "preallocated_fdatasync_p99",
                preallocated.percentile_us(99),
                "us",
            ),
            Figure::new("spawn_p50", spawned.percentile_us(50), "us"),
            Figure::new("spawn_p99", spawned.percentile_us(99), "us"),
        ]);
    }
    let report = Report {
        workload: "machine",
        setting: vec![Figure::new("cpus", bench.machine.cpus, "cpus")],
        machine: bench.machine.clone(),
        floor: super::report::medians(&rounds),
        figures: Vec::new(),
        ratio: Vec::new(),
    };
    bench.tell(&report)
}

/// The kind of file system that `place` lies on. Source: `proc_pid_mountinfo(5)`.
fn filesystem(place: &Place) -> Result<String, Failure> {
    let device = File::open(place.path())
        .and_then(|folder| folder.metadata())
        .map_err(failed("the file system cannot be told"))?
        .dev();
    let device = format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(failed("the file system cannot be told"))?;
    Ok(kind_of(&mounts, &device).unwrap_or("unknown").to_owned())
}

/// The kind of the mount of `device`, the third field; it stands behind the dash.
fn kind_of<'a>(mounts: &'a str, device: &str) -> Option<&'a str> {
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some(device))?;
    mount.split_once(" - ")?.1.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_told_by_its_device() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      23 22 0:5 / /dev rw - devtmpfs udev rw,size=1k\n";
        assert_eq!(kind_of(mounts, "254:0"), Some("ext4"));
        assert_eq!(kind_of(mounts, "0:5"), Some("devtmpfs"));
        assert_eq!(kind_of(mounts, "0:9"), None);
    }
}
