//! The keys of the owner as the API changes them.

use std::sync::Arc;

use antiphon_core::key::KeyText;
use antiphon_files::signer::KeySigner;
use antiphon_http::{Custody, CustodyError};

/// Who keeps the owner's secrets.
#[derive(Debug)]
pub(crate) struct Custodian(pub(crate) Arc<KeySigner>);

impl Custody for Custodian {
    fn pending(
        &self,
        name: &str,
        is_recorded: &dyn Fn(&KeyText) -> bool,
    ) -> Result<KeyText, CustodyError> {
        Ok(self.0.pending(name, is_recorded)?)
    }

    fn held(&self) -> Vec<KeyText> {
        self.0.held()
    }
}
