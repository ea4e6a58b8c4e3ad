//! `antiphon serve`: the owner of a data root, until it is told to go.
//!
//! SIGTERM and SIGINT drain: running work may finish, bounded, then its trees are stopped. A second
//! one does not wait for work. SIGHUP reads the configuration anew, whole or not at all.

use std::path::Path;
use std::sync::Arc;

use antiphon_engine::handle::Handle;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::owner::assembly::Held;
use crate::packs;
use crate::socket;
use crate::wire::{self, Context};

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let read = Configuration::load(&context.root, context.config.as_deref())?;
    let (policy, config) = read.compile()?;
    let held = Held::take(&context.root, true, context.passphrase.clone())?;
    wire::runtime()?.block_on(async {
        let shutdown = CancellationToken::new();
        let signals = Signals::listen()?;
        let registry = Arc::new(packs::registry());
        let running = held
            .open(policy, &config, registry, shutdown.clone())
            .await?;
        let path = context.root.join(socket::FILE);
        let unusable = |source| Failure::Socket { path, source };
        let doors = running.doors();
        let listener = doors
            .within(|| socket::listen(&context.root))
            .map_err(unusable)?;
        let router = antiphon_http::router(running.state.clone());
        let serving = antiphon_http::serve::serve_unix(listener, router, shutdown.clone());
        let serving = doors.spawn(serving);
        let following = signals.follow(context.clone(), running.handle(), shutdown.clone());
        let handling = doors.spawn(following);
        context
            .output
            .note(&format!("ready: {}", context.root.display()))?;
        let result = Box::pin(running.run()).await;
        shutdown.cancel();
        let joined = [serving.await, handling.await];
        result?;
        for ended in joined {
            ended.map_err(|panicked| Failure::Bug {
                what: "a part of the owner panicked".to_owned(),
                source: Some(Box::new(panicked)),
            })?;
        }
        remove_socket(&context.root);
        Ok(Exit::Done)
    })
}

/// What stays behind says nothing: a client that finds no listener becomes the owner.
fn remove_socket(root: &Path) {
    std::fs::remove_file(root.join(socket::FILE)).ok();
}

/// The signals that the owner heeds.
struct Signals {
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|source| Failure::Bug {
                what: "signals cannot be heeded".to_owned(),
                source: Some(Box::new(source)),
            })
        };
        Ok(Self {
            hang_up: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Heeds them until the owner goes.
    async fn follow(mut self, context: Context, handle: Handle, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _hang_up = self.hang_up.recv() => reload(&context, &handle).await,
                _interrupt = self.interrupt.recv() => break,
                _terminate = self.terminate.recv() => break,
            }
        }
        tracing::info!("draining; a second signal does not wait for work");
        shutdown.cancel();
        let exit = tokio::select! {
            _interrupt = self.interrupt.recv() => Exit::Interrupted,
            _terminate = self.terminate.recv() => Exit::Terminated,
            () = handle.closed() => return,
        };
        // The spawner kills what runs when its socket closes; the next owner recovers the leases.
        tracing::warn!("leaving at once");
        std::process::exit(i32::from(exit.code()));
    }
}

/// Puts the configuration that stands in the files in force, or says why not and keeps the old one.
pub(crate) async fn reload(context: &Context, handle: &Handle) {
    let read = Configuration::load(&context.root, context.config.as_deref());
    let compiled = read.and_then(Configuration::compile);
    let error = match compiled {
        Ok((policy, _config)) => match handle.configure(Arc::new(policy)).await {
            Ok(()) => None,
            Err(error) => Some(error.to_string()),
        },
        Err(error) => Some(error.to_string()),
    };
    match &error {
        None => tracing::info!("the configuration was read anew"),
        Some(error) => {
            tracing::error!(reason = %error, "the configuration is not usable; the old one stands");
        }
    }
    handle.reload_failed(error);
}
