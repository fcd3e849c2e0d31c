//! The archive in memory: every session that is over, from the instant of its
//! ending, also while its record still waits behind a fence to be moved.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock, RwLockWriteGuard};
use tokio::sync::watch;

use super::codec::{CodecError, Names, decode_ended, encode_ended};
use super::history::{Filed, History, Snapshot};
use super::keys;
use crate::model::{EndReason, EndedSession, SessionId, Timestamp};
use crate::ndata::{EndedMember, Query, Selected};
use crate::store::{FeedPlace, Revocations, Rules, StoreError};

impl Filed for EndedSession {
    type Key = (Timestamp, SessionId);

    fn key(&self) -> Self::Key {
        (self.ended_at, self.session.id)
    }

    fn packed(&self) -> Vec<u8> {
        let key = keys::instant_and_id(self.ended_at, self.session.id);
        [&key[..], &encode_ended(self)].concat()
    }

    fn unpacked(bytes: &[u8], names: &mut Names) -> Result<Self, CodecError> {
        let (key, value) = bytes
            .split_at_checked(keys::INSTANT_AND_ID_BYTES)
            .ok_or(SHORT)?;
        let (ended_at, id) = keys::parse_instant_and_id(key).ok_or(SHORT)?;
        decode_ended(ended_at, id, value, names)
    }
}

const SHORT: CodecError = CodecError::Damaged("not a key and a value");

/// All ended sessions that are kept.
#[derive(Debug)]
pub struct Archive {
    ended: History<EndedSession>,
    feed: Mutex<Feed>,
    /// The last change whose endings can be seen in the feed.
    applied: watch::Sender<u64>,
    /// Held by the writer while the endings of a change are filed and answered,
    /// so that whoever has an answer finds the ending in the feed.
    filing: RwLock<()>,
}

/// Ended sessions whose tokens have not expired on their own.
#[derive(Debug, Default)]
struct Feed {
    /// When their tokens do, by the change that ended them.
    revoked: BTreeMap<(u64, SessionId), Timestamp>,
    /// Everything up to this change is durable and here.
    applied: u64,
    /// Whether something came in since the last change that was applied.
    is_new: bool,
    /// When expired tokens were last looked for.
    pruned: Timestamp,
}

/// How often the feed is rid of expired tokens.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

impl Default for Archive {
    fn default() -> Self {
        Self {
            ended: History::default(),
            feed: Mutex::default(),
            applied: watch::Sender::new(0),
            filing: RwLock::default(),
        }
    }
}

impl Archive {
    /// The archive as the disk has it; `see` is shown all of it.
    pub fn of(ended: History<EndedSession>, see: impl Fn(&EndedSession)) -> Self {
        let archive = Self {
            ended,
            ..Self::default()
        };
        for ended in archive.ended.snapshot().iter() {
            archive.tell(&ended);
            see(&ended);
        }
        archive
    }

    /// Takes an ended session in.
    pub fn file(&self, ended: Arc<EndedSession>) {
        self.tell(&ended);
        self.ended.insert(ended);
    }

    /// Puts an ended session into the feed.
    fn tell(&self, ended: &EndedSession) {
        // Of a session whose lifetime is over the tokens are over, too.
        if ended.reason != EndReason::Expired {
            let mut feed = self.feed.lock();
            let key = (ended.commit, ended.session.id);
            feed.revoked.insert(key, ended.session.token_until());
            feed.is_new = true;
        }
    }

    /// From here to the drop of the guard endings are filed and answered, and
    /// readers of the feed wait: for as long as a group takes to be applied.
    pub fn filing(&self) -> RwLockWriteGuard<'_, ()> {
        self.filing.write()
    }

    /// All endings up to this change are durable and filed.
    pub fn set_applied(&self, commit: u64) {
        let mut feed = self.feed.lock();
        feed.applied = commit;
        if std::mem::take(&mut feed.is_new) {
            self.applied.send_replace(commit);
        }
    }

    /// Changes when something is new in the feed.
    pub fn endings(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// Lets go of what needs not be in the feed any more.
    pub fn prune(&self, now: Timestamp) {
        let mut feed = self.feed.lock();
        if now >= feed.pruned.plus(PRUNE_EVERY) || now < feed.pruned {
            feed.pruned = now;
            feed.revoked.retain(|_, until| *until > now);
        }
    }

    /// A part of the feed of this epoch.
    pub fn revocations(
        &self,
        epoch: u64,
        since: Option<FeedPlace>,
        max: usize,
        now: Timestamp,
    ) -> Revocations {
        drop(self.filing.read());
        let feed = self.feed.lock();
        let known = since.filter(|place| place.epoch == epoch && place.commit <= feed.applied);
        let from = match known {
            None => Bound::Unbounded,
            Some(FeedPlace {
                commit,
                id: Some(id),
                ..
            }) => Bound::Excluded((commit, id)),
            Some(place) => Bound::Excluded((place.commit, SessionId::GREATEST)),
        };
        let to = Bound::Included((feed.applied, SessionId::GREATEST));
        let mut items = Vec::new();
        let mut next = FeedPlace {
            epoch,
            commit: feed.applied,
            id: None,
        };
        for ((commit, id), until) in feed.revoked.range((from, to)) {
            if *until <= now {
                continue;
            }
            if items.len() == max {
                break;
            }
            items.push((*id, *until));
            if items.len() == max {
                (next.commit, next.id) = (*commit, Some(*id));
            }
        }
        Revocations {
            items,
            next,
            reset: known.is_none(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ended.len()
    }

    /// Lets an ended session go.
    pub fn forget(&self, key: (Timestamp, SessionId)) {
        self.ended.remove(key);
    }

    /// Ended sessions within the retention at `now`. Takes as long as it takes.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others are at work already.
    pub fn page(
        &self,
        query: &Query<EndedMember>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Selected<Arc<EndedSession>>, StoreError> {
        self.ended.page(query, EndedMember::EndedAt, |all| {
            all.without_first(beyond_retention(all, rules, now))
        })
    }

    /// At most `max` ended sessions that nobody needs any more: they are beyond
    /// the retention, and their tokens have expired on their own.
    pub fn surplus(
        &self,
        rules: &Rules,
        now: Timestamp,
        max: usize,
    ) -> Vec<(Timestamp, SessionId)> {
        let all = self.ended.snapshot();
        let beyond = beyond_retention(&all, rules, now);
        let unneeded = |ended: &Arc<EndedSession>| ended.session.token_until() <= now;
        let surplus = all.iter().take(beyond).filter(unneeded).take(max);
        surplus.map(|ended| ended.key()).collect()
    }
}

/// How many of the oldest are beyond the retention.
fn beyond_retention(all: &Snapshot<EndedSession>, rules: &Rules, now: Timestamp) -> usize {
    let before = now.minus(rules.ended_retention);
    let too_old = all.rank(|ended| ended.ended_at < before);
    too_old.max(all.len().saturating_sub(rules.ended_max))
}
