//! The languages that people read: which one a request prefers, and the
//! sentences of problem documents in each.
//!
//! Everything below HTTP speaks English. Sentences are translated here, on
//! their way out; one that is not in the table goes out in English.

mod slovak;

use std::borrow::Cow;

use warp::http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// A language that answers are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `en-GB`
    #[default]
    English,
    /// `sk-SK`
    Slovak,
}

/// Preferences beyond these are not looked at.
const PREFERENCES_MAX: usize = 16;

impl Language {
    /// The tag, as it stands in `Content-Language`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en-GB",
            Self::Slovak => "sk-SK",
        }
    }

    /// Reads a tag by its first part: `en`, `en-GB`, `sk`, `sk-SK`, any case.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        [(Self::English, "en"), (Self::Slovak, "sk")]
            .into_iter()
            .find_map(|(language, name)| primary.eq_ignore_ascii_case(name).then_some(language))
    }

    /// The best language of an `Accept-Language` text; `None` when it names
    /// none of ours.
    #[must_use]
    pub fn preferred(accept_language: &str) -> Option<Self> {
        let mut best = None;
        for part in accept_language.split(',').take(PREFERENCES_MAX) {
            let (tag, quality) = weighed(part);
            let Some(language) = Self::parse(tag) else {
                continue;
            };
            if quality > best.map_or(0, |(_, best)| best) {
                best = Some((language, quality));
            }
        }
        best.map(|(language, _)| language)
    }

    /// The language of an answer to a request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap, default: Self) -> Self {
        let text = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        text.and_then(Self::preferred).unwrap_or(default)
    }

    /// A sentence of ours in this language.
    #[must_use]
    pub fn say(self, english: &str) -> Cow<'_, str> {
        match self {
            Self::English => Cow::Borrowed(english),
            Self::Slovak => translated(english),
        }
    }
}

/// A list element and its quality in thousandths; 1000 when it names none, 0
/// when that can not be read.
pub(super) fn weighed(part: &str) -> (&str, u32) {
    let mut pieces = part.split(';');
    let value = pieces.next().unwrap_or("").trim();
    let quality = pieces.find_map(|piece| {
        let (name, text) = piece.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| thousandths(text.trim()))
    });
    (value, quality.unwrap_or(1_000))
}

fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = format!("{fraction:0<3}").parse().unwrap_or(0);
    match (whole, digits) {
        ("0", true) => fraction,
        ("1", true) if fraction == 0 => 1_000,
        _ => 0,
    }
}

fn translated(english: &str) -> Cow<'_, str> {
    slovak::SENTENCES
        .iter()
        .find_map(|(pattern, slovak)| fill(pattern, slovak, english))
        .map_or(Cow::Borrowed(english), Cow::Owned)
}

/// `slovak` if `english` fits `pattern`, with what stands at each `{}`.
fn fill(pattern: &str, slovak: &str, english: &str) -> Option<String> {
    let Some((front, end)) = pattern.rsplit_once("{}") else {
        return (pattern == english).then(|| slovak.to_owned());
    };
    let mut between = front.split("{}");
    let mut rest = english.strip_prefix(between.next()?)?.strip_suffix(end)?;
    let mut holes = Vec::new();
    for text in between {
        let (hole, behind) = rest.split_once(text)?;
        holes.push(hole);
        rest = behind;
    }
    holes.push(rest);
    let mut said = String::new();
    let mut holes = holes.into_iter();
    for text in slovak.split("{}") {
        said.push_str(text);
        said.push_str(holes.next().unwrap_or(""));
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_language_that_we_speak_is_taken() {
        for (text, wanted) in [
            ("sk-SK", Some(Language::Slovak)),
            ("sk", Some(Language::Slovak)),
            ("EN-us", Some(Language::English)),
            ("de, sk;q=0.5, en;q=0.7", Some(Language::English)),
            ("sk;q=0.8,en;q=0.8", Some(Language::Slovak)),
            ("sk;q=0, en;q=0.1", Some(Language::English)),
            ("sk;q=0", None),
            ("de-DE, *", None),
            ("skx", None),
            ("", None),
            (";;;,q=1", None),
            ("sk;q=abc", None),
            ("sk;q=1.000", Some(Language::Slovak)),
        ] {
            assert_eq!(Language::preferred(text), wanted, "{text}");
        }
    }

    #[test]
    fn sentences_keep_their_numbers_in_translation() {
        let said = Language::Slovak.say("must have at least 8 characters");
        assert_eq!(said, "najmenší počet znakov je 8");
        assert_eq!(Language::English.say("is required"), "is required");
    }

    #[test]
    fn sentences_keep_every_name_in_its_place() {
        let said = Language::Slovak
            .say("The caller lacks rights of user 'Ján' on 'P01': pos.sale, pos.return.");
        assert_eq!(
            said,
            "Volajúci nemá práva používateľa 'Ján' na 'P01': pos.sale, pos.return."
        );
        let said = Language::Slovak.say("The caller lacks rights of user 'Ján': pos.sale.");
        assert_eq!(said, "Volajúci nemá práva používateľa 'Ján': pos.sale.");
        let said = Language::Slovak.say("The caller lacks rights of user '{}' on '{}': pos.sale.");
        assert_eq!(
            said, "Volajúci nemá práva používateľa '{}' na '{}': pos.sale.",
            "what a name looks like changes nothing"
        );
        assert_eq!(fill("a {} b", "x {}", "a 1 b 2"), None, "more behind it");
        assert_eq!(fill("a", "x", "a b"), None);
        assert_eq!(fill("a {} b {}", "x {} {}", "a 1"), None, "less of it");
    }

    /// The sentences in the `#[error("...")]` lines of a source, from the enum
    /// of this name on, with `x` for what is filled in.
    fn sentences(source: &'static str, name: &str) -> Vec<String> {
        let at = source.find(&format!("enum {name}"));
        let source = &source[at.expect("the enum is there")..];
        let lines = source.lines().map(str::trim);
        let texts = lines.filter_map(|line| line.strip_prefix("#[error(\"")?.strip_suffix("\")]"));
        texts.map(|text| text.replace("{0}", "x")).collect()
    }

    #[test]
    fn every_sentence_about_a_query_or_a_name_has_a_translation() {
        let queries = sentences(include_str!("../ndata/error.rs"), "Fault");
        let names = sentences(include_str!("../model/name.rs"), "NameError");
        let passwords = sentences(include_str!("../auth/policy.rs"), "PolicyFault");
        assert_eq!(passwords.len(), 6);
        assert!(
            queries.len() > 20 && names.len() > 4,
            "the sources are read"
        );
        let webhooks = include_str!("../model/webhook.rs");
        let urls = sentences(webhooks, "WebhookUrlError");
        assert_eq!(urls.len(), 4);
        for sentence in queries
            .into_iter()
            .chain(names)
            .chain(passwords)
            .chain(urls)
        {
            assert_ne!(Language::Slovak.say(&sentence), sentence);
        }
    }

    #[test]
    fn a_sentence_without_a_translation_goes_out_in_english() {
        assert_eq!(Language::Slovak.say("a rare sentence"), "a rare sentence");
    }
}
