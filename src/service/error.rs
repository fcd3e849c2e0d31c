//! From the outcomes of the store and of the hashing pool to what a caller is
//! told.

use super::{RETRY_AFTER, ServiceError, Stored};
use crate::auth::pool::PoolError;
use crate::model::Refusal;
use crate::store::StoreError;

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotLive(_) => Self::NotFound,
            StoreError::Stale(version) => Self::PreconditionFailed(Stored {
                resource: "session",
                name: "session".to_owned(),
                id: None,
                version: Some(version),
            }),
            StoreError::Denied | StoreError::Reused => Self::Unauthenticated { reason: None },
            StoreError::LimitReached => Self::SessionLimit,
            StoreError::Locked(wait) => Self::Locked(wait),
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Full => Self::Full,
            StoreError::Busy => Self::Busy(RETRY_AFTER),
            StoreError::ReadOnly => Self::ReadOnly,
            StoreError::Unknown => Self::Unknown,
        }
    }
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound | Refusal::SetUpClosed => Self::NotFound,
            Refusal::VersionMismatch {
                resource,
                name,
                id,
                stored,
            } => Self::VersionMismatch(Stored {
                resource,
                name,
                id,
                version: stored,
            }),
            Refusal::PreconditionFailed {
                resource,
                name,
                id,
                stored,
            } => Self::PreconditionFailed(Stored {
                resource,
                name,
                id,
                version: stored,
            }),
            Refusal::Invalid(fields) => Self::Invalid(fields),
            Refusal::Forbidden(sentence) => Self::Forbidden(sentence),
        }
    }
}

impl From<PoolError> for ServiceError {
    fn from(_: PoolError) -> Self {
        Self::Busy(RETRY_AFTER)
    }
}
