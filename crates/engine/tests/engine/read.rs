//! Records are read by number, whatever turns they stand in.

use antiphon_engine::ports::store::StoreError;
use antiphon_engine::read;

use super::support::{World, plain, signal};

#[tokio::test]
async fn each_record_of_a_range_is_shown_once_and_in_order() {
    let world = World::new();
    let running = world.start(plain()).await;
    for together in [1, 3, 2] {
        let answers: Vec<_> = (0..together)
            .map(|_| running.submit(signal("Q_NOTE")))
            .collect();
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
    }
    running.go().await.unwrap();
    let size = world.disk.contents().head.next_seq;
    let mut log = world.disk.reader();
    for start in 0..=size {
        for end in start..size + 2 {
            let mut shown = Vec::new();
            let next = read::each(log.as_mut(), start..end, |seq, stored| {
                assert_eq!(read::decode(seq, stored).unwrap().seq, seq);
                shown.push(seq);
                Ok::<_, StoreError>(())
            });
            assert_eq!(next.unwrap(), end.min(size), "{start}..{end}");
            assert!(shown.into_iter().eq(start..end.min(size)), "{start}..{end}");
        }
    }
}
