//! Producers: each makes a signal of about a kilobyte from bytes, with a key of its own, and waits
//! until it is durable.

use std::time::{Duration, Instant};

use antiphon_core::name::{SignalName, SourceName};
use antiphon_core::signal::{Draft, Facts, Key};
use antiphon_engine::handle::Handle;
use tokio::task::JoinSet;

use crate::commands::bench::samples::Samples;
use crate::failure::Failure;

/// Bytes of one signal's facts when nothing else is said.
pub(super) const FACTS_BYTES: usize = 1_000;

/// Who produces, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Part of every key: two loads on one root do not repeat each other.
    pub(super) label: &'static str,
    /// Signals in flight at most.
    pub(super) producers: u32,
    /// How long each producer goes on.
    pub(super) until: Until,
    /// Bytes of each signal's facts, about.
    pub(super) facts_bytes: usize,
}

/// How long a producer goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// So many signals.
    Count(u32),
    /// So long.
    Over(Duration),
}

impl Load {
    /// Runs all producers to their end.
    pub(super) async fn run(self, handle: &Handle) -> Result<Samples, Failure> {
        let rest = rest_of_facts(self.facts_bytes);
        let started = Instant::now();
        let mut running = JoinSet::new();
        for number in 0..self.producers {
            let producer = Producer {
                load: self,
                number,
                rest: rest.clone(),
                handle: handle.clone(),
            };
            running.spawn(producer.run(started));
        }
        let mut samples = Samples::default();
        while let Some(ended) = running.join_next().await {
            let produced = ended.map_err(|panicked| Failure::Bug {
                what: "a producer panicked".to_owned(),
                source: Some(Box::new(panicked)),
            });
            samples.append(produced??);
        }
        Ok(samples.end(started.elapsed()))
    }
}

struct Producer {
    load: Load,
    number: u32,
    rest: String,
    handle: Handle,
}

impl Producer {
    async fn run(self, started: Instant) -> Result<Samples, Failure> {
        let refused = |error: &dyn std::fmt::Display| {
            Failure::bench(&format!("a signal was not taken: {error}"))
        };
        let name = SignalName::new("Q_BENCH_APPEND").map_err(|error| refused(&error))?;
        let source = SourceName::new("bench").map_err(|error| refused(&error))?;
        let mut samples = Samples::default();
        let mut n = 0_u32;
        loop {
            let begun = Instant::now();
            let is_over = match self.load.until {
                Until::Count(most) => n >= most,
                Until::Over(longest) => begun.duration_since(started) >= longest,
            };
            if is_over {
                return Ok(samples);
            }
            let text = format!(r#"{{"n":{n},"producer":{},{}"#, self.number, self.rest);
            let facts = Facts::parse(text.as_bytes()).map_err(|error| refused(&error))?;
            let key = format!("{}-{}-{n}", self.load.label, self.number);
            let mut draft = Draft::new(name.clone(), source.clone(), facts);
            draft.key = Some(Key::new("bench", key.as_bytes(), &name, &draft.facts));
            let submitted = self.handle.submit(draft).await;
            submitted.map_err(|error| refused(&error))?;
            samples.add(begun.elapsed());
            n += 1;
        }
    }
}

/// What stands in every signal's facts behind its numbers: members of every kind.
fn rest_of_facts(facts_bytes: usize) -> String {
    const VALUES: [&str; 4] = [
        r#""a word or two of text""#,
        "1234567",
        r#"[1,2.5,"three",null]"#,
        r#"{"inner":true,"of":"an object"}"#,
    ];
    let mut members = Vec::new();
    let mut bytes = 0;
    for (place, value) in VALUES.iter().cycle().enumerate() {
        if bytes > facts_bytes.saturating_sub(60) {
            break;
        }
        let member = format!(r#""member_{place:02}":{value}"#);
        bytes += member.len() + 1;
        members.push(member);
    }
    members.join(",") + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_about_as_many_bytes_as_it_should() {
        for bytes in [500, FACTS_BYTES] {
            let text = format!(r#"{{"n":1,"producer":1,{}"#, rest_of_facts(bytes));
            let facts = Facts::parse(text.as_bytes()).unwrap();
            assert!((bytes - 60..=bytes + 60).contains(&facts.text().len()));
        }
    }
}
