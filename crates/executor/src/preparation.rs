//! Makes everything that a launch needs before it is asked for: message, folder, note, pipes.
//!
//! Nothing is on the disk for a launch that cannot be described; whatever was made for one that
//! then fails is removed again.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;

use antiphon_core::report::NotStarted;
use antiphon_core::task::Program;
use antiphon_engine::ports::executor::Launch;
use antiphon_spawner::wire::{self, KeeperRequest, Limits, Step};
use rustix::fs::{MemfdFlags, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::Resource;
use serde::{Deserialize, Serialize};

use crate::environment::{Place, environment};
use crate::output::Stream;
use crate::{Shared, result};

/// Open files of an attempt whose task does not say.
const OPEN_FILES: u64 = 1_024;
/// Bytes of standard output or error after which an attempt is killed when its task does not say.
const OUTPUT_BYTES: u64 = 64 * 1024 * 1024;

/// A launch that only needs a keeper.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The request.
    pub(crate) message: Vec<u8>,
    /// Standard input, output and error of the attempt.
    pub(crate) standard: [OwnedFd; 3],
    /// Our end of its standard output.
    pub(crate) stdout: Stream,
    /// Our end of its standard error.
    pub(crate) stderr: Stream,
    /// Bytes of each after which it is killed.
    pub(crate) output_bytes_max: u64,
    /// For messages about a launch that fails.
    pub(crate) subject: Subject,
}

/// What a launch is about, in words.
#[derive(Debug)]
pub(crate) struct Subject {
    program: String,
    directory: String,
    memory_is_limited: bool,
}

/// The note in `run/TOKEN.json`: what recovery must know of a launch that was not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The machine's boot.
    pub(crate) boot: String,
    /// The attempt's unique name, which is in its environment.
    pub(crate) nonce: String,
    /// The run.
    pub(crate) run: String,
    /// The spawner that it was launched through.
    pub(crate) spawner: String,
}

impl Shared {
    /// Prepares `launch`. Must be called within a runtime.
    pub(crate) fn prepare(&self, launch: &Launch) -> Result<Prepared, NotStarted> {
        let spawner = self.instance.borrow().clone();
        let spawner = spawner.ok_or_else(|| crate::later(&"the spawner is not ready yet"))?;
        let note = Note {
            boot: self.boot.clone(),
            nonce: format!("{spawner}-{}", launch.token),
            run: launch.run.to_string(),
            spawner,
        };
        let (message, subject) = self.describe(launch, &note.nonce)?;
        let prepare = |error: io::Error| not_started("prepare the attempt", &error);
        let note = serde_json::to_vec(&note).map_err(|error| prepare(error.into()))?;
        self.run.take(launch.token, &note).map_err(prepare)?;
        make(launch, message, subject).map_err(|error| {
            self.run.give_back(launch.token);
            prepare(error)
        })
    }

    /// The request and what it is about.
    fn describe(&self, launch: &Launch, nonce: &str) -> Result<(Vec<u8>, Subject), NotStarted> {
        let argv = self.argv(&launch.program);
        let program = argv.first().filter(|program| !program.is_empty()).cloned();
        let program = program.ok_or_else(|| never("the command names no program"))?;
        let folder = self.run.path().join(launch.token.to_string());
        let result = folder.join(result::RESULT_FILE);
        let place = Place {
            root: &self.root,
            folder: &folder,
            result: &result,
            nonce,
        };
        let environment = environment(launch, place);
        let path = environment.get("PATH").map_or("", String::as_str);
        let directory = launch.working_directory.as_deref().unwrap_or_default();
        let directory = self.root.join(directory).to_string_lossy().into_owned();
        let pairs = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let request = KeeperRequest::Launch(wire::Launch {
            token: launch.token,
            programs: strings(candidates(&program, path))?,
            argv: strings(argv.iter().cloned())?,
            environment: strings(pairs)?,
            directory: string(directory.clone())?,
            limits: limits(launch),
        });
        let message = request
            .encode()
            .map_err(|error| NotStarted::Never(error.to_string()))?;
        let memory_is_limited = launch.limits.memory_bytes.is_some();
        Ok((
            message,
            Subject {
                program,
                directory,
                memory_is_limited,
            },
        ))
    }

    fn argv(&self, program: &Program) -> Vec<String> {
        match program {
            Program::Process { argv } => argv.clone(),
            Program::Builtin { arguments, name } => {
                let executable = self.executable.to_string_lossy().into_owned();
                let mut argv = vec![executable, "__builtin".to_owned(), name.clone()];
                argv.extend(arguments.iter().cloned());
                argv
            }
        }
    }
}

