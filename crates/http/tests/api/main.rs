//! The API over a real owner: what a client asks, and what it is answered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod ledger;
mod limits;
mod owner;
mod refusals;
mod trees;

use antiphon_core::id::Id;
use antiphon_http::client::{Client, ClientError};
use antiphon_http::model::{
    AttemptLogs, Done, Emit, Emitted, Letter, LetterDetail, Purged, Reason, RecordText, Replayed,
    Run, RunDetail, Settled, Signal, SignalDetail, Status, TaskInfo,
};
use owner::Fixture;
use serde_json::{Value, json};

/// Rules, workers and tasks whose names say what they do.
fn policy() -> Value {
    let rule = |name: &str, on: &str, when: &str| {
        json!({
            "approve": null, "approve_within_ms": 60_000, "cooldown_ms": 0, "dedupe": null,
            "emit": "Q_WORK", "enabled": true, "facts": null, "name": name, "on": on,
            "rate": null, "task": null, "when": when,
        })
    };
    let mut asks = rule("asks", "Q_ASK", "true");
    asks["approve"] = json!("operator");
    let worker = |on: &str, task: &str| {
        json!({
            "emits": {"failed": "Q_FAILED", "succeeded": "Q_DONE", "timed_out": "Q_LATE"},
            "on": on, "task": task, "when": null,
        })
    };
    json!({
        "intents": [], "monitors": [], "slots": 4,
        "rules": [
            rule("goes", "Q_START", "facts.n > 0"),
            rule("never", "Q_START", "facts.n > 100"),
            rule("broken", "Q_BROKEN", "facts.missing > 1"),
            asks,
        ],
        "tasks": [task("fail"), task("work")],
        "workers": [worker("Q_WORK", "work"), worker("Q_FAIL", "fail")],
    })
}

fn task(name: &str) -> Value {
    json!({
        "agent": "LARS", "concurrency": 1, "enabled": true, "environment": {}, "grace_ms": 1_000,
        "limits": {
            "cpu_seconds": null, "file_bytes": null, "memory_bytes": null, "open_files": null,
            "output_bytes": null,
        },
        "lock": null, "name": name, "on_lost": "end", "on_stop": "end", "priority": 5,
        "program": {"process": {"argv": [name]}}, "result": "optional",
        "retry": {"backoff_ms": 0, "factor_permille": 1_000, "limit": 0, "wait_ms_max": 0},
        "start_within_ms": null, "timeout_ms": 60_000, "working_directory": null,
    })
}

/// Emits a signal and waits until nothing of its chain is left to do.
async fn settle(client: &mut Client, signal: &str, facts: &str) -> (Emitted, Settled) {
    let emitted = emit(client, signal, facts, None).await.unwrap();
    let path = format!("/api/v1/signals/{}/settled?within_ms=60000", emitted.id);
    let settled: Settled = client.get(&path).await.unwrap();
    assert!(settled.settled, "{signal}");
    (emitted, settled)
}

async fn emit(
    client: &mut Client,
    signal: &str,
    facts: &str,
    key: Option<&str>,
) -> Result<Emitted, ClientError> {
    let emit = Emit {
        signal: signal.to_owned(),
        source: "test".to_owned(),
        facts: antiphon_core::signal::Facts::parse(facts.as_bytes()).unwrap(),
        timestamp: None,
        key: key.map(str::to_owned),
    };
    client.post("/api/v1/signals", &emit).await
}

