//! The limits of sessions: whether a login may begin, and whom it ends.

use crate::model::{
    AtLimit, AuthenticationType, ENDED_AT_ONCE_MAX, Session, SessionId, Subject, Timestamp,
};
use crate::store::sled::op::Counted;
use crate::store::sled::shared::Shared;
use crate::store::sled::writer::GROUP_OPS_MAX;
use crate::store::{NewSession, StoreError};

/// Whom a login ends to stay within the limits. `leaving`: sessions that end
/// with it anyway.
pub(super) fn look(
    new: &NewSession,
    leaving: &[SessionId],
    now: Timestamp,
    shared: &Shared,
) -> Result<Vec<SessionId>, StoreError> {
    let limits = &shared.rules.limits;
    let mut ending = Ending {
        leaving,
        chosen: Vec::new(),
    };
    if limits.is_off() || !is_counted(new.authentication_type) {
        return Ok(ending.chosen);
    }
    let of_some = [
        (limits.per_user, Subject::User(new.user_name.clone())),
        (limits.per_device, Subject::Device(new.device_name.clone())),
    ];
    for (limit, subject) in of_some.into_iter().filter(|(limit, _)| limit.max.is_some()) {
        let mut live = counted(shared.table.ids(&subject), now, shared);
        live.retain(|session| !ending.has(session.id));
        live.sort_by_key(|session| (session.last_access_at, session.started_at, session.id));
        let oldest = live.iter().map(|session| session.id);
        ending.choose(limit.surplus(live.len()), limit.then, oldest)?;
    }
    if limits.installation.max.is_some() {
        let ended = ending.leaving.iter().chain(&ending.chosen).copied();
        let ended = counted(ended.collect(), now, shared).len();
        let live = shared.table.counted(now).saturating_sub(ended);
        let surplus = limits.installation.surplus(live);
        let wanted = surplus.min(ENDED_AT_ONCE_MAX) + ended;
        let oldest = match limits.installation.then {
            AtLimit::Replace if surplus > 0 => shared.table.longest_not_accessed(wanted, now),
            AtLimit::Replace | AtLimit::Deny => Vec::new(),
        };
        let oldest: Vec<_> = oldest.into_iter().filter(|id| !ending.has(*id)).collect();
        ending.choose(surplus, limits.installation.then, oldest.into_iter())?;
    }
    Ok(ending.chosen)
}

/// Sessions that end with a login.
struct Ending<'a> {
    leaving: &'a [SessionId],
    chosen: Vec<SessionId>,
}

impl Ending<'_> {
    fn has(&self, id: SessionId) -> bool {
        self.leaving.contains(&id) || self.chosen.contains(&id)
    }

    fn choose(
        &mut self,
        surplus: usize,
        then: AtLimit,
        oldest: impl Iterator<Item = SessionId>,
    ) -> Result<(), StoreError> {
        match then {
            AtLimit::Deny if surplus > 0 => return Err(StoreError::LimitReached),
            AtLimit::Deny => {}
            AtLimit::Replace => self
                .chosen
                .extend(oldest.take(surplus.min(ENDED_AT_ONCE_MAX))),
        }
        Ok(())
    }
}

/// Sessions of API keys come and go with their requests and are not counted.
fn is_counted(kind: AuthenticationType) -> bool {
    kind == AuthenticationType::Bearer
}

fn counted(ids: Vec<SessionId>, now: Timestamp, shared: &Shared) -> Vec<Session> {
    let live = ids.into_iter().filter_map(|id| shared.table.find(id, now));
    live.filter(|session| is_counted(session.identity.authentication_type))
        .collect()
}

/// What two logins of one group must not share, so that both are counted.
/// `None`: the login is at a limit and goes alone.
pub(super) fn shared_limits(
    new: &NewSession,
    leaving: &[SessionId],
    now: Timestamp,
    shared: &Shared,
) -> Option<Vec<Counted>> {
    let limits = &shared.rules.limits;
    if limits.is_off() || !is_counted(new.authentication_type) {
        return Some(Vec::new());
    }
    let ends_nobody = look(new, leaving, now, shared).is_ok_and(|ended| ended.is_empty());
    if !ends_nobody {
        return None;
    }
    let user = limits
        .per_user
        .max
        .map(|_| Counted::User(new.user_name.clone()));
    let device = limits
        .per_device
        .max
        .map(|_| Counted::Device(new.device_name.clone()));
    // A group far from the limit can not reach it.
    let is_near = |max: usize| shared.table.count() + GROUP_OPS_MAX >= max;
    let all = limits.installation.max.filter(|max| is_near(*max));
    let all = all.map(|_| Counted::Everybody);
    Some([user, device, all].into_iter().flatten().collect())
}
