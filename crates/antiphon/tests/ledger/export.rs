//! Exports and proofs against folders made by hand, and against what other people wrote.

use std::path::Path;

use antiphon_ledger::hash::leaf_hash;
use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};
use serde_json::json;
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::tlog;
use tlog_tiles::{Tile, TileHashReader, TileReader};

use super::place::{Place, append, files};

#[test]
fn an_export_is_byte_for_byte_the_folder_of_the_reference() {
    let place = Place::new();
    for size in [1, 17, 255, 256, 257, 700] {
        let name = format!("root-{size}");
        let maker = LedgerMaker::journey(720);
        let root = place.root(&name, &maker, size);
        let (ours, theirs) = (
            place.path(&format!("o-{size}")),
            place.path(&format!("t-{size}")),
        );
        let (code, written) = place.json(&[
            "export",
            "--to",
            ours.to_str().unwrap(),
            "--root",
            root.to_str().unwrap(),
        ]);
        assert_eq!((code, written["size"].as_u64()), (0, Some(size)));
        maker.export(&theirs, size);
        assert_eq!(files(&ours), files(&theirs), "{size}");
    }
}

#[test]
fn an_export_goes_on_from_an_older_one_and_is_the_same_as_a_new_one() {
    let place = Place::new();
    let steps = [18, 19, 255, 256, 300, 512, 700];
    let root = place.root("root", &LedgerMaker::journey(18), 18);
    let export = place.path("export");
    let run = || place.json(&["export", "--to", "export", "--root", "root"]);
    let mut before = 0;
    for size in steps {
        let maker = LedgerMaker::journey(usize::try_from(size).unwrap());
        append(&root, &maker);
        std::fs::write(root.join("checkpoint"), maker.checkpoint(size)).unwrap();
        let (code, written) = run();
        assert_eq!((code, &written["before"]), (0, &json!(before)));
        let whole = place.path(&format!("whole-{size}"));
        maker.export(&whole, size);
        assert_eq!(files(&export), files(&whole), "{size}");
        before = size;
    }
    assert_eq!(run().1["before"], json!(700));
}

#[test]
fn an_export_of_another_log_or_history_or_of_something_else_is_left_alone() {
    let place = Place::new();
    let maker = LedgerMaker::journey(300);
    place.root("root", &maker, 300);
    let mut fork = LedgerMaker::journey(20);
    fork.guard_changed("owner");
    while fork.size() < 250 {
        fork.plain();
    }
    for (name, other, size) in [
        ("fork", &fork, 250),
        ("stranger", &LedgerMaker::new("example.com/other", 3), 1),
        ("longer", &LedgerMaker::journey(310), 310),
    ] {
        other.export(&place.path(name), size);
        let before = files(&place.path(name));
        let said = place.ledger(&["export", "--to", name, "--root", "root"]);
        said.refused(5, "ledger.unlike");
        assert_eq!(files(&place.path(name)), before);
    }
    std::fs::create_dir(place.path("used")).unwrap();
    place.file("used/mine.txt", "mine");
    let said = place.ledger(&["export", "--to", "used", "--root", "root"]);
    said.refused(2, "command.usage");
    // A folder that an export left before its checkpoint was written is finished.
    maker.export(&place.path("begun"), 300);
    std::fs::remove_file(place.path("begun/checkpoint")).unwrap();
    place
        .ledger(&["export", "--to", "begun", "--root", "root"])
        .done();
    assert_eq!(place.problems(&["begun"]).0, [""; 0]);
}

#[test]
fn a_root_whose_records_are_not_those_of_its_checkpoint_is_not_exported() {
    let place = Place::new();
    let (maker, other) = (LedgerMaker::journey(40), LedgerMaker::journey(60));
    place.root("root", &maker, 0);
    let mut forged = other.clone();
    forged.records_mut().swap(30, 31);
    std::fs::write(place.path("root/checkpoint"), forged.checkpoint(40)).unwrap();
    for command in [
        &["export", "--to", "out"][..],
        &["prove", "3"],
        &["checkpoint"],
    ] {
        let said = place.ledger(&[command, &["--root", "root"]].concat());
        said.refused(5, "store.damaged");
    }
    assert!(!place.path("out").exists());
}

