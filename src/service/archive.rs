//! What is over and what has happened: looked at by those who have the right.

use std::sync::Arc;

use super::{App, Caller, ServiceError};
use crate::model::{AuditEntry, EndedSession, KnownRight};
use crate::ndata::{AuditMember, EndedMember, Query, Selected, SessionMember};
use crate::store::Store;

/// Sessions moved in one step while somebody waits for the archive.
const DUE_BATCH_MAX: usize = 256;
/// Sweeps made before the archive is shown, at most.
const SWEEPS_MAX: usize = 16;

impl<S: Store> App<S> {
    /// Sessions that are over and match a query, whoever's they were.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without the right `sessionReadAny`.
    pub async fn list_ended(
        &self,
        caller: &Caller,
        query: &Query<EndedMember>,
    ) -> Result<Selected<Arc<EndedSession>>, ServiceError> {
        caller.needs(KnownRight::SessionReadAny)?;
        self.archive_due().await;
        let member = EndedMember::Session(SessionMember::AuthenticationType);
        let query = self.visible(query, member);
        Ok(self.store.ended(&query, self.now()).await?)
    }

    /// What was done, by whom and from where.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without the right `auditRead`.
    pub async fn list_audit(
        &self,
        caller: &Caller,
        query: &Query<AuditMember>,
    ) -> Result<Selected<Arc<AuditEntry>>, ServiceError> {
        caller.needs(KnownRight::AuditRead)?;
        Ok(self.store.audit(query, self.now()).await?)
    }

    /// Moves what is over by the passing of time to the archive, so that who
    /// asks for it need not wait for the sweeper. It stays where it is while the
    /// disk takes nothing; more than a few thousand wait for the sweeper.
    async fn archive_due(&self) {
        let now = self.now();
        for _ in 0..SWEEPS_MAX {
            if self.store.next_deadline().is_none_or(|next| next > now) {
                return;
            }
            if self.store.sweep(now, DUE_BATCH_MAX).await.is_err() {
                return;
            }
        }
    }
}
