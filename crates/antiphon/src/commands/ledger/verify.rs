//! `antiphon ledger verify`: judges a root, an exported folder, an evidence bundle or the proof of a
//! fork by what its verifier trusts.
//!
//! Reads the files themselves, offline, without an owner and beside one that runs: records that
//! are appended meanwhile are left for the next time, and a seal that an owner is about to renew is
//! looked at again. Without a trust file, what this user's verifier remembers is trusted; the first
//! look at a log is believed, and said to be.

use std::path::{Path, PathBuf};

use antiphon_ledger::audit::{Audit, Finding};
use antiphon_ledger::bundle;
use antiphon_ledger::fork::ForkProof;
use antiphon_ledger::hash::hex;
use antiphon_ledger::trust::{Sealed, Trust};
use clap::Args;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::ledger::error::LedgerError;
use crate::ledger::judge::{Manner, judge, threads};
use crate::ledger::live::judge_live;
use crate::ledger::place::{Place, read, read_file};
use crate::ledger::remembered::{Remembered, read_trust};
use crate::ledger::source::Source;
use crate::output::tone::Tone;
use crate::output::{Output, clean};
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A data root, an exported folder, an evidence bundle or the proof of a fork [default: the data root]
    path: Option<PathBuf>,
    /// What to trust: origin, keys, witnesses, the head that was seen [default: what is remembered]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Threads to work on [default: as many as the machine has]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Check only what bodies hash to, not that they are canonical JSON
    #[arg(long)]
    hashes_only: bool,
}

/// What `ledger verify` says.
#[derive(Debug, Serialize)]
struct Verdict {
    /// Whether nothing is wrong.
    ok: bool,
    /// What was verified: `root`, `folder`, `bundle` or `fork`.
    what: &'static str,
    /// The log's origin.
    origin: Option<String>,
    /// Records that were read.
    size: u64,
    /// The root of the tree over those at the checkpoint's size, or over all when there is none.
    root: Option<String>,
    /// The size at the newest signed checkpoint; `null` when there is none.
    checkpoint_size: Option<u64>,
    /// Trusted witnesses that cosigned it.
    cosigned_by: Vec<String>,
    /// Bodies that were pruned and could not be checked.
    pruned: u64,
    /// By what it was judged: `file`, `remembered` or `first_look`.
    trust: &'static str,
    /// What a proof of a fork shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<Fork>,
    /// How many problems there are.
    problem_count: u64,
    /// The first of them.
    problems: Vec<Problem>,
}

