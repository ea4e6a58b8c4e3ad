//! The ways to the witnesses of the configuration: the engine's port over `antiphon-witness`.

use std::error::Error as _;
use std::sync::Arc;

use antiphon_engine::ports::executor::Answer;
use antiphon_engine::ports::witness::{AsksWitness, Witness, WitnessReply};
use antiphon_witness::{Client, ClientError};

use crate::config::witnesses::WitnessConfig;

/// A witness for each of the configuration.
pub(crate) fn ways(list: &[WitnessConfig]) -> Vec<Witness> {
    let way = |witness: &WitnessConfig| Witness {
        name: witness.name.clone(),
        key: witness.key.clone(),
        way: Arc::new(Way(Client::new(witness.prefix.clone()))),
    };
    list.iter().map(way).collect()
}

/// The way to one.
struct Way(Client);

impl AsksWitness for Way {
    fn add_checkpoint(&self, body: Vec<u8>) -> Answer<'_, Result<WitnessReply, String>> {
        Box::pin(async move {
            let reply = self.0.add_checkpoint(body.into()).await;
            let reply = reply.map_err(|error| told(&error))?;
            Ok(WitnessReply {
                status: reply.status,
                body: reply.body.to_vec(),
            })
        })
    }
}

/// The error and its causes in one line.
fn told(error: &ClientError) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}
