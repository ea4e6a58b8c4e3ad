#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _accepted = antiphon_testkit::fuzz::exported_folder(bytes);
});