/// An exported folder, as a client of other people fetches its tiles.
struct Served<'a>(&'a Path);

impl TileReader for Served<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let read = tiles.iter().map(|tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            std::fs::read(self.0.join(path)).unwrap()
        });
        Ok(read.collect())
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

#[test]
fn an_exported_checkpoint_its_tiles_and_proofs_are_accepted_by_an_independent_client() {
    let place = Place::new();
    let maker = LedgerMaker::journey(700);
    place.root("root", &maker, 700);
    place
        .ledger(&["export", "--to", "export", "--root", "root"])
        .done();
    let export = place.path("export");

    let note = std::fs::read(export.join("checkpoint")).unwrap();
    let key = maker.key("log").verifier().to_string();
    let verifier = StandardVerifier::new(&key).unwrap();
    let list = VerifierList::new(vec![Box::new(verifier)]);
    let note = signed_note::Note::from_bytes(&note).unwrap();
    let (signatures, _) = note.verify(&list).unwrap();
    assert_eq!(signatures.len(), 1);
    let text = String::from_utf8(note.text().to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], [ORIGIN, "700"]);
    let root = tlog::Hash(maker.tree(700).root());
    assert_eq!(lines[2], root.to_string());

    let served = Served(&export);
    let reader = TileHashReader::new(700, root, &served);
    for seq in [0, 1, 255, 256, 699] {
        let said = place
            .ledger(&["prove", &seq.to_string(), "--root", "root"])
            .done();
        let at = usize::try_from(seq).unwrap();
        let leaf = tlog::Hash(leaf_hash(&maker.records()[at].envelope));
        let theirs = tlog::prove_record(700, seq, &reader).unwrap();
        tlog::check_record(&theirs, 700, root, seq, leaf).unwrap();
        let ours = antiphon_ledger::tlog_proof::TlogProof::parse(said.as_bytes()).unwrap();
        let ours: Vec<_> = ours.hashes().iter().map(|hash| tlog::Hash(*hash)).collect();
        tlog::check_record(&ours, 700, root, seq, leaf).unwrap();
        assert_eq!(ours, theirs, "{seq}");
    }
    // The bundle of entries is the one that every client reads.
    let bundle = std::fs::read(export.join("tile/entries/002.p/188")).unwrap();
    let (length, rest) = bundle.split_at(2);
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    assert_eq!(&rest[..length], &maker.records()[512].envelope);
}

#[test]
fn a_proof_is_written_to_a_new_file_and_only_of_what_is_sealed() {
    let place = Place::new();
    let maker = LedgerMaker::journey(40);
    place.root("root", &maker, 30);
    let (code, proven) = place.json(&["prove", "12", "--to", "proof", "--root", "root"]);
    assert_eq!(
        (code, &proven["seq"], &proven["size"]),
        (0, &json!(12), &json!(30))
    );
    let proof = std::fs::read_to_string(place.path("proof")).unwrap();
    assert_eq!(proven["proof"], json!(proof));
    let envelope = proven["envelope"].as_str().unwrap();
    let parsed = antiphon_ledger::tlog_proof::TlogProof::parse(proof.as_bytes()).unwrap();
    parsed.verify(&leaf_hash(envelope.as_bytes())).unwrap();
    place
        .ledger(&["prove", "12", "--to", "proof", "--root", "root"])
        .refused(2, "command.usage");
    place
        .ledger(&["prove", "30", "--root", "root"])
        .refused(75, "ledger.unsealed");
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    place
        .ledger(&["prove", unknown, "--root", "root"])
        .refused(3, "command.not_found");
    let said = place.ledger(&["checkpoint", "--root", "root"]).done();
    assert_eq!(said, maker.checkpoint(30));
}
