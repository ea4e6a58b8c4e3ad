//! Whole journeys as committed text: what was given, what was recorded, what was let go.

mod kills;
mod rules;
mod runs;
mod stops;

use crate::kept;
use crate::world::World;

impl World {
    /// Compares the transcript with `tests/journeys/NAME.txt`, and the state with the fold.
    fn is_as_committed(&self, name: &str) {
        let committed = self.folded().to_bytes().unwrap();
        assert_eq!(
            self.machine.state().to_bytes().unwrap(),
            committed,
            "fold of {name}"
        );
        let text = self.transcript.text().trim_start();
        kept::check(&format!("journeys/{name}.txt"), text);
    }
}

/// A world under this policy, its transcript yet empty.
fn begun(source: antiphon_core::policy::PolicySource) -> World {
    let mut world = World::new(source);
    world.transcript.begin();
    world.wait(1_000);
    world
}
