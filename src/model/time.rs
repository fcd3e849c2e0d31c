//! An instant in whole milliseconds, and its spelling on the wire.

use std::fmt;
use std::time::Duration;

const DAY_MILLIS: i64 = 86_400_000;

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// `Display` writes ISO 8601 in UTC with `Z`; trailing zeros of the fraction
/// are removed and a whole second has no fraction, as the API documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last instant the API can spell: the end of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since 1970, cut to the years 0000 to 9999.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        const YEAR_0: i64 = -62_167_219_200_000;
        if millis > Self::MAX.0 {
            Self::MAX
        } else if millis < YEAR_0 {
            Self(YEAR_0)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant plus a duration, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This instant less a duration.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds_floor(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds since 1970, rounded up.
    #[must_use]
    pub const fn seconds_ceil(self) -> i64 {
        self.0.div_euclid(1000) + (self.0.rem_euclid(1000) != 0) as i64
    }

    /// Appends the spelling of the wire. Written by hand because three of
    /// these stand in every answer of the hot route.
    pub fn write_iso(self, out: &mut Vec<u8>) {
        let small = |number: i64| u32::try_from(number).unwrap_or(0);
        let (year, month, day) = civil_from_days(self.0.div_euclid(DAY_MILLIS));
        let (year, month, day) = (small(year), small(month), small(day));
        let of_day = small(self.0.rem_euclid(DAY_MILLIS));
        let (second, milli) = (of_day / 1000, of_day % 1000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, number: u32| {
            text[at..at + 2].copy_from_slice(&PAIRS[number as usize % PAIRS.len()]);
        };
        put(0, year / 100);
        put(2, year % 100);
        put(5, month);
        put(8, day);
        put(11, second / 3600);
        put(14, second / 60 % 60);
        put(17, second % 60);
        put(20, milli / 10);
        text[22] = PAIRS[milli as usize % 10][1];
        // Without the zeros at the end of the fraction, and without an empty one.
        let mut length = text.len() - 1;
        while text[length - 1] == b'0' && length > FRACTION_AT {
            length -= 1;
        }
        if length == FRACTION_AT {
            length -= 1;
        }
        text[length] = b'Z';
        out.extend_from_slice(&text[..=length]);
    }
}

/// Where the digits behind the second begin.
const FRACTION_AT: usize = 20;

/// The two digits of each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        let (tens, ones) = (number / 10, number % 10);
        pairs[number] = [b"0123456789"[tens], b"0123456789"[ones]];
        number += 1;
    }
    pairs
};

/// Year, month and day of a day number (0 = 1970-01-01) in the proleptic
/// Gregorian calendar: Howard Hinnant's `civil_from_days`.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        self.write_iso(&mut text);
        f.write_str(std::str::from_utf8(&text).expect("only ASCII is written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_spelled_as_the_api_page_spells_them() {
        for (millis, text) in [
            (1_691_147_979_980, "2023-08-04T11:19:39.98Z"),
            (1_691_147_978_015, "2023-08-04T11:19:38.015Z"),
            (1_691_147_978_000, "2023-08-04T11:19:38Z"),
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_827_696_000, "2000-02-29T12:34:56Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn the_calendar_agrees_with_chrono(millis in -62_167_219_200_000i64..253_402_300_799_999) {
            let chrono = chrono::DateTime::from_timestamp_millis(millis).expect("in range");
            let ours = Timestamp::from_millis(millis).to_string();
            let theirs = chrono.format("%Y-%m-%dT%H:%M:%S").to_string();
            prop_assert!(ours.starts_with(&theirs), "{} {}", ours, theirs);
            let back = chrono::DateTime::parse_from_rfc3339(&ours).expect("is RFC 3339");
            prop_assert_eq!(back.timestamp_millis(), millis);
        }
    }
}
