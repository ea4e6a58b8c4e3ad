//! `antiphon ledger witness generate`: the key of a witness, in a file of its own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use antiphon_engine::ports::entropy::Entropy as _;
use antiphon_ledger::key::{Algorithm, SigningKey};
use clap::Args;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::owner::entropy::SystemEntropy;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The witness's name, such as witness.example.com/vega
    name: String,
    /// Where the secret is written; nothing may be there
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    name: String,
    key: String,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let seed = SystemEntropy.bytes32().map_err(|source| Failure::Bug {
        what: "the system gave no randomness".to_owned(),
        source: Some(Box::new(source)),
    })?;
    let key = SigningKey::new(arguments.name.as_str(), Algorithm::CosignatureV1, &seed)
        .map_err(|error| Failure::usage(error.to_string()))?;
    write(&arguments.key, &key)?;
    let made = Made {
        name: arguments.name.clone(),
        key: key.verifier().to_string(),
    };
    context.output.one(&made, |made| made.key.clone())?;
    context
        .output
        .note("this is what logs name it by: antiphon ledger witness add NAME URL KEY")?;
    Ok(Exit::Done)
}

fn write(path: &Path, key: &SigningKey) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(key.to_private_text().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    written.map_err(|source| Failure::File {
        verb: "written",
        path: path.to_owned(),
        source,
    })
}
