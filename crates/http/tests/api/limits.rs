//! What a connection may take: time for a head and for a body, bytes of both, and places.
//!
//! Time is the runtime's and paused: it passes only while everyone waits.

use std::time::Duration;

use antiphon_http::serve::{CONNECTIONS_MAX, serve_stream, serve_unix};
use antiphon_http::{Peer, router};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::owner::Fixture;
use crate::policy;

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection to the owner's API that says what no client of ours says.
fn connected(fixture: &Fixture) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let router = router(fixture.state.clone());
    let peer = Peer("tester".into());
    tokio::spawn(serve_stream(theirs, router, peer, CancellationToken::new()));
    ours
}

/// What comes until the other side closes, as text.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_in_time_ends_its_connection() {
    let fixture = Fixture::start(&policy()).await;
    let mut stream = connected(&fixture);
    let began = Instant::now();
    for byte in b"GE" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(rest(&mut stream).await, "", "nothing was asked");
    assert_eq!(
        began.elapsed().as_secs(),
        30,
        "however often something comes"
    );
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_nothing_more_is_ended() {
    let fixture = Fixture::start(&policy()).await;
    let mut stream = connected(&fixture);
    tokio::time::sleep(Duration::from_secs(20)).await;
    stream.write_all(HEALTH).await.unwrap();
    let began = Instant::now();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(began.elapsed().as_secs(), 30);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_in_time_is_refused() {
    let fixture = Fixture::start(&policy()).await;
    let mut stream = connected(&fixture);
    let head = b"POST /api/v1/stop/pause HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
        Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"reason\":";
    stream.write_all(head).await.unwrap();
    let began = Instant::now();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"request.timeout\""), "{answer}");
    assert_eq!(began.elapsed().as_secs(), 10);
    let mode = fixture.state.handle.status().guards.mode;
    assert!(mode.starts_work(), "half a request is none");
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_without_an_end_is_refused_before_it_ends() {
    let fixture = Fixture::start(&policy()).await;
    let mut stream = connected(&fixture);
    let head = b"POST /api/v1/signals HTTP/1.1\r\nHost: a\r\n\
        Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = [b"1000\r\n".as_slice(), &[b' '; 0x1000], b"\r\n"].concat();
    // As much as is taken: the connection ends while there is more to say.
    let mut chunks = 0;
    while stream.write_all(&chunk).await.is_ok() {
        chunks += 1;
        assert!(chunks < 1_000, "it is read without end");
    }
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("\"code\":\"request.too_large\""),
        "{answer}"
    );
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused() {
    let fixture = Fixture::start(&policy()).await;
    let mut stream = connected(&fixture);
    let head = format!(
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    fixture.stop().await;
}

/// Asks over `stream`, which stays open, and waits for the head of the answer.
async fn ask(stream: &mut UnixStream) {
    stream.write_all(HEALTH).await.unwrap();
    answered(stream).await;
}

async fn answered(stream: &mut UnixStream) {
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut rest = [0; 4_096];
    let _more = stream.try_read(&mut rest);
}

#[tokio::test]
async fn one_connection_too_many_waits_for_a_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let closing = CancellationToken::new();
    let router = Router::new().route("/healthz", get(async || "well"));
    let serving = tokio::spawn(serve_unix(listener, router, closing.clone()));
    let mut streams = Vec::new();
    for _place in 0..CONNECTIONS_MAX {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        ask(&mut stream).await;
        streams.push(stream);
    }
    let mut waiting = UnixStream::connect(&path).await.unwrap();
    waiting.write_all(HEALTH).await.unwrap();
    for stream in &mut streams {
        ask(stream).await;
    }
    let nothing = waiting.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    drop(streams.pop());
    answered(&mut waiting).await;
    closing.cancel();
    serving.await.unwrap();
}
