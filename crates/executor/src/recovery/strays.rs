//! Kills processes that bear the nonce of a lost attempt.
//!
//! A process can shed its nonce, so that none is found proves nothing; but what is found is not left
//! running. The pidfd is taken before the environment is read, so the process that is signalled is
//! the one that was read.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::environment::NONCE;

/// Looks at all processes until one finds none, at most so often.
const LOOKS_MAX: u32 = 50;
/// How long one killed process may take to end before the next look.
const DEATH_MAX: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Kills every process with one of `nonces`. Blocks until they are gone, within bounds.
pub(super) fn kill(nonces: &[String]) -> io::Result<()> {
    if nonces.is_empty() {
        return Ok(());
    }
    let marks: Vec<Vec<u8>> = nonces
        .iter()
        .map(|nonce| format!("{NONCE}={nonce}").into_bytes())
        .collect();
    for _ in 0..LOOKS_MAX {
        let strays = find(&marks)?;
        if strays.is_empty() {
            return Ok(());
        }
        for stray in &strays {
            // It fails only when the process has ended.
            rustix::process::pidfd_send_signal(stray, Signal::KILL).ok();
        }
        for stray in &strays {
            let mut ended = [PollFd::new(stray, PollFlags::IN)];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut ended, Some(&DEATH_MAX)))?;
        }
    }
    tracing::error!("processes of a lost attempt cannot be killed");
    Ok(())
}

fn find(marks: &[Vec<u8>]) -> io::Result<Vec<OwnedFd>> {
    let mut strays = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // Another user's process, or one that has ended, cannot be read and is not ours.
        let path = format!("/proc/{}/environ", pid.as_raw_pid());
        let Ok(environment) = std::fs::read(path) else {
            continue;
        };
        let mut variables = environment.split(|byte| *byte == 0);
        if variables.any(|variable| marks.iter().any(|mark| mark == variable)) {
            strays.push(pidfd);
        }
    }
    Ok(strays)
}
