//! Sessions: look, list, end, and whose a caller reaches.

use std::borrow::Cow;

use super::{App, Caller, ServiceError, Stored};
use crate::model::{
    AuthenticationType, EndReason, KnownRight, Precondition, Session, SessionAccess, SessionId,
};
use crate::ndata::{Filter, Literal, Query, SessionMember, Test};
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
        let query = self.visible(query, SessionMember::AuthenticationType);
        Ok(self.store.page(&query, &scope, self.now()).await?)
    }

    /// The query, less the sessions of API keys where those are hidden.
    pub(super) fn visible<'a, M: Clone>(
        &self,
        query: &'a Query<M>,
        authentication_type: M,
    ) -> Cow<'a, Query<M>> {
        let Some(shown) = self.shown(authentication_type) else {
            return Cow::Borrowed(query);
        };
        let mut query = query.clone();
        query.filters.push(shown);
        Cow::Owned(query)
    }

    /// What leaves the sessions of API keys out, where those are hidden: of
    /// everything that is shown of many, and done with many.
    pub(super) fn shown<M>(&self, authentication_type: M) -> Option<Filter<M>> {
        (!self.policy.signed_sessions_visible).then(|| Filter {
            member: authentication_type,
            test: Test::Neq(Literal::Text(AuthenticationType::Nws4.as_str().to_owned())),
        })
    }

    /// Whether others than the caller may know of a session of this kind.
    pub(super) fn is_hidden(&self, session: &Session) -> bool {
        let signed = session.identity.authentication_type == AuthenticationType::Nws4;
        signed && !self.policy.signed_sessions_visible
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
        let found = found.filter(|session| !self.is_hidden(session));
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
        if !own && !self.policy.signed_sessions_visible {
            // How a session was opened never changes: no race is in this look.
            self.find_within(&scope, caller, id).await?;
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
