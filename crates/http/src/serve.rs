//! Serving the router: on a Unix socket, or on one stream in memory.
//!
//! Invariants: at most [`CONNECTIONS_MAX`] connections; a head must come within
//! `HEAD_TIMEOUT`; once told to go, every connection finishes its request within
//! `GOODBYE` or is dropped.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::routes::Peer;

/// Connections at one time; more wait in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 256;
/// The longest time for the head of a request, and for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The time that a request has to end once the owner goes.
const GOODBYE: Duration = Duration::from_secs(2);
/// The wait after `accept` failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Serves `router` to whoever connects to `listener`, until `closing` is cancelled.
///
/// # Cancel safety
/// Dropping the future closes every connection at once.
pub async fn serve_unix(listener: UnixListener, router: Router, closing: CancellationToken) {
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
                let peer = peer(&stream);
                let (router, closing) = (router.clone(), closing.clone());
                connections.spawn(async move {
                    serve_stream(stream, router, peer, closing).await;
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

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, _address) = listener.accept().await?;
    Ok((stream, place))
}

/// Who is at the other end of a Unix socket: the kernel knows.
fn peer(stream: &tokio::net::UnixStream) -> Peer {
    let name = match stream.peer_cred() {
        Ok(credentials) => format!("uid:{}", credentials.uid()),
        Err(_error) => "unknown".to_owned(),
    };
    Peer(name.into())
}

/// Serves `router` over one stream, until it ends or, `closing` cancelled, its request is done.
///
/// # Cancel safety
/// Dropping the future closes the stream.
pub async fn serve_stream<S>(stream: S, router: Router, peer: Peer, closing: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
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