impl Subject {
    /// Why a launch failed at `step`.
    pub(crate) fn not_started(&self, step: Step, errno: i32) -> NotStarted {
        let error = io::Error::from_raw_os_error(errno);
        match step {
            Step::Program if errno == Errno::NOMEM.raw_os_error() && self.memory_is_limited => {
                never(&format!(
                    "`{}` does not fit its limit of memory: {error}",
                    self.program
                ))
            }
            Step::Program => not_started(&format!("run `{}`", self.program), &error),
            Step::Directory => not_started(&format!("enter `{}`", self.directory), &error),
            Step::Limits => not_started("set the attempt's limits", &error),
            Step::Descriptors | Step::Process | Step::Session => {
                not_started("make a process", &error)
            }
        }
    }
}

/// Makes input and pipes.
fn make(launch: &Launch, message: Vec<u8>, subject: Subject) -> io::Result<Prepared> {
    let stdin = rustix::fs::memfd_create("facts", MemfdFlags::CLOEXEC)?;
    let mut stdin = File::from(stdin);
    stdin.write_all(launch.facts.text().as_bytes())?;
    stdin.rewind()?;
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    Ok(Prepared {
        message,
        standard: [stdin.into(), their_stdout, their_stderr],
        stdout,
        stderr,
        output_bytes_max: launch.limits.output_bytes.unwrap_or(OUTPUT_BYTES),
        subject,
    })
}

/// A launch that failed: later if the machine has too little of something now, else never.
pub(crate) fn not_started(doing: &str, error: &io::Error) -> NotStarted {
    let text = format!("cannot {doing}: {error}");
    let transient = [
        Errno::AGAIN,
        Errno::DQUOT,
        Errno::INTR,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::NOSPC,
        Errno::TOOMANYREFS,
        Errno::TXTBSY,
    ];
    let transient = transient.map(Errno::raw_os_error);
    if error
        .raw_os_error()
        .is_some_and(|errno| transient.contains(&errno))
    {
        NotStarted::Later(text)
    } else {
        NotStarted::Never(text)
    }
}

fn never(why: &str) -> NotStarted {
    NotStarted::Never(why.to_owned())
}

/// Where `program` may be: itself when it has a slash, else a file in each directory of `path`.
fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let directories = path.split(':').filter(|directory| !directory.is_empty());
    directories
        .map(|directory| format!("{directory}/{program}"))
        .collect()
}

fn strings(texts: impl IntoIterator<Item = String>) -> Result<Vec<CString>, NotStarted> {
    texts.into_iter().map(string).collect()
}

fn string(text: String) -> Result<CString, NotStarted> {
    CString::new(text).map_err(|error| never(&format!("an argument or variable has a {error}")))
}

fn limits(launch: &Launch) -> Limits {
    let most = rustix::process::getrlimit(Resource::Nofile)
        .maximum
        .unwrap_or(u64::MAX);
    Limits {
        cpu_seconds: launch.limits.cpu_seconds,
        file_bytes: launch.limits.file_bytes,
        memory_bytes: launch.limits.memory_bytes,
        open_files: launch.limits.open_files.or(Some(most.min(OPEN_FILES))),
    }
}

/// A pipe: our end, which never blocks, and theirs, which does.
fn pipe() -> io::Result<(Stream, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((Stream::new(ours)?, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_slash_is_itself_and_another_is_looked_up_in_order() {
        assert_eq!(candidates("./a b", "/x"), ["./a b"]);
        assert_eq!(candidates("sh", "/x::/y"), ["/x/sh", "/y/sh"]);
    }

    #[test]
    fn f12_f13_what_the_machine_lacks_now_is_tried_later_and_anything_else_never() {
        let check = |errno: Errno, later: bool| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            let outcome = not_started("run", &error);
            assert_eq!(
                matches!(outcome, NotStarted::Later(_)),
                later,
                "{outcome:?}"
            );
        };
        for errno in [
            Errno::AGAIN,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::NOSPC,
        ] {
            check(errno, true);
        }
        for errno in [
            Errno::NOENT,
            Errno::ACCESS,
            Errno::NOEXEC,
            Errno::PERM,
            Errno::TOOBIG,
        ] {
            check(errno, false);
        }
    }

    #[test]
    fn a_program_that_does_not_fit_its_own_limit_will_never_fit() {
        let subject = |memory_is_limited| Subject {
            program: "p".to_owned(),
            directory: "/".to_owned(),
            memory_is_limited,
        };
        let errno = Errno::NOMEM.raw_os_error();
        let outcome = |limited| subject(limited).not_started(Step::Program, errno);
        assert!(matches!(outcome(true), NotStarted::Never(_)));
        assert!(matches!(outcome(false), NotStarted::Later(_)));
    }
}
