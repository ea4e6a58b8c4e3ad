//! The program's configuration as a library: for the program itself, and for who feeds its parser
//! (`fuzz/fuzz_targets/config_toml.rs`). All else of the program is the program's alone.

pub mod config;