#[tokio::test]
async fn a_client_reads_what_it_wrote() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let emitted = emit(client, "Q_OTHER", r#"{"a":1}"#, None).await.unwrap();
    assert!(!emitted.duplicate);
    let listed: Vec<Signal> = client.get("/api/v1/signals").await.unwrap();
    assert_eq!(listed.len(), 1);
    let expect = json!({
        "id": emitted.id, "seq": emitted.seq, "signal": "Q_OTHER",
        "timestamp": "2026-11-20T15:36:52.001Z", "source": "test", "facts": {"a": 1},
        "cause": null, "correlation": emitted.id,
    });
    assert_eq!(serde_json::to_value(&listed[0]).unwrap(), expect);
    let path = format!("/api/v1/signals/{}", emitted.id);
    let shown: SignalDetail = client.get(&path).await.unwrap();
    assert_eq!(
        (shown.origin.as_str(), shown.decisions.len()),
        ("external", 0)
    );
    let record: RecordText = client
        .get(&format!("/api/v1/records/{}", emitted.seq))
        .await
        .unwrap();
    assert!(
        record
            .envelope
            .get()
            .contains(r#""kind":"signal.accepted""#)
    );
    assert!(record.body.unwrap().get().contains(&emitted.id.to_string()));
    fixture.stop().await;
}

#[tokio::test]
async fn a_list_is_newest_first_and_goes_on_behind_a_record() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let mut seqs = Vec::new();
    for n in 0..5 {
        let name = if n == 2 { "Q_B" } else { "Q_A" };
        seqs.push(emit(client, name, "{}", None).await.unwrap().seq);
    }
    let mut check = async |query: &str, expect: &[usize]| {
        let path = format!("/api/v1/signals{query}");
        let listed: Vec<Signal> = client.get(&path).await.unwrap();
        let found: Vec<u64> = listed.iter().map(|signal| signal.seq).collect();
        let expect: Vec<u64> = expect.iter().map(|place| seqs[*place]).collect();
        assert_eq!(found, expect, "{query}");
    };
    check("", &[4, 3, 2, 1, 0]).await;
    check("?limit=2", &[4, 3]).await;
    check("?name=Q_B", &[2]).await;
    check("?after=0&limit=2", &[0, 1]).await;
    check(&format!("?after={}", seqs[1]), &[2, 3, 4]).await;
    check("?since=2026-11-20T15:36:52.001Z", &[4, 3, 2, 1, 0]).await;
    check("?since=2026-11-20T15:36:52.002Z", &[]).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_repeated_key_is_answered_with_the_first_id() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let first = emit(client, "Q_A", r#"{"n":1}"#, Some("k")).await.unwrap();
    let again = emit(client, "Q_A", r#"{"n":1}"#, Some("k")).await.unwrap();
    assert_eq!(
        again,
        Emitted {
            duplicate: true,
            ..first.clone()
        }
    );
    let other = emit(client, "Q_A", r#"{"n":2}"#, Some("k"))
        .await
        .unwrap_err();
    assert_eq!(other.code(), "engine.key_conflict");
    fixture.stop().await;
}

#[tokio::test]
async fn a_run_is_listed_shown_read_and_done_again() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let (emitted, settled) = settle(client, "Q_WORK", r#"{"n":1}"#).await;
    let listed: Vec<Run> = client.get("/api/v1/runs?task=work").await.unwrap();
    assert_eq!(listed, settled.runs);
    let run = &listed[0];
    assert_eq!(
        (run.signal_id, run.state.as_str()),
        (emitted.id, "succeeded")
    );
    assert_eq!((run.exit_code, run.attempt), (Some(0), 1));

    let detail: RunDetail = client
        .get(&format!("/api/v1/runs/{}", run.id))
        .await
        .unwrap();
    assert_eq!(
        (detail.signal.as_str(), detail.facts.text()),
        ("Q_WORK", r#"{"n":1}"#)
    );
    let attempt = &detail.attempts[0];
    assert_eq!(
        (attempt.state.as_str(), attempt.exit.as_deref()),
        ("succeeded", Some("exit 0"))
    );
    assert_eq!((attempt.duration_ms, attempt.cpu_ms), (Some(12), Some(7)));

    let logs: Vec<AttemptLogs> = client
        .get(&format!("/api/v1/runs/{}/logs", run.id))
        .await
        .unwrap();
    assert_eq!(
        logs[0].stdout.text.as_bytes(),
        owner::KEPT,
        "evidence goes before the excerpt"
    );
    assert_eq!(
        (logs[0].stdout.cut, logs[0].stderr.text.as_str()),
        (true, "hello")
    );

    let ended = client
        .act::<Done>(&format!("/api/v1/runs/{}/cancel", run.id))
        .await
        .unwrap_err();
    assert_eq!(ended.code(), "engine.refused");
    let again: antiphon_http::model::Planned = client
        .act(&format!("/api/v1/runs/{}/retry", run.id))
        .await
        .unwrap();
    let detail: RunDetail = client
        .get(&format!("/api/v1/runs/{}", again.run))
        .await
        .unwrap();
    assert_eq!(
        (detail.retry_of, detail.facts.text()),
        (Some(run.id), r#"{"n":1}"#)
    );
    fixture.stop().await;
}

#[tokio::test]
async fn a_run_that_has_not_ended_is_not_planned_again_and_says_so() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let paused: Done = client.post("/api/v1/stop/pause", &json!({})).await.unwrap();
    assert!(paused.changed);
    emit(client, "Q_WORK", "{}", None).await.unwrap();
    let runs: Vec<Run> = client.get("/api/v1/runs").await.unwrap();
    let path = format!("/api/v1/runs/{}/retry", runs[0].id);
    let refused = client.act::<Done>(&path).await.unwrap_err();
    assert_eq!(refused.code(), "engine.not_ended");
    fixture.stop().await;
}

#[tokio::test]
async fn a_letter_is_listed_shown_replayed_and_purged() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    settle(client, "Q_BROKEN", "{}").await;
    let letters: Vec<Letter> = client.get("/api/v1/letters").await.unwrap();
    let [letter] = letters.as_slice() else {
        panic!("one letter: {letters:?}")
    };
    assert_eq!(
        (letter.code.as_str(), letter.signal.as_deref()),
        ("rule.errored", Some("Q_BROKEN"))
    );
    let path = format!("/api/v1/letters/{}", letter.id);
    let detail: LetterDetail = client.get(&path).await.unwrap();
    assert_eq!(detail.payload.kind, "signal");

    let unknown = Id::from_bytes([9; 16]);
    let ask = json!({"letters": [letter.id, unknown]});
    let replayed: Vec<Replayed> = client.post("/api/v1/letters/replay", &ask).await.unwrap();
    assert!(replayed[0].id.is_some(), "{replayed:?}");
    assert_eq!(replayed[1].code.as_deref(), Some("engine.not_found"));

    let ask = json!({"letters": [letter.id]});
    let purged: Purged = client.post("/api/v1/letters/purge", &ask).await.unwrap();
    assert_eq!(purged.purged, 1);
    let kept: Vec<Letter> = client.get("/api/v1/letters?purged=true").await.unwrap();
    assert!(kept.iter().any(|kept| kept.id == letter.id && kept.purged));
    fixture.stop().await;
}

#[tokio::test]
async fn who_stops_work_is_what_the_connection_knows() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let reason = Reason {
        reason: "a look".to_owned(),
    };
    let paused: Done = client.post("/api/v1/stop/pause", &reason).await.unwrap();
    assert!(paused.changed);
    let again: Done = client.post("/api/v1/stop/pause", &reason).await.unwrap();
    assert!(!again.changed);
    let status: Status = client.get("/api/v1/status").await.unwrap();
    assert_eq!((status.mode.as_str(), status.starts_work), ("pause", false));
    let (mut seq, mut told) = (0, Vec::new());
    while let Ok(record) = client
        .get::<RecordText>(&format!("/api/v1/records/{seq}"))
        .await
    {
        told.extend(record.body.map(|body| body.get().to_owned()));
        seq += 1;
    }
    let guard = told.iter().find(|body| body.contains("a look")).unwrap();
    assert!(guard.contains(r#""by":"tester""#), "{guard}");

    emit(client, "Q_WORK", "{}", None).await.unwrap();
    let waiting: Vec<Run> = client.get("/api/v1/runs?state=planned").await.unwrap();
    assert_eq!(waiting.len(), 1);
    let resumed: Done = client.act("/api/v1/stop/resume").await.unwrap();
    assert!(resumed.changed);
    fixture.stop().await;
}

#[tokio::test]
async fn a_task_that_is_disabled_does_not_start() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let done: Done = client.act("/api/v1/tasks/work/disable").await.unwrap();
    assert!(done.changed);
    let tasks: Vec<TaskInfo> = client.get("/api/v1/tasks").await.unwrap();
    let work = tasks.iter().find(|task| task.name == "work").unwrap();
    assert_eq!((work.enabled, work.overridden), (false, true));
    assert_eq!(work.answers, ["Q_WORK"]);
    let reset: Done = client.act("/api/v1/tasks/work/reset").await.unwrap();
    assert!(reset.changed);
    let unknown = client
        .act::<Done>("/api/v1/tasks/other/disable")
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), "engine.refused");
    fixture.stop().await;
}

#[tokio::test]
async fn a_stream_gives_what_came_before_and_what_comes() {
    let mut fixture = Fixture::start(&policy()).await;
    let before = emit(&mut fixture.client, "Q_A", "{}", None).await.unwrap();
    emit(&mut fixture.client, "Q_B", "{}", None).await.unwrap();
    let stream = fixture.connect().await;
    let path = format!("/api/v1/signals/stream?name=Q_A&after={}", before.seq - 1);
    let mut events = stream.events(&path).await.unwrap();
    let first: Signal = serde_json::from_str(&events.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(first.id, before.id);
    let later = emit(&mut fixture.client, "Q_A", "{}", None).await.unwrap();
    let second: Signal = serde_json::from_str(&events.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(second.id, later.id);
    fixture.stop().await;
    assert_eq!(
        events.next().await.unwrap(),
        None,
        "the stream ends with its owner"
    );
}

#[tokio::test]
async fn a_socket_serves_until_it_is_told_to_go() {
    let mut fixture = Fixture::start(&policy()).await;
    let path = fixture.root.path().join("a.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let closing = tokio_util::sync::CancellationToken::new();
    let router = antiphon_http::router(fixture.state.clone());
    let serving = tokio::spawn(antiphon_http::serve::serve_unix(
        listener,
        router,
        closing.clone(),
    ));
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let mut client = Client::over(stream).await.unwrap();
    let done: Done = client.act("/api/v1/stop/drain").await.unwrap();
    assert!(done.changed);
    closing.cancel();
    serving.await.unwrap();
    assert!(client.get::<Status>("/api/v1/status").await.is_err());
    let status: Status = fixture.client.get("/api/v1/status").await.unwrap();
    assert_eq!(status.mode, "drain");
    fixture.stop().await;
}
