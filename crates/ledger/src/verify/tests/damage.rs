//! Flipped bits and cut bytes, each at every place.

use super::*;
use crate::tree::TILE_BYTES;

#[test]
fn f16_every_flipped_bit_of_an_envelope_is_found_at_its_record() {
    let log = Log::written(&[1, 3, 1, 2], 1);
    let prev_begins = log.records()[6]
        .envelope
        .windows(7)
        .position(|at| at == b"\"prev\":");
    let prev = prev_begins.unwrap() + 8..prev_begins.unwrap() + 72;
    for seq in 0..7 {
        for bit in 0..log.records()[seq].envelope.len() * 8 {
            let mut flipped = log.clone();
            flipped.record_mut(seq).envelope[bit / 8] ^= 1 << (bit % 8);
            let statement = flipped.verified();
            let code = first(&statement).unwrap().1;
            // No record and no root tells the last record's `prev` from the leaf before it.
            let is_open = seq == 6 && prev.contains(&(bit / 8)) && code == "chain.prev";
            let expected = if is_open { 5 } else { seq as u64 };
            let here = all(&statement).iter().all(|(found, _)| *found == expected);
            assert!(here, "bit {bit} of {seq}: {:?}", statement.problems);
        }
    }
}

#[test]
fn f16_every_flipped_bit_of_a_body_is_found_at_its_record() {
    let log = Log::written(&[1, 3, 2], 1);
    for seq in 0..6 {
        for bit in 0..log.records()[seq].body.as_ref().unwrap().len() * 8 {
            let mut flipped = log.clone();
            flipped.record_mut(seq).body.as_mut().unwrap()[bit / 8] ^= 1 << (bit % 8);
            let statement = flipped.verified();
            assert_eq!(
                first(&statement),
                Some((seq as u64, "body.hash")),
                "bit {bit}"
            );
            assert_eq!(statement.problem_count, 1);
        }
    }
}

#[test]
fn f16_every_flipped_bit_of_a_recorded_root_is_found_at_the_end_of_its_turn() {
    let log = Log::written(&[1, 3, 1, 2], 1);
    for (turn, last) in [0, 3, 4, 6].into_iter().enumerate() {
        for bit in 0..256 {
            let mut flipped = log.clone();
            flipped.turns[turn].root[bit / 8] ^= 1 << (bit % 8);
            let statement = flipped.verified();
            assert_eq!(
                first(&statement),
                Some((last, "tree.root")),
                "bit {bit} of turn {turn}"
            );
            assert_eq!(statement.problem_count, 1);
        }
    }
}

#[test]
fn f16_every_flipped_byte_of_a_tile_is_found_at_the_first_record_beneath_it() {
    let log = Log::written(&[200, 400, 1], 1);
    let mut verifier = Verifier::new().with_tiles();
    log.records()
        .iter()
        .for_each(|record| verifier.record(&record.envelope, None));
    let leaves = log
        .records()
        .iter()
        .map(|record| leaf_hash(&record.envelope))
        .collect::<Vec<_>>();
    let stored = |level: u8, index: u64| {
        (level == 0).then(|| {
            leaves
                .chunks(256)
                .nth(index.try_into().unwrap())
                .unwrap()
                .concat()
        })
    };

    let mut intact = verifier.clone();
    intact.verify_tiles(stored);
    assert!(intact.finish().is_intact());

    for byte in 0..TILE_BYTES {
        let mut checked = verifier.clone();
        checked.verify_tiles(|level, index| {
            let mut tile = stored(level, index)?;
            tile[byte] ^= if index == 1 { 1 << (byte % 8) } else { 0 };
            Some(tile)
        });
        let statement = checked.finish();
        assert_eq!(first(&statement), Some((256, "tile.mismatch")));
        let entry = format!("differs from its entry {} on", byte / 32);
        let detail = &statement.problems[0].detail;
        assert!(detail.ends_with(&entry), "byte {byte}: {detail}");
    }

    let mut checked = verifier.clone();
    checked.verify_tiles(|level, index| stored(level, index).filter(|_| index != 1));
    assert_eq!(first(&checked.finish()), Some((256, "tile.missing")));
    for length in [0, 31, 32, 8_191] {
        let mut checked = verifier.clone();
        checked.verify_tiles(|level, index| Some(stored(level, index)?[..length].to_vec()));
        assert_eq!(first(&checked.finish()), Some((0, "tile.mismatch")));
    }
}

#[test]
fn a_higher_tile_stands_for_the_records_beneath_it() {
    for (level, index, seq) in [
        (0, 0, 0),
        (0, 3, 768),
        (1, 0, 0),
        (1, 2, 131_072),
        (2, 1, 16_777_216),
    ] {
        assert_eq!(first_seq(level, index), seq, "{index} of {level}");
    }
    assert_eq!(first_seq(9, u64::MAX), u64::MAX);
}

#[test]
fn f17_a_record_cut_by_any_number_of_bytes_is_found() {
    let log = Log::written(&[2, 1, 3], 1);
    for seq in 3..6 {
        let whole = log.records()[seq].clone();
        for length in 0..whole.envelope.len() {
            let mut cut = log.clone();
            cut.record_mut(seq).envelope.truncate(length);
            let found = cut.verified();
            assert_eq!(
                first(&found),
                Some((seq as u64, "envelope.malformed")),
                "to {length}"
            );
        }
        for length in 0..whole.body.as_ref().unwrap().len() {
            let mut cut = log.clone();
            cut.record_mut(seq).body.as_mut().unwrap().truncate(length);
            let found = cut.verified();
            assert_eq!(
                first(&found),
                Some((seq as u64, "body.length")),
                "to {length}"
            );
        }
    }
}

#[test]
fn f17_a_cut_tail_is_found_by_a_head_that_was_kept_elsewhere() {
    let log = Log::written(&[2, 1, 3], 1);
    let head = log.head();
    for size in 0..6 {
        let mut verifier = Verifier::new();
        assert!(verifier.expect(&head));
        for record in log.records().into_iter().take(size) {
            verifier.record(&record.envelope, record.body.as_deref());
        }
        assert_eq!(first(&verifier.finish()), Some((size as u64, "tree.size")));
    }
}
