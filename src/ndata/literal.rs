//! From the text of a value to a literal of its member's kind. Times are read
//! by hand because they are compared to the nanosecond and RFC 3339 is narrower
//! than what calendar libraries take.

use chrono::NaiveDate;

use super::error::Fault;
use super::query::{Kind, Literal};

/// Most digits of a number; more never fit an `i64`.
const NUMBER_DIGITS_MAX: usize = 19;
/// Most digits of a second's fraction.
const FRACTION_DIGITS_MAX: usize = 9;

/// Reads a value of a kind.
pub(super) fn literal(kind: Kind, text: &str) -> Result<Literal, Fault> {
    match kind {
        Kind::Text => Ok(Literal::Text(text.to_owned())),
        Kind::Time => time(text).map(Literal::Time).ok_or(Fault::NotATime),
        Kind::Number => number(text).map(Literal::Number).ok_or(Fault::NotANumber),
        Kind::Bool => boolean(text).map(Literal::Bool).ok_or(Fault::NotABool),
    }
}

/// `-?[0-9]{1,19}` within the range of an `i64`.
pub(super) fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = (1..=NUMBER_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// `true`, `false`, `1` or `0`, any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("1") {
        Some(true)
    } else if is("false") || is("0") {
        Some(false)
    } else {
        None
    }
}

/// Nanoseconds since 1970 of an RFC 3339 time. A date alone is its first
/// instant, a missing zone is UTC, and a space where the sign of an offset
/// stands is the `+` that form decoding took away.
pub(super) fn time(text: &str) -> Option<i128> {
    let (date, clock) = text.as_bytes().split_at_checked(10)?;
    let days = i128::from(days(date)?);
    let of_day = if clock.is_empty() {
        0
    } else {
        clock_nanos(clock)?
    };
    Some(days * 86_400_000_000_000 + of_day)
}

/// `YYYY-MM-DD` as days since 1970.
fn days(date: &[u8]) -> Option<i32> {
    let [y @ .., b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let year = i32::try_from(digits(y)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, digits(&[*m1, *m2])?, digits(&[*d1, *d2])?)?;
    Some(date.to_epoch_days())
}

/// `Thh:mm:ss[.fraction][zone]` as nanoseconds from the start of the day.
fn clock_nanos(clock: &[u8]) -> Option<i128> {
    let [b'T' | b't', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = clock else {
        return None;
    };
    let minute = minute_of_day([*h1, *h2], [*m1, *m2])?;
    let second = digits(&[*s1, *s2]).filter(|second| *second < 60)?;
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit());
            let (digits, zone) = rest.split_at(end.unwrap_or(rest.len()));
            (fraction_nanos(digits)?, zone)
        }
        _ => (0, rest),
    };
    let seconds = (i128::from(minute) - offset_minutes(zone)?) * 60 + i128::from(second);
    Some(seconds * 1_000_000_000 + i128::from(fraction))
}

/// 1 to 9 digits behind a point.
fn fraction_nanos(fraction: &[u8]) -> Option<u32> {
    let missing = FRACTION_DIGITS_MAX.checked_sub(fraction.len())?;
    let nanos = digits(fraction)?;
    Some(nanos * 10_u32.pow(u32::try_from(missing).ok()?))
}

/// Minutes east of UTC.
fn offset_minutes(zone: &[u8]) -> Option<i128> {
    match zone {
        [] | [b'Z' | b'z'] => Some(0),
        [sign, h1, h2, b':', m1, m2] => {
            let minutes = i128::from(minute_of_day([*h1, *h2], [*m1, *m2])?);
            match sign {
                b'+' | b' ' => Some(minutes),
                b'-' => Some(-minutes),
                _ => None,
            }
        }
        _ => None,
    }
}

fn minute_of_day(hour: [u8; 2], minute: [u8; 2]) -> Option<u32> {
    let hour = digits(&hour).filter(|hour| *hour < 24)?;
    let minute = digits(&minute).filter(|minute| *minute < 60)?;
    Some(hour * 60 + minute)
}

