//! The way from a command to the owner of its data root: always through the router.
//!
//! An owner that runs is reached over its socket. When none runs, the command becomes the owner for
//! its own time, and talks to the same router over a stream in memory.

use std::path::PathBuf;

use antiphon_files::keys::Passphrase;
use antiphon_http::Peer;
use antiphon_http::client::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, InProcess};
use crate::socket;

/// Bytes that wait in each direction of the stream in memory.
const STREAM_BYTES: usize = 256 * 1024;

/// What every command is given.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The data root.
    pub(crate) root: PathBuf,
    /// The configuration that was named, if one was.
    pub(crate) config: Option<PathBuf>,
    /// What the keys are sealed with, if they are.
    pub(crate) passphrase: Option<Passphrase>,
    /// Where results go.
    pub(crate) output: Output,
    /// How much is said beside them: 0, 1, 2.
    pub(crate) verbose: u8,
}

/// What a command needs of an owner that it becomes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It accepts and answers; nothing is leased.
    Answers,
    /// It records what takes the place of a key, though the one that it signs with be gone.
    Keys,
    /// It works too, and ends when nothing is left to do.
    Work,
}

impl Context {
    /// Lets `ask` talk to the owner.
    ///
    /// # Errors
    /// [`Failure`] of the connection, or of `ask`.
    pub(crate) fn talk<T>(
        &self,
        need: Need,
        ask: impl AsyncFnOnce(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        runtime()?.block_on(async {
            // An error tells more about a root that is not there than a socket would.
            antiphon_files::Root::open(&self.root)?;
            let unusable = |source| Failure::Socket {
                path: self.root.join(socket::FILE),
                source,
            };
            if let Some(stream) = socket::connect(&self.root).map_err(unusable)? {
                return ask(Client::over(stream).await?).await;
            }
            let owner = owner::open(self, need).await?;
            let answer = ask_in_process(&owner, ask).await;
            owner.close().await?;
            answer
        })
    }
}

async fn ask_in_process<T>(
    owner: &InProcess,
    ask: impl AsyncFnOnce(Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
    let closing = CancellationToken::new();
    let peer = Peer(peer_name().into());
    let router = antiphon_http::router(owner.state());
    let serving = antiphon_http::serve::serve_stream(theirs, router, peer, closing);
    let _serving = AbortOnDropHandle::new(tokio::spawn(serving));
    ask(Client::over(ours).await?).await
}

/// Who asks, as the socket would say it.
pub(crate) fn peer_name() -> String {
    format!("uid:{}", rustix::process::getuid().as_raw())
}

/// A runtime on this thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::Bug {
            what: "no runtime could be had".to_owned(),
            source: Some(Box::new(source)),
        })
}
