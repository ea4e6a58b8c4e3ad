//! The newest signed checkpoint, kept beside the log and not in it.
//!
//! In: the text of a signed note, as it is. Out: what it says, who signed it, when there is a new one.
//! Source: `docs/adr/0007-checkpoints-beside-the-log.md`.

use std::io;

/// Where the newest checkpoint of a root lies; verbs block.
///
/// An implementation MUST, when `save` returns `Ok`, have the note on stable storage, and MUST leave
/// either what was there or the new note, whole, whatever happens meanwhile. One thread at a time
/// saves.
pub trait Checkpoints: Send + Sync {
    /// The note that was saved last; `None` when there is none.
    ///
    /// # Errors
    /// The system's, also when something else stands in its place.
    fn load(&self) -> io::Result<Option<Vec<u8>>>;

    /// Puts `note` in the place of what was saved before.
    ///
    /// # Errors
    /// The system's: a full disk, a failing one. The note before still stands, or the new one does.
    fn save(&self, note: &[u8]) -> io::Result<()>;
}
