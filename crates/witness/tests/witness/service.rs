//! A witness that serves on a port of this machine.

use std::path::Path;
use std::sync::Arc;

use antiphon_ledger::key::{Algorithm, SigningKey, VerifierKey};
use antiphon_witness::serve::serve;
use antiphon_witness::{Client, Reply, Witness, add};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Log;

pub(crate) struct Service {
    pub(crate) witness: Arc<Witness>,
    pub(crate) address: String,
    closing: CancellationToken,
    serving: JoinHandle<()>,
}

/// The key of the witness.
pub(crate) fn key() -> SigningKey {
    SigningKey::new("witness.example/w1", Algorithm::CosignatureV1, &[9; 32]).unwrap()
}

impl Service {
    /// A witness of `logs` in `folder`.
    pub(crate) async fn start(folder: &Path, logs: &[&Log]) -> Self {
        for log in logs {
            add(folder, &log.origin, log.verifier()).unwrap();
        }
        let witness = Arc::new(Witness::open(folder, key()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let closing = CancellationToken::new();
        let serving = serve(listener, Arc::clone(&witness), closing.clone());
        Self {
            witness,
            address,
            closing,
            serving: tokio::spawn(serving),
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(format!("http://{}/prefix", self.address).parse().unwrap())
    }

    pub(crate) fn key(&self) -> VerifierKey {
        self.witness.key().clone()
    }

    pub(crate) async fn ask(&self, body: impl Into<Bytes>) -> Reply {
        self.client().add_checkpoint(body.into()).await.unwrap()
    }

    /// The size that was cosigned last of `log`.
    pub(crate) fn size(&self, log: &Log) -> u64 {
        let seen = self.witness.seen().unwrap();
        let (_, head) = seen
            .iter()
            .find(|(origin, _)| *origin == log.origin)
            .unwrap();
        assert_eq!(*head, log.head(head.size), "what is kept is the log's own");
        head.size
    }

    pub(crate) async fn stop(self) {
        self.closing.cancel();
        self.serving.await.unwrap();
    }
}
