//! The end of every session that matches a filter.

use super::{App, Caller, ServiceError};
use crate::model::{EndReason, KnownRight, SessionId, Timestamp};
use crate::ndata::{After, Direction, Filter, Literal, Query, SessionMember, Test, Value};
use crate::store::{EndSome, Scope, Store};

/// Sessions ended in one durable step.
const STEP_SESSIONS_MAX: usize = 256;
/// Sessions looked up in one step.
const LOOK_UP_MAX: usize = 10_000;
/// Of a filter that is longer, the audit keeps the beginning.
const DETAIL_CHARS_MAX: usize = 512;

impl<S: Store> App<S> {
    /// Ends every session that matches all filters now, also the caller's own,
    /// but none that lists do not show; answers how many. Each of its steps is durable before the next; without
    /// an answer some of them may have been made. Who logs in meanwhile stays.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without the right `sessionDeleteAny`.
    pub async fn end_matching(
        &self,
        caller: &Caller,
        mut filters: Vec<Filter<SessionMember>>,
        text: &str,
    ) -> Result<usize, ServiceError> {
        caller.needs(KnownRight::SessionDeleteAny)?;
        let reason = reason_of(&filters);
        filters.extend(self.shown(SessionMember::AuthenticationType));
        let ids = self.matching(&filters, self.now()).await?;
        let mut step = EndSome {
            ids: Vec::new(),
            reason,
            filters,
            cause: caller.cause(),
            detail: text
                .chars()
                .take(DETAIL_CHARS_MAX)
                .collect::<String>()
                .into(),
            told: None,
        };
        let mut count = 0;
        for some in ids.chunks(STEP_SESSIONS_MAX) {
            step.ids = some.to_vec();
            let ended = self.store.end_some(step.clone(), self.now()).await?;
            count += ended.count;
            step.told = ended.told;
        }
        Ok(count)
    }

    /// The sessions that match now.
    async fn matching(
        &self,
        filters: &[Filter<SessionMember>],
        now: Timestamp,
    ) -> Result<Vec<SessionId>, ServiceError> {
        let mut query = Query {
            filters: filters.to_vec(),
            ..Query::all(LOOK_UP_MAX)
        };
        query.filters.push(begun_until(now));
        let mut ids = Vec::new();
        loop {
            let page = self.store.page(&query, &Scope::Any, now).await?;
            ids.extend(page.items.iter().map(|session| session.id));
            let Some(last) = page.items.last().filter(|_| page.more) else {
                return Ok(ids);
            };
            query.after = Some(After(vec![
                Value::Time(last.started_at),
                Value::Text(last.id.to_string().into()),
            ]));
            debug_assert_eq!(
                query.order(),
                [
                    (SessionMember::StartedAt, Direction::Ascending),
                    (SessionMember::SessionId, Direction::Ascending),
                ]
            );
        }
    }
}

fn begun_until(now: Timestamp) -> Filter<SessionMember> {
    let nanos = i128::from(now.as_millis()) * 1_000_000;
    Filter {
        member: SessionMember::StartedAt,
        test: Test::Lte(Literal::Time(nanos)),
    }
}

/// "Everything older than an instant is ended", for everybody or one user, is
/// recorded as that; any other filter is somebody's choice.
fn reason_of(filters: &[Filter<SessionMember>]) -> EndReason {
    let is_start = |filter: &Filter<_>| {
        filter.member == SessionMember::StartedAt && matches!(filter.test, Test::Lt(_))
    };
    let is_user = |filter: &Filter<_>| filter.member == SessionMember::UserName;
    if filters.iter().any(is_start) && filters.iter().all(|one| is_start(one) || is_user(one)) {
        EndReason::NotBefore
    } else {
        EndReason::Revoked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ndata::parse_filters;

    #[test]
    fn only_what_is_older_than_an_instant_is_recorded_as_that() {
        for (text, reason) in [
            ("startedAt=lt:2023-08-04", EndReason::NotBefore),
            ("startedAt=lt:2023-08-04&userName=1", EndReason::NotBefore),
            ("userName=1", EndReason::Revoked),
            ("startedAt=lte:2023-08-04", EndReason::Revoked),
            ("startedAt=lt:2023-08-04;gt:2023-08-01", EndReason::Revoked),
            ("startedAt=lt:2023-08-04&deviceName=P01", EndReason::Revoked),
        ] {
            let filters = parse_filters(Some(text)).expect("good filters");
            assert_eq!(reason_of(&filters), reason, "{text}");
        }
    }
}
