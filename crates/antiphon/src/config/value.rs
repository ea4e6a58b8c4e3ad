//! Durations and sizes as people write them: a number and its unit, never a bare number.

/// ms in each unit of a duration, longest unit name first so that `ms` is not read as `m`.
const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Bytes in each unit of a size.
const SIZES: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// The longest duration that is taken, ms (about ten years): beyond it a unit was mistaken.
const DURATION_MS_MAX: u64 = 3_653 * 86_400_000;

/// Reads a duration such as `500ms`, `60s`, `5m`, `1h` or `2d`; gives ms.
///
/// # Errors
/// What is wrong, as a phrase that follows the name of the key.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let value = quantity(text, &DURATIONS)
        .ok_or_else(|| "is no duration; write a number and ms, s, m, h or d".to_owned())?;
    if value > DURATION_MS_MAX {
        return Err("is longer than ten years".to_owned());
    }
    Ok(value)
}

/// Reads a size such as `64KiB` or `512MB`; gives bytes.
///
/// # Errors
/// What is wrong, as a phrase that follows the name of the key.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    quantity(text, &SIZES).ok_or_else(|| {
        "is no size; write a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB".to_owned()
    })
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(duration_ms(text).ok(), expect, "{text:?}");
        };
        check("500ms", Some(500));
        check("60s", Some(60_000));
        check("5m", Some(300_000));
        check("1h", Some(3_600_000));
        check("2d", Some(172_800_000));
        check("0s", Some(0));
        check("60", None);
        check("s", None);
        check("", None);
        check("1.5h", None);
        check("-1s", None);
        check("1 s", None);
        check("1S", None);
        check("5000d", None);
        check("99999999999999999999s", None);
        check("213503982335d", None);
    }

    #[test]
    fn a_size_is_a_whole_number_and_a_unit() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(size_bytes(text).ok(), expect, "{text:?}");
        };
        check("0B", Some(0));
        check("64KiB", Some(65_536));
        check("512MB", Some(512_000_000));
        check("2GiB", Some(2_147_483_648));
        check("512", None);
        check("512mb", None);
        check("1.5GB", None);
        check("18446744073709551615KB", None);
    }
}
