//! The commands, one file each: arguments, what is asked of the owner, what is said.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod ledger;
pub(crate) mod restore;
pub(crate) mod rule;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod signal;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod task;
pub(crate) mod why;

use std::time::{Duration, SystemTime};

use antiphon_core::id::Id;
use antiphon_core::time::{parse_rfc3339, rfc3339};

use crate::cli::Command;
use crate::config::value;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

/// Rows of a list when nothing else is said.
pub(crate) const LIMIT: &str = "50";

/// Carries out `command`.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Demo(arguments) => demo::run(context, &arguments),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::Status(arguments) => status::run(context, &arguments),
        Command::Doctor(arguments) => doctor::run(context, &arguments),
        Command::Signal(command) => signal::run(context, command),
        Command::Run(command) => run::run(context, command),
        Command::Why(arguments) => why::run(context, &arguments),
        Command::Task(command) => task::run(context, command),
        Command::Rule(command) => rule::run(context, command),
        Command::Dlq(command) => dlq::run(context, command),
        Command::Stop(command) => stop::run(context, command),
        Command::Key(command) => key::run(context, command),
        Command::Sign(command) => sign::run(context, command),
        Command::Ledger(command) => ledger::run(context, command),
        Command::Backup(arguments) => backup::run(context, &arguments),
        Command::Restore(arguments) => restore::run(context, &arguments),
        Command::Config(command) => config::run(context, command),
        Command::Bench(arguments) => bench::run(context, &arguments),
        Command::Completions(arguments) => completions::run(context, &arguments),
    }
}

/// A path of the API with its query: those of `parameters` that have a value.
fn path(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let set: Vec<String> = parameters
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")))
        .collect();
    if set.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", set.join("&"))
    }
}

/// An id on the command line.
fn parse_id(text: &str) -> Result<Id, String> {
    text.parse()
        .map_err(|error: antiphon_core::id::IdError| error.to_string())
}

/// A duration on the command line, such as `30s`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    value::duration_ms(text)
        .map(Duration::from_millis)
        .map_err(|why| format!("{text} {why}"))
}

/// A time on the command line: RFC 3339, or a duration before now; as RFC 3339 in UTC.
fn parse_time(text: &str) -> Result<String, String> {
    if let Some(time_ms) = parse_rfc3339(text) {
        return Ok(rfc3339(time_ms));
    }
    let ago = value::duration_ms(text).map_err(|_why| {
        format!("{text} is neither an RFC 3339 time nor a duration before now such as 10m")
    })?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    Ok(rfc3339(
        now_ms.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)),
    ))
}

/// A name on the command line.
fn parse_name<N>(text: &str) -> Result<N, String>
where
    N: TryFrom<String, Error = antiphon_core::name::NameError>,
{
    N::try_from(text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_what_is_set() {
        assert_eq!(path("/a", &[("b", None)]), "/a");
        assert_eq!(
            path("/a", &[("b", Some("1".into())), ("c", Some("x".into()))]),
            "/a?b=1&c=x"
        );
    }

    #[test]
    fn a_time_is_absolute_or_before_now() {
        assert_eq!(
            parse_time("1970-01-01T02:00:00+01:00"),
            Ok("1970-01-01T01:00:00.000Z".into())
        );
        assert!(parse_time("10m").is_ok());
        assert!(parse_time("yesterday").is_err());
    }
}
