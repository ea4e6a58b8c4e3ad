//! Keeps `failed_signals.jsonl`, the dead letters as the seeds write them: an export of the log.

use antiphon_core::record::{Body, Payload};
use antiphon_engine::ports::effector::Effector as _;
use antiphon_engine::read::{ReadError, Records};
use antiphon_files::effector::FileEffector;
use antiphon_files::letters::{Letter, LetterPayload, failed_signals};
use antiphon_http::AppState;
use tokio_util::sync::CancellationToken;

/// Where it stands below the root.
const FILE: &str = "failed_signals.jsonl";
/// Letters that it holds, the newest.
const LETTERS_MAX: usize = 1_000;

/// Writes the export whenever the letters change.
pub(crate) struct Export {
    state: AppState,
    effector: std::sync::Arc<FileEffector>,
}

impl Export {
    pub(crate) fn new(state: AppState, effector: FileEffector) -> Self {
        Self {
            state,
            effector: std::sync::Arc::new(effector),
        }
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut status = self.state.handle.watch_status();
        let mut written = 0;
        loop {
            let changed = status.wait_for(|status| status.letters_seq > written);
            let wanted = tokio::select! {
                () = shutdown.cancelled() => return,
                changed = changed => match changed {
                    Ok(status) => status.letters_seq,
                    Err(_gone) => return,
                },
            };
            let mut mark = self.state.views_mark.clone();
            if mark.wait_for(|seen| *seen > wanted).await.is_err() {
                return;
            }
            self.write().await;
            written = wanted;
        }
    }

    async fn write(&self) {
        let (views, log) = (self.state.views.clone(), self.state.log.clone());
        let effector = self.effector.clone();
        let work = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            let rows = views.letters(LETTERS_MAX, false)?;
            let letters = log.lend(|records| -> Result<Vec<Letter>, ReadError> {
                let seqs = rows.iter().rev().map(|row| row.seq);
                let read = seqs.map(|seq| letter(records, seq));
                Ok(read
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .flatten()
                    .collect())
            })?;
            effector.write(FILE, failed_signals(&letters)?.as_bytes())?;
            Ok(())
        });
        match work.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %error, "dead letters were not exported"),
            Err(error) => tracing::error!(error = %error, "the export of dead letters panicked"),
        }
    }
}

fn letter(records: &mut Records, seq: u64) -> Result<Option<Letter>, ReadError> {
    let Some(projected) = records.record(seq)? else {
        return Ok(None);
    };
    let timestamp_ms = projected.time_ms;
    let Some(Body::LetterParked(body)) = projected.record.map(|record| record.body) else {
        return Ok(None);
    };
    let source = || antiphon_core::name::SourceName::new("antiphon").ok();
    let payload = match body.payload {
        Payload::Run {
            facts,
            signal_name: name,
            ..
        }
        | Payload::Signal {
            facts,
            signal_name: name,
            ..
        } => match source() {
            Some(source) => LetterPayload::Signal {
                name,
                source,
                timestamp_ms,
                facts,
            },
            None => return Ok(None),
        },
        Payload::Bytes { excerpt, .. } => match body.subject.strip_prefix("intent:") {
            Some(file) => LetterPayload::IntentFile(format!("intents/rejected/{file}")),
            None => LetterPayload::Text(excerpt),
        },
        Payload::Document(facts) => LetterPayload::Text(facts.text().to_owned()),
    };
    Ok(Some(Letter {
        subject: body.subject,
        error: body.error,
        timestamp_ms,
        payload,
    }))
}
