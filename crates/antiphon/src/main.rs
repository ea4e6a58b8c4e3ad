//! The `antiphon` program.
mod config;
fn main() {
    let read = config::Configuration::load(std::path::Path::new("."), None);
    let _ = read.map(|r| (r.files.clone(), r.compile()));
    let _ = config::schema::schema();
}
