//! What of the system has no safe wrapper: fork, signal masks, signalfd and wait4.
//!
//! Every function here is sound in a process with one thread, which spawner and keepers are.
#![allow(
    unsafe_code,
    reason = "system calls without a safe wrapper; see ADR 0003"
)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};

use rustix::process::Pid;
use rustix::time::ClockId;

use crate::wire::Exit;

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The one that forked, with the other's id.
    Parent(Pid),
}

/// A process that was reaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reaped {
    /// Its id.
    pub(crate) pid: Pid,
    /// How it ended.
    pub(crate) exit: Exit,
    /// Its CPU time and that of the children it reaped, microseconds.
    pub(crate) cpu_us: u64,
    /// Its peak resident memory, KiB.
    pub(crate) memory_kib_max: u64,
}

/// What waiting for any child found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Children {
    /// One had ended.
    Reaped(Reaped),
    /// There are some, and all of them live.
    Alive,
    /// There are none.
    None,
}

/// Closes every descriptor but standard input, output and error: an owner may itself have been
/// started with some that are not close-on-exec.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: called before this process has opened anything, so nobody owns what is closed.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    if outcome == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Takes the socket on standard input into a close-on-exec descriptor of its own and leaves
/// `/dev/null` in its place.
pub(crate) fn take_standard_input() -> io::Result<OwnedFd> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let null = File::open("/dev/null")?;
    // SAFETY: both numbers are open descriptors; standard input is only ever borrowed as "number 0".
    let outcome = unsafe { libc::dup2(null.as_raw_fd(), libc::STDIN_FILENO) };
    checked(outcome).map(|_| socket)
}

/// Gives every signal its default disposition, which children inherit, and blocks them all: a
/// terminal or a service manager that signals everyone must not end what is to clean up.
pub(crate) fn block_all_signals() -> io::Result<()> {
    // By the bare system call: the C library keeps two signals for itself and refuses to touch them,
    // but a parent may have left even those ignored.
    let default = [0_u64; 4];
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the kernel's structure has at most 32 bytes, and all zero means SIG_DFL, which
        // installs no code. SIGKILL and SIGSTOP are refused, which is as good.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset writes the whole set it is given.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the set was written above; the old mask is not asked for.
    checked(unsafe { libc::sigprocmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut()) })?;
    Ok(())
}

/// A descriptor that is readable when a child has changed state.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole set it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was written above and SIGCHLD is a signal.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD) };
    // SAFETY: the set was written above; -1 asks for a new descriptor.
    let descriptor =
        unsafe { libc::signalfd(-1, set.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
    let descriptor = checked(descriptor)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Reads `signals` until nothing is left, so that the next change wakes again.
pub(crate) fn drain(signals: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0_u8; 8 * size_of::<libc::signalfd_siginfo>()];
    loop {
        match rustix::io::retry_on_intr(|| rustix::io::read(signals, &mut buffer)) {
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Forks this process.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the process has one thread, so no lock can be left held in the child.
    let pid = checked(unsafe { libc::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// Reaps one child that has ended, if there is one; never waits.
pub(crate) fn reap_any() -> io::Result<Children> {
    let mut status = 0;
    let mut usage = MaybeUninit::uninit();
    // SAFETY: both places are valid for writing.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
    match checked(pid) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(Children::None),
        Err(error) => Err(error),
        Ok(pid) => {
            let Some(pid) = Pid::from_raw(pid) else {
                return Ok(Children::Alive);
            };
            // SAFETY: wait4 returned a child, so it has written its usage.
            let usage: libc::rusage = unsafe { usage.assume_init() };
            Ok(Children::Reaped(Reaped {
                pid,
                exit: exit_of(status),
                cpu_us: microseconds(usage.ru_utime).saturating_add(microseconds(usage.ru_stime)),
                memory_kib_max: u64::try_from(usage.ru_maxrss).unwrap_or(0),
            }))
        }
    }
}

/// Boot time, ms.
pub(crate) fn boot_ms() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    seconds.saturating_mul(1_000).saturating_add(millis)
}

/// A system call's return value, or the error that it left.
pub(crate) fn checked(outcome: i32) -> io::Result<i32> {
    if outcome == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(outcome)
    }
}

fn exit_of(status: i32) -> Exit {
    if libc::WIFEXITED(status) {
        Exit::Code(libc::WEXITSTATUS(status))
    } else {
        Exit::Signal(libc::WTERMSIG(status))
    }
}

fn microseconds(time: libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
}
