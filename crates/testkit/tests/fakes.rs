//! The fakes keep the contracts of the ports that they stand for.
#![allow(clippy::unwrap_used, reason = "a poisoned lock is a failed test")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use antiphon_engine::ports::signer::Signer;
use antiphon_engine::ports::store::{Store, StoreError};
use antiphon_testkit::conformance::{signer, store};
use antiphon_testkit::fakes::{Disk, MemoryKeys};

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

#[test]
fn keys_in_memory_keep_the_contract_of_a_signer() {
    let rooms: Mutex<HashMap<PathBuf, MemoryKeys>> = Mutex::default();
    signer::suite(&|root: &Path| -> Box<dyn Signer> {
        let mut rooms = rooms.lock().unwrap();
        let number = u8::try_from(rooms.len()).unwrap();
        let room = rooms.entry(root.to_owned());
        Box::new(room.or_insert_with(|| MemoryKeys::numbered(number)).clone())
    });
}
