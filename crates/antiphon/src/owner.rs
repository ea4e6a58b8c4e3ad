//! The owner of a data root within this process.

use antiphon_http::AppState;

use crate::failure::Failure;
use crate::wire::{Context, Need};

/// An owner that lives as long as one command.
#[derive(Debug)]
pub(crate) struct InProcess {
    state: AppState,
}

impl InProcess {
    /// What the API over it needs.
    pub(crate) fn state(&self) -> AppState {
        self.state.clone()
    }

    /// Lets it finish what it has to do, and ends it.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Becomes the owner of the context's root.
pub(crate) async fn open(context: &Context, _need: Need) -> Result<InProcess, Failure> {
    Err(Failure::NotFound {
        what: format!("an owner of {}", context.root.display()),
    })
}
