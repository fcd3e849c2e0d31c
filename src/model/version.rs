//! The version number `_v` and the conditions a caller may put on it.

use std::fmt;

/// The `_v` of a resource: starts at 1, grows with every change, never goes
/// back and never repeats with other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of a resource that was just created.
    pub const FIRST: Self = Self(1);

    /// The version after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One entry of an `If-Match` list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionTag {
    /// `*`: the resource exists.
    Any,
    /// `"7"`: this version. A tag that is no version of ours is kept as
    /// [`VersionTag::Never`].
    Exactly(Version),
    /// A weak or foreign tag: matches nothing.
    Never,
}

/// What must hold for a change to be made. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `_v` of the request body: must equal the stored version (refused as
    /// version mismatch, errorCode 6).
    pub body_version: Option<Version>,
    /// `If-Match`: one of these must match (412 otherwise).
    pub if_match: Option<Vec<VersionTag>>,
    /// `If-None-Match: *`: the resource must not exist yet.
    pub create_only: bool,
}

impl Precondition {
    /// Whether `If-Match` holds against the stored version (`None`: nothing
    /// is stored).
    #[must_use]
    pub fn if_match_holds(&self, stored: Option<Version>) -> bool {
        let Some(tags) = &self.if_match else {
            return true;
        };
        let Some(stored) = stored else { return false };
        tags.iter().any(|tag| match tag {
            VersionTag::Any => true,
            VersionTag::Exactly(version) => *version == stored,
            VersionTag::Never => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_holds_when_one_tag_of_the_list_is_the_stored_version() {
        let tags = |list: &[VersionTag]| Precondition {
            if_match: Some(list.to_vec()),
            ..Precondition::default()
        };
        let seven = Some(Version(7));
        assert!(Precondition::default().if_match_holds(None));
        assert!(tags(&[VersionTag::Any]).if_match_holds(seven));
        assert!(!tags(&[VersionTag::Any]).if_match_holds(None));
        assert!(tags(&[VersionTag::Never, VersionTag::Exactly(Version(7))]).if_match_holds(seven));
        assert!(!tags(&[VersionTag::Never, VersionTag::Exactly(Version(6))]).if_match_holds(seven));
    }
}
