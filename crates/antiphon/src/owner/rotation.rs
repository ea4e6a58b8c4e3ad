//! Keeps the owner's keys young: rotates what it holds once it is older than a key should be, and
//! wipes secrets that sign nothing any more.
//!
//! It sleeps until something is due or the keys change. What fails is told, and tried again; nothing
//! of it stops the log: a key that is overdue stays valid, and an alarm stands.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::key::RECOVERY;
use antiphon_core::limits::{KEY_AGE_MS_MAX, KEY_GRACE_MS};
use antiphon_core::name::AgentName;
use antiphon_core::state::{AgentKeys, Keys};
use antiphon_engine::fail;
use antiphon_files::signer::KeySigner;
use antiphon_http::AppState;
use tokio_util::sync::CancellationToken;

/// Who rotates, in the log.
const BY: &str = "owner";
/// The first wait after a failure, and the longest.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_hours(1);

/// Rotates the keys of one owner.
pub(crate) struct Rotation {
    state: AppState,
    signer: Arc<KeySigner>,
}

impl Rotation {
    pub(crate) fn new(state: AppState, signer: Arc<KeySigner>) -> Self {
        Self { state, signer }
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut shown = self.state.handle.keys();
        let mut retry = RETRY;
        loop {
            let keys = Arc::clone(&shown.borrow_and_update());
            let is_done = self.keep(&keys).await;
            retry = if is_done {
                RETRY
            } else {
                (retry * 2).min(RETRY_MAX)
            };
            let next = match next_ms(&keys, self.state.handle.elapsed_ms()) {
                _ if !is_done => Some(retry),
                Some(next_ms) => Some(Duration::from_millis(next_ms)),
                None => None,
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(next) => {}
                seen = shown.changed() => if seen.is_err() {
                    return;
                },
            }
        }
    }

    /// Does what is due; whether nothing of it failed.
    async fn keep(&self, keys: &Keys) -> bool {
        self.wipe(keys);
        let mut is_done = true;
        for (agent, keys) in &keys.agents {
            let why = if !is_overdue(agent, keys, self.state.handle.elapsed_ms()) {
                None
            } else if keys.active.custodial {
                let rotated = self.state.rotate_held(agent, BY.to_owned()).await;
                is_done &= rotated.is_ok();
                rotated.err().map(|problem| problem.detail)
            } else {
                Some("its holder has not rotated it".to_owned())
            };
            self.alarm(agent, why);
        }
        is_done
    }

    fn alarm(&self, agent: &AgentName, why: Option<String>) {
        let code = "key.overdue";
        let detail = why.map(|why| format!("the key of {agent} is older than 90 days: {why}"));
        self.state.handle.set_alarm(code, agent.as_str(), detail);
    }

    /// Wipes secrets of keys that were replaced and sign nothing any more.
    fn wipe(&self, keys: &Keys) {
        let elapsed_ms = self.state.handle.elapsed_ms();
        for replaced in keys.agents.values().flat_map(|agent| &agent.replaced) {
            let has_grace = elapsed_ms < replaced.replaced_ms.saturating_add(KEY_GRACE_MS);
            if (replaced.revoked || !has_grace)
                && let Err(error) = self.signer.forget(&replaced.key)
            {
                tracing::warn!(error = %error, "the secret of a replaced key was not wiped");
            }
        }
    }
}

/// Whether a key is older than it should be. A recovery key lies in a safe and does not age.
fn is_overdue(agent: &AgentName, keys: &AgentKeys, elapsed_ms: u64) -> bool {
    agent.as_str() != RECOVERY && due_ms(keys) <= elapsed_ms
}

/// ms until the next key is due, or the grace of one is over; `None` when nothing ever is.
fn next_ms(keys: &Keys, elapsed_ms: u64) -> Option<u64> {
    let dues = keys.agents.iter().flat_map(|(agent, keys)| {
        let graces = keys.replaced.iter().filter(|replaced| !replaced.revoked);
        let ages = (agent.as_str() != RECOVERY).then(|| due_ms(keys));
        ages.into_iter()
            .chain(graces.map(|replaced| replaced.replaced_ms.saturating_add(KEY_GRACE_MS)))
    });
    dues.filter(|due_ms| *due_ms > elapsed_ms)
        .map(|due_ms| due_ms.saturating_sub(elapsed_ms))
        .min()
}

/// Elapsed ms at which an agent's key is older than a key should be.
fn due_ms(keys: &AgentKeys) -> u64 {
    keys.active.since_ms.saturating_add(age_ms_max())
}

/// How old a key may be; while a fail-point is armed, rotations are to be met soon.
fn age_ms_max() -> u64 {
    fail::unless_armed(KEY_AGE_MS_MAX, 1_000)
}

async fn sleep(next: Option<Duration>) {
    match next {
        Some(next) => tokio::time::sleep(next).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::key::KeyText;
    use antiphon_core::state::{ActiveKey, ReplacedKey};

    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    /// Keys of which each is valid since `since_ms`, and was replaced at `replaced_ms`.
    fn keys(since: &[(&str, u64)], replaced_ms: Option<u64>) -> Keys {
        let key = KeyText::new(KEY).unwrap();
        let agents = since.iter().map(|(agent, since_ms)| {
            let active = ActiveKey {
                custodial: *agent != "recovery",
                from_seq: 0,
                key: key.clone(),
                since_ms: *since_ms,
            };
            let replaced = replaced_ms.map(|replaced_ms| ReplacedKey {
                custodial: true,
                end_seq: 1,
                from_seq: 0,
                key: key.clone(),
                replaced_ms,
                revoked: false,
            });
            let replaced = replaced.into_iter().collect();
            (
                AgentName::new(agent).unwrap(),
                AgentKeys { active, replaced },
            )
        });
        Keys {
            agents: agents.collect(),
            origin: "here".to_owned(),
        }
    }

    #[test]
    fn a_key_is_due_at_ninety_days_and_a_recovery_key_never() {
        let keys = keys(&[("log", 0), ("owner", HOUR_MS), ("recovery", 0)], None);
        let check = |elapsed_ms: u64, due: &[&str], next: Option<u64>| {
            let agents = keys.agents.iter();
            let found: Vec<&str> = agents
                .filter(|(agent, keys)| is_overdue(agent, keys, elapsed_ms))
                .map(|(agent, _)| agent.as_str())
                .collect();
            assert_eq!(found, due, "{elapsed_ms}");
            assert_eq!(next_ms(&keys, elapsed_ms), next, "{elapsed_ms}");
        };
        check(0, &[], Some(KEY_AGE_MS_MAX));
        check(KEY_AGE_MS_MAX - 1, &[], Some(1));
        check(KEY_AGE_MS_MAX, &["log"], Some(HOUR_MS));
        check(KEY_AGE_MS_MAX + HOUR_MS, &["log", "owner"], None);
    }

    #[test]
    fn the_end_of_a_grace_is_due_too() {
        let keys = keys(&[("log", 5 * HOUR_MS)], Some(5 * HOUR_MS));
        assert_eq!(next_ms(&keys, 5 * HOUR_MS), Some(KEY_GRACE_MS));
        let later = 5 * HOUR_MS + KEY_GRACE_MS;
        assert_eq!(next_ms(&keys, later), Some(KEY_AGE_MS_MAX - KEY_GRACE_MS));
    }
}
