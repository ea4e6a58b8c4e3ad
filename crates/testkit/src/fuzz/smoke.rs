//! Every input that is tried in plain tests: the seeds of a target, and inputs made from them.

use std::path::Path;

use super::Target;

/// Inputs made from the seeds of each target.
const INPUTS: usize = 2_000;
/// Changes to one seed.
const CHANGES_MAX: usize = 6;

/// Pieces that parsers trip over.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[[",
    b"]",
    b",",
    b":",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"-0",
    b"1e999",
    b"9007199254740993",
    b"null",
    b"true",
    b" ",
    b"\n",
    b"'",
    b"/*",
    b"((((",
];

/// Feeds `target` its seeds, each of which must be accepted, and inputs made from them, the same on
/// every run.
///
/// # Panics
/// When a claim of the target does not hold, or it has no seeds.
pub fn smoke(target: &Target) {
    let seeds = seeds(target.name);
    let mut random = Random(7);
    for seed in &seeds {
        let shown = seed.escape_ascii();
        assert!(
            (target.feed)(seed),
            "{}: a seed is refused: {shown}",
            target.name
        );
    }
    for _ in 0..INPUTS {
        let seed = random
            .pick(&seeds)
            .unwrap_or_else(|| panic!("{} has no seeds", target.name));
        (target.feed)(&change(seed.clone(), &mut random));
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(std::fs::read).collect()
}

fn change(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(CHANGES_MAX) {
        let at = random.below(bytes.len() + 1);
        let end = bytes.len().min(at + random.below(16));
        match random.below(4) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again: Vec<u8> = bytes.drain(at..end).collect();
                bytes.splice(at..at, [again.as_slice(), &again].concat());
            }
            _ => {
                let piece = random.pick(PIECES).copied().unwrap_or_default();
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// `SplitMix64` (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or_default() % limit.max(1)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}
