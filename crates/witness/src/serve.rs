//! The witness over HTTP/1.1: `POST PREFIX/add-checkpoint`, at any prefix.
//!
//! In: bodies of bounded size that come in bounded time. Out: what a request is answered, which is
//! `witness.rs`'s. Invariants: at most [`CONNECTIONS_MAX`] connections; a head and a body come
//! within their time or not at all; an answer with a cosignature leaves only once what it says is on
//! disk.
//! Source: C2SP tlog-witness.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use antiphon_ledger::witness::{REQUEST_BYTES_MAX, SIZE_MEDIA_TYPE, size_text};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::witness::{NotCosigned, Witness};

/// Connections at one time; more wait in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 256;
/// The longest time for the head of a request, and for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time for a body to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time that a request has to end once the witness goes.
const GOODBYE: Duration = Duration::from_secs(2);
/// The wait after `accept` failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The call's name, at the end of its path.
const CALL: &str = "/add-checkpoint";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// Serves `witness` to whoever connects to `listener`, until `closing` is cancelled.
///
/// # Cancel safety
/// Dropping the future closes every connection at once; a checkpoint that is being written is
/// written.
pub async fn serve(listener: TcpListener, witness: Arc<Witness>, closing: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, place)) => {
                let (witness, closing) = (Arc::clone(&witness), closing.clone());
                connections.spawn(async move {
                    connection(stream, witness, closing).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error.detail = %error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Whether only this machine can reach `address`.
#[must_use]
pub fn is_local(address: &SocketAddr) -> bool {
    address.ip().is_loopback()
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, _address) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(stream: TcpStream, witness: Arc<Witness>, closing: CancellationToken) {
    let service = service_fn(move |request| {
        let witness = Arc::clone(&witness);
        async move { Ok::<_, Infallible>(answer(request, witness).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GOODBYE, connection).await {
                Ok(ended) => ended,
                Err(_elapsed) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error.detail = %error, "connection ended");
    }
}

async fn answer(request: Request<Incoming>, witness: Arc<Witness>) -> Response<Full<Bytes>> {
    if !request.uri().path().ends_with(CALL) {
        return text(StatusCode::NOT_FOUND, "a witness answers add-checkpoint\n");
    }
    if request.method() != Method::POST {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "add-checkpoint is a POST\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    match read(request.into_body()).await {
        Ok(body) => judge(body, witness).await,
        Err(refused) => refused,
    }
}

async fn read(body: Incoming) -> Result<Bytes, Response<Full<Bytes>>> {
    let collected = tokio::time::timeout(
        BODY_TIMEOUT,
        Limited::new(body, REQUEST_BYTES_MAX).collect(),
    );
    match collected.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(text(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body has at most {REQUEST_BYTES_MAX} bytes\n"),
        )),
        Ok(Err(error)) => Err(text(StatusCode::BAD_REQUEST, format!("{error}\n"))),
        Err(_elapsed) => Err(text(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time\n",
        )),
    }
}

/// Asks the witness, off the runtime's own threads: it writes to the disk.
async fn judge(body: Bytes, witness: Arc<Witness>) -> Response<Full<Bytes>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let time = now.unwrap_or_default().as_secs();
    let judged = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, time)).await;
    match judged {
        Ok(Ok(cosignature)) => text(StatusCode::OK, cosignature),
        Ok(Err(why)) => not_cosigned(&why),
        Err(panicked) => {
            tracing::error!(error.detail = %panicked, "the witness panicked");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n")
        }
    }
}

fn not_cosigned(why: &NotCosigned) -> Response<Full<Bytes>> {
    let NotCosigned::Refused(refusal) = why else {
        tracing::error!(error.detail = %why, "a checkpoint could not be kept");
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the checkpoint could not be kept\n",
        );
    };
    tracing::info!(error.code = refusal.code(), "checkpoint refused");
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let Some(size) = refusal.size() else {
        return text(status, format!("{refusal}\n"));
    };
    let mut answer = text(status, size_text(size));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(SIZE_MEDIA_TYPE));
    answer
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body.into())));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_TYPE));
    answer
}
