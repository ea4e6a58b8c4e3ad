//! A chain as a tree of lines: what `antiphon why` tells.

use antiphon_http::model::{Attempt, Chain, DecisionNode, LetterNode, RunNode, Seal, SignalNode};

use super::tone::Tone;
use super::{Output, clip, duration};

/// Characters of facts and reasons on one line.
const EXCERPT_LENGTH_MAX: usize = 100;

/// The lines of `chain`.
pub(crate) fn lines(output: Output, chain: &Chain) -> Vec<String> {
    let mut tree = Tree {
        output,
        asked: chain.asked.to_string(),
        lines: Vec::new(),
    };
    if let Some(root) = &chain.root {
        let (head, branches) = tree.signal(root);
        tree.lines.push(head);
        tree.branches("", branches);
    }
    for letter in &chain.letters {
        let line = tree.letter(letter);
        tree.lines.push(line);
    }
    if chain.cut {
        let cut = "parts of this chain are left out: it is too large to show whole";
        tree.lines.push(output.paint(Tone::Warn, cut));
    }
    tree.lines.push(sealed(output, &chain.seal));
    tree.lines
}

/// How far what is told is sealed, in one line.
pub(crate) fn sealed(output: Output, seal: &Seal) -> String {
    let Some(size) = seal.checkpoint else {
        let open = output.paint(Tone::Warn, "not sealed yet");
        return format!("{open}: no checkpoint covers record {}", seal.seq);
    };
    let sealed = format!("sealed in checkpoint {size} up to record {}", seal.seq);
    if seal.cosigned_by.is_empty() {
        format!("{}, cosigned by nobody", output.paint(Tone::Faint, &sealed))
    } else {
        let witnesses = seal.cosigned_by.join(", ");
        let witnesses = output.paint(Tone::Good, &clip(&witnesses, EXCERPT_LENGTH_MAX));
        format!(
            "{}, cosigned by {witnesses}",
            output.paint(Tone::Faint, &sealed)
        )
    }
}

struct Tree {
    output: Output,
    asked: String,
    lines: Vec<String>,
}

