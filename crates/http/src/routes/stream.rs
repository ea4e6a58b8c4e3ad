//! `/signals/stream`: signals as they become durable, as server-sent events.
//!
//! Follows the log itself, not the views: nothing is missed between two events, and a client that
//! comes back with `Last-Event-ID` goes on where it was. Wakes on the high-water mark.
//! Source: HTML Living Standard, section 9.2 (server-sent events).

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use antiphon_core::name::SignalName;
use antiphon_core::record::Body as RecordBody;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Deserialize;
use tokio::sync::watch;

use crate::body::Parameters;
use crate::present;
use crate::problem::Problem;
use crate::state::AppState;

/// A comment is sent after this silence, so that a peer that is gone is noticed.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Which signals: from behind the record `after`, or from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamParameters {
    name: Option<SignalName>,
    after: Option<u64>,
}

pub(crate) async fn follow(
    State(state): State<AppState>,
    headers: HeaderMap,
    Parameters(parameters): Parameters<StreamParameters>,
) -> Response {
    let last_seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let high_water = state.handle.high_water();
    let next_seq = match last_seen.or(parameters.after) {
        Some(seen) => seen.saturating_add(1),
        None => *high_water.borrow(),
    };
    let follow = Follow {
        state,
        name: parameters.name,
        next_seq,
        high_water,
        is_over: false,
    };
    let stream = SignalStream {
        step: Some(Box::pin(follow.next())),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::new(stream)).into_response()
}

/// Where a stream stands.
struct Follow {
    state: AppState,
    name: Option<SignalName>,
    next_seq: u64,
    high_water: watch::Receiver<u64>,
    is_over: bool,
}

type Step = Pin<Box<dyn Future<Output = Option<(Bytes, Follow)>> + Send>>;

impl Follow {
    /// The next bytes to send and where the stream stands then; `None` at its end.
    async fn next(mut self) -> Option<(Bytes, Follow)> {
        if self.is_over {
            return None;
        }
        loop {
            let durable = *self.high_water.borrow_and_update();
            if self.next_seq < durable {
                match self.read(durable).await {
                    Ok(events) if events.is_empty() => continue,
                    Ok(events) => return Some((events.into(), self)),
                    Err(problem) => return Some((self.fail(&problem), self)),
                }
            }
            tokio::select! {
                changed = self.high_water.changed() => changed.ok()?,
                () = self.state.closing.cancelled() => return None,
                () = tokio::time::sleep(SILENCE_MAX) => {
                    return Some((Bytes::from_static(b": alive\n\n"), self));
                }
            }
        }
    }

    /// The events of the next turn below `durable`, as text; moves on behind it.
    async fn read(&mut self, durable: u64) -> Result<String, Problem> {
        let (next_seq, name) = (self.next_seq, self.name.clone());
        let read = self.state.query_now(move |sources| {
            let records = sources.records.turn_from(next_seq)?;
            let end = records
                .last()
                .map_or(durable, |last| last.seq.saturating_add(1));
            let mut events = String::new();
            for record in records.into_iter().filter_map(|projected| projected.record) {
                let RecordBody::SignalAccepted(accepted) = &record.body else {
                    continue;
                };
                if name.as_ref().is_none_or(|name| *name == accepted.signal) {
                    let signal = present::signal(&record, accepted);
                    let json = serde_json::to_string(&signal).unwrap_or_default();
                    push_event(&mut events, "signal", Some(record.seq), &json);
                }
            }
            Ok((events, end))
        });
        let (events, end) = read.await?;
        self.next_seq = end;
        Ok(events)
    }

    fn fail(&mut self, problem: &Problem) -> Bytes {
        self.is_over = true;
        let mut events = String::new();
        let json = serde_json::to_string(problem).unwrap_or_default();
        push_event(&mut events, "problem", None, &json);
        events.into()
    }
}

/// Appends one event; `json` is one line.
fn push_event(events: &mut String, event: &str, id: Option<u64>, json: &str) {
    // Writing to a string does not fail.
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    if write!(events, "event: {event}\n{id}data: {json}\n\n").is_err() {
        events.clear();
    }
}

/// The stream as a body.
struct SignalStream {
    step: Option<Step>,
}

impl hyper::body::Body for SignalStream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(step) = this.step.as_mut() else {
            return Poll::Ready(None);
        };
        let done = ready!(step.as_mut().poll(context));
        this.step = None;
        Poll::Ready(done.map(|(bytes, follow)| {
            this.step = Some(Box::pin(follow.next()));
            Ok(Frame::data(bytes))
        }))
    }
}
