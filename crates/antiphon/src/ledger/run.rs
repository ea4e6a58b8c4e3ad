//! What the log says of one run, and the evidence bundle of it.
//!
//! A bundle has the signal that planned the run, the policy that decided, the answers and the
//! leases, the ends, what the last end emitted, and the outputs that are kept beside the log; with
//! the records about keys, so that it verifies alone. Source: `docs/reference/ledger.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use antiphon_core::id::{Digest, Id};
use antiphon_core::name::TaskName;
use antiphon_core::record::{Body, Evidence, Next};
use antiphon_core::report::Report;
use antiphon_core::signal::Origin;
use antiphon_engine::ports::evidence::Evidence as _;
use antiphon_ledger::bundle::{self, BundleIndex};
use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::SALT_BYTES;

use super::export::{finish, write};
use super::place::Place;
use super::prove::{SealedLog, Stored};
use crate::failure::Failure;

/// What a log says about one id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The records of the run, or the one that accepted the signal.
    pub(crate) records: BTreeSet<u64>,
    /// The records about keys.
    pub(crate) keys: BTreeSet<u64>,
    /// Outputs that are kept beside the log.
    pub(crate) evidence: BTreeSet<Digest>,
    /// The record that says most of it: the last end of a run, else its newest lease or its plan;
    /// the acceptance of a signal.
    pub(crate) newest: Option<u64>,
}

/// What the sealed part of `log` says about the run or the signal `id`.
///
/// # Errors
/// [`Failure::Store`] when it cannot be read.
pub(crate) fn find(log: &mut SealedLog, id: &Id) -> Result<Found, Failure> {
    let mut search = Search::of(*id);
    log.each_from(0, &mut |seq, envelope, body| {
        search.record(seq, envelope, body);
    })?;
    Ok(search.found)
}

/// The sealed records about keys with their places.
///
/// # Errors
/// [`Failure::Store`] when they cannot be read.
pub(crate) fn key_records(log: &mut SealedLog) -> Result<Vec<(u64, Stored)>, Failure> {
    let mut records = Vec::new();
    log.each_from(0, &mut |seq, envelope, body| {
        if is_about_keys(envelope) {
            records.push((seq, (envelope.to_vec(), body.map(<[u8]>::to_vec))));
        }
    })?;
    Ok(records)
}

fn is_about_keys(envelope: &[u8]) -> bool {
    let kind = Envelope::decode(envelope).map(|it| it.kind);
    kind.is_ok_and(|kind| kind == "log.created" || kind.starts_with("key."))
}

/// Writes the bundle of run `id` of the log at `place` below `folder`; what it holds.
///
/// # Errors
/// [`Failure::NotFound`] when the sealed log knows no such run; [`Failure::Usage`] when the folder
/// is not empty; [`Failure::File`]; [`Failure::Store`].
pub(crate) fn export(
    place: &Place,
    log: &mut SealedLog,
    id: &Id,
    folder: &Path,
) -> Result<BundleIndex, Failure> {
    let is_used = folder
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(Failure::Usage {
            message: format!("{} is not empty", folder.display()),
            hint: Some("an evidence bundle wants a folder of its own".to_owned()),
        });
    }
    let found = find(log, id)?;
    if found.records.is_empty() {
        let what = format!("run {id}, in what is sealed of the log,");
        return Err(Failure::NotFound { what });
    }
    let mut index = BundleIndex {
        format: 1,
        run: id.to_string().into(),
        origin: log.sealed.checkpoint().origin().to_owned(),
        records: found.records.iter().copied().collect(),
        keys: found.keys.iter().copied().collect(),
        evidence: Vec::new(),
    };
    for seq in index.all_records() {
        write(
            folder,
            &bundle::proof_path(seq),
            log.tlog_proof(seq)?.to_string().as_bytes(),
        )?;
        let Some((envelope, body)) = log.record(seq)? else {
            continue;
        };
        write(folder, &bundle::envelope_path(seq), &envelope)?;
        if let Some(body) = body {
            write(folder, &bundle::body_path(seq), &body)?;
        }
    }
    for digest in &found.evidence {
        // Retention may have removed it: then the record still says what it hashed to.
        if let Some(output) = output(place, digest)? {
            let sha256 = digest.to_string();
            write(folder, &bundle::evidence_path(&sha256), &output)?;
            index.evidence.push(sha256);
        }
    }
    let json = serde_json::to_vec(&index).map_err(|source| Failure::Bug {
        what: "what a bundle holds has no JSON form".to_owned(),
        source: Some(Box::new(source)),
    })?;
    write(folder, bundle::INDEX, &json)?;
    finish(folder, &log.sealed)?;
    Ok(index)
}

