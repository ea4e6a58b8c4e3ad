//! The recovery key of a new root: made before there is a log, given away at once.
//!
//! Its public half waits in `keys/` until the first owner puts it into `log.created`; its secret is
//! printed once or written outside, and never stored here. A root that has a log, or whose key waits
//! already, gets none by itself.

use std::path::{Path, PathBuf};

use antiphon_core::key::{RECOVERY, key_name};
use antiphon_files::keys::{Keys, Passphrase, generate, outside};
use serde::Serialize;

use crate::failure::Failure;
use crate::origin;
use crate::owner::entropy::SystemEntropy;

/// What is wanted.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Where its secret goes; `None` prints it.
    pub(super) file: Option<&'a Path>,
    /// The origin of the log; `None` is this machine's.
    pub(super) origin: Option<&'a str>,
    /// What a file is sealed with.
    pub(super) passphrase: Option<&'a Passphrase>,
}

/// A recovery key that was made.
#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    /// The public key, which is no secret.
    pub(super) key: String,
    /// The secret, when it was not written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    /// The file that holds the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<PathBuf>,
}

/// Makes the recovery key of the log that this root will have; `None` when it has one, or when a key
/// waits already and no file was named.
///
/// # Errors
/// [`Failure`].
pub(super) fn make(
    root: &antiphon_files::Root,
    wanted: &Wanted<'_>,
) -> Result<Option<Recovery>, Failure> {
    let is_asked_for = wanted.file.is_some() || wanted.origin.is_some();
    if root.path().join("antiphon.db").exists() {
        return if is_asked_for {
            Err(Failure::Usage {
                message: "the log of this root has begun: its origin and its keys stand".to_owned(),
                hint: Some(
                    "a recovery key that it has is replaced by another: antiphon key rotate recovery \
                     --key FILE --new FILE"
                        .to_owned(),
                ),
            })
        } else {
            Ok(None)
        };
    }
    let keys_room = Keys::new(root.clone(), None, Box::new(SystemEntropy));
    if !is_asked_for && keys_room.recovery()?.is_some() {
        return Ok(None);
    }
    let origin = match wanted.origin {
        Some(origin) => origin.to_owned(),
        None => origin::of_new_log(&keys_room)?,
    };
    let key = generate(&key_name(&origin, RECOVERY), &mut SystemEntropy)
        .map_err(|source| keys_room.unmade(source))?;
    // First the secret, then what counts on it: a crash between leaves a file that opens nothing.
    if let Some(file) = wanted.file {
        outside::write(
            file,
            &key,
            wanted.passphrase,
            &mut SystemEntropy,
            root.path(),
        )?;
    }
    keys_room.put_recovery(key.verifier())?;
    let is_printed = wanted.file.is_none();
    Ok(Some(Recovery {
        key: key.verifier().to_string(),
        secret: is_printed.then(|| key.to_private_text().to_string()),
        file: wanted.file.map(Path::to_owned),
    }))
}

/// What people are told of it.
pub(super) fn tell(recovery: &Recovery) -> String {
    const USE: &str =
        "It revokes keys that were stolen, and signs for a log that was cut or restored.";
    match (&recovery.secret, &recovery.file) {
        (Some(secret), _) => format!(
            "\nrecovery key, shown this once and stored nowhere:\n\n  {secret}\n\n\
             Keep it where this machine cannot reach it. {USE}\n"
        ),
        (None, Some(file)) => format!(
            "recovery key {}\nTake it away from this machine. {USE}",
            file.display()
        ),
        (None, None) => String::new(),
    }
}
