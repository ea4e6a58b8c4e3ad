//! A client that is just enough HTTP/1.1 for the owner's socket: one request, one connection.
//!
//! Written apart from the product's own client on purpose, so that it can also say what no honest
//! client says.

use std::io::{Read as _, Result, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::PATIENCE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        Some(Self {
            status: head.split(' ').nth(1)?.parse().ok()?,
            head,
            body: bytes[end + 4..].to_vec(),
        })
    }
}

/// Sends these bytes over a connection of their own and reads the answer to its end.
pub(crate) fn exchange(socket: &Path, request: &[u8]) -> Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Whoever refuses a request early does not read the rest of it.
    let sent = stream.write_all(request);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    match Answer::parse(&bytes) {
        Some(answer) => Ok(answer),
        None => Err(sent.and(read.map(drop)).err().unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            std::io::Error::other(format!("no answer: {text:?}"))
        })),
    }
}

/// `method path` with a body of a type.
pub(crate) fn request(
    socket: &Path,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut head = format!(
        "{line} HTTP/1.1\r\nHost: antiphon\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    let mut bytes = format!("{head}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    exchange(socket, &bytes)
}
