//! Records cut out, swapped, doubled, replaced and spliced, at random places of random logs.

use proptest::prelude::*;

use super::*;

fn any_log() -> impl Strategy<Value = Log> {
    prop::collection::vec(1..5_usize, 2..8).prop_map(|sizes| Log::written(&sizes, 1))
}

/// A log, and two of its records, the first before the second.
fn log_and_two() -> impl Strategy<Value = (Log, usize, usize)> {
    let places = (
        any_log(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    );
    places.prop_map(|(log, first, second)| {
        let first = first.index(log.records().len() - 1);
        let second = first + 1 + second.index(log.records().len() - first - 1);
        (log, first, second)
    })
}

proptest! {
    #[test]
    fn a_record_that_was_cut_out_is_named((mut log, seq, _) in log_and_two()) {
        let (turn, place) = log.place(seq);
        log.turns[turn].records.remove(place);
        prop_assert_eq!(all(&log.verified()), [(seq as u64, "chain.seq")]);
    }

    #[test]
    fn the_first_of_two_swapped_records_is_named((mut log, one, other) in log_and_two()) {
        let (left, right) = (log.records()[one].clone(), log.records()[other].clone());
        *log.record_mut(one) = right;
        *log.record_mut(other) = left;
        prop_assert_eq!(first(&log.verified()), Some((one as u64, "chain.seq")));
    }

    #[test]
    fn a_doubled_record_is_named((mut log, _, seq) in log_and_two()) {
        let (turn, place) = log.place(seq);
        let again = log.turns[turn].records[place].clone();
        log.turns[turn].records.insert(place, again);
        prop_assert_eq!(all(&log.verified()), [(seq as u64 + 1, "chain.seq")]);
    }

    #[test]
    fn a_record_copied_over_another_is_named((mut log, one, other) in log_and_two()) {
        *log.record_mut(one) = log.records()[other].clone();
        prop_assert_eq!(first(&log.verified()), Some((one as u64, "chain.seq")));
    }

    #[test]
    fn a_record_of_another_log_is_named((mut log, seq, _) in log_and_two()) {
        let sizes = [log.records().len()];
        *log.record_mut(seq) = Log::written(&sizes, 2).records()[seq].clone();
        prop_assert!(all(&log.verified()).iter().all(|at| *at == (seq as u64, "chain.prev")));
        prop_assert!(!log.verified().is_intact());
    }

    #[test]
    fn a_record_that_was_made_to_fit_is_named((mut log, seq, _) in log_and_two()) {
        let stored = log.records()[seq].clone();
        let prev = Envelope::decode(&stored.envelope).unwrap().prev;
        *log.record_mut(seq) = written(seq as u64, prev, 2);
        prop_assert!(all(&log.verified()).iter().all(|at| *at == (seq as u64, "chain.prev")));
        prop_assert!(!log.verified().is_intact());
    }

    #[test]
    fn turns_spliced_from_another_log_are_named_at_their_first_record((log, seq, _) in log_and_two()) {
        let (turn, place) = log.place(seq);
        let sizes: Vec<usize> = log.turns.iter().map(|turn| turn.records.len()).collect();
        let mut spliced = Log::written(&sizes, 2);
        spliced.turns[..turn].clone_from_slice(&log.turns[..turn]);
        let statement = spliced.verified();
        let expected = if turn == 0 { None } else { Some(((seq - place) as u64, "chain.prev")) };
        prop_assert_eq!(first(&statement), expected);
    }

    #[test]
    fn any_single_change_of_any_byte_is_found(
        (mut log, seq, _) in log_and_two(),
        place: prop::sample::Index,
        byte: u8,
        in_body: bool,
    ) {
        let intact = log.clone();
        let record = log.record_mut(seq);
        let bytes = if in_body { record.body.as_mut().unwrap() } else { &mut record.envelope };
        let place = place.index(bytes.len());
        bytes[place] = byte;
        prop_assert_eq!(log.verified().is_intact(), log == intact);
    }
}
