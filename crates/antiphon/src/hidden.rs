//! The commands that the program gives itself: the spawner, and a pack's built-in in a process of
//! its own.
//!
//! They are read before the command line is, because both must start with nothing else done.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use antiphon_core::signal::Facts;
use antiphon_engine::registry::{BuiltinCall, BuiltinEnd};

use crate::owner::clock::SystemClock;
use crate::packs;

/// Bytes of facts and what JSON around them may take.
const FACTS_BYTES_MAX: u64 = 256 * 1024;

/// Carries out a hidden command, if the first argument names one.
pub(crate) fn run() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next()?;
    if command == antiphon_spawner::COMMAND {
        let folder = arguments.next().unwrap_or_default();
        let code = antiphon_spawner::main(Path::new(&folder));
        return Some(ExitCode::from(u8::try_from(code).unwrap_or(70)));
    }
    if command != "__builtin" {
        return None;
    }
    let mut texts = arguments.map(|text| text.to_string_lossy().into_owned());
    let name = texts.next().unwrap_or_default();
    let rest: Vec<String> = texts.collect();
    match builtin(&name, &rest) {
        Ok(end) => {
            let mut note = std::io::stderr();
            writeln!(note, "{}", end.note).ok();
            Some(ExitCode::from(u8::from(!end.succeeded)))
        }
        Err(error) => {
            writeln!(std::io::stderr(), "{error:#}").ok();
            Some(ExitCode::from(1))
        }
    }
}

fn builtin(name: &str, arguments: &[String]) -> anyhow::Result<BuiltinEnd> {
    let registry = packs::registry();
    let known = registry.find_builtin(name);
    let builtin = known.ok_or_else(|| anyhow::anyhow!("there is no built-in `{name}`"))?;
    let mut text = Vec::new();
    std::io::stdin()
        .take(FACTS_BYTES_MAX)
        .read_to_end(&mut text)?;
    let facts = Facts::parse(&text)?;
    let root = variable("ANTIPHON_ROOT")?;
    let end = builtin(&BuiltinCall {
        root: Path::new(&root),
        arguments,
        facts: &facts,
        run_id: &variable("ANTIPHON_RUN_ID")?,
        now_ms: SystemClock::wall_ms(),
    });
    // The executor reads it after this process is dead: a half-written one is no result.
    std::fs::write(variable("ANTIPHON_RESULT")?, end.result.text())?;
    Ok(end)
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).map_err(|error| anyhow::anyhow!("{name}: {error}"))
}
