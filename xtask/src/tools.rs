//! Programs that the suites call, and modules of Python: found, or installed when that is allowed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// What some suite needs, and the Debian package that has it.
struct Tool {
    part: Part,
    package: &'static str,
    used_for: &'static str,
}

/// What it is and how it is called.
#[derive(Clone, Copy, Debug)]
enum Part {
    Program(&'static str),
    PythonModule(&'static str),
}

const TOOLS: &[Tool] = &[
    Tool {
        part: Part::Program("git"),
        package: "git",
        used_for: "tidy: the list of tracked files",
    },
    Tool {
        part: Part::Program("python3"),
        package: "python3",
        used_for: "task programs, power cuts, the second verifier",
    },
    Tool {
        part: Part::PythonModule("cryptography"),
        package: "python3-cryptography",
        used_for: "the second verifier",
    },
    Tool {
        part: Part::Program("strace"),
        package: "strace",
        used_for: "the Nth system call fails",
    },
    Tool {
        part: Part::Program("mkfs.ext4"),
        package: "e2fsprogs",
        used_for: "power cuts",
    },
    Tool {
        part: Part::Program("losetup"),
        package: "util-linux",
        used_for: "power cuts",
    },
    Tool {
        part: Part::Program("mount"),
        package: "mount",
        used_for: "power cuts, full disks",
    },
];

/// Makes sure that every tool is there.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        println!("missing: {} ({})", tool.package, tool.used_for);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    if !is_root() || find("apt-get").is_none() {
        bail!("install {}", packages.join(" "));
    }
    process::run(Command::new("apt-get").args(["update", "-qq"]))?;
    process::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages),
    )?;
    match self::missing().first() {
        None => Ok(()),
        Some(tool) => bail!(
            "{} is installed, and {:?} not found",
            tool.package,
            tool.part
        ),
    }
}

fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !is_there(tool.part)).collect()
}

fn is_there(part: Part) -> bool {
    match part {
        Part::Program(program) => find(program).is_some(),
        Part::PythonModule(module) => {
            let mut python = Command::new("python3");
            process::output_of(python.args(["-c", &format!("import {module}")])).is_ok()
        }
    }
}

/// Where `program` is, looked up on PATH and in the administrator's folders.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| is_file(candidate))
}

/// Whether we may mount and install.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether Cargo knows the subcommand `name`.
pub(crate) fn has_cargo_command(name: &str) -> bool {
    let program = format!("cargo-{name}");
    let installed = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
        .is_some_and(|home| is_file(&home.join("bin").join(&program)));
    installed || find(&program).is_some()
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
