//! Tidy: the rules of the house that no compiler holds, as one pass over the tracked files.
//!
//! In: what git tracks, and what Cargo says of the workspace. Out: format and lints, which are
//! rustfmt's and clippy's. Every finding names its place and what to do instead; every exception
//! carries a reason, and one that is no longer needed is a finding itself.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod architecture;
mod errors;
mod faults;
mod fences;
mod lengths;
mod plants;
mod source;
mod supply;
mod tree;
mod words;

use std::sync::LazyLock;

use tree::Tree;

static TREE: LazyLock<Tree> = LazyLock::new(Tree::load);

/// Fails with all findings at once, a line each.
fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn words_that_have_no_place_here_are_not_here() {
    report(&words::findings(&TREE));
}

#[test]
fn files_are_short_and_every_one_is_used() {
    report(&lengths::findings(&TREE));
}

#[test]
fn the_dependency_table_is_what_cargo_says() {
    report(&architecture::dependency_findings(&TREE));
}

#[test]
fn the_journey_is_the_code() {
    report(&architecture::journey_findings(&TREE));
}

#[test]
fn every_invariant_names_tests_that_exist() {
    report(&architecture::invariant_findings(&TREE));
}

#[test]
fn documents_name_only_files_that_exist() {
    report(&architecture::path_findings(&TREE));
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    report(&errors::findings(&TREE));
}

#[test]
fn every_fault_has_a_test_that_bears_its_number() {
    report(&faults::findings(&TREE));
}

#[test]
fn every_bug_of_the_table_is_planted_and_every_plant_is_in_the_table() {
    report(&plants::findings(&TREE));
}

#[test]
fn every_crate_is_fenced_as_its_layer_demands() {
    report(&fences::findings(&TREE));
}

#[test]
fn every_dependency_comes_from_the_registry_under_an_allowed_licence() {
    report(&supply::findings(&TREE));
}
