//! Bytes as lower-case hexadecimal digits.

/// Writes the digits of `bytes` into `out`, two for each, and gives them as text.
pub(crate) fn write<'a>(bytes: &[u8], out: &'a mut [u8]) -> &'a str {
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
    std::str::from_utf8(out).unwrap_or_default()
}

fn digit(nibble: u8) -> u8 {
    let first = if nibble < 10 {
        b'0'
    } else {
        b'a'.wrapping_sub(10)
    };
    first.wrapping_add(nibble)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_has_its_two_digits() {
        for byte in 0..=u8::MAX {
            assert_eq!(super::write(&[byte], &mut [0; 2]), format!("{byte:02x}"));
        }
    }
}
