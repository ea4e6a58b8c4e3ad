//! A key file that is sealed with a passphrase.
//!
//! In: a private text and its public key. Out: where the file lies. Five lines of text; the first
//! four are bound to the fifth as associated data, so that no line of one file fits another:
//!
//! ```text
//! antiphon-key 1
//! NAME+ID+PUBLIC                    whose it is, for whoever has no passphrase
//! argon2id MEMORY_KIB PASSES LANES base64(salt, 16 bytes)
//! xchacha20poly1305 base64(nonce, 24 bytes)
//! base64(sealed private text)
//! ```
//!
//! Source: RFC 9106, draft-irtf-cfrg-xchacha.

use antiphon_ledger::key::VerifierKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::error::Error;
use super::passphrase::{Cost, Derived, Passphrase, SALT_BYTES};

const MAGIC: &str = "antiphon-key 1";
const NONCE_BYTES: usize = 24;

/// A sealed key file that was read and not opened.
#[derive(Debug)]
pub(super) struct Sealed<'a> {
    /// Whose it is, as long as nobody has opened it: by its own word.
    pub(super) key: VerifierKey,
    head: &'a str,
    salt: [u8; SALT_BYTES],
    cost: Cost,
    nonce: [u8; NONCE_BYTES],
    text: Vec<u8>,
}

/// Whether the text begins as a sealed key does.
pub(super) fn is_sealed(text: &str) -> bool {
    text.starts_with("antiphon-key ")
}

impl<'a> Sealed<'a> {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        let mut lines = text.splitn(5, '\n');
        let mut line = || lines.next().ok_or("it ends too soon");
        let magic = line()?;
        if magic != MAGIC {
            return Err("it is of a version that this program does not know");
        }
        let name = line()?;
        let (salt, cost) = derivation(line()?)?;
        let nonce = line()?.strip_prefix("xchacha20poly1305 ");
        let nonce = nonce.ok_or("its cipher is unknown")?;
        let last = line()?;
        let head = text.len().checked_sub(last.len());
        Ok(Self {
            key: name.parse().map_err(|_no_key| "its name is no key's")?,
            head: head.and_then(|end| text.get(..end)).unwrap_or_default(),
            salt,
            cost,
            nonce: exact(nonce).ok_or("its nonce is malformed")?,
            text: bytes(last.trim_end()).ok_or("its last line is no Base64")?,
        })
    }

    /// The private text.
    ///
    /// # Errors
    /// [`Error::Passphrase`] when the passphrase is another one, or the file was changed: nobody
    /// can tell the two apart.
    pub(super) fn open(self, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Error> {
        let derived = passphrase.derive(self.salt, self.cost)?;
        let mut text = Zeroizing::new(self.text);
        let opened = cipher(&derived).decrypt_in_place(
            &XNonce::from(self.nonce),
            self.head.as_bytes(),
            &mut *text,
        );
        match opened {
            Ok(()) => Ok(text),
            Err(_wrong) => Err(Error::Passphrase {
                what: "it is not the one that the key was sealed with, or the file was changed",
            }),
        }
    }
}

/// The text of a sealed file.
///
/// # Errors
/// [`Error::Passphrase`] when it cannot be sealed at all.
pub(super) fn seal(
    private: &str,
    key: &VerifierKey,
    derived: &Derived,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, Error> {
    let Cost {
        memory_kib,
        passes,
        lanes,
    } = derived.cost;
    let (salt, nonce_text) = (STANDARD.encode(derived.salt), STANDARD.encode(nonce));
    let head = format!(
        "{MAGIC}\n{key}\nargon2id {memory_kib} {passes} {lanes} {salt}\nxchacha20poly1305 {nonce_text}\n"
    );
    let mut sealed = private.as_bytes().to_vec();
    cipher(derived)
        .encrypt_in_place(&XNonce::from(nonce), head.as_bytes(), &mut sealed)
        .map_err(|_too_long| Error::Passphrase {
            what: "nothing can be sealed with it",
        })?;
    Ok(format!("{head}{}\n", STANDARD.encode(sealed)))
}

/// The bytes of a nonce out of those that chance gave.
pub(super) fn nonce_of(random: &[u8; 32]) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce
        .iter_mut()
        .zip(random)
        .for_each(|(to, from)| *to = *from);
    nonce
}

fn cipher(derived: &Derived) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*derived.key).into())
}

fn derivation(line: &str) -> Result<([u8; SALT_BYTES], Cost), &'static str> {
    const MALFORMED: &str = "its derivation is malformed";
    let line = line.strip_prefix("argon2id ");
    let mut words = line.ok_or("its derivation is unknown")?.split(' ');
    let mut number = || words.next().and_then(|word| word.parse().ok());
    let (Some(memory_kib), Some(passes), Some(lanes)) = (number(), number(), number()) else {
        return Err(MALFORMED);
    };
    let cost = Cost {
        memory_kib,
        passes,
        lanes,
    };
    let salt = words.next().and_then(exact).ok_or(MALFORMED)?;
    if words.next().is_some() {
        return Err(MALFORMED);
    }
    if !cost.is_bearable() {
        return Err("its derivation would cost more than any key file of ours");
    }
    Ok((salt, cost))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn exact<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text)?.try_into().ok()
}

#[cfg(test)]
mod tests;
