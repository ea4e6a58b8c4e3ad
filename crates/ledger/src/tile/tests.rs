//! Paths and widths of the specification, and bundles that are cut or go on.

use proptest::prelude::*;

use super::*;

const LEAVES: TileKind = TileKind::Hashes { level: 0 };

fn path(kind: TileKind, index: u64, width: u16) -> TilePath {
    TilePath { kind, index, width }
}

#[test]
fn paths_are_written_as_the_specification_says() {
    let check = |tile: TilePath, text: &str| {
        assert_eq!(tile.to_string(), text);
        assert_eq!(text.parse(), Ok(tile));
    };
    check(path(LEAVES, 0, 256), "tile/0/000");
    check(path(LEAVES, 999, 256), "tile/0/999");
    check(path(LEAVES, 1_000, 256), "tile/0/x001/000");
    check(path(LEAVES, 1_234_067, 256), "tile/0/x001/x234/067");
    check(path(LEAVES, 5, 1), "tile/0/005.p/1");
    check(
        path(TileKind::Hashes { level: 63 }, 0, 255),
        "tile/63/000.p/255",
    );
    check(
        path(TileKind::Entries, 1_000_000, 17),
        "tile/entries/x001/x000/000.p/17",
    );
    check(path(TileKind::Bodies, 1_234, 256), "body/x001/234");
    let last = "tile/0/x009/x223/x372/x036/x854/x775/807";
    check(path(LEAVES, text::NUMBER_MAX, 256), last);
}

#[test]
fn any_other_form_of_a_path_is_refused() {
    let places = [
        "",
        "0",
        "00",
        "0000",
        "x000",
        "x000/000",
        "x000/x001/000",
        "001/000",
        "x001",
        "x001/x002",
        "x01/000",
        "x0001/000",
        "X001/000",
        "000/",
        "/000",
        "000.p",
        "000.p/",
        "000.p/0",
        "000.p/01",
        "000.p/256",
        "000.p/-1",
        "000.p/1/",
        "000.p/1.p/1",
        "+00",
        "0 0",
        "٠٠٠",
        "x009/x223/x372/x036/x854/x775/808",
        "x018/x446/x744/x073/x709/x551/616",
        "x001/x000/x000/x000/x000/x000/x000/000",
    ];
    for (prefix, place) in ["tile/0", "tile/entries", "body"]
        .into_iter()
        .flat_map(|prefix| places.map(|place| (prefix, place)))
    {
        let path = format!("{prefix}/{place}");
        assert_eq!(path.parse::<TilePath>(), Err(TilePathError), "{path}");
    }
    for path in [
        "",
        "tile",
        "tile/",
        "tile/000",
        "/tile/0/000",
        "tile/64/000",
        "tile/00/000",
        "tile/-1/000",
        "tile//000",
        "tile/x/000",
        "tile/bodies/000",
        "body",
        "body/0/000",
        "entries/000",
        "tile/0/000\n",
        "tile/0/..",
        "tile/0/000?x",
    ] {
        assert_eq!(path.parse::<TilePath>(), Err(TilePathError), "{path}");
    }
}

