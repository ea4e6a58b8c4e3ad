//! The owner of a data root within this process: for one command, or for good.
//!
//! In: [`open`], for a command that finds no owner running; [`assembly`], which puts an owner
//! together. Out: reaching an owner that runs, which is [`crate::wire`]'s.

pub(crate) mod assembly;
pub(crate) mod clock;
mod custodian;
pub(crate) mod doors;
pub(crate) mod entropy;
mod hands;
mod letters;
mod no_hands;
mod records;
mod retention;
mod rotation;
mod witnesses;

use std::sync::Arc;

use antiphon_http::AppState;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Configuration;
use crate::failure::Failure;
use crate::packs;
use crate::wire::{Context, Need};
use assembly::{Held, OwnerError};

/// An owner that lives as long as one command.
#[derive(Debug)]
pub(crate) struct InProcess {
    state: AppState,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), OwnerError>>,
}

impl InProcess {
    /// What the API over it needs.
    pub(crate) fn state(&self) -> AppState {
        self.state.clone()
    }

    /// Lets what runs finish, bounded, and ends it.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        drop(self.state);
        match self.running.await {
            Ok(result) => result.map_err(Failure::from),
            Err(panicked) => Err(Failure::Bug {
                what: "the owner panicked".to_owned(),
                source: Some(Box::new(panicked)),
            }),
        }
    }
}

/// Becomes the owner of the context's root.
///
/// # Errors
/// [`Failure`] when the configuration is not usable, or another process owns the root.
pub(crate) async fn open(context: &Context, need: Need) -> Result<InProcess, Failure> {
    let read = Configuration::load(&context.root, context.config.as_deref())?;
    let (policy, config) = read.compile()?;
    let mut held = Held::take(
        &context.root,
        need == Need::Work,
        context.passphrase.clone(),
    )?;
    held.without_keys = need == Need::Keys;
    let shutdown = CancellationToken::new();
    let registry = Arc::new(packs::registry());
    let running = held
        .open(policy, &config, registry, shutdown.clone())
        .await?;
    let state = running.state.clone();
    let running = tokio::spawn(running.run());
    Ok(InProcess {
        state,
        shutdown,
        running,
    })
}
