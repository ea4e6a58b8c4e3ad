//! Checkpoints of the specification, and every way in which a text is none.

use super::*;
use crate::key::Algorithm;

/// The example of C2SP tlog-checkpoint.
const EXAMPLE: &str = "example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
";

#[test]
fn the_example_of_the_specification_is_read_and_written() {
    let checkpoint: Checkpoint = EXAMPLE.parse().unwrap();
    assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size(), 20_852_163);
    assert_eq!(checkpoint.root()[..3], [0x0a, 0xc5, 0x18]);
    assert_eq!(checkpoint.to_string(), EXAMPLE);
}

#[test]
fn a_signed_checkpoint_is_a_note_of_its_text() {
    let key = SigningKey::new("log", Algorithm::Ed25519, &[1; 32]).unwrap();
    let checkpoint = Checkpoint::new("log", TreeHead::EMPTY).unwrap();
    let note = checkpoint.sign(&key).unwrap();
    assert!(note.verified_by(key.verifier()));
    assert_eq!(note.text().parse(), Ok(checkpoint));
    let empty = "log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    assert_eq!(note.text(), empty);
}

#[test]
fn extension_lines_are_read_and_never_written() {
    let extended = format!("{EXAMPLE}extension\n\u{2014} another\n");
    let checkpoint: Checkpoint = extended.parse().unwrap();
    assert_eq!(checkpoint.to_string(), EXAMPLE);
}

#[test]
fn a_text_that_is_no_checkpoint_is_refused() {
    let check = |text: &str| {
        let refused = text.parse::<Checkpoint>().map_err(|error| error.code());
        assert_eq!(refused, Err("checkpoint.malformed"), "{text:?}");
    };
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    check("");
    check("\n");
    check("log\n1\n");
    check(EXAMPLE.trim_end());
    check(&format!("\n{EXAMPLE}"));
    check(&format!("{EXAMPLE}\n"));
    check(&format!("{EXAMPLE}extension\n\nanother\n"));
    for size in [
        "",
        "01",
        "00",
        "-1",
        "+1",
        "1 ",
        "0x1",
        "9223372036854775808",
    ] {
        check(&format!("log\n{size}\n{root}\n"));
    }
    for root in [
        "",
        "AAAA",
        &root[1..],
        root.trim_end_matches('='),
        "not base64",
    ] {
        check(&format!("log\n1\n{root}\n"));
    }
    check(&format!("log\n1\n{}\n", root.replace("I=", "J=")));
    check(&format!(
        "{}\n1\n{root}\n",
        "a".repeat(ORIGIN_BYTES_MAX + 1)
    ));
}

#[test]
fn a_checkpoint_that_could_not_be_read_is_not_made() {
    let head = |size| TreeHead {
        size,
        root: [1; 32],
    };
    for origin in ["", "a\nb", "a\0"] {
        assert!(Checkpoint::new(origin, head(1)).is_err(), "{origin:?}");
    }
    assert!(Checkpoint::new("log", head(SIZE_MAX + 1)).is_err());
    let greatest = Checkpoint::new("log", head(SIZE_MAX)).unwrap();
    assert_eq!(greatest.to_string().parse(), Ok(greatest));
}
