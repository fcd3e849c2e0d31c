//! Entity tags: `If-Match` and `If-None-Match` as conditions on `_v`.

use warp::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::problem::ApiError;
use crate::model::{Precondition, Version, VersionTag};

/// Longest list of tags that is looked at.
const TAGS_MAX: usize = 32;

/// The conditions of a change: `If-Match`, and `If-None-Match: *` where a
/// resource may be created. `_v` of a body is added by who reads the body.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    let none_match = tags(headers, &IF_NONE_MATCH)?.unwrap_or_default();
    Ok(Precondition {
        body_version: None,
        if_match: tags(headers, &IF_MATCH)?,
        create_only: none_match.contains(&VersionTag::Any),
    })
}

/// Whether `If-None-Match` names this version, so that a GET is answered 304.
/// Weak tags count here: what differs in nothing needs not be sent again.
pub(super) fn is_unchanged(headers: &HeaderMap, version: Version) -> bool {
    let values = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|text| text.split(',').take(TAGS_MAX))
        .any(|tag| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            match tag_of(tag) {
                VersionTag::Any => true,
                VersionTag::Exactly(named) => named == version,
                VersionTag::Never => false,
            }
        })
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<VersionTag>>, ApiError> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        // A tag with other bytes is somebody else's, and never matches.
        let text = value.to_str().unwrap_or("?");
        tags.extend(
            text.split(',')
                .take(TAGS_MAX + 1)
                .map(|tag| tag_of(tag.trim())),
        );
        if tags.len() > TAGS_MAX {
            return Err(ApiError::Unreadable("A list of entity tags is too long."));
        }
    }
    Ok(Some(tags))
}

/// One tag. A comma inside a foreign tag splits it into pieces that are no
/// versions either.
fn tag_of(text: &str) -> VersionTag {
    if text == "*" {
        return VersionTag::Any;
    }
    let digits = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let canonical = |digits: &&str| {
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
    };
    digits
        .filter(canonical)
        .and_then(|digits| digits.parse().ok())
        .map_or(VersionTag::Never, |number| {
            VersionTag::Exactly(Version(number))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    fn with(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn lists_of_tags_are_read_and_weak_or_foreign_ones_never_match() {
        const SEVEN: VersionTag = VersionTag::Exactly(Version(7));
        for (values, wanted) in [
            (&["\"7\""][..], vec![SEVEN]),
            (&["*"], vec![VersionTag::Any]),
            (&["\"7\", W/\"7\""], vec![SEVEN, VersionTag::Never]),
            (&["\"x\"", "\"7\""], vec![VersionTag::Never, SEVEN]),
            (&["7"], vec![VersionTag::Never]),
            (&["\"07\""], vec![VersionTag::Never]),
            (&["\"+7\""], vec![VersionTag::Never]),
            (&["\"99999999999999999999\""], vec![VersionTag::Never]),
            (&[""], vec![VersionTag::Never]),
        ] {
            let read = precondition(&with(&IF_MATCH, values)).expect("readable");
            assert_eq!(read.if_match, Some(wanted), "{values:?}");
        }
        assert_eq!(precondition(&HeaderMap::new()), Ok(Precondition::default()));
    }

    #[test]
    fn if_none_match_star_asks_for_a_creation() {
        assert!(
            precondition(&with(&IF_NONE_MATCH, &["*"]))
                .expect("readable")
                .create_only
        );
        assert!(
            !precondition(&with(&IF_NONE_MATCH, &["\"1\""]))
                .expect("readable")
                .create_only
        );
    }

    #[test]
    fn a_named_version_is_unchanged_also_when_the_tag_is_weak() {
        for (value, unchanged) in [
            ("\"3\"", true),
            ("W/\"3\"", true),
            ("*", true),
            ("\"1\", \"3\"", true),
            ("\"4\"", false),
        ] {
            let headers = with(&IF_NONE_MATCH, &[value]);
            assert_eq!(is_unchanged(&headers, Version(3)), unchanged, "{value}");
        }
        assert!(!is_unchanged(&HeaderMap::new(), Version(3)));
    }

    #[test]
    fn a_list_that_goes_on_forever_is_refused() {
        let long = vec!["\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\""; 5];
        assert!(precondition(&with(&IF_MATCH, &long)).is_err());
    }
}
