//! The origin of a new log: the name under which its checkpoints are signed, once and for all.
//!
//! An operator names it at `init`, or it is this machine's name with something that no other log
//! has. It is no secret and no address: only what tells one log from every other.

use antiphon_core::key::{ORIGIN_BYTES_MAX, RECOVERY, is_origin, key_name};
use antiphon_engine::ports::entropy::Entropy as _;
use antiphon_files::keys::{Error, Keys};

use crate::owner::entropy::SystemEntropy;

/// What follows the machine's name.
const LOG_NAME: &str = "/antiphon/";
/// Digits that tell the logs of one machine apart.
const DIGITS: usize = 8;

/// The origin of a log that is to be made with these keys: that of the keys that wait for it, else a
/// new one.
///
/// # Errors
/// [`Error`] when a key that waits cannot be read, or there is no randomness.
pub(crate) fn of_new_log(keys: &Keys) -> Result<String, Error> {
    if let Some(recovery) = keys.recovery()? {
        let tail = key_name("", RECOVERY);
        return Ok(recovery.name().trim_end_matches(&tail).to_owned());
    }
    // What a crash left: every other key is named after the log's.
    match keys.names()?.into_iter().min_by_key(String::len) {
        Some(name) => Ok(name),
        None => of_machine().map_err(|source| keys.unmade(source)),
    }
}

/// This machine's name, with what no origin may hold left out, and a number that nobody else has.
fn of_machine() -> std::io::Result<String> {
    let system = rustix::system::uname();
    let mut name = system.nodename().to_string_lossy().into_owned();
    name.retain(|sign| is_origin(sign.encode_utf8(&mut [0; 4])));
    name.truncate(ORIGIN_BYTES_MAX - LOG_NAME.len() - DIGITS);
    let [first, second, third, fourth, ..] = SystemEntropy.bytes32()?;
    let number = u32::from_be_bytes([first, second, third, fourth]);
    Ok(format!("{name}{LOG_NAME}{number:08x}"))
}

/// An origin on the command line.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    if is_origin(text) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "an origin has 1 to {ORIGIN_BYTES_MAX} letters, digits or . _ - /"
        ))
    }
}

#[cfg(test)]
mod tests {
    use antiphon_files::Root;

    use super::*;

    #[test]
    fn a_log_keeps_the_origin_of_the_keys_that_wait_for_it_and_shares_it_with_no_other() {
        let home = tempfile::tempdir().unwrap();
        let room = |name: &str| {
            let root = Root::create(&home.path().join(name)).unwrap();
            Keys::new(root, None, Box::new(SystemEntropy))
        };
        let (one, other) = (room("one"), room("other"));
        let origin = of_new_log(&one).unwrap();
        assert!(is_origin(&origin), "{origin}");
        assert_ne!(origin, of_new_log(&other).unwrap());
        one.make(&origin).unwrap();
        one.make(&key_name(&origin, "operator")).unwrap();
        assert_eq!(of_new_log(&one).unwrap(), origin);
        let recovery = antiphon_files::keys::generate("here/log/recovery", &mut SystemEntropy);
        other.put_recovery(recovery.unwrap().verifier()).unwrap();
        assert_eq!(of_new_log(&other).unwrap(), "here/log");
    }
}
