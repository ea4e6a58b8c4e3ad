//! Running other programs: show what they say, and fail when they fail.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The repository's root.
pub(crate) fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Where Cargo builds.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || repository().join("target"),
        |directory| repository().join(directory),
    )
}

/// The Cargo that runs this program, in the repository's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).stdin(Stdio::null());
    command
}

/// Runs `command` with our output; an exit other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = describe(command);
    let status = command
        .status()
        .with_context(|| format!("{name} could not be started"))?;
    check(&name, status)
}

/// Runs `command` silently and gives what it wrote to standard output.
pub(crate) fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let name = describe(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} could not be started"))?;
    if !output.status.success() {
        bail!(
            "{name}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

/// Whether `command` ends well within `limit`, whatever it says; one that does not end is killed
/// with all that it started.
pub(crate) fn passes_within(limit: Duration, command: &mut Command) -> Result<bool> {
    let name = describe(command);
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{name} could not be started"))?;
    let ended = until(&name, limit, || Ok(child.try_wait()?));
    if let Ok(status) = ended {
        return Ok(status.success());
    }
    let group = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
    child
        .wait()
        .with_context(|| format!("{name} could not be awaited"))?;
    Ok(false)
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
}

/// Runs `command`, shows both of its outputs line by line, and keeps them.
pub(crate) fn tee(command: &mut Command) -> Result<Transcript> {
    let name = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name} could not be started"))?;
    let (sender, receiver) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    let mut lines = Vec::new();
    std::thread::scope(|scope| {
        for pipe in pipes.into_iter().flatten() {
            let sender = sender.clone();
            scope.spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    if sender
                        .send(String::from_utf8_lossy(&line).into_owned())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for line in receiver {
            println!("{line}");
            lines.push(line);
        }
    });
    let status = child
        .wait()
        .with_context(|| format!("{name} could not be awaited"))?;
    Ok(Transcript { status, lines })
}

/// Asks `done` again and again until it gives something; fails after `limit`.
///
/// For conditions of another process that offers no descriptor to wait on.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(value) = done()? {
            return Ok(value);
        }
        if began.elapsed() > limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn check(name: &str, status: ExitStatus) -> Result<()> {
    if status.success() {
        Ok(())
    } else {
        bail!("{name}: {status}")
    }
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_and_the_end_of_a_program_are_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let transcript = tee(&mut command).unwrap();
        let mut lines = transcript.lines;
        lines.sort();
        assert_eq!(
            (lines.join(" ").as_str(), transcript.status.code()),
            ("err out", Some(3))
        );
        assert!(run(&mut command).is_err());
    }

    #[test]
    fn a_program_that_does_not_end_does_not_pass() {
        let passes = |program| passes_within(Duration::from_secs(5), &mut Command::new(program));
        assert!(passes("true").unwrap() && !passes("false").unwrap());
        let mut endless = Command::new("sh");
        endless.args(["-c", "while :; do :; done"]);
        assert!(!passes_within(Duration::ZERO, &mut endless).unwrap());
    }

    #[test]
    fn waiting_ends_with_the_condition_or_at_the_limit() {
        let mut left = 3;
        let value = until("it counts down", Duration::from_mins(1), || {
            left -= 1;
            Ok((left == 0).then_some("done"))
        });
        assert_eq!(value.unwrap(), "done");
        assert!(until::<()>("never", Duration::ZERO, || Ok(None)).is_err());
    }
}