/// Something below a line.
enum Branch<'a> {
    Line(String),
    Decision(&'a DecisionNode),
    Run(&'a RunNode),
    Signal(&'a SignalNode),
}

impl Tree {
    fn branches(&mut self, indent: &str, branches: Vec<Branch<'_>>) {
        let last = branches.len().saturating_sub(1);
        for (place, branch) in branches.into_iter().enumerate() {
            let (line, inner) = match branch {
                Branch::Line(line) => (line, Vec::new()),
                Branch::Decision(decision) => self.decision(decision),
                Branch::Run(run) => self.run(run),
                Branch::Signal(signal) => self.signal(signal),
            };
            let (joint, below) = if place == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            self.lines.push(format!("{indent}{joint}{line}"));
            self.branches(&format!("{indent}{below}"), inner);
        }
    }

    fn signal<'a>(&self, signal: &'a SignalNode) -> (String, Vec<Branch<'a>>) {
        let name = self
            .output
            .paint(Tone::Name, &clip(&signal.signal, EXCERPT_LENGTH_MAX));
        let id = signal.id.to_string();
        let head = format!(
            "{name} {} {} {}{}",
            self.faint(&id),
            self.faint(&signal.accepted_at),
            self.faint(&format!(
                "({}, from {})",
                signal.origin,
                clip(&signal.source, 40)
            )),
            self.mark(&id),
        );
        let mut branches = vec![Branch::Line(format!(
            "facts {}",
            clip(signal.facts.text(), EXCERPT_LENGTH_MAX)
        ))];
        if signal.decisions.is_empty() && signal.runs.is_empty() {
            branches.push(Branch::Line(self.faint("no rule and no worker hears it")));
        }
        branches.extend(signal.decisions.iter().map(Branch::Decision));
        branches.extend(signal.runs.iter().map(Branch::Run));
        for expects in &signal.expects {
            branches.push(Branch::Line(format!(
                "monitor {} expects {}, else {}",
                expects.monitor,
                expects.expect.join(" or "),
                expects.emit
            )));
        }
        branches.extend(signal.follows.iter().map(Branch::Signal));
        branches.extend(
            signal
                .letters
                .iter()
                .map(|letter| Branch::Line(self.letter(letter))),
        );
        (head, branches)
    }

    fn decision<'a>(&self, decision: &'a DecisionNode) -> (String, Vec<Branch<'a>>) {
        let tone = match decision.verdict.as_str() {
            "fired" => Tone::Good,
            "deferred" => Tone::Warn,
            "errored" => Tone::Bad,
            _ => Tone::Faint,
        };
        let worker = decision.rule.strip_prefix("worker:");
        let subject = match worker.and_then(|name| name.split_once('>')) {
            Some((_signal, task)) => format!("worker {task}"),
            None => format!("rule {}", decision.rule),
        };
        let detail = decision
            .detail
            .as_ref()
            .map(|detail| clip(detail, EXCERPT_LENGTH_MAX));
        let detail = detail
            .map(|detail| format!(" ({detail})"))
            .unwrap_or_default();
        let why = self.output.paint(tone, &decision.why);
        let mut branches = Vec::new();
        if let Some(ask) = &decision.ask {
            let by = ask
                .by
                .as_ref()
                .map(|by| format!(" by {}", clip(by, 40)))
                .unwrap_or_default();
            let id = self.faint(&ask.id.to_string());
            branches.push(Branch::Line(format!(
                "ask {id} of {}: {}{by}",
                ask.asks, ask.state
            )));
        }
        branches.extend(decision.runs.iter().map(Branch::Run));
        branches.extend(decision.follows.iter().map(Branch::Signal));
        (format!("{subject} {why}{detail}"), branches)
    }

    fn run<'a>(&self, run: &'a RunNode) -> (String, Vec<Branch<'a>>) {
        let id = run.id.to_string();
        let again = run
            .retry_of
            .map(|of| format!(" again, after {of}"))
            .unwrap_or_default();
        let head = format!(
            "run {} {} by {}: {}{again}{}",
            self.faint(&id),
            run.task,
            run.agent,
            self.output.paint(Tone::of_state(&run.state), &run.state),
            self.mark(&id),
        );
        let mut branches: Vec<Branch<'a>> = run
            .attempts
            .iter()
            .map(|attempt| Branch::Line(self.attempt(attempt)))
            .collect();
        branches.extend(
            run.letters
                .iter()
                .map(|letter| Branch::Line(self.letter(letter))),
        );
        branches.extend(run.follows.iter().map(Branch::Signal));
        (head, branches)
    }

    fn attempt(&self, attempt: &Attempt) -> String {
        let state = self
            .output
            .paint(Tone::of_state(&attempt.state), &attempt.state);
        let took = attempt
            .duration_ms
            .map(|took| format!(", {}", duration(took)));
        let exit = attempt.exit.as_ref().map(|exit| format!(", {exit}"));
        let reason = attempt.reason.as_ref();
        let reason = reason.map(|reason| format!(": {}", clip(reason, EXCERPT_LENGTH_MAX)));
        format!(
            "attempt {} {state}{}{}{}",
            attempt.attempt,
            exit.unwrap_or_default(),
            took.unwrap_or_default(),
            reason.unwrap_or_default(),
        )
    }

    fn letter(&self, letter: &LetterNode) -> String {
        let id = letter.id.to_string();
        format!(
            "{} {} {}: {}{}",
            self.output.paint(Tone::Bad, "dead letter"),
            self.faint(&id),
            letter.code,
            clip(&letter.error, EXCERPT_LENGTH_MAX),
            self.mark(&id),
        )
    }

    fn faint(&self, text: &str) -> String {
        self.output.paint(Tone::Faint, text)
    }

    fn mark(&self, id: &str) -> String {
        if id == self.asked {
            self.output.paint(Tone::Warn, "  ←")
        } else {
            String::new()
        }
    }
}
