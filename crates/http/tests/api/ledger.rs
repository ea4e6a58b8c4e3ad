//! What anyone needs to check the log: checkpoint, tiles, bundles and proofs, as C2SP has them.

use antiphon_http::model::{Chain, LedgerStatus, Proof, RunDetail, Status};
use antiphon_http::router;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::key::VerifierKey;
use antiphon_ledger::note::Note;
use antiphon_ledger::tile::{TileKind, TilePath, decode_entries};
use antiphon_ledger::tlog_proof::TlogProof;
use antiphon_ledger::tree::Tree;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::owner::Fixture;
use super::{emit, policy, settle};

async fn get(fixture: &Fixture, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    get_as(fixture, path, "*/*").await
}

async fn get_as(fixture: &Fixture, path: &str, accept: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let request = Request::get(path).header("accept", accept);
    let request = request.body(Body::empty()).unwrap();
    let response = router(fixture.state.clone())
        .oneshot(request)
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, body.to_vec())
}

/// Waits until a checkpoint covers everything, and gives it with its note.
async fn sealed(fixture: &Fixture) -> (Checkpoint, Note) {
    let durable = *fixture.state.handle.high_water().borrow();
    let mut sealing = fixture.state.handle.sealing();
    sealing
        .wait_for(|sealing| sealing.size() >= Some(durable))
        .await
        .unwrap();
    let (status, headers, body) = get(fixture, "/checkpoint").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(headers["cache-control"], "max-age=1");
    let note = Note::parse(&body).unwrap();
    (note.text().parse().unwrap(), note)
}

#[tokio::test]
async fn checkpoint_tiles_and_bundles_make_the_same_tree() {
    let mut fixture = Fixture::start(&policy()).await;
    for _signal in 0..300 {
        emit(&mut fixture.client, "Q_NOTE", "{}", None)
            .await
            .unwrap();
    }
    let (checkpoint, note) = sealed(&fixture).await;
    let keys = fixture.state.handle.keys().borrow().clone();
    let key: VerifierKey = keys.active("log").unwrap().key.as_str().parse().unwrap();
    assert!(note.verified_by(&key));
    let size = checkpoint.size();
    assert!(size > 300);
    let mut tree = Tree::new();
    for path in TilePath::all(size).filter(|path| path.kind() == TileKind::Entries) {
        let (status, headers, body) = get(&fixture, &format!("/{path}")).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers["content-type"], "application/octet-stream");
        assert_eq!(
            headers["cache-control"],
            "public, max-age=31536000, immutable"
        );
        let entries = decode_entries(&body, path.width()).unwrap();
        let leaves: Vec<_> = entries.into_iter().map(leaf_hash).collect();
        let hashes = TileKind::Hashes { level: 0 };
        let tile = TilePath::at(hashes, path.index(), size).unwrap();
        assert_eq!(get(&fixture, &format!("/{tile}")).await.2, leaves.concat());
        for leaf in &leaves {
            tree.push(leaf);
        }
    }
    assert_eq!(tree.head(), checkpoint.head());
    let (_, _, above) = get(&fixture, "/tile/1/000.p/1").await;
    let mut first = Tree::new();
    let (_, _, leaves) = get(&fixture, "/tile/0/000").await;
    leaves
        .as_chunks()
        .0
        .iter()
        .for_each(|leaf| first.push(leaf));
    assert_eq!(above, first.root());
    fixture.stop().await;
}

#[tokio::test]
async fn what_no_checkpoint_covers_is_not_there_and_is_not_kept_by_caches() {
    let fixture = Fixture::start(&policy()).await;
    let (checkpoint, _) = sealed(&fixture).await;
    let check = async |path: &str, code: &str| {
        let (status, headers, body) = get(&fixture, path).await;
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (status, problem["code"].as_str().unwrap()),
            (StatusCode::NOT_FOUND, code)
        );
        assert_eq!(headers["cache-control"], "no-store", "{path}");
    };
    check("/tile/0/000", "engine.not_found").await;
    check("/tile/entries/000", "engine.not_found").await;
    let beyond = checkpoint.size() + 1;
    check(&format!("/tile/0/000.p/{beyond}"), "engine.not_found").await;
    check("/tile/1/000.p/1", "engine.not_found").await;
    for wrong in [
        "/tile/0/0",
        "/tile/00/000",
        "/tile/0/000.p/256",
        "/tile/x/000",
        "/tile/64/000",
    ] {
        check(wrong, "request.no_route").await;
    }
    check("/api/v1/ledger/proof/999999", "checkpoint.missing").await;
    fixture.stop().await;
}

#[tokio::test]
async fn g19_every_record_is_proven_in_the_newest_checkpoint() {
    let mut fixture = Fixture::start(&policy()).await;
    for _signal in 0..20 {
        emit(&mut fixture.client, "Q_NOTE", "{}", None)
            .await
            .unwrap();
    }
    let (checkpoint, note) = sealed(&fixture).await;
    for seq in 0..checkpoint.size() {
        let path = format!("/api/v1/ledger/proof/{seq}");
        let (_, _, text) = get(&fixture, &path).await;
        let proof = TlogProof::parse(&text).unwrap();
        let (_, _, json) = get_as(&fixture, &path, "application/json").await;
        let json: Proof = serde_json::from_slice(&json).unwrap();
        assert_eq!(json.tlog_proof.as_bytes(), text);
        assert_eq!((proof.index(), json.size), (seq, checkpoint.size()));
        assert_eq!(proof.note(), &note);
        proof.verify(&leaf_hash(json.envelope.as_bytes())).unwrap();
        proof.verify(&leaf_hash(b"another")).unwrap_err();
    }
    let path = format!("/api/v1/ledger/proof/0?size={}", checkpoint.size() + 7);
    assert_eq!(get(&fixture, &path).await.0, StatusCode::NOT_FOUND);
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_shown_says_how_far_it_is_sealed() {
    let mut fixture = Fixture::start(&policy()).await;
    let (emitted, _) = settle(&mut fixture.client, "Q_WORK", "{}").await;
    let (checkpoint, _) = sealed(&fixture).await;
    let chain = format!("/api/v1/why/{}", emitted.id);
    let chain: Chain = fixture.client.get(&chain).await.unwrap();
    assert_eq!(chain.seal.checkpoint, Some(checkpoint.size()));
    assert!(chain.seal.seq > emitted.seq && chain.seal.seq < checkpoint.size());
    assert_eq!(chain.seal.cosigned_by, [] as [&str; 0]);
    let run = chain.root.unwrap().runs[0].id;
    let run: RunDetail = fixture
        .client
        .get(&format!("/api/v1/runs/{run}"))
        .await
        .unwrap();
    assert_eq!(run.seal.checkpoint, Some(checkpoint.size()));
    let status: Status = fixture.client.get("/api/v1/status").await.unwrap();
    assert_eq!(status.checkpoint, Some(status.records));
    assert_eq!((status.checkpoint_age_ms, status.cosigned), (0, None));
    let ledger: LedgerStatus = fixture.client.get("/api/v1/ledger").await.unwrap();
    assert_eq!(ledger.records, checkpoint.size());
    assert_eq!(ledger.checkpoint.unwrap().size, checkpoint.size());
    assert_eq!((ledger.cosigned, ledger.failure), (None, None));
    fixture.stop().await;
}
