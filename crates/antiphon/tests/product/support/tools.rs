//! Tools of the system that some suites need: strace, and a small disk of memory.
//!
//! A tool that is missing is a failure, never a test that is left out.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The `strace` that injects faults.
pub(crate) fn strace() -> Command {
    let found = Command::new("strace").arg("--version").output();
    assert!(
        found.is_ok(),
        "strace is missing: cargo xtask test installs it"
    );
    Command::new("strace")
}

/// What takes room on a small disk.
const FILLER: &str = "filler";

/// A disk of memory, mounted while this lives.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    /// A disk with room for so many bytes.
    pub(crate) fn of(bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let options = format!("size={bytes},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "antiphon-test"])
            .arg(&path)
            .status()
            .expect("mount is missing");
        assert!(
            mounted.success(),
            "a small disk needs the right to mount: run as root"
        );
        Self {
            path,
            _directory: directory,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all its room, to the last byte.
    pub(crate) fn fill(&self) {
        self.fill_to(0);
    }

    /// Takes room until so many bytes are left.
    pub(crate) fn fill_to(&self, left: u64) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.path.join(FILLER))
            .unwrap();
        let page = [0; 4096];
        while self.free() > left && filler.write_all(&page).is_ok() {}
    }

    /// Gives back what was taken.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.path.join(FILLER)).unwrap();
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.path).unwrap();
        disk.f_bavail * disk.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may still stand on it.
        Command::new("umount")
            .arg("-l")
            .arg(&self.path)
            .status()
            .ok();
    }
}

/// Lets the `when`th call of `call` on one of `paths` (on anything when there are none) kill the
/// process `pid`, before the call is made. Returns once that is in place.
pub(crate) fn kill_at(pid: Pid, call: &str, paths: &[&Path]) -> Tracer {
    attach(pid, &format!("{call}:signal=KILL:when=1"), paths)
}

/// Injects the fault that strace calls `fault` into the process `pid`, its threads included.
/// Returns once that is in place.
pub(crate) fn attach(pid: Pid, fault: &str, paths: &[&Path]) -> Tracer {
    attach_noting(pid, fault, paths, Path::new("/dev/null"))
}

/// As [`attach`], and notes the calls that the fault is about in the file `calls`.
pub(crate) fn attach_noting(pid: Pid, fault: &str, paths: &[&Path], calls: &Path) -> Tracer {
    let names = fault.split(':').next().unwrap_or_default();
    let traced = format!("trace={names}");
    let inject = format!("inject={fault}");
    let mut arguments = vec!["-e", &traced, "-e", &inject];
    for path in paths {
        arguments.extend(["-P", path.to_str().unwrap()]);
    }
    trace(&[pid], &arguments, calls)
}

/// Traces these processes, their threads and what they start, into the file `calls`. Returns once
/// that is in place.
pub(crate) fn trace(processes: &[Pid], arguments: &[&str], calls: &Path) -> Tracer {
    let mut command = strace();
    command.arg("-f").arg("-o").arg(calls).args(arguments);
    for pid in processes {
        command.args(["-p", &pid.as_raw_nonzero().to_string()]);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut words = BufReader::new(child.stderr.take().unwrap()).lines();
    for _ in processes {
        let attached = words.find_map(|line| {
            let line = line.unwrap();
            assert!(!line.contains("ptrace("), "{line}");
            line.contains("attached").then_some(())
        });
        assert!(attached.is_some(), "strace could not attach");
    }
    // What else it says must not fill the pipe.
    std::thread::spawn(move || words.for_each(drop));
    Tracer(child)
}

/// A strace; it goes with its process, or with this.
#[derive(Debug)]
pub(crate) struct Tracer(Child);

impl Tracer {
    /// Lets the processes go, and waits until all that they did is noted.
    pub(crate) fn detach(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).ok();
        self.0.wait().ok();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
