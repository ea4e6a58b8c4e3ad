//! A chain as a tree: from its first signal down to everything that came of it.

use antiphon_core::id::Id;
use antiphon_core::signal::Facts;
use serde::{Deserialize, Serialize};

use super::Seal;
use super::run::Attempt;
use super::signal::Expectation;

/// A chain, and the thing in it that was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// What was asked about.
    pub asked: Id,
    /// `signal`, `run` or `letter`.
    pub kind: String,
    /// Whether parts of the chain are left out because it is too large or too deep.
    pub cut: bool,
    /// The first signal; `null` when what was asked about belongs to no signal.
    pub root: Option<SignalNode>,
    /// Dead letters of the chain that belong to no signal.
    pub letters: Vec<LetterNode>,
    /// How far what is told here is sealed.
    pub seal: Seal,
}

/// A signal and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalNode {
    /// Its id.
    pub id: Id,
    /// Its record.
    pub seq: u64,
    /// Its name.
    pub signal: String,
    /// When it was accepted.
    pub accepted_at: String,
    /// Who emitted it.
    pub source: String,
    /// Where it came from, as in a signal's detail.
    pub origin: String,
    /// What it says.
    pub facts: Facts,
    /// What each rule that hears it said, in configured order.
    pub decisions: Vec<DecisionNode>,
    /// The runs of workers that answer it.
    pub runs: Vec<RunNode>,
    /// The expectations that it armed.
    pub expects: Vec<Expectation>,
    /// What else follows from it: expectations that were not met, replays.
    pub follows: Vec<SignalNode>,
    /// Dead letters about it.
    pub letters: Vec<LetterNode>,
}

/// What a rule said, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionNode {
    /// The rule, or `worker:SIGNAL>TASK`.
    pub rule: String,
    /// `fired`, `deferred`, or the code of why not.
    pub verdict: String,
    /// The verdict in words.
    pub why: String,
    /// More of why.
    pub detail: Option<String>,
    /// The ask that it opened.
    pub ask: Option<AskNode>,
    /// The runs that it planned.
    pub runs: Vec<RunNode>,
    /// The signals that it emitted.
    pub follows: Vec<SignalNode>,
}

/// An ask and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskNode {
    /// Its id.
    pub id: Id,
    /// Who is asked.
    pub asks: String,
    /// `open`, `permitted` or `denied`.
    pub state: String,
    /// Who answered; `deadline` when its time was over.
    pub by: Option<String>,
}

/// A run and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNode {
    /// Its id.
    pub id: Id,
    /// Its task.
    pub task: String,
    /// Its task's agent.
    pub agent: String,
    /// Where it stands, as in lists.
    pub state: String,
    /// The run that it tries again.
    pub retry_of: Option<Id>,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The signals that its end emitted.
    pub follows: Vec<SignalNode>,
    /// Dead letters about it.
    pub letters: Vec<LetterNode>,
}

/// A dead letter of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterNode {
    /// Its id.
    pub id: Id,
    /// The stable code of what is wrong.
    pub code: String,
    /// What is wrong, in words.
    pub error: String,
}
