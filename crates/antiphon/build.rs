//! Tells the linker how to make the binary that ships small.

use std::process::Command;

/// The C library whose loader knows packed relocations: that of August 2022.
const GLIBC_MIN: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if !is("PROFILE", "release")
        || !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ENV", "gnu")
    {
        return;
    }
    // Relocations that only say "add the base" take a bit each. A loader that does not know them
    // refuses the program: it is told only where the program is built for this very machine.
    if runs_here() && glibc().is_some_and(|glibc| glibc >= GLIBC_MIN) {
        link("-Wl,-z,pack-relative-relocs");
    }
    // For this processor the compiler brings a linker of its own, LLD; others may not know the option.
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        // Functions that came out the same, as generic ones often do, are kept once.
        link("-Wl,--icf=all");
    }
}

fn link(argument: &str) {
    println!("cargo::rustc-link-arg-bins={argument}");
}

fn runs_here() -> bool {
    std::env::var("HOST").is_ok_and(|host| is("TARGET", &host))
}

/// The version of this machine's C library, as it says itself.
fn glibc() -> Option<(u32, u32)> {
    let asked = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = String::from_utf8(asked.ok()?.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn is(variable: &str, value: &str) -> bool {
    std::env::var(variable).is_ok_and(|is| is == value)
}
