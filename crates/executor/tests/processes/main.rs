//! The executor and the spawner with real processes.
//!
//! A test executable with its own `main`: it runs itself as spawner, as built-in and as an owner
//! that is to be killed, which the usual harness cannot do.
#![allow(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test, and a binary of its own"
)]

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

mod evasion;
mod loss;
mod outputs;
mod running;
mod world;

/// A test that takes longer than this hangs.
const TEST_MAX: Duration = Duration::from_mins(1);

/// One test: its name is its claim.
type Test = (&'static str, fn() -> Claim);
type Claim = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Names tests with the functions of the same names.
macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((stringify!($name), || Box::pin($module::$name()))),*]
    };
}

const TESTS: &[Test] = tests![
    running::a_program_that_exits_is_reported_with_its_code,
    running::a_signal_that_ends_a_leader_is_reported,
    running::a_valid_result_is_reported_and_an_invalid_one_says_why,
    running::facts_come_on_standard_input,
    running::the_environment_is_exactly_the_allowed_one,
    running::nothing_is_inherited_but_three_descriptors,
    running::f48_limits_and_directory_are_as_the_task_says,
    running::a_builtin_runs_as_the_binary_itself,
    running::what_cannot_be_executed_will_never_be,
    running::f12_without_descriptors_a_launch_is_for_later,
    running::f42_many_short_runs_leave_nothing_behind,
    outputs::a19_f46_a_flood_is_hashed_whole_and_takes_no_memory,
    outputs::a19_f46_a_flood_beyond_its_cap_is_killed,
    outputs::a20_what_is_printed_is_never_control,
    outputs::a_large_output_is_evidence_under_its_hash,
    outputs::f44_a_pipe_held_by_a_stranger_delays_nothing,
    outputs::f47_closed_and_late_outputs_change_nothing,
    evasion::a21_g21_no_evasive_child_survives,
    evasion::f45_a_tree_that_ignores_sigterm_is_killed_after_its_grace,
    evasion::a_tree_that_obeys_sigterm_is_not_killed,
    evasion::a_leader_that_had_exited_was_not_stopped,
    evasion::kill_all_ends_every_tree_and_no_other,
    evasion::a_killed_keeper_takes_its_tree_along_and_no_other,
    loss::a_killed_spawner_is_lost,
    loss::f43_the_death_of_the_owner_ends_its_work_and_recovery_knows_how,
    loss::f43_strays_of_a_massacre_are_killed_and_nothing_is_claimed,
    loss::a_lease_of_an_earlier_boot_is_dead,
    loss::what_belongs_to_no_lease_is_removed,
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["__spawner", run] => std::process::exit(antiphon_spawner::main(Path::new(run))),
        ["__builtin", name, rest @ ..] => running::builtin(name, rest),
        ["__owner", root] => block_on(Box::pin(loss::owner(root.to_string()))),
        ["__chain", count] => block_on(Box::pin(running::chain(count.parse().unwrap()))),
        _ => run_tests(&words),
    }
}

/// Runs the tests whose names hold one of `words` that are no options, or all.
fn run_tests(words: &[&str]) {
    let filters: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.starts_with('-'))
        .collect();
    let chosen = TESTS.iter().filter(|(name, _)| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter))
    });
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in chosen {
        let claim = async {
            tokio::time::timeout(TEST_MAX, test())
                .await
                .expect("the test hangs");
        };
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| block_on(Box::pin(claim))));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word}");
        *if outcome.is_ok() {
            &mut passed
        } else {
            &mut failed
        } += 1;
    }
    println!("\ntest result: {passed} passed; {failed} failed");
    std::process::exit(if failed == 0 { 0 } else { 101 });
}

fn block_on(claim: Claim) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(claim);
}
