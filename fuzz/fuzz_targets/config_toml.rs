#![no_main]

use antiphon_config::config::Configuration;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Configuration::parse_text("antiphon.toml".as_ref(), text) {
        Ok(configuration) => drop(configuration.compile()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
