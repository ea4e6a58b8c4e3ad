//! Makes a process that runs a program: the leader of a tree.
//!
//! The child shares the keeper's memory until it executes (as `posix_spawn` does it): no page is
//! copied, and a failure comes back through memory. Everything that it needs is prepared before;
//! between clone and exec stand only system calls.
#![allow(
    unsafe_code,
    reason = "clone and exec with limits have no safe wrapper; see ADR 0003"
)]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

use crate::system::checked;
use crate::wire::{Launch, Limits, Step};

/// Bytes of the stack that a child runs on until it executes its program.
const STACK_BYTES: usize = 64 * 1024;

/// Room for the stack of a child, kept for the next one.
#[derive(Debug)]
pub(crate) struct Stack(Vec<u128>);

/// Why there is no leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What failed.
    pub(crate) step: Step,
    /// The system's error number.
    pub(crate) errno: i32,
}

/// Everything that a child needs, as the kernel takes it.
struct Plan<'a> {
    programs: &'a [CString],
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    directory: &'a CStr,
    descriptors: [RawFd; 3],
    limits: [Option<(u32, libc::rlimit)>; 5],
    failure: Cell<Option<Failure>>,
}

impl Stack {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(vec![0; STACK_BYTES / size_of::<u128>()])
    }

    fn top(&mut self) -> *mut c_void {
        // A slice's end is aligned like its elements: to 16 bytes, as the ABI wants a stack.
        self.0.as_mut_ptr_range().end.cast()
    }
}

/// Starts the leader that `launch` describes, with standard input, output and error.
///
/// # Errors
/// [`Failure`]; nothing of the try is left.
pub(crate) fn start(
    launch: &Launch,
    standard: &[OwnedFd; 3],
    stack: &mut Stack,
) -> Result<Pid, Failure> {
    let plan = Plan {
        programs: &launch.programs,
        argv: pointers(&launch.argv),
        environment: pointers(&launch.environment),
        directory: &launch.directory,
        descriptors: standard.each_ref().map(AsRawFd::as_raw_fd),
        limits: limits(launch.limits),
        failure: Cell::new(None),
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: `child` never returns and touches only `plan` and its own stack, which both outlive
    // it: with CLONE_VFORK this call returns when the child has executed or is gone.
    let pid = unsafe {
        libc::clone(
            child,
            stack.top(),
            flags,
            (&raw const plan).cast_mut().cast(),
        )
    };
    let failed = |errno| Failure {
        step: Step::Process,
        errno,
    };
    let pid = checked(pid).map_err(|error| failed(error.raw_os_error().unwrap_or(libc::EIO)))?;
    if let Some(failure) = plan.failure.get() {
        // SAFETY: the child is ours and is not reaped elsewhere; its status is not wanted.
        unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        return Err(failure);
    }
    Pid::from_raw(pid).ok_or(failed(libc::EIO))
}

/// Pointers to `strings` and a null at the end.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

fn limits(limits: Limits) -> [Option<(u32, libc::rlimit)>; 5] {
    let both = |resource, limit: Option<u64>| {
        limit.map(|limit| {
            (
                resource,
                libc::rlimit {
                    rlim_cur: limit,
                    rlim_max: limit,
                },
            )
        })
    };
    // One second between SIGXCPU, which a program can answer, and SIGKILL.
    let cpu = limits.cpu_seconds.map(|seconds| {
        let limit = libc::rlimit {
            rlim_cur: seconds,
            rlim_max: seconds.saturating_add(1),
        };
        (libc::RLIMIT_CPU, limit)
    });
    [
        both(libc::RLIMIT_CORE, Some(0)),
        both(libc::RLIMIT_FSIZE, limits.file_bytes),
        both(libc::RLIMIT_NOFILE, limits.open_files),
        both(libc::RLIMIT_AS, limits.memory_bytes),
        cpu,
    ]
}

/// The child, from its first instruction to exec.
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: `start` passes a plan that lives until this process has executed or is gone, and
    // does not run meanwhile.
    let plan = unsafe { &*plan.cast::<Plan<'_>>() };
    plan.failure.set(Some(run(plan)));
    // SAFETY: ends only this process, without running anything of the keeper's.
    unsafe { libc::_exit(127) }
}

/// Becomes the program; returns only if that failed. System calls only: no memory is taken.
fn run(plan: &Plan<'_>) -> Failure {
    match prepare(plan) {
        Err(failure) => failure,
        Ok(()) => Failure {
            step: Step::Program,
            errno: execute(plan),
        },
    }
}

fn prepare(plan: &Plan<'_>) -> Result<(), Failure> {
    // SAFETY: takes no memory.
    at(Step::Session, || unsafe { libc::setsid() })?;
    // SAFETY: takes numbers only. A leader whose keeper is killed dies with it.
    at(Step::Session, || unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)
    })?;
    // SAFETY: takes numbers only.
    at(Step::Session, || unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    })?;
    // SAFETY: the path is a string that ends with NUL.
    at(Step::Directory, || unsafe {
        libc::chdir(plan.directory.as_ptr())
    })?;
    for (descriptor, standard) in plan.descriptors.iter().zip(0..) {
        // SAFETY: takes numbers only; this process has a table of descriptors of its own.
        at(Step::Descriptors, || unsafe {
            libc::dup2(*descriptor, standard)
        })?;
    }
    // SAFETY: takes numbers only; nothing in this process uses a descriptor beyond 2 any more.
    at(Step::Descriptors, || unsafe {
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0)
    })?;
    for (resource, limit) in plan.limits.iter().flatten() {
        // SAFETY: the limit is a valid structure.
        at(Step::Limits, || unsafe {
            libc::setrlimit(*resource, limit)
        })?;
    }
    let mut none = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole set it is given.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set was written above; the mask is this process's own.
    at(Step::Session, || unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut())
    })
}

/// Tries the programs in order and returns the error number that says most: that of a program that
/// is there and cannot be executed before that of one that is not there.
fn execute(plan: &Plan<'_>) -> i32 {
    let mut errno = libc::ENOENT;
    for program in plan.programs {
        // SAFETY: the path ends with NUL; both lists end with null and point to such strings.
        unsafe {
            libc::execve(
                program.as_ptr(),
                plan.argv.as_ptr(),
                plan.environment.as_ptr(),
            )
        };
        match last_errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => errno = libc::EACCES,
            other => return other,
        }
    }
    errno
}

fn at<T: Into<i64>>(step: Step, call: impl FnOnce() -> T) -> Result<(), Failure> {
    if call().into() == -1 {
        Err(Failure {
            step,
            errno: last_errno(),
        })
    } else {
        Ok(())
    }
}

fn last_errno() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}
