//! What stands around a root: declared files, the stop switch, randomness.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use antiphon_core::guard::Switch;
use antiphon_engine::ports::effector::Effector;
use antiphon_engine::ports::entropy::Entropy;
use antiphon_engine::ports::stop_switch::StopSwitch;

/// Declared files in memory.
#[derive(Debug, Default)]
pub struct MemoryFiles(Mutex<BTreeMap<String, Vec<u8>>>);

impl Effector for MemoryFiles {
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0
            .lock()
            .unwrap()
            .insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(path).cloned())
    }
}

/// A stop switch that a test sets.
#[derive(Debug, Default)]
pub struct ManualSwitch(Mutex<(Switch, bool)>);

impl ManualSwitch {
    /// The switch stands so from now on.
    pub fn set(&self, switch: Switch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = switch;
    }
}

impl StopSwitch for ManualSwitch {
    fn state(&self) -> Switch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn maintenance(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// Bytes that everybody can guess.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedEntropy(u8);

impl Entropy for FixedEntropy {
    fn bytes32(&mut self) -> io::Result<[u8; 32]> {
        self.0 = self.0.wrapping_add(1);
        Ok([self.0; 32])
    }
}
