//! The client of the API: one connection, over a Unix socket or a stream in memory.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::AbortOnDropHandle;

use crate::problem::Problem;

/// Bytes of one server-sent event: a signal with the largest facts, and what stands around it.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The owner refused it, and says why.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// The connection broke.
    #[error("the connection to the owner broke")]
    Broken(#[source] hyper::Error),
    /// The request could not be made.
    #[error("the request cannot be made")]
    Request(#[source] hyper::http::Error),
    /// The answer is not understood.
    #[error("the owner's answer is not understood")]
    Answer(#[source] serde_json::Error),
    /// An event is larger than any event may be.
    #[error("an event of the stream is larger than {EVENT_BYTES_MAX} bytes")]
    EventTooLarge,
}

impl ClientError {
    /// Its stable code: the owner's, when it refused.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            ClientError::Refused(problem) => &problem.code,
            ClientError::Broken(_) | ClientError::Request(_) => "owner.unreachable",
            ClientError::Answer(_) | ClientError::EventTooLarge => "owner.answer",
        }
    }
}

/// A connection to an owner.
#[derive(Debug)]
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    _connection: AbortOnDropHandle<()>,
}

impl Client {
    /// Speaks over `stream`.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub async fn over<S>(stream: S) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(ClientError::Broken)?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error.detail = %error, "connection to the owner ended");
            }
        });
        Ok(Self {
            sender,
            _connection: AbortOnDropHandle::new(connection),
        })
    }

    /// What `GET path` answers, as JSON text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_text(&mut self, path: &str) -> Result<String, ClientError> {
        let response = self.send(Method::GET, path, &[], Bytes::new()).await?;
        text(response).await
    }

    /// What `GET path` answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        parse(&self.get_text(path).await?)
    }

    /// What `POST path` with `body` answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(ClientError::Answer)?;
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let response = self.send(Method::POST, path, &headers, body.into()).await?;
        parse(&text(response).await?)
    }

    /// What `POST path` without a body answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn act<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        let response = self.send(Method::POST, path, &[], Bytes::new()).await?;
        parse(&text(response).await?)
    }

    /// The server-sent events of `GET path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(mut self, path: &str) -> Result<Events, ClientError> {
        let headers = [(ACCEPT, HeaderValue::from_static("text/event-stream"))];
        let response = self.send(Method::GET, path, &headers, Bytes::new()).await?;
        Ok(Events {
            body: response.into_body(),
            buffer: Vec::new(),
            taken: 0,
            _client: self,
        })
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "antiphon")
            .body(Full::new(body))
            .map_err(ClientError::Request)?;
        request.headers_mut().extend(headers.iter().cloned());
        self.sender.ready().await.map_err(ClientError::Broken)?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(ClientError::Broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(ClientError::Refused(Box::new(parse(
            &text(response).await?,
        )?)))
    }
}

async fn text(response: Response<Incoming>) -> Result<String, ClientError> {
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(ClientError::Broken)?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ClientError> {
    serde_json::from_str(text).map_err(ClientError::Answer)
}

/// Server-sent events as they come.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: Vec<u8>,
    taken: usize,
    _client: Client,
}

impl Events {
    /// The JSON text of the next signal; `None` when the stream has ended.
    ///
    /// # Errors
    /// [`ClientError`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call goes on.
    pub async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            if let Some(event) = self.take_event() {
                match field(&event, "event") {
                    Some("signal") => return Ok(field(&event, "data").map(str::to_owned)),
                    Some("problem") => {
                        let problem = parse(field(&event, "data").unwrap_or_default())?;
                        return Err(ClientError::Refused(Box::new(problem)));
                    }
                    _ => continue,
                }
            }
            if self.buffer.len().saturating_sub(self.taken) > EVENT_BYTES_MAX {
                return Err(ClientError::EventTooLarge);
            }
            match self
                .body
                .frame()
                .await
                .transpose()
                .map_err(ClientError::Broken)?
            {
                None => return Ok(None),
                Some(frame) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.buffer.drain(..self.taken);
                    self.taken = 0;
                    self.buffer.extend_from_slice(&data);
                }
            }
        }
    }

    /// The next whole event that has come.
    fn take_event(&mut self) -> Option<String> {
        let rest = self.buffer.get(self.taken..)?;
        let end = rest.windows(2).position(|pair| pair == b"\n\n")?;
        let event = String::from_utf8_lossy(rest.get(..end)?).into_owned();
        self.taken = self.taken.saturating_add(end).saturating_add(2);
        Some(event)
    }
}

fn field<'a>(event: &'a str, name: &str) -> Option<&'a str> {
    event
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
