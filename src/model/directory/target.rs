//! The one resource a change is about, and the conditions on its version.

use super::{Mode, Refusal};
use crate::model::{Precondition, Version};

/// What a change is about, as refusals name it.
pub(super) struct Target {
    /// `user`, `device`, `role`, `apikey` or `webhook`.
    pub(super) resource: &'static str,
    /// Its name.
    pub(super) name: String,
    /// The id of a user, API key or webhook.
    pub(super) id: Option<String>,
    /// The version now stored, if anything is.
    pub(super) stored: Option<Version>,
}

impl Target {
    /// Whether the conditions on the version hold. Headers come first: they
    /// are about the request as a whole.
    ///
    /// `_v` in the body of a creation says nothing: the body may be a copy of
    /// another resource.
    pub(super) fn meets(self, precondition: &Precondition, mode: Mode) -> Result<(), Refusal> {
        let Self {
            resource,
            name,
            id,
            stored,
        } = self;
        let exists_against_wish = precondition.create_only && stored.is_some();
        if exists_against_wish || !precondition.if_match_holds(stored) {
            return Err(Refusal::PreconditionFailed {
                resource,
                name,
                id,
                stored,
            });
        }
        let wanted = precondition
            .body_version
            .filter(|_| mode == Mode::CreateOrReplace);
        if wanted.is_some() && wanted != stored {
            return Err(Refusal::VersionMismatch {
                resource,
                name,
                id,
                stored,
            });
        }
        Ok(())
    }
}
