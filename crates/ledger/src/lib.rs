//! Placeholder.
/// A hash.
pub type Hash = [u8; 32];
/// Head.
#[derive(Debug)]
pub struct TreeHead;
impl TreeHead { /// root of nothing
 pub const EMPTY_ROOT: Hash = [0; 32]; }
