//! `why`: the tree is the same from wherever in the chain it is asked.

use antiphon_core::id::Id;
use antiphon_http::client::Client;
use antiphon_http::model::{Chain, Done, Letter, RunNode, Signal, SignalNode, Status};

use crate::owner::Fixture;
use crate::{emit, policy, settle};

/// The tree as lines: what follows from what.
fn lines(node: &SignalNode, indent: usize, lines: &mut Vec<String>) {
    let pad = "  ".repeat(indent);
    lines.push(format!("{pad}{} from {}", node.signal, node.origin));
    for decision in &node.decisions {
        let ask = decision.ask.as_ref();
        let ask = ask
            .map(|ask| format!(" {} by {:?}", ask.state, ask.by))
            .unwrap_or_default();
        lines.push(format!(
            "{pad}- {} {}{ask}",
            decision.rule, decision.verdict
        ));
        run_lines(&decision.runs, indent + 1, lines);
        decision
            .follows
            .iter()
            .for_each(|node| self::lines(node, indent + 1, lines));
    }
    run_lines(&node.runs, indent, lines);
    node.follows
        .iter()
        .for_each(|node| self::lines(node, indent + 1, lines));
    lines.extend(
        node.letters
            .iter()
            .map(|letter| format!("{pad}- letter {}", letter.code)),
    );
}

fn run_lines(runs: &[RunNode], indent: usize, lines: &mut Vec<String>) {
    let pad = "  ".repeat(indent);
    for run in runs {
        let again = if run.retry_of.is_some() { " again" } else { "" };
        lines.push(format!("{pad}- run {}{again} {}", run.task, run.state));
        for attempt in &run.attempts {
            let exit = attempt.exit.as_deref().unwrap_or("-");
            lines.push(format!(
                "{pad}  attempt {} {} {exit}",
                attempt.attempt, attempt.state
            ));
        }
        lines.extend(
            run.letters
                .iter()
                .map(|letter| format!("{pad}  letter {}", letter.code)),
        );
        run.follows
            .iter()
            .for_each(|node| self::lines(node, indent + 1, lines));
    }
}

async fn tree(client: &mut Client, id: Id, kind: &str) -> String {
    let chain: Chain = client.get(&format!("/api/v1/why/{id}")).await.unwrap();
    assert_eq!(
        (chain.asked, chain.kind.as_str(), chain.cut),
        (id, kind, false)
    );
    let mut told = Vec::new();
    lines(&chain.root.unwrap(), 0, &mut told);
    told.join("\n")
}

#[tokio::test]
async fn a_chain_is_the_same_tree_from_its_first_signal_its_run_and_its_last_signal() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let (first, settled) = settle(client, "Q_START", r#"{"n":1}"#).await;
    // Another chain of the same names, so that nothing is told by name alone.
    settle(client, "Q_START", r#"{"n":2}"#).await;
    let expect = "\
Q_START from external
- goes fired
  Q_WORK from rule:goes
  - run work succeeded
    attempt 1 succeeded exit 0
    Q_DONE from task:work
- never condition_false";
    assert_eq!(tree(client, first.id, "signal").await, expect);
    assert_eq!(tree(client, settled.runs[0].id, "run").await, expect);
    let path = format!("/api/v1/signals?correlation={}&name=Q_DONE", first.id);
    let last: Vec<Signal> = client.get(&path).await.unwrap();
    assert_eq!(tree(client, last[0].id, "signal").await, expect);
    fixture.stop().await;
}

#[tokio::test]
async fn a_failure_and_its_letter_stand_where_they_belong_and_so_does_the_next_try() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let (first, settled) = settle(client, "Q_FAIL", "{}").await;
    let path = format!("/api/v1/runs/{}/retry", settled.runs[0].id);
    let _again: antiphon_http::model::Planned = client.act(&path).await.unwrap();
    let path = format!("/api/v1/signals/{}/settled?within_ms=60000", first.id);
    let _settled: antiphon_http::model::Settled = client.get(&path).await.unwrap();
    let expect = "\
Q_FAIL from external
- run fail failed
  attempt 1 failed exit 3
  letter run.failed
  Q_FAILED from task:fail
- run fail again failed
  attempt 1 failed exit 3
  letter run.failed
  Q_FAILED from task:fail";
    assert_eq!(tree(client, first.id, "signal").await, expect);
    let letters: Vec<Letter> = client.get("/api/v1/letters").await.unwrap();
    assert_eq!(tree(client, letters[0].id, "letter").await, expect);
    fixture.stop().await;
}

#[tokio::test]
async fn a_broken_rule_is_told_with_its_letter_and_a_replay_follows_it() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let (first, _) = settle(client, "Q_BROKEN", "{}").await;
    let letters: Vec<Letter> = client.get("/api/v1/letters").await.unwrap();
    let letter = letters[0].id;
    let path = format!("/api/v1/letters/{letter}/replay");
    let replayed: antiphon_http::model::Replayed = client.act(&path).await.unwrap();
    let told = tree(client, first.id, "signal").await;
    let expect = format!(
        "Q_BROKEN from external\n- broken errored\n  Q_BROKEN from replay:{letter}\n  \
         - broken errored\n  - letter rule.errored\n- letter rule.errored"
    );
    assert_eq!(told, expect);
    assert_eq!(tree(client, replayed.id.unwrap(), "signal").await, expect);
    fixture.stop().await;
}

#[tokio::test]
async fn an_ask_waits_for_its_answer_and_why_says_who_gave_it() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let first = emit(client, "Q_ASK", "{}", None).await.unwrap();
    let asked = "Q_ASK from external\n- asks deferred open by None";
    assert_eq!(tree(client, first.id, "signal").await, asked);
    let status: Status = client.get("/api/v1/status").await.unwrap();
    let [ask] = status.asks.as_slice() else {
        panic!("one ask: {:?}", status.asks)
    };
    assert_eq!((ask.signal_id, ask.rule.as_str()), (first.id, "asks"));
    let _done: Done = client
        .act(&format!("/api/v1/asks/{}/approve", ask.id))
        .await
        .unwrap();
    let path = format!("/api/v1/signals/{}/settled?within_ms=60000", first.id);
    let _settled: antiphon_http::model::Settled = client.get(&path).await.unwrap();
    let expect = "\
Q_ASK from external
- asks deferred permitted by Some(\"tester\")
  Q_WORK from rule:asks
  - run work succeeded
    attempt 1 succeeded exit 0
    Q_DONE from task:work";
    assert_eq!(tree(client, first.id, "signal").await, expect);
    let again = client
        .act::<Done>(&format!("/api/v1/asks/{}/deny", ask.id))
        .await
        .unwrap_err();
    assert_eq!(again.code(), "engine.not_found");
    fixture.stop().await;
}
