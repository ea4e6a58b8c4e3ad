//! What an attempt finds in its environment: a plain one, the task's own, then Antiphon's.
//!
//! Nothing of the owner's environment is passed on.

use std::collections::BTreeMap;
use std::path::Path;

use antiphon_core::id::Id;
use antiphon_core::time::rfc3339;
use antiphon_engine::ports::executor::Launch;

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The variable by which strays of an attempt are found.
pub(crate) const NONCE: &str = "ANTIPHON_NONCE";

/// Where an attempt lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The data root.
    pub(crate) root: &'a Path,
    /// Its own folder.
    pub(crate) folder: &'a Path,
    /// Its result file.
    pub(crate) result: &'a Path,
    /// Its unique name among all processes of this machine.
    pub(crate) nonce: &'a str,
}

/// The environment of `launch`. A task can set and override anything except Antiphon's names.
pub(crate) fn environment(launch: &Launch, place: Place<'_>) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut all = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), text(place.folder)),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ]);
    all.extend(launch.environment.clone());
    let own = [
        ("ANTIPHON_ATTEMPT", launch.attempt.to_string()),
        ("ANTIPHON_CORRELATION_ID", launch.correlation.to_string()),
        ("ANTIPHON_DEADLINE", rfc3339(launch.deadline_wall_ms)),
        (NONCE, place.nonce.to_owned()),
        ("ANTIPHON_RESULT", text(place.result)),
        ("ANTIPHON_ROOT", text(place.root)),
        ("ANTIPHON_RUN_ID", launch.run.to_string()),
        ("ANTIPHON_SIGNAL_ID", launch.signal.to_string()),
        ("ANTIPHON_TOKEN", launch.token.to_string()),
        (
            "TRACEPARENT",
            trace_parent(&launch.correlation, launch.token),
        ),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// W3C Trace Context, level 1, section 3.2: the chain is the trace, the attempt the span.
fn trace_parent(correlation: &Id, token: u64) -> String {
    let trace = u128::from_be_bytes(*correlation.as_bytes());
    format!("00-{trace:032x}-{token:016x}-01")
}
