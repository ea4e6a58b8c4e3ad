//! `/checkpoint`, `/tile/…` and `/ledger/proof/…`: what anyone needs to check the log.
//!
//! Source: C2SP tlog-tiles for paths, media types and caching, tlog-proof for proofs. A tile that the
//! newest checkpoint covers never changes; what lies beyond it is not there yet.

use antiphon_engine::notary::Signed;
use antiphon_engine::tiles::{self, TilesError};
use antiphon_ledger::hash::hex;
use antiphon_ledger::tile::TilePath;
use antiphon_ledger::tlog_proof::TlogProof;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::body::{Parameters, PathPart};
use crate::model;
use crate::problem::{Code, Problem};
use crate::state::{AppState, QueryError};

/// A checkpoint is replaced within a second.
const SHORT: [(HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    (header::CACHE_CONTROL, "max-age=1"),
];
/// A tile is what it is for ever.
const LONG: [(HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "application/octet-stream"),
    (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
];
/// Another proof of the same record names a newer checkpoint.
const PROOF_TYPE: &str = "text/plain; charset=utf-8";

pub(crate) async fn checkpoint(State(state): State<AppState>) -> Result<Response, Problem> {
    let newest = state.handle.sealing().borrow().newest.clone();
    let newest = newest.ok_or_else(unsealed)?;
    Ok((SHORT, newest.note.to_string()).into_response())
}

pub(crate) async fn status(State(state): State<AppState>) -> Json<model::LedgerStatus> {
    let sealing = state.handle.sealing().borrow().clone();
    let witnesses = sealing.witnesses.iter();
    Json(model::LedgerStatus {
        records: *state.handle.high_water().borrow(),
        checkpoint: sealing.newest.as_deref().map(info),
        cosigned: sealing.cosigned.as_deref().map(info),
        age_ms: sealing.age_ms(),
        failure: sealing.failure.clone(),
        witnesses: witnesses
            .map(|(name, size)| model::WitnessInfo {
                name: name.clone(),
                size: *size,
            })
            .collect(),
    })
}

fn info(signed: &Signed) -> model::CheckpointInfo {
    model::CheckpointInfo {
        size: signed.size(),
        root: hex(signed.checkpoint.root()),
        cosigned_by: signed.cosigned_by.clone(),
    }
}

pub(crate) async fn tile(
    State(state): State<AppState>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let path: TilePath = format!("tile/{path}")
        .parse()
        .map_err(|_no_path| Code::RequestNoRoute.problem("no tile lies at this path"))?;
    let size = state.handle.sealing().borrow().size().unwrap_or(0);
    if !path.is_within(size) {
        let detail = format!("the newest checkpoint covers {size} records, and not all of {path}");
        return Err(Code::EngineNotFound.problem(detail));
    }
    let bytes = state.query_now(move |sources| Ok(tiles::file(sources.records.log(), &path)?));
    Ok((LONG, bytes.await?).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofParameters {
    /// The size of the checkpoint; the best one that covers the record when left out.
    size: Option<u64>,
}

pub(crate) async fn proof(
    State(state): State<AppState>,
    PathPart(seq): PathPart<u64>,
    Parameters(parameters): Parameters<ProofParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let sealing = state.handle.sealing().borrow().clone();
    let signed = match parameters.size {
        Some(size) => sealing.of_size(size).filter(|signed| signed.size() > seq),
        None => sealing.covering(seq),
    };
    let signed = signed.cloned().ok_or_else(unsealed)?;
    let size = signed.size();
    let read = state.query_now(move |sources| {
        let envelope = sources.records.text(seq)?;
        let (envelope, _body) = envelope.ok_or(QueryError::NotFound("record"))?;
        let hashes = tiles::prover(sources.records.log()).inclusion(seq, size);
        Ok((envelope, hashes.map_err(TilesError::from)?))
    });
    let (envelope, hashes) = read.await?;
    let proof = TlogProof::new(seq, hashes, signed.note.clone());
    let text = proof.map_err(|error| Code::LogUnreadable.caused_by(&error))?;
    let text = text.to_string();
    if !wants_json(&headers) {
        return Ok(([(header::CONTENT_TYPE, PROOF_TYPE)], text).into_response());
    }
    let proof = model::Proof {
        seq,
        size,
        cosigned_by: signed.cosigned_by.clone(),
        envelope,
        tlog_proof: text,
    };
    Ok(Json(proof).into_response())
}

fn unsealed() -> Problem {
    Code::CheckpointMissing.problem("no checkpoint covers this yet; one comes within a second")
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/json"))
}
