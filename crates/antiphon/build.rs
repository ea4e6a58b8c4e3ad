//! Tells the linker how to make the binary small.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Relocations that only say "add the base" take a bit each. Needs the C library of 2022 or later.
    link("-Wl,-z,pack-relative-relocs");
    if is_linked_by_lld() {
        // Functions that came out the same, as generic ones often do, are kept once.
        link("-Wl,--icf=all");
    }
}

fn link(argument: &str) {
    println!("cargo::rustc-link-arg-bins={argument}");
}

/// Whether this is the target for which the compiler brings a linker of its own: others may not know
/// the option.
fn is_linked_by_lld() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
}