/// An output that is kept beside the log of a root.
fn output(place: &Place, digest: &Digest) -> Result<Option<Vec<u8>>, Failure> {
    let Place::Root(root) = place else {
        return Ok(None);
    };
    if !root.join("evidence").is_dir() {
        return Ok(None);
    }
    let folder = antiphon_executor::open_evidence(root).map_err(|source| Failure::Bug {
        what: "the folder of evidence cannot be opened".to_owned(),
        source: Some(Box::new(source)),
    })?;
    folder.read(digest).map_err(|source| Failure::File {
        verb: "read",
        path: root.join("evidence").join(digest.to_string()),
        source,
    })
}

/// A walk over a log that looks for one run or signal.
struct Search {
    id: Id,
    text: String,
    found: Found,
    /// The record of each policy.
    policies: BTreeMap<Digest, u64>,
    /// The signals that opened an ask, by the ask: record, signal, policy.
    asks: BTreeMap<Id, (u64, Id, Digest)>,
    /// The answers, by the ask.
    answers: BTreeMap<Id, u64>,
    /// The signal that planned the run.
    planned_by: Option<Id>,
    /// The run has ended: the next signal that this task emits for it is its own.
    ended: Option<TaskName>,
}

impl Search {
    fn of(id: Id) -> Self {
        Self {
            id,
            text: id.to_string(),
            found: Found::default(),
            policies: BTreeMap::new(),
            asks: BTreeMap::new(),
            answers: BTreeMap::new(),
            planned_by: None,
            ended: None,
        }
    }

    fn record(&mut self, seq: u64, envelope: &[u8], body: Option<&[u8]>) {
        if is_about_keys(envelope) {
            self.found.keys.insert(seq);
            return;
        }
        let Ok(envelope) = Envelope::decode(envelope) else {
            return;
        };
        let kind = envelope.kind;
        let Some(json) = body.and_then(|stored| stored.get(SALT_BYTES..)) else {
            return;
        };
        let may_be_of_it = || {
            let text = self.text.as_bytes();
            json.windows(text.len()).any(|window| window == text)
        };
        let is_wanted = kind == "config.applied"
            || (kind == "signal.accepted" && self.ended.is_some())
            || holds(json, b"\"ask\":")
            || may_be_of_it();
        if is_wanted && let Ok(body) = Body::decode(kind, envelope.version, json) {
            self.body(seq, &body);
        }
    }

    fn body(&mut self, seq: u64, body: &Body) {
        match body {
            Body::ConfigApplied(applied) => {
                self.policies.insert(applied.digest, seq);
            }
            Body::SignalAccepted(signal) => {
                let asks = signal.decisions.iter().filter_map(|it| it.ask.as_ref());
                self.asks
                    .extend(asks.map(|ask| (ask.id, (seq, signal.id, signal.policy))));
                let plans = signal.runs.iter().any(|plan| plan.id == self.id);
                if plans || signal.id == self.id {
                    self.planned_by = Some(signal.id);
                    self.take(seq);
                    self.found.records.extend(self.policies.get(&signal.policy));
                }
                let is_its_end = matches!((&signal.origin, &self.ended),
                    (Origin::Task(task), Some(ended)) if task == ended)
                    && signal.cause == self.planned_by;
                if is_its_end {
                    self.found.records.insert(seq);
                    self.ended = None;
                }
            }
            Body::AskAnswered(answer) => {
                self.answers.insert(answer.ask, seq);
            }
            Body::RunPlanned(planned) if planned.runs.iter().any(|plan| plan.id == self.id) => {
                if let Some((asked, signal, policy)) = self.asks.get(&planned.ask) {
                    self.planned_by = Some(*signal);
                    self.found.records.insert(*asked);
                    self.found.records.extend(self.policies.get(policy));
                }
                self.found.records.extend(self.answers.get(&planned.ask));
                self.take(seq);
            }
            Body::RunReplanned(again) if again.plan.id == self.id => {
                self.planned_by = Some(again.signal);
                self.take(seq);
            }
            Body::RunLeased(lease) if lease.run == self.id => self.take(seq),
            Body::RunReturned(back) if back.run == self.id => self.take(seq),
            Body::RunStopping(stopping) if stopping.run == self.id => self.take(seq),
            Body::RunCancelled(cancelled) if cancelled.run == self.id => self.take(seq),
            Body::RunSettled(settled) if settled.run == self.id => {
                self.take(seq);
                if let Evidence::Report(report) = &settled.evidence {
                    self.found.evidence.extend(outputs(report));
                }
                if settled.next == Next::Ended {
                    self.ended = Some(settled.task.clone());
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, seq: u64) {
        self.found.records.insert(seq);
        self.found.newest = Some(seq);
    }
}

/// What of a report is kept beside the log.
fn outputs(report: &Report) -> impl Iterator<Item = Digest> {
    [report.stdout.evidence, report.stderr.evidence]
        .into_iter()
        .flatten()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
