//! Roots whose owner is about to renew the seal: the log says already what the checkpoint does not
//! yet know.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN, cosignature, witness};
use serde_json::Value;

use super::place::Place;

/// A root whose newest record revokes the log's key, from its own place on, while the checkpoint is
/// still signed by that key; and the checkpoint that its owner writes next.
fn overtaken(place: &Place) -> (PathBuf, String) {
    let mut maker = LedgerMaker::journey(40);
    let sealed = maker.checkpoint(maker.size());
    maker.revoke("log", maker.size());
    let root = place.root("root", &maker, 0);
    write(&root, &sealed);
    (root, maker.checkpoint(maker.size()))
}

/// Replaces the checkpoint, as an owner does.
fn write(root: &Path, checkpoint: &str) {
    let next = root.join("checkpoint.next");
    std::fs::write(&next, checkpoint).unwrap();
    std::fs::rename(next, root.join("checkpoint")).unwrap();
}

/// What `ledger verify root …` finds when whoever listens on the socket does `next` the first time
/// that somebody asks whether he runs, and then goes.
fn beside_an_owner(
    place: &Place,
    root: &Path,
    arguments: &[&str],
    next: impl FnOnce() + Send,
) -> (Vec<String>, Value) {
    let socket = root.join("antiphon.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let asked = listener.accept().unwrap();
            next();
            drop(asked);
        });
        let found = place.problems(&[&["root"], arguments].concat());
        // Whoever was never asked waits no longer, and what was found says so.
        UnixStream::connect(&socket).ok();
        found
    })
}

#[test]
fn a_checkpoint_that_its_owner_replaces_meanwhile_is_judged_as_it_is_then() {
    let place = Place::new();
    let (root, next) = overtaken(&place);
    let (codes, verdict) = beside_an_owner(&place, &root, &[], || write(&root, &next));
    assert_eq!(codes, [""; 0]);
    assert_eq!(verdict["checkpoint_size"], verdict["size"]);
}

#[test]
fn a_checkpoint_that_nobody_replaces_is_refused_with_an_owner_that_goes_and_without_one() {
    let place = Place::new();
    let (root, next) = overtaken(&place);
    let refused = ["checkpoint.signature"];
    assert_eq!(beside_an_owner(&place, &root, &[], || ()).0, refused);
    assert_eq!(place.problems(&["root"]).0, refused);
    write(&root, &next);
    assert_eq!(place.problems(&["root"]).0, [""; 0]);
}

#[test]
fn a_cosignature_that_comes_behind_its_checkpoint_is_waited_for() {
    let place = Place::new();
    let maker = LedgerMaker::journey(40);
    let root = place.root("root", &maker, 40);
    let vega = witness("witness.example/vega", 7);
    let mut trust = maker.trust(0);
    trust.as_object_mut().unwrap().remove("head");
    trust["witnesses"] = serde_json::json!([vega.verifier().to_string()]);
    trust["cosignatures_required"] = 1.into();
    place.file("trust.json", &trust.to_string());
    let plain = maker.checkpoint(40);
    let cosigned = format!("{plain}{}", cosignature(&vega, &plain, 1_795_189_012));
    let arguments = ["--trust", "trust.json"];
    let (codes, verdict) = beside_an_owner(&place, &root, &arguments, || write(&root, &cosigned));
    assert_eq!(codes, [""; 0]);
    assert_eq!(verdict["cosigned_by"][0], "witness.example/vega");
    assert_eq!(verdict["origin"], ORIGIN);
}
