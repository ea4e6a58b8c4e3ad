//! Times as an envelope writes them: `2026-11-20T15:36:52.001Z`, always 24 bytes.
//!
//! In: ms since 1970 UTC. Out: the Gregorian calendar's text, and back. Leap seconds have no form.
//! Days are counted from 1 March of the year -400: a leap day then ends its year, its four years
//! and its four centuries, so each of these is cut off from the front by a division, and no count
//! is negative.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "every number is bounded by the years 0 to 9999, which are checked first"
)]

/// 0000-01-01T00:00:00.000Z.
pub(super) const TIME_MS_MIN: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
pub(super) const TIME_MS_MAX: i64 = 253_402_300_799_999;

const DAY_MS: u64 = 86_400_000;
/// Days of 400 years, 100 years without the leap day of the fourth, four years, and a year.
const DAYS_IN_400_YEARS: u64 = 146_097;
const DAYS_IN_CENTURY: u64 = 36_524;
const DAYS_IN_4_YEARS: u64 = 1_461;
const DAYS_IN_YEAR: u64 = 365;
/// ms from 1 March of the year -400 to 1970.
const BEFORE_1970_MS: i64 = 865_565 * 86_400_000;
/// Days of a year before each of its months; the first is March.
const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

/// The text of `time_ms`; `None` outside the years 0 to 9999.
pub(super) fn format(time_ms: i64) -> Option<[u8; 24]> {
    if !(TIME_MS_MIN..=TIME_MS_MAX).contains(&time_ms) {
        return None;
    }
    let ms = u64::try_from(time_ms + BEFORE_1970_MS).ok()?;
    let (year, month, day) = date(ms / DAY_MS);
    let second = ms / 1_000;
    let (hour, minute) = (second / 3_600 % 24, second / 60 % 60);
    let (second, ms) = (second % 60, ms % 1_000);
    #[rustfmt::skip]
    let text = [
        digit(year / 1_000), digit(year / 100), digit(year / 10), digit(year),
        b'-', digit(month / 10), digit(month),
        b'-', digit(day / 10), digit(day),
        b'T', digit(hour / 10), digit(hour),
        b':', digit(minute / 10), digit(minute),
        b':', digit(second / 10), digit(second),
        b'.', digit(ms / 100), digit(ms / 10), digit(ms),
        b'Z',
    ];
    Some(text)
}

/// The ms since 1970 UTC of such a text; `None` for any other text.
#[rustfmt::skip]
pub(super) fn parse(text: &[u8; 24]) -> Option<i64> {
    let [
        y3, y2, y1, y0, b'-', mo1, mo0, b'-', d1, d0,
        b'T', h1, h0, b':', mi1, mi0, b':', s1, s0, b'.', ms2, ms1, ms0, b'Z',
    ] = *text else { return None };
    let (year, month, day) = (number([y3, y2, y1, y0])?, number([mo1, mo0])?, number([d1, d0])?);
    let (hour, minute, second) = (number([h1, h0])?, number([mi1, mi0])?, number([s1, s0])?);
    let ms = number([ms2, ms1, ms0])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day)?;
    let seconds = (hour * 60 + minute) * 60 + second;
    i64::try_from(days * DAY_MS + seconds * 1_000 + ms).ok().map(|since| since - BEFORE_1970_MS)
}

/// The last decimal digit of `value`, in ASCII.
pub(super) fn digit(value: u64) -> u8 {
    let [low, ..] = (value % 10).to_le_bytes();
    b'0' | low
}

fn number<const N: usize>(digits: [u8; N]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u64::from(digit & 15))
    })
}

/// Year, month and day of the month of the day that is `days` after 1 March of the year -400.
fn date(days: u64) -> (u64, u64, u64) {
    let (cycles, days) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let centuries = (days / DAYS_IN_CENTURY).min(3);
    let days = days - centuries * DAYS_IN_CENTURY;
    let (fours, days) = (days / DAYS_IN_4_YEARS, days % DAYS_IN_4_YEARS);
    let years = (days / DAYS_IN_YEAR).min(3);
    let days = days - years * DAYS_IN_YEAR;
    let year = cycles * 400 + centuries * 100 + fours * 4 + years;
    let begun = (1..)
        .zip(DAYS_BEFORE_MONTH)
        .take_while(|(_, before)| *before <= days);
    let (nth, before) = begun.last().unwrap_or((1, 0));
    let (year, month) = if nth <= 10 {
        (year, nth + 2)
    } else {
        (year + 1, nth - 10)
    };
    (year - 400, month, days - before + 1)
}

/// The days from 1 March of the year -400 to a date; `None` when there is no such date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) {
        return None;
    }
    let (years, nth) = if month >= 3 {
        (year + 400, month - 3)
    } else {
        (year + 399, month + 9)
    };
    let before = DAYS_BEFORE_MONTH.get(usize::try_from(nth).ok()?)?;
    Some(years * DAYS_IN_YEAR + years / 4 - years / 100 + years / 400 + before + day - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(time_ms: i64, text: &str) {
        assert_eq!(
            format(time_ms).as_ref().map(|text| &text[..]),
            Some(text.as_bytes())
        );
        assert_eq!(
            parse(text.as_bytes().try_into().unwrap()),
            Some(time_ms),
            "{text}"
        );
    }

    #[test]
    fn known_times_are_written_and_read() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(1_795_189_012_001, "2026-11-20T15:36:52.001Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
        check(-62_162_121_600_001, "0000-02-28T23:59:59.999Z");
        check(-62_162_121_600_000, "0000-02-29T00:00:00.000Z");
        check(TIME_MS_MIN, "0000-01-01T00:00:00.000Z");
        check(TIME_MS_MAX, "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_outside_four_digits_of_year_have_no_form() {
        for time_ms in [i64::MIN, TIME_MS_MIN - 1, TIME_MS_MAX + 1, i64::MAX] {
            assert_eq!(format(time_ms), None, "{time_ms}");
        }
    }

    #[test]
    fn a_text_that_names_no_time_is_refused() {
        for text in [
            "2026-02-29T00:00:00.000Z",
            "1900-02-29T00:00:00.000Z",
            "2026-04-31T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-32T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "2026-01-01T23:59:60.000Z",
            "2026-01-01t00:00:00.000Z",
            "2026-01-01T00:00:00.000z",
            "2026-01-01 00:00:00.000Z",
            "2026-01-01T00:00:00,000Z",
            "+026-01-01T00:00:00.000Z",
            "2026-01-01T00:00:0 .000Z",
        ] {
            assert_eq!(parse(text.as_bytes().try_into().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_the_first_and_of_our_400_years_is_that_of_an_independent_calendar() {
        for first in [0, 1_800] {
            let mut day = jiff::civil::date(first, 1, 1);
            let since_1970 = day.since(jiff::civil::date(1970, 1, 1)).unwrap();
            let mut time_ms = i64::from(since_1970.get_days()) * 86_400_000;
            while day.year() <= first + 400 {
                check(time_ms, &format!("{day}T00:00:00.000Z"));
                time_ms += 86_400_000;
                day = day.tomorrow().unwrap();
            }
        }
    }

    proptest! {
        #[test]
        fn any_time_is_written_as_an_independent_program_writes_it(
            time_ms in TIME_MS_MIN..=253_402_207_199_999,
        ) {
            let text = format!("{:.3}", jiff::Timestamp::from_millisecond(time_ms).unwrap());
            prop_assert_eq!(format(time_ms).unwrap().to_vec(), text.into_bytes());
            prop_assert_eq!(parse(&format(time_ms).unwrap()), Some(time_ms));
        }
    }
}
