//! `/status`, `/healthz`, `/readyz`: how the owner stands.

use antiphon_core::guard::Switch;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::model;
use crate::state::AppState;

pub(crate) async fn status(State(state): State<AppState>) -> Json<model::Status> {
    let status = state.handle.status();
    let elapsed_ms = state.handle.elapsed_ms();
    let asks = status.asks.iter().map(|ask| model::AskInfo {
        id: ask.id,
        rule: ask.rule.clone(),
        asks: ask.asks.clone(),
        signal_id: ask.signal,
        remaining_ms: ask.deadline_ms.saturating_sub(elapsed_ms),
    });
    let failing = status
        .monitors_failing
        .iter()
        .map(|(name, why)| format!("{name}: {why}"));
    let sealing = state.handle.sealing().borrow().clone();
    let alarms = status.alarms.iter().map(|alarm| model::AlarmInfo {
        code: alarm.code.to_owned(),
        subject: alarm.subject.clone(),
        detail: alarm.detail.clone(),
    });
    Json(model::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        log: status.log,
        epoch: status.epoch,
        records: status.next_seq,
        views: *state.views_mark.borrow(),
        pruned_to: status.pruned_to,
        mode: status.guards.mode.as_str().to_owned(),
        starts_work: status.guards.start_work(),
        stopped_because: status.guards.reason().map(str::to_owned),
        killswitch: switch(status.guards.switch).to_owned(),
        maintenance: status.guards.maintenance,
        guards_seq: status.changes.guards_seq,
        tasks_seq: status.changes.tasks_seq,
        accepts_signals: status.admission.is_ok(),
        refused_because: status.admission.err().map(str::to_owned),
        policy: status.policy.to_string(),
        reload_error: status.reload_error.clone(),
        slots: status.slots,
        runs_planned: status.runs_planned,
        runs_leased: status.runs_leased,
        runs_stopping: status.runs_stopping,
        letters: status.letters,
        asks: asks.collect(),
        monitors_failing: failing.collect(),
        checkpoint: sealing.size(),
        checkpoint_age_ms: sealing.age_ms(),
        cosigned: sealing.cosigned.as_ref().map(|cosigned| cosigned.size()),
        alarms: alarms.collect(),
        duplicates: status.duplicates,
        refusals: status.refusals,
    })
}

fn switch(switch: Switch) -> &'static str {
    match switch {
        Switch::Clear => "clear",
        Switch::Engaged => "engaged",
        Switch::Unreadable => "unreadable",
    }
}

pub(crate) async fn health() -> Json<model::Health> {
    Json(model::Health { ok: true })
}

pub(crate) async fn readiness(
    State(state): State<AppState>,
) -> (StatusCode, Json<model::Readiness>) {
    let reason = state.handle.status().admission.err().map(str::to_owned);
    let status = if reason.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(model::Readiness {
            ready: reason.is_none(),
            reason,
        }),
    )
}
