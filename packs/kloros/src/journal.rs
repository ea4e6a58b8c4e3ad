//! Files of JSON lines: a line is there whole or not at all, and the newest is found first.
//!
//! In: an open, locked file; a line, or a question. Out: the file one line longer, or the newest line
//! that answers. A line that is no JSON is passed over: a journal outlives a writer that died. No
//! index and no high-water mark: marks that collide or mix formats are how the original lost records
//! (defect 45). Where a journal is, and its lock: [`crate::paths::Root::journal`].

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::Error;

/// Bytes that are read at a time.
const CHUNK_BYTES: u64 = 64 * 1024;
/// Bytes of one line; longer ones are passed over.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A file of JSON lines, locked: it only grows, and a line is there whole or not at all.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// The journal in `file`, open for appending and locked, which stands at `path`.
    pub(crate) fn new(file: File, path: &Path) -> Self {
        Self {
            file,
            path: path.to_owned(),
        }
    }

    /// The file, to look for lines in.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Appends `line` and a line feed; it is on disk when this returns. A line that another writer
    /// left without its end is ended first, so that it cannot swallow this one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn append(&mut self, line: &str) -> Result<(), Error> {
        let failed = |source: io::Error| Error::io("append to", &self.path, source);
        let mut text = String::with_capacity(line.len().saturating_add(2));
        if is_torn(&self.file).map_err(failed)? {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_all())
            .map_err(failed)
    }
}

/// The newest line of `file` that is a JSON object, holds `needle` as bytes, and of which
/// `is_meant` says yes.
///
/// # Errors
/// What reading the file met.
pub fn find_newest(
    file: &File,
    needle: &str,
    is_meant: impl Fn(&Map<String, Value>) -> bool,
) -> io::Result<Option<Map<String, Value>>> {
    let mut end = file.metadata()?.len();
    // The beginning of a line whose rest was read already.
    let mut rest: Vec<u8> = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        file.read_exact_at(&mut bytes, start)?;
        bytes.append(&mut rest);
        let whole_from = if start == 0 {
            0
        } else {
            bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(bytes.len(), |at| at + 1)
        };
        let (first, whole) = bytes.split_at(whole_from.min(bytes.len()));
        for line in whole.rsplit(|byte| *byte == b'\n') {
            if let Some(object) = object_of(line, needle)
                && is_meant(&object)
            {
                return Ok(Some(object));
            }
        }
        rest = first.to_vec();
        if rest.len() > LINE_BYTES_MAX {
            rest.truncate(0);
        }
        end = start;
    }
    Ok(None)
}

/// Whether `file` ends within a line.
fn is_torn(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(last) = length.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

fn object_of(line: &[u8], needle: &str) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(line).ok()?;
    if text.len() > LINE_BYTES_MAX || !text.contains(needle) {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(content: &str, needle: &str) -> Option<u64> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        std::fs::write(&path, content).unwrap();
        let file = File::open(path).unwrap();
        let found = find_newest(&file, needle, |line| line["id"] == needle).unwrap();
        found.map(|line| line["n"].as_u64().unwrap())
    }

    #[test]
    fn e45_the_newest_line_that_is_meant_is_found_past_torn_and_foreign_lines() {
        let lines = concat!(
            "{\"id\":\"a\",\"n\":1}\n",
            "{\"id\":\"a\",\"n\":2}\n",
            "{\"id\":\"b\",\"n\":3,\"note\":\"about a\"}\n",
            "{\"id\":1.5,\"n\":4}\n",
            "{\"id\":\"a\",\"n\"\n",
            "\n{\"id\":\"b\""
        );
        assert_eq!(find(lines, "a"), Some(2));
        assert_eq!(find(lines, "b"), Some(3));
        assert_eq!(find(lines, "c"), None);
        assert_eq!(find("", "a"), None);
    }

    #[test]
    fn lines_longer_than_a_chunk_are_found_and_endless_ones_are_passed_over() {
        let long = format!(
            "{{\"id\":\"long\",\"n\":7,\"x\":\"{}\"}}\n",
            "y".repeat(200_000)
        );
        let endless = format!(
            "{{\"id\":\"long\",\"n\":9,\"x\":\"{}\"}}\n",
            "y".repeat(3_000_000)
        );
        let many = "{\"id\":\"other\",\"n\":8}\n".repeat(20_000);
        assert_eq!(
            find(&format!("{long}{many}{endless}{many}"), "long"),
            Some(7)
        );
    }

    #[test]
    fn a_torn_line_does_not_swallow_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let root = crate::paths::Root::open(directory.path(), "run-1").unwrap();
        std::fs::write(
            directory.path().join("j.jsonl"),
            b"{\"whole\":1}\n{\"torn\":",
        )
        .unwrap();
        root.journal(Path::new("j.jsonl"))
            .unwrap()
            .append("{\"next\":1}")
            .unwrap();
        let text = std::fs::read_to_string(directory.path().join("j.jsonl")).unwrap();
        assert_eq!(text, "{\"whole\":1}\n{\"torn\":\n{\"next\":1}\n");
    }
}
