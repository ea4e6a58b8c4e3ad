//! A35, G19: of checkpoints that race, one wins, and the witness never steps back.

use std::path::Path;
use std::sync::Barrier;

use antiphon_ledger::witness::{Refusal, parse_size};
use antiphon_witness::{Client, NotCosigned, Witness, add};
use bytes::Bytes;

use super::service::key;
use super::{Log, Service};

const RACES: u64 = 10_000;
/// Races over HTTP, in which the loser proves anew until it is cosigned or outrun.
const SERVED_RACES: u64 = 300;
/// Memory that looks like a disk: what is raced for is the order, not the sync.
const MEMORY: &str = "/dev/shm";

fn folder() -> tempfile::TempDir {
    let memory = Path::new(MEMORY);
    let in_memory = memory.is_dir().then(|| tempfile::tempdir_in(memory).ok());
    in_memory
        .flatten()
        .unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// The sizes that race from `base` on, and where the larger one ends.
fn sizes(base: u64, race: u64) -> (u64, u64) {
    let near = base + 1 + race % 3;
    (near, near + 1 + race % 2)
}

#[test]
fn a35_g19_ten_thousand_races_never_step_back() {
    let home = folder();
    let log = Log::new("log.example/races", "a", 60_000);
    add(home.path(), &log.origin, log.verifier()).unwrap();
    let witness = Witness::open(home.path(), key()).unwrap();
    let start = Barrier::new(2);
    let ask = |body: &Bytes| {
        start.wait();
        witness.add_checkpoint(body, 1)
    };
    let (mut base, mut far_won) = (0, 0);
    for race in 0..RACES {
        let (near, far) = sizes(base, race);
        let (near_body, far_body) = (log.request(base, near), log.request(base, far));
        let (near_answer, far_answer) = std::thread::scope(|threads| {
            let other = threads.spawn(|| ask(&near_body));
            let far_answer = ask(&far_body);
            (other.join().unwrap(), far_answer)
        });
        let (won, loser) = match (near_answer, far_answer) {
            (Ok(_), Err(loser)) => (near, loser),
            (Err(loser), Ok(_)) => (far, loser),
            both => panic!("race {race}: exactly one is cosigned: {both:?}"),
        };
        let stale = NotCosigned::Refused(Refusal::Stale { size: won });
        assert_eq!(loser.to_string(), stale.to_string(), "race {race}");
        let seen = witness.seen().unwrap();
        assert_eq!(seen[0].1, log.head(won), "race {race}: on disk");
        far_won += u64::from(won == far);
        base = won;
    }
    assert!(
        far_won > 0 && far_won < RACES,
        "{far_won} of {RACES}: no race"
    );
}

/// Asks until the checkpoint of `size` is cosigned or a larger one was seen; says which.
async fn insist(client: &Client, log: &Log, mut old_size: u64, size: u64) -> bool {
    while old_size <= size {
        let body = log.request(old_size, size);
        let reply = client.add_checkpoint(body).await.unwrap();
        match reply.status {
            200 => return true,
            409 => old_size = parse_size(&reply.body).unwrap(),
            status => panic!("{status}: {:?}", reply.body),
        }
    }
    false
}

#[tokio::test]
async fn a35_g19_who_loses_a_race_proves_anew_and_is_cosigned_or_outrun() {
    let home = folder();
    let log = Log::new("log.example/races", "a", 1_500);
    let service = Service::start(home.path(), &[&log]).await;
    let (one, other) = (service.client(), service.client());
    let mut base = 0;
    for race in 0..SERVED_RACES {
        let (near, far) = sizes(base, race);
        let (_, is_far) = tokio::join!(
            insist(&one, &log, base, near),
            insist(&other, &log, base, far)
        );
        assert!(is_far, "race {race}: nothing outruns the larger one");
        assert_eq!(service.size(&log), far, "race {race}");
        base = far;
    }
    service.stop().await;
}
