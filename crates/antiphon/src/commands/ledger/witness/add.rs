//! `antiphon ledger witness add`: one more witness of this log, in a file of `conf.d`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use antiphon_core::name::AgentName;
use antiphon_ledger::key::VerifierKey;
use clap::Args;
use serde::Serialize;

use super::parse_key;
use crate::commands::parse_name;
use crate::config::{Configuration, FILE, FOLDER};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A name for it, for people
    #[arg(value_parser = parse_name::<AgentName>)]
    name: AgentName,
    /// Where it is asked: `http://HOST[:PORT][/PREFIX]`
    url: String,
    /// Its verifier key
    #[arg(value_parser = parse_key)]
    key: Box<VerifierKey>,
}

/// What was added.
#[derive(Debug, Serialize)]
struct Added {
    name: String,
    url: String,
    key: String,
    file: String,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let main = context.config.clone();
    let main = main.unwrap_or_else(|| context.root.join(FILE));
    let folder = main.with_file_name(FOLDER);
    let path = folder.join(format!("witness-{}.toml", arguments.name));
    let text = section(arguments);
    write(&folder, &path, &text)?;
    // What the owner would refuse to start with is taken back.
    if let Err(error) = Configuration::load(&context.root, context.config.as_deref()) {
        std::fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        return Err(error.into());
    }
    let added = Added {
        name: arguments.name.to_string(),
        url: arguments.url.clone(),
        key: arguments.key.to_string(),
        file: path.display().to_string(),
    };
    context.output.one(&added, |added| {
        format!("{} is named in {}", added.name, added.file)
    })?;
    context
        .output
        .note("an owner that runs asks it when it is started again")?;
    Ok(Exit::Done)
}

fn section(arguments: &Arguments) -> String {
    let url = toml::Value::from(arguments.url.as_str());
    let key = toml::Value::from(arguments.key.to_string());
    let name = toml::Value::from(arguments.name.as_str());
    format!("[[witness]]\nname = {name}\nurl = {url}\nkey = {key}\n")
}

fn write(folder: &Path, path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> Failure {
    Failure::File {
        verb: "written",
        path: path.to_owned(),
        source,
    }
}
