//! Rights: free text that other services may share, and the ones that mean
//! something to Tillgate.

use std::fmt;
use std::sync::Arc;

/// The text is not `[A-Za-z0-9._-]{1,64}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters of A-Z a-z 0-9 . _ -")]
pub struct RightError;

/// The name of a right. Kept as spelled, compared case-insensitively.
#[derive(Clone)]
pub struct Right(Arc<str>);

impl Right {
    /// Checks a text.
    ///
    /// # Errors
    /// [`RightError`] unless it is `[A-Za-z0-9._-]{1,64}`.
    pub fn parse(text: &str) -> Result<Self, RightError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(good);
        fits.then(|| Self(text.into())).ok_or(RightError)
    }

    /// The spelling it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for Right {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Right {}

impl PartialOrd for Right {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Right {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}

impl fmt::Debug for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

macro_rules! known_rights {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// A right that Tillgate itself asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum KnownRight { $($(#[$doc])* $name),+ }

        impl KnownRight {
            /// All of them, in the order of the API's list.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The API's spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

known_rights! {
    /// Create users.
    UserCreate = "userCreate",
    /// Change users.
    UserUpdate = "userUpdate",
    /// Delete users.
    UserDelete = "userDelete",
    /// Create devices.
    DeviceCreate = "deviceCreate",
    /// Change devices.
    DeviceUpdate = "deviceUpdate",
    /// Delete devices.
    DeviceDelete = "deviceDelete",
    /// Create roles.
    RoleCreate = "roleCreate",
    /// Change roles.
    RoleUpdate = "roleUpdate",
    /// Delete roles.
    RoleDelete = "roleDelete",
    /// Create API keys.
    ApiKeyCreate = "apiKeyCreate",
    /// Change API keys.
    ApiKeyUpdate = "apiKeyUpdate",
    /// Delete API keys.
    ApiKeyDelete = "apiKeyDelete",
    /// Everything.
    Admin = "admin",
    /// Open sessions for others.
    SessionCreate = "sessionCreate",
    /// Read every session.
    SessionReadAny = "sessionReadAny",
    /// End every session.
    SessionDeleteAny = "sessionDeleteAny",
    /// Read the audit record.
    AuditRead = "auditRead",
}

/// Whose sessions callers without any right reach with `GET /sessions`, and
/// `GET` and `DELETE /sessions/{id}`. Nothing else depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAccess {
    /// Everybody's, as the API documents.
    Open,
    /// Those of their own user name. Beyond them `sessionReadAny` reads and
    /// `sessionDeleteAny` ends; what is out of reach is as good as not there.
    Own,
}

/// A set of rights, in case-insensitive order without doubles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights(Vec<Right>);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(Vec::new());

    /// Whether `admin` is among them, which stands for everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.holds("admin")
    }

    /// Whether a known right is held, by name or through `admin`.
    #[must_use]
    pub fn allows(&self, right: KnownRight) -> bool {
        self.is_admin() || self.holds(right.as_str())
    }

    /// Whether every right of `other` is held, by name or through `admin`.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        self.is_admin()
            || other
                .0
                .iter()
                .all(|right| self.0.binary_search(right).is_ok())
    }

    /// Those of `wanted` that are not held, neither by name nor through
    /// `admin`.
    #[must_use]
    pub fn missing(&self, wanted: &Self) -> Self {
        if self.is_admin() {
            return Self::NONE;
        }
        Self(self.missing_by_name(wanted))
    }

    /// These rights, cut down to `permissions`; empty ones leave them whole, as
    /// does `admin` among them. Of `admin` a cut leaves what is named.
    #[must_use]
    pub fn cut_to(&self, permissions: &[Right]) -> Self {
        let limit: Self = permissions.iter().cloned().collect();
        if permissions.is_empty() || limit.is_admin() {
            return self.clone();
        }
        let beyond = self.missing(&limit);
        Self(beyond.missing_by_name(&limit))
    }

    fn missing_by_name(&self, wanted: &Self) -> Vec<Right> {
        let lacks = |right: &&Right| self.0.binary_search(right).is_err();
        wanted.0.iter().filter(lacks).cloned().collect()
    }

    /// The rights in order.
    pub fn iter(&self) -> impl Iterator<Item = &Right> {
        self.0.iter()
    }

    fn holds(&self, text: &str) -> bool {
        self.0
            .iter()
            .any(|right| right.0.eq_ignore_ascii_case(text))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        let mut rights: Vec<Right> = rights.into_iter().collect();
        rights.sort();
        rights.dedup();
        Self(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(names: &[&str]) -> Rights {
        names
            .iter()
            .map(|name| Right::parse(name).expect("a good right"))
            .collect()
    }

    #[test]
    fn admin_stands_for_everything_in_any_case() {
        assert!(rights(&["ADMIN"]).allows(KnownRight::UserDelete));
        assert!(rights(&["Admin"]).cover(&rights(&["x.y"])));
        assert!(!rights(&["userCreate"]).cover(&rights(&["admin"])));
    }

    #[test]
    fn rights_are_compared_without_case() {
        assert!(rights(&["USERcreate"]).allows(KnownRight::UserCreate));
        assert!(!rights(&["userCreates"]).allows(KnownRight::UserCreate));
        assert_eq!(rights(&["b", "A", "a"]).iter().count(), 2);
        assert!(rights(&["A.b", "c"]).cover(&rights(&["a.B"])));
        assert_eq!(
            rights(&["A.b", "c"]).missing(&rights(&["d", "a.B"])),
            rights(&["d"])
        );
    }

    #[test]
    fn permissions_cut_rights_down_and_never_add_any() {
        let held = rights(&["sale", "stock", "userCreate"]);
        for (permissions, left) in [
            (&[][..], &["sale", "stock", "userCreate"][..]),
            (&["SALE", "userDelete"], &["sale"]),
            (&["userDelete"], &[]),
            (&["admin", "x"], &["sale", "stock", "userCreate"]),
        ] {
            let permissions: Vec<Right> = rights(permissions).0;
            assert_eq!(held.cut_to(&permissions), rights(left), "{permissions:?}");
        }
        let everything = rights(&["admin"]);
        assert_eq!(everything.cut_to(&rights(&["sale"]).0), rights(&["sale"]));
        assert_eq!(everything.cut_to(&[]), everything);
    }

    #[test]
    fn a_right_with_other_characters_is_refused() {
        for text in ["", "a b", "a/b", "\u{e1}", &"x".repeat(65)] {
            assert!(Right::parse(text).is_err(), "{text}");
        }
    }
}
