//! How many sessions there may be: of one user, on one device, in all.

/// Sessions that one login ends at most. Only a limit that was lowered leaves
/// more to end; the logins after it go on.
pub const ENDED_AT_ONCE_MAX: usize = 256;

/// What a login at a limit comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// It is refused.
    #[default]
    Deny,
    /// It ends the session that was not accessed for longest.
    Replace,
}

/// One limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// How many sessions there may be; `None` is any number.
    pub max: Option<usize>,
    /// What one more comes to.
    pub then: AtLimit,
}

/// All limits. Sessions of API keys neither count nor are counted against any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// Of one user.
    pub per_user: Limit,
    /// On one device.
    pub per_device: Limit,
    /// Of the installation.
    pub installation: Limit,
}

impl SessionLimits {
    /// Whether there is any limit.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.per_user.max.is_none()
            && self.per_device.max.is_none()
            && self.installation.max.is_none()
    }
}

impl Limit {
    /// How many of `live` sessions are too many for one more to begin.
    #[must_use]
    pub fn surplus(&self, live: usize) -> usize {
        let room = self.max.map(|max| max.max(1));
        room.map_or(0, |max| (live + 1).saturating_sub(max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_one_has_to_go_and_below_it_none() {
        let limit = |max| Limit {
            max,
            then: AtLimit::Replace,
        };
        for (max, live, surplus) in [
            (None, 1_000, 0),
            (Some(3), 2, 0),
            (Some(3), 3, 1),
            (Some(3), 9, 7),
            (Some(0), 0, 0),
        ] {
            assert_eq!(limit(max).surplus(live), surplus, "{max:?} {live}");
        }
    }
}
