//! The one-time code that opens set-up: only somebody who sees the server's
//! screen can know it.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::model::Timestamp;

/// Characters that are hard to mistake for each other: 5 bits each.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 16 characters are 80 bits.
const CODE_CHARS: usize = 16;
/// Characters between two dashes.
const GROUP_CHARS: usize = 4;
/// A text with more characters is wrong without being looked at.
const TYPED_CHARS_MAX: usize = 64;
/// After this many wrong tries the code is dead.
const WRONG_TRIES_MAX: u32 = 10;
/// After this long the code is dead.
const LIFETIME: Duration = Duration::from_hours(1);

/// A code of 80 random bits. It dies after ten wrong tries or an hour; a new
/// start of the server draws another.
///
/// `Debug` never shows it.
pub struct SetUpCode {
    text: String,
    drawn_at: Timestamp,
    wrong_tries: u32,
}

impl SetUpCode {
    /// Draws a code from the system's secure random source.
    #[must_use]
    pub fn draw(now: Timestamp) -> Self {
        let mut text = String::new();
        for (place, byte) in rand::random::<[u8; CODE_CHARS]>().into_iter().enumerate() {
            if place > 0 && place % GROUP_CHARS == 0 {
                text.push('-');
            }
            // 256 is a multiple of 32: every character is equally likely.
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Self {
            text,
            drawn_at: now,
            wrong_tries: 0,
        }
    }

    /// The code as it is shown: `XXXX-XXXX-XXXX-XXXX`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this is the code, and it is not dead at `now`. Case, spaces and
    /// dashes do not matter, nor does `O` for `0` or `I` and `L` for `1`.
    /// Compared in constant time. Anything else counts as a wrong try.
    pub fn matches(&mut self, typed: &str, now: Timestamp) -> bool {
        if self.wrong_tries >= WRONG_TRIES_MAX || now.since(self.drawn_at) >= LIFETIME {
            return false;
        }
        let equal = verify_slices_are_equal(&plain(&self.text), &plain(typed)).is_ok();
        if !equal {
            self.wrong_tries += 1;
        }
        equal
    }
}

/// The characters that count, each in its one spelling.
fn plain(typed: &str) -> Vec<u8> {
    let characters = typed.bytes().take(TYPED_CHARS_MAX);
    let counting = characters.filter(|character| !matches!(character, b' ' | b'-'));
    let spelled = counting.map(|character| match character.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        character => character,
    });
    spelled.collect()
}

impl fmt::Debug for SetUpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetUpCode")
            .field("wrong_tries", &self.wrong_tries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_691_147_978_015);

    #[test]
    fn a_code_is_shown_in_four_groups_and_never_twice() {
        let code = SetUpCode::draw(NOW);
        let groups: Vec<_> = code.text().split('-').collect();
        assert_eq!(
            groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
            [4; 4]
        );
        assert!(
            groups
                .concat()
                .bytes()
                .all(|character| ALPHABET.contains(&character))
        );
        assert_ne!(code.text(), SetUpCode::draw(NOW).text());
    }

    #[test]
    fn case_spaces_dashes_and_lookalikes_do_not_matter() {
        let mut code = SetUpCode {
            text: "01AB-CDEF-GH10-1XYZ".to_owned(),
            ..SetUpCode::draw(NOW)
        };
        for typed in [
            "01AB-CDEF-GH10-1XYZ",
            "01abcdefgh101xyz",
            " 01AB CDEF GH10 1XYZ ",
            "oiab-cdef-ghlo-lxyz",
        ] {
            assert!(code.matches(typed, NOW), "{typed}");
        }
        for typed in [
            "",
            "01AB-CDEF-GH10-1XY",
            "01AB-CDEF-GH10-1XYZZ",
            "11AB-CDEF-GH10-1XYZ",
        ] {
            assert!(!code.matches(typed, NOW), "{typed}");
        }
    }

    #[test]
    fn ten_wrong_tries_kill_the_code() {
        let mut code = SetUpCode::draw(NOW);
        let text = code.text().to_owned();
        for _ in 0..9 {
            assert!(!code.matches("AAAA-AAAA-AAAA-AAAA", NOW));
        }
        assert!(code.matches(&text, NOW));
        assert!(!code.matches("AAAA-AAAA-AAAA-AAAA", NOW));
        assert!(!code.matches(&text, NOW));
    }

    #[test]
    fn an_hour_kills_the_code() {
        let mut code = SetUpCode::draw(NOW);
        let text = code.text().to_owned();
        assert!(code.matches(&text, NOW.plus(Duration::from_millis(3_599_999))));
        assert!(!code.matches(&text, NOW.plus(LIFETIME)));
    }

    #[test]
    fn debug_output_never_holds_the_code() {
        let code = SetUpCode::draw(NOW);
        assert!(!format!("{code:?}").contains(code.text()));
    }
}
