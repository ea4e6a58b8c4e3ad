//! Whether enough witnesses have cosigned, and what follows when they have not for too long.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CosigningPolicy, MISSING, OnMissing};
use crate::handle::Notes;
use crate::notary::{LATE, Sealing};

/// Raises the alarm when a checkpoint stands for [`LATE`] without enough cosignatures, and closes
/// the door to signals when the policy says so; takes both back by itself.
pub(super) async fn mind(
    policy: CosigningPolicy,
    mut sealing: watch::Receiver<Arc<Sealing>>,
    notes: Arc<Notes>,
    shutdown: CancellationToken,
) {
    loop {
        let shown = sealing.borrow_and_update().clone();
        let late = shown.uncosigned_since.map(|since| since + LATE);
        let is_late = late.is_some_and(|late| late <= Instant::now());
        notes.set_alarm(MISSING, "", is_late.then(|| tell(policy, &shown)));
        let stops = is_late && policy.required > 0 && policy.on_missing == OnMissing::Stop;
        notes.refuse_signals(stops.then_some(MISSING));
        let due = late.filter(|_late| !is_late);
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = sealing.changed() => if changed.is_err() {
                return;
            },
            () = at(due) => {}
        }
    }
}

fn tell(policy: CosigningPolicy, sealing: &Sealing) -> String {
    let needed = policy.required.max(1);
    let cosigned = sealing
        .cosigned
        .as_ref()
        .map_or(0, |cosigned| cosigned.size());
    let sealed = sealing.size().unwrap_or(0);
    format!(
        "fewer than {needed} witnesses have cosigned the checkpoint of {sealed} records; \
         the last with so many covers {cosigned}"
    )
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
