//! `/keys` and `/signed`: who may sign, and records that were signed elsewhere.

use antiphon_core::control::Control;
use antiphon_core::key::{KeyText, LOG};
use antiphon_core::limits::{KEY_AGE_MS_MAX, KEY_GRACE_MS};
use antiphon_core::name::AgentName;
use antiphon_core::record::Body;
use antiphon_core::state::{AgentKeys, Keys};
use antiphon_engine::handle::Presigned;
use antiphon_ledger::signature::Signature;
use axum::Json;
use axum::extract::State;

use crate::body::{JsonBody, PathPart};
use crate::custody::is_recorded;
use crate::model::{Done, KeyInfo, SignedRecord};
use crate::problem::{Code, Problem};
use crate::routes::Peer;
use crate::state::AppState;

pub(crate) async fn list(State(state): State<AppState>) -> Json<Vec<KeyInfo>> {
    let (keys, elapsed_ms) = (state.keys(), state.handle.elapsed_ms());
    let mut infos = Vec::new();
    for (agent, of_agent) in &keys.agents {
        infos.extend(of(agent, of_agent, elapsed_ms));
    }
    let waiting = state.custody.held();
    let waiting = waiting.iter().filter(|key| !is_recorded(&keys, key));
    infos.extend(waiting.filter_map(|key| pending(&keys, key)));
    Json(infos)
}

pub(crate) async fn prepare(
    State(state): State<AppState>,
    PathPart(agent): PathPart<AgentName>,
) -> Result<Json<KeyInfo>, Problem> {
    let key = state.pending_key(&agent).await?;
    Ok(Json(waiting(agent.as_str(), &key)))
}

pub(crate) async fn register(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(agent): PathPart<AgentName>,
) -> Result<Json<KeyInfo>, Problem> {
    let key = state.register_held(&agent, peer.name()).await?;
    Ok(Json(recorded(&state, &agent, &key)))
}

pub(crate) async fn rotate(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(agent): PathPart<AgentName>,
) -> Result<Json<KeyInfo>, Problem> {
    let key = state.rotate_held(&agent, peer.name()).await?;
    Ok(Json(recorded(&state, &agent, &key)))
}

pub(crate) async fn signed(
    State(state): State<AppState>,
    peer: Peer,
    JsonBody(record): JsonBody<SignedRecord>,
) -> Result<Json<Done>, Problem> {
    let body = Body::decode(&record.kind, 1, record.body.get().as_bytes());
    let body = body.map_err(|error| Code::RequestMalformed.problem(error.to_string()))?;
    let presigned = presigned(&record, body.replaces())?;
    let control = control(body, &peer)?;
    state.handle.control_signed(control, presigned).await?;
    Ok(Json(Done { changed: true }))
}

/// The signatures of a record, with the salt that they cover.
fn presigned(record: &SignedRecord, replaces: Option<u64>) -> Result<Presigned, Problem> {
    let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let salt = Some(record.salt.as_str()).filter(|salt| is_hex(salt));
    let salt = salt.and_then(|salt| u128::from_str_radix(salt, 16).ok());
    let salt = salt.ok_or_else(|| {
        Code::RequestMalformed.problem("the salt: 32 hexadecimal digits are expected")
    })?;
    let signatures = record.signatures.iter().map(|text| text.parse());
    let signatures = signatures.collect::<Result<Vec<Signature>, _>>();
    Ok(Presigned {
        replaces,
        salt: salt.to_be_bytes(),
        signatures: signatures
            .map_err(|error| Code::RequestMalformed.problem(error.to_string()))?,
    })
}

/// What a signed record asks for.
fn control(body: Body, peer: &Peer) -> Result<Control, Problem> {
    match body {
        Body::AskAnswered(body) => Ok(Control::Answer {
            ask: body.ask,
            permit: body.permit,
            by: body.by,
        }),
        Body::GuardChanged(body) => Ok(Control::SetMode {
            mode: body.guards.mode,
            by: body.by,
            reason: body.reason,
        }),
        Body::TaskChanged(body) => Ok(Control::SetTask {
            task: body.task,
            enabled: body.enabled,
            by: body.by,
        }),
        // The operator's signature is the owner's to give: it says who asks, and so must the record.
        Body::KeyRegistered(body) if body.by != peer.name() => {
            let detail = format!("you are {}, and the record says {}", peer.name(), body.by);
            Err(Code::RequestMalformed.problem(detail))
        }
        Body::KeyRegistered(body) => Ok(Control::RegisterKey(body)),
        Body::KeyRotated(body) => Ok(Control::RotateKey(body)),
        Body::KeyRevoked(body) => Ok(Control::RevokeKey(body)),
        body => {
            let detail = format!("{} is not made by those who ask", body.kind());
            Err(Code::RequestMalformed.problem(detail))
        }
    }
}

/// The keys of one agent, the valid one first, then those before, newest first.
fn of(agent: &AgentName, keys: &AgentKeys, elapsed_ms: u64) -> Vec<KeyInfo> {
    let age_ms = elapsed_ms.saturating_sub(keys.active.since_ms);
    let mut infos = vec![KeyInfo {
        state: "active".to_owned(),
        custodial: keys.active.custodial,
        from: Some(keys.active.from_seq),
        age_ms: Some(age_ms),
        due_ms: Some(KEY_AGE_MS_MAX.saturating_sub(age_ms)),
        ..waiting(agent.as_str(), &keys.active.key)
    }];
    infos.extend(keys.replaced.iter().rev().map(|replaced| {
        let replaced_ms = elapsed_ms.saturating_sub(replaced.replaced_ms);
        let state = match replaced.revoked {
            true => "revoked",
            false if replaced_ms < KEY_GRACE_MS => "deprecated",
            false => "archived",
        };
        KeyInfo {
            state: state.to_owned(),
            custodial: replaced.custodial,
            from: Some(replaced.from_seq),
            to: Some(replaced.end_seq),
            replaced_ms: Some(replaced_ms),
            ..waiting(agent.as_str(), &replaced.key)
        }
    }));
    infos
}

/// A key of this log that no record brought yet; `None` when it is another log's.
fn pending(keys: &Keys, key: &KeyText) -> Option<KeyInfo> {
    let tail = key.name().strip_prefix(keys.origin.as_str())?;
    match tail {
        "" => Some(waiting(LOG, key)),
        tail => Some(waiting(tail.strip_prefix('/')?, key)),
    }
}

fn waiting(agent: &str, key: &KeyText) -> KeyInfo {
    KeyInfo {
        agent: agent.to_owned(),
        id: key.id().to_string(),
        key: key.to_string(),
        state: "pending".to_owned(),
        custodial: true,
        from: None,
        to: None,
        age_ms: None,
        due_ms: None,
        replaced_ms: None,
    }
}

/// The key that a record has just brought.
fn recorded(state: &AppState, agent: &AgentName, key: &KeyText) -> KeyInfo {
    let (keys, elapsed_ms) = (state.keys(), state.handle.elapsed_ms());
    let of_agent = keys
        .agents
        .get(agent)
        .map(|keys| of(agent, keys, elapsed_ms));
    let info = of_agent
        .into_iter()
        .flatten()
        .find(|info| info.key == key.as_str());
    info.unwrap_or_else(|| waiting(agent.as_str(), key))
}
