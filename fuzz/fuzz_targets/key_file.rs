#![no_main]

use antiphon_files::keys::{Passphrase, outside};
use antiphon_ledger::key::SigningKey;
use antiphon_testkit::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _accepted = fuzz::key_file(bytes, open);
});

fn open(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<SigningKey, &'static str> {
    let passphrase = passphrase.map(|text| Passphrase::new(text.to_vec().into()));
    let passphrase = passphrase.transpose().map_err(|error| error.code())?;
    outside::parse(bytes, "fuzz.key".as_ref(), passphrase.as_ref()).map_err(|error| error.code())
}
