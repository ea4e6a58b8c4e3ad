//! Random damage to an exported folder: bits flipped, bytes cut, doubled, swapped and spliced.
//!
//! In: a whole folder, what is trusted, a seed, how often. Out: how often the first verifier
//! reported it, and where the damage was when it did not and its statement stayed the same. A
//! verified statement that is another than the original's is a failure, and so is one that holds
//! without what it rests on.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use antiphon_ledger::trust::Trust;

use super::judge;
use super::second::Second;

/// Of so many, one is put to the second verifier, too; so is all that was not reported.
const SECOND_ONE_IN: usize = 50;
/// Bytes that a cut, a swap or a splice takes, at most.
const PIECE_BYTES_MAX: usize = 700;

/// A folder with the files that a verifier reads.
pub(crate) struct Folder {
    path: PathBuf,
    files: Vec<(String, Vec<u8>)>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) reported: u64,
    /// Where damage to the checkpoint changed nothing that is stated: the first byte and the one after
    /// the last, and how often.
    pub(crate) same: BTreeMap<(usize, usize), u64>,
    pub(crate) asked_second: u64,
}

impl Outcome {
    /// How often damage that changed nothing lay within `bytes`, and how often it went beyond.
    pub(crate) fn same_within(&self, bytes: &Range<usize>) -> (u64, u64) {
        let touching = self.same.iter().filter(|((start, end), _)| {
            bytes.contains(start) || bytes.contains(&end.saturating_sub(1))
        });
        let (within, beyond): (Vec<_>, Vec<_>) =
            touching.partition(|((start, end), _)| bytes.start <= *start && *end <= bytes.end);
        let count = |found: Vec<(_, &u64)>| found.into_iter().map(|(_, times)| times).sum();
        (count(within), count(beyond))
    }
}

impl Folder {
    /// Reads all files below `path`.
    pub(crate) fn read(path: &Path) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap().path();
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    let name = entry.strip_prefix(path).unwrap().to_str().unwrap();
                    files.push((name.to_owned(), fs::read(&entry).unwrap()));
                }
            }
        }
        files.sort();
        Self {
            path: path.to_owned(),
            files,
        }
    }

    /// Names and bytes of its files.
    pub(crate) fn files(&self) -> &[(String, Vec<u8>)] {
        &self.files
    }

    /// One of its files; the small ones as often as the large, for they matter as much.
    pub(crate) fn pick(&self, random: &mut Random) -> &(String, Vec<u8>) {
        &self.files[random.below(self.files.len())]
    }

    /// Damages it `count` times, each time from the original. `kept` is what the checkpoint must
    /// still have when the log holds: its text, and the lines of those whose keys are known.
    pub(crate) fn damage(
        &self,
        (trust, trust_path): (&Trust, &Path),
        kept: &[String],
        second: &mut Second,
        (count, seed): (u64, u64),
    ) -> Outcome {
        let original = judge::first(&self.path, trust);
        assert!(original.holds(), "it is damaged to begin with: {original}");
        let mut outcome = Outcome::default();
        for index in 0..count {
            let mut random = Random::part(seed, index);
            let (name, bytes) = self.pick(&mut random);
            let (damaged, (start, end)) = self.damaged(bytes, &mut random);
            let path = self.path.join(name);
            fs::write(&path, &damaged).unwrap();
            let verdict = judge::first(&self.path, trust);
            let place = format!("seed {seed}, {index}: {name}, bytes {start} to {end}");
            if verdict.holds() {
                assert_eq!(verdict, original, "{place}: another statement holds");
                assert_eq!(name, "checkpoint", "{place}: nothing else may be ignored");
                let note = String::from_utf8(damaged).unwrap();
                assert!(kept.iter().all(|it| note.contains(it)), "{place}: {note}");
            }
            if verdict.holds() || random.below(SECOND_ONE_IN) == 0 {
                outcome.asked_second += 1;
                let other = judge::second(second, &self.path, trust_path);
                assert_eq!(
                    verdict.holds(),
                    other.holds(),
                    "{place}: {verdict}, {other}"
                );
                if other.holds() {
                    assert_eq!(other, original, "{place}: the second states another");
                }
            }
            fs::write(&path, bytes).unwrap();
            if verdict.holds() {
                *outcome.same.entry((start, end)).or_default() += 1;
            } else {
                outcome.reported += 1;
            }
        }
        outcome
    }

    /// Other bytes, and where they differ: the first that does, and the one after the last.
    pub(crate) fn damaged(&self, bytes: &[u8], random: &mut Random) -> (Vec<u8>, (usize, usize)) {
        loop {
            let damaged = self.attempt(bytes, random);
            if damaged == bytes {
                continue;
            }
            let start = bytes
                .iter()
                .zip(&damaged)
                .take_while(|(old, new)| old == new)
                .count();
            let rest = bytes[start..]
                .iter()
                .rev()
                .zip(damaged[start..].iter().rev());
            let end = bytes.len() - rest.take_while(|(old, new)| old == new).count();
            return (damaged, (start, end));
        }
    }

    fn attempt(&self, bytes: &[u8], random: &mut Random) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        let (start, end) = piece(bytes, random);
        match random.below(10) {
            0..=4 => damaged[start] ^= 1 << random.below(8),
            5 => drop(damaged.drain(start..end)),
            6 => damaged.truncate(start),
            7 => drop(damaged.splice(start..start, bytes[start..end].iter().copied())),
            8 => {
                // Two pieces of the same file change places.
                let other = piece(bytes, random);
                let mut places = [(start, end), other];
                places.sort_unstable();
                let [(a, b), (c, d)] = places;
                if b <= c {
                    let parts = [
                        &bytes[..a],
                        &bytes[c..d],
                        &bytes[b..c],
                        &bytes[a..b],
                        &bytes[d..],
                    ];
                    damaged = parts.concat();
                }
            }
            _ => {
                // A piece of some file instead.
                let (_, strange) = self.pick(random);
                let (from, to) = piece(strange, random);
                drop(damaged.splice(start..end, strange[from..to].iter().copied()));
            }
        }
        damaged
    }
}

/// A piece of some bytes, one at least.
fn piece(bytes: &[u8], random: &mut Random) -> (usize, usize) {
    let start = random.below(bytes.len());
    let length = 1 + random.below(PIECE_BYTES_MAX);
    (start, bytes.len().min(start + length))
}

/// Numbers from a seed, so that a run can be repeated: `SplitMix64` (Steele et al. 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A source of its own for the part `index` of the same run.
    pub(crate) fn part(seed: u64, index: u64) -> Self {
        let mut source = Self(seed ^ index.wrapping_mul(0xA076_1D64_78BD_642F));
        source.next();
        source
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit`, which is not included.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}
