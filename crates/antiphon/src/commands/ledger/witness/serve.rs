//! `antiphon ledger witness serve`: a witness, until it is told to go.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_ledger::key::SigningKey;
use antiphon_witness::Witness;
use antiphon_witness::serve::{is_local, serve};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{self, Context};

/// Bytes of a key file: far more than any key.
const KEY_BYTES_MAX: u64 = 4_096;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What it knows and has seen; made when it is missing
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Its key, as `ledger witness generate` writes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where it listens; port 0 takes any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7380")]
    listen: SocketAddr,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let key = read_key(&arguments.key)?;
    let name = key.verifier().to_string();
    let witness = Arc::new(Witness::open(&arguments.dir, key)?);
    wire::runtime()?.block_on(async {
        let unusable = |source| Failure::Listen {
            address: arguments.listen,
            source,
        };
        let listener = TcpListener::bind(arguments.listen)
            .await
            .map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let closing = CancellationToken::new();
        let heeded = heed(closing.clone())?;
        context.output.note(&format!("witness: {name}"))?;
        if !is_local(&address) {
            tracing::warn!("plain HTTP, open to others: put a proxy that speaks TLS in front");
        }
        context.output.note(&format!("ready: http://{address}"))?;
        serve(listener, witness, closing).await;
        heeded.abort();
        Ok(Exit::Done)
    })
}

/// Closes on SIGTERM and SIGINT.
fn heed(closing: CancellationToken) -> Result<tokio::task::JoinHandle<()>, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|source| Failure::Bug {
            what: "signals cannot be heeded".to_owned(),
            source: Some(Box::new(source)),
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _interrupt = interrupt.recv() => {}
            _terminate = terminate.recv() => {}
        }
        closing.cancel();
    }))
}

/// The key in a file that nobody else can read.
fn read_key(path: &Path) -> Result<SigningKey, Failure> {
    let unreadable = |source| Failure::File {
        verb: "read",
        path: path.to_owned(),
        source,
    };
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if found.mode() & 0o077 != 0 {
        return Err(Failure::Usage {
            message: format!("{} can be read by others", path.display()),
            hint: Some(format!("chmod 600 {}", path.display())),
        });
    }
    if found.len() > KEY_BYTES_MAX {
        return Err(Failure::usage(format!("{} is no key", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    SigningKey::from_private_text(text.trim_end())
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
