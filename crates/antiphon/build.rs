//! Tells the linker how to make the binary small.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Other loaders may not know packed relocations, and a program starts wrong with those left out.
    if !is_for("OS", "linux") || !is_for("ENV", "gnu") {
        return;
    }
    // Relocations that only say "add the base" take a bit each. Needs glibc 2.36, of 2022, or later.
    link("-Wl,-z,pack-relative-relocs");
    // For this processor the compiler brings a linker of its own, LLD; others may not know the option.
    if is_for("ARCH", "x86_64") {
        // Functions that came out the same, as generic ones often do, are kept once.
        link("-Wl,--icf=all");
    }
}

fn link(argument: &str) {
    println!("cargo::rustc-link-arg-bins={argument}");
}

/// Whether `value` is what the target has as its `part`.
fn is_for(part: &str, value: &str) -> bool {
    std::env::var(format!("CARGO_CFG_TARGET_{part}")).is_ok_and(|is| is == value)
}
