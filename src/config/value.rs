//! The text of a single value, in both directions. Each reader answers why a
//! text is wrong and what to write instead.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The longest duration that an option can have.
const DURATION_MAX: Duration = Duration::from_hours(3_650 * 24);

/// The units of a duration, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a whole number with a unit: `10s`, `30m`, `12h`, `30d`. At least
/// `min`, at most ten years.
pub(super) fn duration(text: &str, min: Duration) -> Result<Duration, String> {
    let wrong = || "is not a duration; write a whole number and a unit, as 10s, 30m, 12h or 30d";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS
        .into_iter()
        .find(|(name, _)| *name == unit.trim_start());
    let millis = unit.ok_or_else(wrong)?.1;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let duration = Duration::from_millis(number.saturating_mul(millis));
    if duration < min {
        return Err(format!("is too short; write at least {}", spell(min)));
    }
    if duration > DURATION_MAX {
        return Err(format!(
            "is too long; write at most {}",
            spell(DURATION_MAX)
        ));
    }
    Ok(duration)
}

/// As [`duration`], or `off`.
pub(super) fn duration_or_off(text: &str, min: Duration) -> Result<Option<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    duration(text, min)
        .map(Some)
        .map_err(|reason| format!("{reason}; or off"))
}

/// The shortest spelling of a duration, without quotes.
pub(super) fn spell(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fitting = UNITS
        .into_iter()
        .find(|(_, unit)| millis > 0 && millis % unit == 0);
    let (name, unit) = fitting.unwrap_or(("s", 1_000));
    format!("{}{name}", millis / unit)
}

/// Reads a whole number within a range.
pub(super) fn number<N>(text: &str, range: RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        format!(
            "is not a number that fits; write one from {} to {}",
            range.start(),
            range.end()
        )
    })
}

/// Reads one word of a list.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let known = words.iter().find(|(word, _)| *word == text);
    known.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!(
            "is not one of the words there are; write {}",
            words.join(" or ")
        )
    })
}

/// The word of a list that stands for a value.
pub(super) fn word_for<T: PartialEq>(value: &T, words: &[(&'static str, T)]) -> &'static str {
    let known = words.iter().find(|(_, known)| known == value);
    known
        .map(|(word, _)| *word)
        .expect("every value of the list has a word")
}

/// A text as TOML writes it.
pub(super) fn quoted(text: impl Into<String>) -> String {
    toml::Value::String(text.into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("30m", 1_800_000),
            ("12h", 43_200_000),
            ("30d", 2_592_000_000),
            ("30 d", 2_592_000_000),
            ("0s", 0),
        ] {
            assert_eq!(
                duration(text, Duration::ZERO),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "", "12", "h", "1.5h", "-1h", "+1h", "12 hours", "12H", "1h30m", "off", "\u{663}h",
        ] {
            assert!(
                duration(text, Duration::ZERO)
                    .unwrap_err()
                    .contains("write"),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_have_bounds() {
        assert!(
            duration("999ms", SECOND)
                .unwrap_err()
                .contains("at least 1s")
        );
        assert!(
            duration("3651d", SECOND)
                .unwrap_err()
                .contains("at most 3650d")
        );
        assert!(
            duration("18446744073709551615d", SECOND)
                .unwrap_err()
                .contains("at most")
        );
        assert!(duration("99999999999999999999d", SECOND).is_err());
    }

    #[test]
    fn off_is_no_duration() {
        assert_eq!(duration_or_off("off", SECOND), Ok(None));
        assert_eq!(duration_or_off("2s", SECOND), Ok(Some(2 * SECOND)));
        assert!(
            duration_or_off("never", SECOND)
                .unwrap_err()
                .contains("or off")
        );
    }

    #[test]
    fn the_spelling_of_a_duration_reads_back() {
        for millis in [
            0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 43_200_000, 86_400_000,
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!(
                duration(&spell(time), Duration::ZERO),
                Ok(time),
                "{}",
                spell(time)
            );
        }
        assert_eq!(spell(12 * 3600 * SECOND), "12h");
        assert_eq!(spell(90 * SECOND), "90s");
    }

    #[test]
    fn numbers_name_their_range_and_words_their_list() {
        assert_eq!(number("5", 1..=9), Ok(5));
        for text in ["0", "10", "x", "", "5.0", "-5"] {
            assert!(
                number(text, 1..=9_u32).unwrap_err().contains("from 1 to 9"),
                "{text}"
            );
        }
        let words = [("text", 1), ("json", 2)];
        assert_eq!(word("json", &words), Ok(2));
        assert!(word("JSON", &words).unwrap_err().contains("text or json"));
        assert_eq!(word_for(&2, &words), "json");
    }
}
