//! The passphrase that keys are sealed with: from a descriptor, or from systemd.
//!
//! Never from an argument or a variable, which others can read.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use antiphon_files::keys::passphrase::{PASSPHRASE_BYTES_MAX, Passphrase};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The name of the credential in `$CREDENTIALS_DIRECTORY`.
const CREDENTIAL: &str = "antiphon.passphrase";

/// The passphrase, if there is one: what the descriptor gives to its end, else systemd's credential.
///
/// # Errors
/// [`Failure::File`] when it cannot be read, [`Failure::Keys`] when it is none.
pub(crate) fn read(descriptor: Option<u32>) -> Result<Option<Passphrase>, Failure> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let credential = credentials.map(|folder| Path::new(&folder).join(CREDENTIAL));
    let path = match (descriptor, credential) {
        (Some(descriptor), _) => PathBuf::from(format!("/proc/self/fd/{descriptor}")),
        (None, Some(path)) if path.exists() => path,
        (None, _) => return Ok(None),
    };
    let failed = |source| Failure::File {
        verb: "read",
        path: path.clone(),
        source,
    };
    // Room for a line break, and for one byte too many; a vector that grew would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 32));
    let limit = u64::try_from(PASSPHRASE_BYTES_MAX + 3).unwrap_or(u64::MAX);
    let file = File::open(&path).map_err(failed)?;
    file.take(limit).read_to_end(&mut text).map_err(failed)?;
    Ok(Some(Passphrase::new(text)?))
}