/// Where two histories differ.
#[derive(Debug, Serialize)]
struct Fork {
    /// The size at which they are compared.
    size: u64,
    /// Their roots there.
    roots: [String; 2],
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Problem {
    /// What kind of problem it is.
    code: &'static str,
    /// The record that it is of, or the first that it affects.
    seq: Option<u64>,
    /// More of it.
    detail: String,
}

/// What is trusted, and why.
struct Believed {
    trust: Option<Trust>,
    remembered: Option<Remembered>,
    word: &'static str,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = arguments.path.as_ref().unwrap_or(&context.root);
    let place = match &arguments.path {
        None => Place::Root(path.clone()),
        Some(path) => Place::of(path)?,
    };
    let trust = arguments.trust.as_deref();
    let (verdict, first_look) = match &place {
        Place::Root(path) => verify_log(context, arguments, &place, Source::root(path)?)?,
        Place::Folder(path) => verify_log(context, arguments, &place, Source::folder(path))?,
        Place::Bundle(path) => (verify_bundle(path, trust)?, None),
        Place::File(path) => (verify_fork(path, trust)?, None),
    };
    context
        .output
        .one(&verdict, |verdict| tell(context.output, verdict))?;
    if let Some(kept) = first_look {
        context.output.note(&kept)?;
    }
    Ok(if verdict.ok {
        Exit::Done
    } else {
        Exit::VerificationFailed
    })
}

/// Judges the whole log of `root` without progress, by nothing but itself.
///
/// # Errors
/// [`Failure::Store`] when it cannot be read.
pub(crate) fn verify_root(root: &Path) -> Result<Audit, Failure> {
    judge(Source::root(root)?, None, &Manner::quiet())
}

/// Judges a whole log, and remembers it when nothing is wrong; what to say of a first look.
fn verify_log(
    context: &Context,
    arguments: &Arguments,
    place: &Place,
    mut source: Source,
) -> Result<(Verdict, Option<String>), Failure> {
    let origin = source.origin();
    let believed = believed(arguments.trust.as_deref(), origin.as_deref(), place.path())?;
    let manner = Manner {
        threads: threads(arguments.threads),
        checks_json: !arguments.hashes_only,
        progress: context.output.progress(),
    };
    let audit = judge_live(source, believed.trust.as_ref(), &manner)?;
    let said = match (&believed.remembered, &audit.trust) {
        (Some(remembered), Some(trust)) => {
            remembered.save(trust)?;
            let (key, path) = (&trust.log_key, remembered.path().display());
            Some(format!(
                "trusted at first look, and from now on: {key}, kept in {path}"
            ))
        }
        (None, Some(trust)) => {
            let key = &trust.log_key;
            Some(format!("trusted at this look, and not remembered: {key}"))
        }
        (_, None) => None,
    };
    let said = said.filter(|_| believed.word == "first_look");
    Ok((Verdict::of_audit(place, audit, believed.word), said))
}

fn verify_bundle(path: &Path, trust: Option<&Path>) -> Result<Verdict, Failure> {
    let note = read(path, antiphon_ledger::exported::CHECKPOINT);
    let sealed = note.and_then(|note| Sealed::parse(&note).ok());
    let origin = sealed.as_ref().map(|it| it.checkpoint().origin());
    let believed = believed(trust, origin, path)?;
    let audit = bundle::audit(believed.trust.as_ref(), |name| read(path, name));
    let place = Place::Bundle(path.to_owned());
    Ok(Verdict::of_audit(&place, audit, believed.word))
}

fn verify_fork(path: &Path, trust: Option<&Path>) -> Result<Verdict, Failure> {
    let proof = ForkProof::parse(&read_file(path)?).map_err(|source| {
        let path = path.to_owned();
        LedgerError::Fork { path, source }
    })?;
    let believed = believed(trust, Some(&proof.origin), path)?;
    let Some(trust) = believed.trust else {
        return Err(Failure::Usage {
            message: format!("nothing is trusted of {}", clean(&proof.origin)),
            hint: Some("name a trust file: --trust FILE".to_owned()),
        });
    };
    let judgement = proof.judge(&trust);
    Ok(Verdict {
        ok: judgement.finding_count == 0,
        what: "fork",
        size: proof.size,
        root: None,
        checkpoint_size: None,
        cosigned_by: Vec::new(),
        pruned: 0,
        trust: believed.word,
        fork: Some(Fork {
            size: proof.size,
            roots: proof.branches.each_ref().map(|branch| hex(&branch.root)),
        }),
        origin: Some(proof.origin),
        problem_count: judgement.finding_count,
        problems: judgement.findings.into_iter().map(Problem::of).collect(),
    })
}

/// What is trusted of the log of `origin`: the file that was named, else what is remembered.
fn believed(file: Option<&Path>, origin: Option<&str>, near: &Path) -> Result<Believed, Failure> {
    if let Some(file) = file {
        return Ok(Believed {
            trust: Some(read_trust(file)?),
            remembered: None,
            word: "file",
        });
    }
    let remembered = origin.and_then(|origin| Remembered::of(origin, near));
    let trust = match &remembered {
        Some(remembered) => remembered.load()?,
        None => None,
    };
    let word = if trust.is_some() {
        "remembered"
    } else {
        "first_look"
    };
    Ok(Believed {
        trust,
        remembered,
        word,
    })
}

impl Verdict {
    fn of_audit(place: &Place, audit: Audit, trust: &'static str) -> Self {
        let root = match audit.checkpoint_size {
            Some(_) => audit.checkpoint_root,
            None => Some(audit.root),
        };
        Self {
            ok: audit.is_intact(),
            what: place.word(),
            origin: audit.origin,
            size: audit.size,
            root: root.as_ref().map(hex),
            checkpoint_size: audit.checkpoint_size,
            cosigned_by: audit.cosigned_by,
            pruned: audit.pruned,
            trust,
            fork: None,
            problem_count: audit.finding_count,
            problems: audit.findings.into_iter().map(Problem::of).collect(),
        }
    }
}

impl Problem {
    fn of(finding: Finding) -> Self {
        Self {
            code: finding.kind.code(),
            seq: finding.seq,
            detail: finding.detail,
        }
    }
}

fn tell(output: Output, verdict: &Verdict) -> String {
    let mut lines = vec![headline(output, verdict)];
    for problem in &verdict.problems {
        let place = problem
            .seq
            .map_or_else(String::new, |seq| format!("record {seq}: "));
        let (detail, code) = (clean(&problem.detail), problem.code);
        lines.push(format!("{place}{detail} ({code})"));
    }
    let told = u64::try_from(verdict.problems.len()).unwrap_or(u64::MAX);
    if verdict.problem_count > told {
        lines.push(format!("and {} more", verdict.problem_count - told));
    }
    if verdict.fork.is_none() {
        lines.push(seal(verdict));
    }
    if verdict.pruned > 0 {
        lines.push(format!(
            "{} bodies were pruned and could not be checked",
            verdict.pruned
        ));
    }
    lines.join("\n")
}

fn headline(output: Output, verdict: &Verdict) -> String {
    let origin = clean(verdict.origin.as_deref().unwrap_or("a log of nobody"));
    let root = verdict.root.as_deref().unwrap_or("not reached");
    match (&verdict.fork, verdict.ok) {
        (Some(fork), true) => {
            let forked = output.paint(Tone::Bad, "forked");
            let size = fork.size;
            format!("{forked}: {origin} has signed two histories that differ within {size} records")
        }
        (Some(_), false) => {
            let unproven = output.paint(Tone::Bad, "unproven");
            format!("{unproven}: this shows no fork of {origin}")
        }
        (None, true) => {
            let intact = output.paint(Tone::Good, "intact");
            format!(
                "{intact}: {} records of {origin}, root {root}",
                verdict.size
            )
        }
        (None, false) => {
            let damaged = output.paint(Tone::Bad, "damaged");
            let (problems, size) = (verdict.problem_count, verdict.size);
            format!("{damaged}: {problems} problems in {size} records of {origin}")
        }
    }
}

/// How far the log is sealed, and by whom.
fn seal(verdict: &Verdict) -> String {
    let size = verdict.size;
    let by = match verdict.cosigned_by.as_slice() {
        [] => String::new(),
        names => format!(", cosigned by {}", clean(&names.join(", "))),
    };
    match (verdict.checkpoint_size, verdict.what) {
        (Some(sealed), "bundle") => format!("sealed in the checkpoint of {sealed} records{by}"),
        (Some(sealed), _) => format!("sealed to {sealed} of {size}{by}"),
        (None, _) => format!("not sealed: no checkpoint covers these {size} records"),
    }
}
