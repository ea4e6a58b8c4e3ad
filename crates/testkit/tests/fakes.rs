//! The fakes keep the contracts of the ports that they stand for.
#![allow(clippy::unwrap_used, reason = "a poisoned lock is a failed test")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use antiphon_engine::ports::store::{Store, StoreError};
use antiphon_testkit::conformance::store;
use antiphon_testkit::fakes::Disk;

#[test]
fn a_log_in_memory_keeps_the_contract_of_a_store() {
    let disks: Mutex<HashMap<PathBuf, Disk>> = Mutex::default();
    store::suite(&|root: &Path| -> Result<Box<dyn Store>, StoreError> {
        let mut disks = disks.lock().unwrap();
        let disk = disks.entry(root.to_owned()).or_default();
        // The suite takes a lock away by its file.
        let lock = root.join("owner.lock");
        let store = if lock.exists() {
            disk.open()?
        } else {
            std::fs::write(lock, []).unwrap();
            disk.take_over()
        };
        Ok(Box::new(store))
    });
}
