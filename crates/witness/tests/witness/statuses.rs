//! G19: every answer that C2SP names, and what it leaves behind.

use std::io::{Read as _, Write as _};

use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::cosignature::cosigned_at_s;
use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::note::Note;
use antiphon_ledger::witness::{parse_cosignatures, parse_size};
use antiphon_witness::{Error, Witness};
use bytes::Bytes;

use super::log::body;
use super::service::key;
use super::{Log, Service};

const ORIGIN: &str = "log.example/a";

#[tokio::test]
async fn g19_a_checkpoint_that_extends_the_last_is_cosigned_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::new(ORIGIN, "a", 1_000);
    let service = Service::start(home.path(), &[&log]).await;
    for (old_size, size) in [(0, 1), (1, 1), (1, 256), (256, 700), (700, 1_000)] {
        let reply = service.ask(log.request(old_size, size)).await;
        assert_eq!(reply.status, 200, "{old_size} to {size}");
        let mut note = log.note(size);
        let lines = parse_cosignatures(&reply.body, &note, &service.key()).unwrap();
        for line in lines {
            note.add(line).unwrap();
        }
        assert!(cosigned_at_s(&note, &service.key()).unwrap() > 1_700_000_000);
        assert_eq!(service.size(&log), size);
    }
    service.stop().await;
    let again = Service::start(home.path(), &[]).await;
    assert_eq!(again.size(&log), 1_000, "it outlives the witness");
    again.stop().await;
}

#[tokio::test]
async fn g19_what_may_not_be_cosigned_is_refused_as_specified_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (log, other) = (Log::new(ORIGIN, "a", 600), Log::new(ORIGIN, "b", 600));
    let unknown = Log::new("log.example/unknown", "a", 10);
    let service = Service::start(home.path(), &[&log]).await;
    assert_eq!(service.ask(log.request(0, 300)).await.status, 200);
    let stranger = SigningKey::new(ORIGIN, Algorithm::Ed25519, &[8; 32]).unwrap();
    let forged = Checkpoint::new(ORIGIN, log.head(400)).unwrap();
    let forged = forged.sign(&stranger).unwrap();
    let check = async |what: &str, body: Bytes, status: u16, size: Option<u64>| {
        let reply = service.ask(body).await;
        assert_eq!(reply.status, status, "{what}: {:?}", reply.body);
        if let Some(size) = size {
            assert_eq!(parse_size(&reply.body), Some(size), "{what}");
        }
        assert_eq!(service.size(&log), 300, "{what}");
    };
    check("no request", Bytes::from("old 1"), 400, None).await;
    check("nothing", Bytes::new(), 400, None).await;
    let shrinking = body(400, Vec::new(), log.note(350));
    check("old beyond new", shrinking, 400, None).await;
    check("unknown log", unknown.request(0, 10), 404, None).await;
    let unsigned = body(300, log.proof(300, 400), forged);
    check("another key", unsigned, 403, None).await;
    check("too old", log.request(200, 400), 409, Some(300)).await;
    check("too new", log.request(350, 400), 409, Some(300)).await;
    check("back", log.request(0, 200), 409, Some(300)).await;
    check(
        "fork of the same size",
        other.request(300, 300),
        409,
        Some(300),
    )
    .await;
    check("fork", other.request(300, 400), 422, None).await;
    let unproven = body(300, Vec::new(), log.note(400));
    check("no proof", unproven, 422, None).await;
    let unneeded = body(300, log.proof(300, 400), log.note(300));
    check("a proof of nothing", unneeded, 422, None).await;
    check("the truth", log.request(300, 300), 200, None).await;
    service.stop().await;
}

#[tokio::test]
async fn g19_a_size_is_told_in_its_own_media_type() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::new(ORIGIN, "a", 10);
    let service = Service::start(home.path(), &[&log]).await;
    assert_eq!(service.ask(log.request(0, 10)).await.status, 200);
    let answer = raw(&service, "POST /add-checkpoint", &log.request(5, 10)).await;
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    assert!(
        answer.contains("content-type: text/x.tlog.size\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n10\n"), "{answer}");
    for (request, status) in [
        ("GET /add-checkpoint", "405"),
        ("POST /other", "404"),
        ("POST /a/b/add-checkpoint", "409"),
    ] {
        let answer = raw(&service, request, &log.request(5, 10)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    let giant = vec![b'a'; 300 * 1024];
    assert_eq!(service.ask(giant).await.status, 413);
    service.stop().await;
}

/// What is answered to a request as it stands on the wire.
async fn raw(service: &Service, line: &str, body: &[u8]) -> String {
    let (address, line) = (service.address.clone(), line.to_owned());
    let head = format!(
        "{line} HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let bytes = [head.as_bytes(), body].concat();
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    asked.await.unwrap()
}

#[tokio::test]
async fn a_log_is_witnessed_by_any_of_its_keys_and_others_signatures_are_ignored() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::new(ORIGIN, "a", 10);
    let service = Service::start(home.path(), &[&log]).await;
    let next = SigningKey::new(ORIGIN, Algorithm::Ed25519, &[11; 32]).unwrap();
    let mut both = Checkpoint::new(ORIGIN, log.head(5))
        .unwrap()
        .sign(&next)
        .unwrap();
    both.sign(&log.key).unwrap();
    assert_eq!(service.ask(body(0, Vec::new(), both)).await.status, 200);
    let signed: Note = Checkpoint::new(ORIGIN, log.head(9))
        .unwrap()
        .sign(&next)
        .unwrap();
    let request = body(5, log.proof(5, 9), signed);
    assert_eq!(service.ask(request.clone()).await.status, 403);
    antiphon_witness::add(home.path(), ORIGIN, next.verifier()).unwrap();
    assert_eq!(
        service.ask(request).await.status,
        200,
        "without a new start"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_folder_has_one_witness_and_what_is_damaged_is_not_taken_for_nothing() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::new(ORIGIN, "a", 10);
    let service = Service::start(home.path(), &[&log]).await;
    assert_eq!(service.ask(log.request(0, 5)).await.status, 200);
    let second = Witness::open(home.path(), key()).unwrap_err();
    assert!(matches!(second, Error::Held { .. }), "{second}");
    service.stop().await;
    let kept = std::fs::read_dir(home.path().join("seen")).unwrap();
    for entry in kept {
        std::fs::write(entry.unwrap().path(), "").unwrap();
    }
    let again = Service::start(home.path(), &[]).await;
    assert_eq!(again.ask(log.request(0, 5)).await.status, 500);
    again.stop().await;
    let plain = SigningKey::new("w", Algorithm::Ed25519, &[9; 32]).unwrap();
    let refused = Witness::open(home.path(), plain).unwrap_err();
    assert_eq!(refused.code(), "witness.key");
}