/// One to nine ASCII digits as a number.
fn digits(text: &[u8]) -> Option<u32> {
    let is_short = (1..=FRACTION_DIGITS_MAX).contains(&text.len());
    let digit = |byte: &u8| char::from(*byte).to_digit(10);
    let mut all = text.iter().map(digit);
    is_short
        .then(|| all.try_fold(0, |number, digit| Some(number * 10 + digit?)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i128 = 1_000_000_000;
    const NOON: i128 = 1_691_147_978 * SECOND;

    #[test]
    fn a_number_is_a_sign_and_digits_within_64_bits() {
        for (text, number_or_none) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("007", Some(7)),
            ("-12", Some(-12)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("00000000000000000001", None),
            ("", None),
            ("-", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1.0", None),
            ("1e3", None),
            ("0x1", None),
            ("--1", None),
            ("\u{661}", None),
        ] {
            assert_eq!(number(text), number_or_none, "{text}");
        }
    }

    #[test]
    fn a_truth_value_is_spelled_in_four_ways_in_any_case() {
        for (text, value) in [
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("1", Some(true)),
            ("false", Some(false)),
            ("False", Some(false)),
            ("0", Some(false)),
            ("", None),
            ("yes", None),
            ("01", None),
            ("true ", None),
        ] {
            assert_eq!(boolean(text), value, "{text}");
        }
    }

    #[test]
    fn a_time_is_read_to_the_nanosecond() {
        for (text, nanos) in [
            ("2023-08-04T11:19:38Z", NOON),
            ("2023-08-04t11:19:38z", NOON),
            ("2023-08-04T11:19:38", NOON),
            ("2023-08-04T11:19:38.0", NOON),
            ("2023-08-04T11:19:38.015Z", NOON + 15_000_000),
            ("2023-08-04T11:19:38.000000001Z", NOON + 1),
            ("2023-08-04T11:19:38.999999999", NOON + 999_999_999),
            ("2023-08-04T13:19:38+02:00", NOON),
            ("2023-08-04T13:19:38 02:00", NOON),
            ("2023-08-04T13:19:38.5 02:00", NOON + SECOND / 2),
            ("2023-08-04T05:49:38-05:30", NOON),
            ("2023-08-04T11:19:38-00:00", NOON),
            ("2023-08-05T11:18:38+23:59", NOON),
            ("2023-08-04", 1_691_107_200 * SECOND),
            ("2024-02-29", 1_709_164_800 * SECOND),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.9Z", -SECOND / 10),
            ("0000-01-01T00:00:00Z", -62_167_219_200 * SECOND),
            ("9999-12-31T23:59:59Z", 253_402_300_799 * SECOND),
        ] {
            assert_eq!(time(text), Some(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_rfc_3339_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "1691147978",
            "2023",
            "2023-08",
            "2023-8-4",
            "2023-02-29",
            "2023-13-01",
            "2023-00-01",
            "2023-08-00",
            "02023-08-04",
            "+2023-08-0",
            "-2023-08-04",
            "2023/08/04",
            "20230804",
            "2023-08-04Z",
            "2023-08-04 01:00",
            "2023-08-04T",
            "2023-08-04T11",
            "2023-08-04T11:19",
            "2023-08-04T11:19Z",
            "2023-08-04 11:19:38Z",
            "2023-08-04T24:00:00Z",
            "2023-08-04T11:60:00Z",
            "2023-08-04T11:19:60Z",
            "2023-06-30T23:59:60Z",
            "2023-08-04T11:19:38.Z",
            "2023-08-04T11:19:38,5Z",
            "2023-08-04T11:19:38.0123456789Z",
            "2023-08-04T11:19:38ZZ",
            "2023-08-04T11:19:38 Z",
            "2023-08-04T11:19:38Z ",
            " 2023-08-04T11:19:38Z",
            "2023-08-04T11:19:38+0200",
            "2023-08-04T11:19:38+02",
            "2023-08-04T11:19:38+2:00",
            "2023-08-04T11:19:38+24:00",
            "2023-08-04T11:19:38+02:60",
            "2023-08-04T11:19:38 +02:00",
            "2023-08-04T11:19:38\u{2212}02:00",
            "2023-08-\u{13e}4",
            "202\u{13e}-08-04",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_agree_with_chrono(
            seconds in -62_167_219_200_i64..253_402_300_800,
            nanos in 0_u32..1_000_000_000,
            minutes in -1439..1440,
        ) {
            let utc = chrono::DateTime::from_timestamp(seconds, nanos).expect("in range");
            let zone = chrono::FixedOffset::east_opt(minutes * 60).expect("within a day");
            let text = utc.with_timezone(&zone).to_rfc3339();
            prop_assume!(text.len() < 40 && text.as_bytes()[4] == b'-' && !text.starts_with('-'));
            prop_assert_eq!(time(&text), Some(i128::from(seconds) * SECOND + i128::from(nanos)));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,40}") {
            let _ = (time(&text), number(&text), boolean(&text));
        }

        #[test]
        fn no_text_like_a_time_makes_the_reader_panic(text in "[-0-9T:.Z+ ]{0,36}") {
            let _ = time(&text);
        }
    }
}