/// A tree of 70,000 leaves is the example of the specification.
#[test]
fn a_tree_has_the_tiles_that_the_specification_says() {
    let tiles: Vec<TilePath> = TilePath::all(70_000).collect();
    let of = |kind| tiles.iter().filter(move |tile| tile.kind() == kind);
    for kind in [LEAVES, TileKind::Entries, TileKind::Bodies] {
        assert_eq!(of(kind).count(), 274);
        assert_eq!(of(kind).filter(|tile| tile.is_full()).count(), 273);
        assert_eq!(of(kind).next_back().unwrap().width(), 112);
    }
    let level = |level| TileKind::Hashes { level };
    let widths = |kind| of(kind).map(TilePath::width).collect::<Vec<_>>();
    assert_eq!(widths(level(1)), [256, 17]);
    assert_eq!(widths(level(2)), [1]);
    assert_eq!(of(level(3)).count(), 0);

    let names = |size| {
        TilePath::all(size)
            .map(|tile| tile.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(0), Vec::<String>::new());
    assert_eq!(
        names(1),
        ["tile/0/000.p/1", "tile/entries/000.p/1", "body/000.p/1"]
    );
    let whole = [
        "tile/0/000",
        "tile/1/000.p/1",
        "tile/entries/000",
        "body/000",
    ];
    assert_eq!(names(256), whole);
}

#[test]
fn a_tile_is_within_a_tree_that_has_all_its_hashes() {
    for size in 0..=1_025 {
        for tile in TilePath::all(size) {
            assert!(tile.is_within(size) && tile.is_within(size + 1), "{tile}");
            let smaller = tile.is_within(size.saturating_sub(1));
            let is_last = tile.start() + u64::from(tile.width()) == tile.kind().count(size);
            let grew = tile.kind().count(size) > tile.kind().count(size.saturating_sub(1));
            assert_eq!(smaller, !(is_last && grew), "{tile} in {size}");
        }
    }
    assert!(!path(TileKind::Hashes { level: 63 }, 0, 1).is_within(u64::MAX));
    assert!(!path(LEAVES, text::NUMBER_MAX, 256).is_within(u64::MAX - 1));
    assert_eq!(TilePath::at(LEAVES, u64::MAX, u64::MAX), None);
}

#[test]
fn bundles_are_lengths_and_bytes() {
    let entries: [&[u8]; 3] = [b"one", b"", b"three"];
    let bundle = encode_entries(entries).unwrap();
    assert_eq!(bundle, b"\0\x03one\0\0\0\x05three");
    assert_eq!(decode_entries(&bundle, 3).unwrap(), entries);
    let bodies: [Option<&[u8]>; 3] = [Some(b"one"), None, Some(b"")];
    let bundle = encode_bodies(bodies).unwrap();
    assert_eq!(bundle, b"\0\0\0\x03one\xff\xff\xff\xff\0\0\0\0");
    assert_eq!(decode_bodies(&bundle, 3).unwrap(), bodies);
}

#[test]
fn a_bundle_that_is_cut_or_goes_on_is_refused() {
    let entries = encode_entries([b"one".as_slice(), b"two"]).unwrap();
    let bodies = encode_bodies([Some(b"one".as_slice()), None]).unwrap();
    for end in 0..entries.len() {
        assert!(decode_entries(&entries[..end], 2).is_err(), "{end}");
    }
    for end in 0..bodies.len() {
        assert!(decode_bodies(&bodies[..end], 2).is_err(), "{end}");
    }
    for width in [0, 1, 3, 257] {
        assert!(decode_entries(&entries, width).is_err(), "{width}");
        assert!(decode_bodies(&bodies, width).is_err(), "{width}");
    }
}

#[test]
fn what_does_not_fit_a_bundle_is_refused() {
    let longest = vec![0; ENTRY_BYTES_MAX];
    let too_long = vec![0; ENTRY_BYTES_MAX + 1];
    assert!(encode_entries([longest.as_slice()]).is_ok());
    assert_eq!(
        encode_entries([too_long.as_slice()]),
        Err(BundleError::TooLong)
    );
    assert_eq!(encode_entries([]), Err(BundleError::Width));
    assert!(encode_entries([b"".as_slice(); 256]).is_ok());
    assert_eq!(
        encode_entries([b"".as_slice(); 257]),
        Err(BundleError::Width)
    );
    assert_eq!(encode_bodies([None; 257]), Err(BundleError::Width));
}

proptest! {
    #[test]
    fn a_path_that_is_read_is_written_the_same(path in "(tile/[0-9]{1,2}|tile/entries|body)(/x[0-9]{3}){0,3}/[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = path.parse::<TilePath>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn a_path_that_is_written_is_read_the_same(level in 0..=LEVEL_MAX, index in 0..=text::NUMBER_MAX, width in 1..=256_u16) {
        for kind in [TileKind::Hashes { level }, TileKind::Entries, TileKind::Bodies] {
            let tile = path(kind, index, width);
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }
    }

    #[test]
    fn bundles_come_back_as_they_went(items in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 1..=256)) {
        let width = u16::try_from(items.len()).unwrap();
        let bodies: Vec<Option<&[u8]>> = items.iter().map(Option::as_deref).collect();
        let bundle = encode_bodies(bodies.iter().copied()).unwrap();
        prop_assert_eq!(decode_bodies(&bundle, width).unwrap(), bodies.clone());
        let entries: Vec<&[u8]> = bodies.iter().map(|body| body.unwrap_or_default()).collect();
        let bundle = encode_entries(entries.iter().copied()).unwrap();
        prop_assert_eq!(decode_entries(&bundle, width).unwrap(), entries);
    }
}
