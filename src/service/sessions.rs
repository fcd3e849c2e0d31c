//! Sessions: look, list, end.

use super::{App, Caller, ServiceError, Stored};
use crate::model::{EndReason, Precondition, Session, SessionId};
use crate::ndata::{Query, SessionMember};
use crate::store::{Scope, SessionPage, Store, StoreError};

impl<S: Store> App<S> {
    /// Live sessions that match a query. Every caller sees all of them, as the
    /// API documents.
    pub async fn list_sessions(
        &self,
        query: &Query<SessionMember>,
    ) -> Result<SessionPage, ServiceError> {
        Ok(self.store.page(query, &Scope::Any, self.now()).await?)
    }

    /// One live session. Asked for its own, the caller sees the access that
    /// this very request was.
    pub async fn find_session(
        &self,
        caller: &Caller,
        id: SessionId,
    ) -> Result<Session, ServiceError> {
        if caller.session.id == id {
            return Ok(caller.session.clone());
        }
        self.store
            .find(id, self.now())
            .await
            .ok_or(ServiceError::NotFound)
    }

    /// Ends a session; answers its last state. From the answer on no request
    /// of it succeeds, whatever happens to the machine.
    pub async fn end_session(
        &self,
        caller: &Caller,
        id: SessionId,
        if_match: Precondition,
    ) -> Result<Session, ServiceError> {
        let own = caller.session.id == id;
        let reason = if own {
            EndReason::LoggedOut
        } else {
            EndReason::Revoked
        };
        let stale = |version| {
            ServiceError::PreconditionFailed(Stored {
                resource: "session",
                name: id.to_string(),
                id: Some(id.to_string()),
                version: Some(version),
            })
        };
        // `If-None-Match: *` asks that there be none to end.
        if if_match.create_only {
            let session = self.find_session(caller, id).await?;
            return Err(stale(if own { caller.before } else { session.version }));
        }
        let ended = self
            .store
            .end(id, if_match, own, reason, caller.cause(), self.now())
            .await;
        ended.map_err(|error| match error {
            StoreError::Stale(version) => stale(version),
            error => error.into(),
        })
    }
}
