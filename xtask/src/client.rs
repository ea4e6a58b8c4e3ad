//! A client that is just enough HTTP/1.1 to load the owner's Unix socket.
//!
//! In: one request at a time on a kept connection, answers with a length. Out: everything else of
//! HTTP. It is written apart from the product's own client on purpose.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take before the connection counts as lost.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Bytes of an answer's body.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Speaks to whichever owner listens on a socket, on one connection until that is lost.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    connection: Option<Connection>,
}

impl Client {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            connection: None,
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.ask(|connection| connection.get(path))
    }

    /// Posts the JSON `body` under an idempotency key.
    pub(crate) fn post(&mut self, path: &str, key: &str, body: &str) -> Result<Answer> {
        self.ask(|connection| connection.post(path, key, body))
    }

    /// The next one that is asked is another owner.
    pub(crate) fn forget(&mut self) {
        self.connection = None;
    }

    fn ask(&mut self, ask: impl FnOnce(&mut Connection) -> Result<Answer>) -> Result<Answer> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.socket)?,
        };
        let connection = self.connection.insert(connection);
        ask(connection).inspect_err(|_lost| self.connection = None)
    }
}

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: antiphon\r\n\r\n");
        self.exchange(head.as_bytes())
    }

    /// Posts the JSON `body` under an idempotency key.
    pub(crate) fn post(&mut self, path: &str, key: &str, body: &str) -> Result<Answer> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: antiphon\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.exchange(request.as_bytes())
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.get_mut().write_all(request)?;
        let status = self.read_line()?;
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| broken("no status"))?;
        let mut length = None;
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let length = length.ok_or_else(|| broken("an answer without a length"))?;
        if length > BODY_BYTES_MAX {
            return Err(broken("an answer beyond all measure"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body })
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    }
}

/// A text of an object; empty when it has none.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_answer_is_read_to_its_length_and_the_connection_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for body in ["first", "second!"] {
                while !lines.next().unwrap().unwrap().is_empty() {}
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 202 Accepted\r\ncontent-length: {length}\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        let mut connection = Connection::open(&socket).unwrap();
        for body in ["first", "second!"] {
            let answer = connection.get("/").unwrap();
            assert_eq!(
                (answer.status, answer.body),
                (202, body.as_bytes().to_vec())
            );
        }
        server.join().unwrap();
        assert!(
            connection.get("/").is_err(),
            "a closed connection is an error"
        );
    }
}
