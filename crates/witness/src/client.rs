//! Asking a witness: one connection that is kept, one request at a time.
//!
//! In: the prefix of a witness and the body of an `add-checkpoint`. Out: status and body of the
//! answer, whatever they are; what they mean is the asker's. Invariants: an answer is bounded in
//! bytes and time; after anything that went wrong the next request begins with a new connection.
//! Not here: TLS. A witness on another machine is reached through a proxy on this one.
//! Source: C2SP tlog-witness.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

/// The longest time for one request, connecting included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer: a few lines.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where a witness is asked: `http://HOST[:PORT][/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    authority: String,
    /// The authority with its port.
    address: String,
    path: String,
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let uri: Uri = text.parse().map_err(PrefixError::NoUrl)?;
        let (scheme, authority) = (uri.scheme_str(), uri.authority());
        let (Some(scheme), Some(authority)) = (scheme, authority) else {
            return Err(PrefixError::Incomplete);
        };
        if scheme != "http" {
            return Err(PrefixError::Scheme(scheme.to_owned()));
        }
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(PrefixError::Incomplete);
        }
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self {
            authority: authority.to_string(),
            address: format!("{}:{port}", authority.host()),
            path: format!("{}/add-checkpoint", uri.path().trim_end_matches('/')),
        })
    }
}

/// Why a text is no place of a witness.
#[derive(Debug, thiserror::Error)]
pub enum PrefixError {
    /// It is no URL.
    #[error("it is no URL")]
    NoUrl(#[source] hyper::http::uri::InvalidUri),
    /// It has another scheme.
    #[error("{0} is not spoken: put a proxy that speaks it on this machine, and name that by http")]
    Scheme(String),
    /// It is not of the form `http://HOST[:PORT][/PREFIX]`.
    #[error("it is not of the form http://HOST[:PORT][/PREFIX]")]
    Incomplete,
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Why a witness gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// Where.
        address: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke, or what came over it is not HTTP.
    #[error("the connection failed")]
    Broken(#[source] hyper::Error),
    /// The request cannot be written.
    #[error("the request cannot be written")]
    Request(#[source] hyper::http::Error),
    /// The answer broke off, or is too large.
    #[error("the answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
}

/// A way to one witness.
#[derive(Debug)]
pub struct Client {
    prefix: Prefix,
    /// The connection, when the last request left one that can be used again.
    kept: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

impl Client {
    /// The way to the witness at `prefix`; nothing is connected yet.
    #[must_use]
    pub fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            kept: Mutex::new(None),
        }
    }

    /// What the witness answers to `body`.
    ///
    /// # Errors
    /// [`ClientError`] when there was no answer; a refusal is one.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the witness may have taken the request.
    pub async fn add_checkpoint(&self, body: Bytes) -> Result<Reply, ClientError> {
        let mut kept = self.kept.lock().await;
        let connection = kept.take();
        let asked = tokio::time::timeout(REQUEST_TIMEOUT, self.ask(connection, body));
        let (reply, connection) = asked.await.map_err(|_elapsed| ClientError::Timeout)??;
        *kept = Some(connection);
        Ok(reply)
    }

    async fn ask(
        &self,
        kept: Option<Connection>,
        body: Bytes,
    ) -> Result<(Reply, Connection), ClientError> {
        let usable = match kept {
            Some(mut kept) => kept.sender.ready().await.is_ok().then_some(kept),
            None => None,
        };
        let mut connection = match usable {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.prefix.path.as_str())
            .header(HOST, self.prefix.authority.as_str())
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(USER_AGENT, concat!("antiphon/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(ClientError::Request)?;
        let response = connection.sender.send_request(request).await;
        let response = response.map_err(ClientError::Broken)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body
            .collect()
            .await
            .map_err(ClientError::Answer)?
            .to_bytes();
        Ok((Reply { status, body }, connection))
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let address = self.prefix.address.as_str();
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|source| ClientError::Unreachable {
            address: address.to_owned(),
            source,
        })?;
        let (sender, driver) = handshake(TokioIo::new(stream))
            .await
            .map_err(ClientError::Broken)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(error.detail = %error, "connection to a witness ended");
            }
        });
        Ok(Connection {
            sender,
            _driver: AbortOnDropHandle::new(driver),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_names_host_port_and_path() {
        let check = |text: &str, address: &str, path: &str| {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!(
                (prefix.address.as_str(), prefix.path.as_str()),
                (address, path)
            );
        };
        check("http://w.example", "w.example:80", "/add-checkpoint");
        check(
            "http://127.0.0.1:7380/",
            "127.0.0.1:7380",
            "/add-checkpoint",
        );
        check(
            "http://[::1]:7380/a/b/",
            "[::1]:7380",
            "/a/b/add-checkpoint",
        );
    }

    #[test]
    fn what_is_no_prefix_is_refused_and_tls_is_said_to_be_a_proxys() {
        let refused = |text: &str| text.parse::<Prefix>().unwrap_err().to_string();
        assert!(refused("https://w.example").contains("proxy"));
        for text in [
            "",
            "w.example",
            "/path",
            "http://a@w.example",
            "http://w.example/?x",
        ] {
            refused(text);
        }
    }
}
