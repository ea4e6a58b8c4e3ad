//! Files of the exported folder that were cut, changed, lengthened or removed.

use super::Kind;

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "cut: all but the checkpoint",
        expected: Some("checkpoint.size"),
        damage: |case| {
            case.file("tile/entries/000", |_| None);
            case.file("tile/entries/001", |_| None);
            case.file("tile/entries/002.p/88", |_| None);
        },
    },
    Kind {
        name: "cut: all",
        expected: Some("checkpoint.missing"),
        damage: |case| {
            case.file("tile/entries/000", |_| None);
            case.file("checkpoint", |_| None);
        },
    },
    Kind {
        name: "cut: the last bundle",
        expected: Some("checkpoint.size"),
        damage: |case| {
            case.file("tile/entries/002.p/88", |_| None);
        },
    },
    Kind {
        name: "cut: within the last entry",
        expected: Some("checkpoint.size"),
        damage: |case| {
            case.file("tile/entries/002.p/88", |mut bytes| {
                bytes.pop();
                Some(bytes)
            });
        },
    },
    Kind {
        name: "cut: within the last body",
        expected: Some("body.length"),
        damage: |case| {
            case.file("body/001", |mut bytes| {
                bytes.pop();
                Some(bytes)
            });
        },
    },
    Kind {
        name: "cut: a bundle of bodies",
        expected: Some("body.length"),
        damage: |case| {
            case.file("body/001", |_| None);
        },
    },
    Kind {
        name: "cut: the checkpoint's last byte",
        expected: Some("checkpoint.malformed"),
        damage: |case| {
            case.file("checkpoint", |mut bytes| {
                bytes.pop();
                Some(bytes)
            });
        },
    },
    Kind {
        name: "behind: a byte after the entries",
        expected: Some("envelope.malformed"),
        damage: |case| {
            case.file("tile/entries/002.p/88", |bytes| {
                Some([&bytes[..], &[0]].concat())
            });
        },
    },
    Kind {
        name: "behind: the first entry once more",
        expected: Some("envelope.malformed"),
        damage: |case| {
            case.file("tile/entries/001", |bytes| {
                Some([&bytes[..], &bytes[..300]].concat())
            });
        },
    },
    Kind {
        name: "behind: a byte after the bodies",
        expected: Some("body.length"),
        damage: |case| {
            case.file("body/000", |bytes| Some([&bytes[..], &[0]].concat()));
        },
    },
    Kind {
        name: "behind: a file that is none of the log's",
        expected: None,
        damage: |case| {
            case.file("tile/0/002.p/87", |_| Some(b"older".to_vec()));
        },
    },
    Kind {
        name: "flip: a bit of an envelope",
        expected: Some("chain.prev"),
        damage: |case| {
            // The kind of the record: `report.refused` becomes `seport.refused`.
            case.edit(301, "report", "seport");
        },
    },
    Kind {
        name: "flip: a bit of an entry's length",
        expected: Some("envelope.malformed"),
        damage: |case| {
            case.file("tile/entries/001", flip(1));
        },
    },
    Kind {
        name: "flip: a bit of a salt",
        expected: Some("body.hash"),
        damage: |case| {
            case.file("body/000", flip(4));
        },
    },
    Kind {
        name: "flip: a bit of a body",
        expected: Some("body.hash"),
        damage: |case| {
            case.file("body/000", flip(40));
        },
    },
    Kind {
        name: "flip: a bit of a tile of leaves",
        expected: Some("tile.mismatch"),
        damage: |case| {
            case.file("tile/0/001", flip(100));
        },
    },
    Kind {
        name: "flip: a bit of a tile at the edge",
        expected: Some("tile.mismatch"),
        damage: |case| {
            case.file("tile/0/002.p/88", flip(100));
        },
    },
    Kind {
        name: "flip: a bit of a tile above",
        expected: Some("tile.mismatch"),
        damage: |case| {
            case.file("tile/1/000.p/2", flip(33));
        },
    },
    Kind {
        name: "flip: a bit of the checkpoint's root",
        expected: Some("checkpoint.root"),
        damage: |case| {
            case.file("checkpoint", flip_in(b"\n600\n", 5));
        },
    },
    Kind {
        name: "flip: a bit of the checkpoint's origin",
        expected: Some("checkpoint.origin"),
        damage: |case| {
            case.file("checkpoint", flip(0));
        },
    },
    Kind {
        name: "flip: a bit of the checkpoint's signature",
        expected: Some("checkpoint.signature"),
        damage: |case| {
            case.file("checkpoint", |mut bytes| {
                let at = bytes.len() - 20;
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                Some(bytes)
            });
        },
    },
    Kind {
        name: "tile: removed",
        expected: Some("tile.missing"),
        damage: |case| {
            case.file("tile/0/001", |_| None);
        },
    },
    Kind {
        name: "tile: removed at the edge",
        expected: Some("tile.missing"),
        damage: |case| {
            case.file("tile/1/000.p/2", |_| None);
        },
    },
    Kind {
        name: "tile: longer than its name says",
        expected: Some("tile.mismatch"),
        damage: |case| {
            case.file("tile/0/002.p/88", |bytes| {
                Some([&bytes[..], &[0; 32]].concat())
            });
        },
    },
];

/// Changes the lowest bit of the byte at a place.
fn flip(at: usize) -> impl Fn(Vec<u8>) -> Option<Vec<u8>> {
    move |mut bytes| {
        bytes[at] ^= 1;
        Some(bytes)
    }
}

/// The same, so many bytes behind where `text` begins. In Base64 it makes another letter of most.
fn flip_in(text: &'static [u8], behind: usize) -> impl Fn(Vec<u8>) -> Option<Vec<u8>> {
    move |bytes| {
        let at = bytes.windows(text.len()).position(|it| it == text).unwrap();
        flip(at + behind)(bytes)
    }
}
