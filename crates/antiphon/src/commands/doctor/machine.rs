//! What the machine must have: kernel features, limits, programs.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::process::{Pid, PidfdFlags, Resource};

use super::Check;

/// Descriptors below which many attempts at one time run short.
const DESCRIPTORS_MIN: u64 = 1_024;
/// Watches of inotify below which another program may leave none.
const WATCHES_MIN: u64 = 1_024;

pub(super) fn checks() -> Vec<Check> {
    vec![
        python(),
        openat2(),
        pidfd(),
        inotify(),
        descriptors(),
        cgroups(),
        boot_id(),
    ]
}

fn python() -> Check {
    const NAME: &str = "python3";
    let asked = Command::new("python3")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => {
            Check::ok(NAME, String::from_utf8_lossy(&output.stdout).trim())
        }
        Ok(output) => Check::warning(NAME, output.status.to_string(), "packs run Python programs"),
        Err(error) => Check::warning(NAME, error.to_string(), "packs run Python programs"),
    }
}

fn openat2() -> Check {
    const NAME: &str = "openat2";
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(CWD, ".", flags, Mode::empty(), resolve) {
        Ok(_directory) => Check::ok(NAME, "files are opened beneath their directory"),
        Err(error) => Check::failed(NAME, error.to_string(), "Linux 5.6 or newer is needed"),
    }
}

fn pidfd() -> Check {
    const NAME: &str = "pidfd";
    let own: Pid = rustix::process::getpid();
    match rustix::process::pidfd_open(own, PidfdFlags::empty()) {
        Ok(_descriptor) => Check::ok(NAME, "processes are signalled by descriptor"),
        Err(error) => Check::failed(NAME, error.to_string(), "Linux 5.3 or newer is needed"),
    }
}

fn inotify() -> Check {
    const NAME: &str = "inotify";
    let limit = |name: &str| {
        let text = std::fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name));
        text.ok().and_then(|text| text.trim().parse::<u64>().ok())
    };
    if let Err(error) = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC) {
        let hint = "raise fs.inotify.max_user_instances";
        return Check::failed(NAME, error.to_string(), hint);
    }
    match (limit("max_user_watches"), limit("max_user_instances")) {
        (Some(watches), Some(instances)) if watches < WATCHES_MIN => Check::warning(
            NAME,
            format!("{watches} watches, {instances} instances"),
            "raise fs.inotify.max_user_watches",
        ),
        (Some(watches), Some(instances)) => {
            Check::ok(NAME, format!("{watches} watches, {instances} instances"))
        }
        _ => Check::ok(NAME, "works; its limits cannot be read"),
    }
}

fn descriptors() -> Check {
    const NAME: &str = "descriptors";
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    match limit {
        Some(limit) if limit < DESCRIPTORS_MIN => Check::warning(
            NAME,
            format!("{limit} open files"),
            "raise ulimit -n to 1024 or more",
        ),
        Some(limit) => Check::ok(NAME, format!("{limit} open files")),
        None => Check::ok(NAME, "no limit on open files"),
    }
}

fn cgroups() -> Check {
    const NAME: &str = "cgroups";
    let version = [
        ("/sys/fs/cgroup/cgroup.controllers", "version 2"),
        (
            "/sys/fs/cgroup/unified/cgroup.controllers",
            "version 2 beside version 1",
        ),
        ("/sys/fs/cgroup/pids", "version 1"),
    ];
    let found = version
        .into_iter()
        .find(|(path, _)| Path::new(path).exists());
    match found {
        Some((_, version)) => Check::ok(NAME, version),
        None => Check::warning(NAME, "none mounted", "trees are killed process by process"),
    }
}

fn boot_id() -> Check {
    const NAME: &str = "boot id";
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => Check::ok(NAME, id.trim()),
        Err(error) => {
            let hint = "without it, work that ran when the machine went down counts as unknown";
            Check::warning(NAME, error.to_string(), hint)
        }
    }
}
