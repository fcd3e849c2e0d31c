//! Sessions: look, list, end, and whose a caller reaches.

use super::{App, Caller, ServiceError, Stored};
use crate::model::{EndReason, KnownRight, Precondition, Session, SessionAccess, SessionId};
use crate::ndata::{Query, SessionMember};
use crate::store::{End, Scope, SessionPage, Store, StoreError};

impl<S: Store> App<S> {
    /// Whose sessions a caller reaches: everybody's where access is open or
    /// with the right for it, else those of its own user name.
    fn reach(&self, caller: &Caller, right: KnownRight) -> Scope {
        match self.policy.session_access {
            SessionAccess::Open => Scope::Any,
            SessionAccess::Own if caller.may(right) => Scope::Any,
            SessionAccess::Own => Scope::Own(caller.session.identity.user_name.clone()),
        }
    }

    /// Live sessions within the caller's reach that match a query; no count
    /// tells of others.
    pub async fn list_sessions(
        &self,
        caller: &Caller,
        query: &Query<SessionMember>,
    ) -> Result<SessionPage, ServiceError> {
        let scope = self.reach(caller, KnownRight::SessionReadAny);
        Ok(self.store.page(query, &scope, self.now()).await?)
    }

    /// One live session within the caller's reach. Asked for its own, the
    /// caller sees the access that this very request was.
    pub async fn find_session(
        &self,
        caller: &Caller,
        id: SessionId,
    ) -> Result<Session, ServiceError> {
        let scope = self.reach(caller, KnownRight::SessionReadAny);
        self.find_within(&scope, caller, id).await
    }

    async fn find_within(
        &self,
        scope: &Scope,
        caller: &Caller,
        id: SessionId,
    ) -> Result<Session, ServiceError> {
        if caller.session.id == id {
            return Ok(caller.session.clone());
        }
        let found = self.store.find(id, scope, self.now()).await;
        found.ok_or(ServiceError::NotFound)
    }

    /// Ends a session within the caller's reach; answers its last state. From
    /// the answer on no request of it succeeds, whatever happens to the
    /// machine.
    pub async fn end_session(
        &self,
        caller: &Caller,
        id: SessionId,
        if_match: Precondition,
    ) -> Result<Session, ServiceError> {
        let own = caller.session.id == id;
        let scope = self.reach(caller, KnownRight::SessionDeleteAny);
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
            let session = self.find_within(&scope, caller, id).await?;
            return Err(stale(if own { caller.before } else { session.version }));
        }
        let end = End {
            id,
            scope,
            if_match,
            own_access: own,
            reason: if own {
                EndReason::LoggedOut
            } else {
                EndReason::Revoked
            },
            cause: caller.cause(),
        };
        let ended = self.store.end(end, self.now()).await;
        ended.map_err(|error| match error {
            StoreError::Stale(version) => stale(version),
            error => error.into(),
        })
    }
}
