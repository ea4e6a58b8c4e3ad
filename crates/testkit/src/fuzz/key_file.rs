//! Key files, plain and sealed, with what must hold of whoever opens them.
//!
//! In: bytes, and how the program opens them, for the formats are `antiphon-files`' own. Out: whether they
//! are a key file.

use antiphon_ledger::key::SigningKey;

/// What the sealed seeds open with.
pub const PASSPHRASE: &[u8] = b"fuzz";
/// The cheapest derivation that there is. A file that asks for a dearer one is read and not opened: that
/// would show nothing more, and takes a second.
const CHEAP: &str = "argon2id 8 1 1 ";

/// How key files are opened: bytes and a passphrase give a key, or the code of why they do not.
pub type Open = fn(&[u8], Option<&[u8]>) -> Result<SigningKey, &'static str>;

/// A plain file is the text of its key; a sealed one, opened or not, says whose it is, and nobody opens it
/// without the passphrase.
#[must_use]
pub fn key_file(bytes: &[u8], open: Open) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    match open(bytes, None) {
        Ok(key) => {
            let private = key.to_private_text();
            assert_eq!(
                private.as_str(),
                text.trim_end(),
                "another form of a key was accepted"
            );
            let with_passphrase = open(bytes, Some(PASSPHRASE)).map(|key| key.verifier().clone());
            assert_eq!(with_passphrase.as_ref(), Ok(key.verifier()));
            true
        }
        Err("key.locked") => {
            let mut lines = text.lines().skip(1);
            let (name, derivation) = (lines.next(), lines.next());
            if !derivation.is_some_and(|line| line.starts_with(CHEAP)) {
                return true;
            }
            match open(bytes, Some(PASSPHRASE)) {
                Ok(key) => assert_eq!(Some(key.verifier().to_string().as_str()), name),
                Err(code) => assert!(matches!(code, "key.passphrase" | "key.malformed"), "{code}"),
            }
            true
        }
        Err(code) => {
            assert!(code.starts_with("key."), "{code}");
            false
        }
    }
}
