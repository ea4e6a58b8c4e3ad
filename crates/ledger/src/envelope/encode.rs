//! Writing an envelope. In: members, checked first. Out: its only form, appended to a buffer.

use super::timestamp;
use super::{ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, INTEGER_MAX, decode};
use crate::hash::hex_digits;

/// Room for an envelope without `sig`, so that the buffer grows at most once.
const WITHOUT_SIG_BYTES: usize = 512;

pub(super) fn encode_into(envelope: &Envelope, out: &mut Vec<u8>) -> Result<(), EnvelopeError> {
    let member = |member| EnvelopeError::Member { member };
    let Some(time) = timestamp::format(envelope.time_ms) else {
        return Err(member("time"));
    };
    if envelope.elapsed_ms > INTEGER_MAX {
        return Err(member("elapsed"));
    }
    if envelope.seq > INTEGER_MAX {
        return Err(member("seq"));
    }
    if !decode::is_kind(envelope.kind.as_bytes()) {
        return Err(member("kind"));
    }
    if envelope
        .sig
        .is_some_and(|sig| !decode::is_sig(sig.as_bytes()))
    {
        return Err(member("sig"));
    }

    let start = out.len();
    out.reserve(WITHOUT_SIG_BYTES);
    out.extend_from_slice(b"{\"body_bytes\":");
    push_integer(out, u64::from(envelope.body_bytes));
    out.extend_from_slice(b",\"body_sha256\":\"");
    out.extend_from_slice(&hex_digits(&envelope.body_sha256));
    out.extend_from_slice(b"\",\"elapsed\":");
    push_integer(out, envelope.elapsed_ms);
    out.extend_from_slice(b",\"kind\":\"");
    out.extend_from_slice(envelope.kind.as_bytes());
    out.extend_from_slice(b"\",\"prev\":\"");
    out.extend_from_slice(&hex_digits(&envelope.prev));
    out.extend_from_slice(b"\",\"seq\":");
    push_integer(out, envelope.seq);
    if let Some(sig) = envelope.sig {
        out.extend_from_slice(b",\"sig\":");
        out.extend_from_slice(sig.as_bytes());
    }
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(&time);
    out.extend_from_slice(b"\",\"v\":");
    push_integer(out, u64::from(envelope.version));
    out.push(b'}');

    let bytes = out.len().saturating_sub(start);
    if bytes > ENVELOPE_BYTES_MAX {
        out.truncate(start);
        return Err(EnvelopeError::TooLong { bytes });
    }
    Ok(())
}

/// The decimal digits of `value`, without leading zeros.
fn push_integer(out: &mut Vec<u8>, value: u64) {
    let mut digits = [b'0'; 20];
    let mut first = 19;
    let mut rest = value;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = timestamp::digit(rest);
        first = place;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(first));
}
