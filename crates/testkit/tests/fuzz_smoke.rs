//! Every fuzz target of the testkit on its seeds and their neighbours.

use antiphon_testkit::fuzz::{TARGETS, smoke};

#[test]
fn every_target_holds_on_its_seeds_and_their_neighbours() {
    TARGETS.iter().for_each(smoke);
}
