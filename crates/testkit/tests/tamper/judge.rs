//! What each of the two verifiers says of a folder, in a form in which they can be compared.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use antiphon_ledger::fork::ForkProof;
use antiphon_ledger::trust::Trust;
use antiphon_ledger::{bundle, exported};
use serde_json::{Value, json};

use super::second::Second;

/// A verifier's statement: what it read, or the first that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong: the size, the root, how many bodies are pruned, and who cosigned.
    Holds {
        size: u64,
        root: String,
        pruned: u64,
        cosigned_by: Vec<String>,
    },
    /// The code of what is wrong first, and the record that it names.
    Refused { code: String, seq: Option<u64> },
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        matches!(self, Self::Holds { .. })
    }

    /// Its code.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Holds { .. } => None,
            Self::Refused { code, .. } => Some(code),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds { size, pruned, .. } => {
                write!(formatter, "holds ({size}, {pruned} pruned)")
            }
            Self::Refused { code, seq: None } => formatter.write_str(code),
            Self::Refused {
                code,
                seq: Some(seq),
            } => write!(formatter, "{code} at {seq}"),
        }
    }
}

/// The verdict of the first verifier.
pub(crate) fn first(folder: &Path, trust: &Trust) -> Verdict {
    let read = |name: &str| fs::read(folder.join(name)).ok();
    let audit = if folder.join(bundle::INDEX).exists() {
        bundle::audit(Some(trust), read)
    } else {
        exported::audit(Some(trust.clone()), read, None)
    };
    match audit.findings.first() {
        None => Verdict::Holds {
            size: audit.size,
            root: hex(&audit.root),
            pruned: audit.pruned,
            cosigned_by: audit.cosigned_by,
        },
        Some(finding) => Verdict::Refused {
            code: finding.kind.code().to_owned(),
            seq: finding.seq,
        },
    }
}

/// What is wrong with a proof of a fork, by the first verifier and by the second.
pub(crate) fn fork(
    verifier: &mut Second,
    proof: &Path,
    (trust, trust_path): (&Trust, &Path),
) -> [Option<(String, Option<u64>)>; 2] {
    let first = match ForkProof::parse(&fs::read(proof).unwrap()) {
        Err(error) => Some((error.code().to_owned(), None)),
        Ok(proof) => {
            let judgement = proof.judge(trust);
            let finding = judgement.findings.first();
            finding.map(|it| (it.kind.code().to_owned(), it.seq))
        }
    };
    let answer = verifier.ask(&json!({"op": "fork", "path": proof, "trust": trust_path}));
    let problem = &answer["problems"][0];
    let code = problem["code"].as_str().map(str::to_owned);
    assert_eq!(answer["ok"] == true, code.is_none(), "{answer}");
    [first, code.map(|code| (code, problem["seq"].as_u64()))]
}

/// The verdict of the second verifier.
pub(crate) fn second(verifier: &mut Second, folder: &Path, trust: &Path) -> Verdict {
    let answer = verifier.ask(&json!({"op": "verify", "path": folder, "trust": trust}));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    if answer["ok"] == true {
        return Verdict::Holds {
            size: answer["size"].as_u64().unwrap(),
            root: text(&answer["root"]),
            pruned: answer["pruned"].as_u64().unwrap(),
            cosigned_by: answer["cosigned_by"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
        };
    }
    let problem = &answer["problems"][0];
    Verdict::Refused {
        code: text(&problem["code"]),
        seq: problem["seq"].as_u64(),
    }
}

/// Bytes as both sides write them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}
