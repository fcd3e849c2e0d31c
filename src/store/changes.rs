//! The feed of changes: every session, user, device, role, API key and webhook that
//! was created, changed or deleted, in the order of the commits, for whoever
//! watches. Accesses are no changes.
//!
//! It is one list of bounded length that all readers read from at their own
//! pace, each with a place of its own. Nobody waits for a reader: one that is
//! too slow finds its place gone and is told to look at everything anew.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::meter::Counter;
use crate::model::{
    ApiKey, Author, Device, Directory, DirectoryDecision, EndReason, EndedSession, ResourceKind,
    Role, Session, Timestamp, User, Version, Webhook,
};

/// What happened to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is there.
    Created,
    /// It is another version.
    Updated,
    /// It is gone.
    Deleted,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A session; in its last state when it has ended, and why.
    Session(Box<Session>, Option<EndReason>),
    /// Something that people type in.
    Resource {
        /// What it is; no session.
        kind: ResourceKind,
        /// The id of a user, API key or webhook, the name of a device or role.
        id: Box<str>,
        /// Its version now, or when it was deleted.
        version: Version,
    },
}

impl Changed {
    /// What kind of thing it is.
    #[must_use]
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Session(..) => ResourceKind::Session,
            Self::Resource { kind, .. } => *kind,
        }
    }
}

/// One change.
#[derive(Debug)]
pub struct Change {
    /// Where it stands in the feed.
    pub place: ChangePlace,
    /// When it was made; of a session that lapsed, the instant the rule struck.
    pub at: Timestamp,
    /// By whom.
    pub by: Author,
    /// What happened.
    pub action: Action,
    /// To what.
    pub what: Changed,
    /// As notifications have it, written by whoever tells it first: many are told the
    /// same.
    pub written: OnceLock<Box<[u8]>>,
}

/// How far somebody has read. Places of one epoch are in the order of the
/// changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePlace {
    /// The epoch of the store.
    pub epoch: u64,
    /// The commit that made the change.
    pub commit: u64,
    /// Its number among the changes of that commit, from 1; 0: before them.
    pub number: u32,
}

impl ChangePlace {
    /// Reads a place; `None` for everything that is no text of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let place = Self {
            epoch: parts.next()?.parse().ok()?,
            commit: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        // Only the one spelling.
        (place.to_string() == text).then_some(place)
    }
}

impl fmt::Display for ChangePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.epoch, self.commit, self.number)
    }
}

/// A part of the feed.
#[derive(Clone, Debug)]
pub struct ChangePart {
    /// Changes, oldest first.
    pub changes: Vec<Arc<Change>>,
    /// Where to go on.
    pub next: ChangePlace,
    /// The place is not, or no longer, in this feed: what was read before may
    /// be out of date, and this part is empty.
    pub lost: bool,
}

/// The feed of one open store. It begins at the opening.
#[derive(Debug)]
pub struct Changes {
    list: Mutex<List>,
    kept_max: usize,
    told: watch::Sender<ChangePlace>,
    /// Sessions that began.
    begun: Counter,
    /// Sessions that ended, by the place of the reason in [`EndReason::ALL`].
    ended: [Counter; EndReason::ALL.len()],
}

#[derive(Debug, Default)]
struct List {
    kept: VecDeque<Arc<Change>>,
    /// Everything after this place is kept.
    from: ChangePlace,
    /// The place of the newest.
    last: ChangePlace,
}

impl Changes {
    /// An empty feed behind this commit, which keeps so many changes for readers
    /// that are slow or come back.
    #[must_use]
    pub fn new(epoch: u64, commit: u64, kept_max: usize) -> Self {
        let start = ChangePlace {
            epoch,
            commit,
            number: 0,
        };
        let list = List {
            kept: VecDeque::new(),
            from: start,
            last: start,
        };
        Self {
            list: Mutex::new(list),
            kept_max,
            told: watch::Sender::new(start),
            begun: Counter::default(),
            ended: Default::default(),
        }
    }

    /// How many sessions began since the opening.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// How many sessions ended, by the place of the reason in
    /// [`EndReason::ALL`].
    #[must_use]
    pub fn ended(&self) -> [u64; EndReason::ALL.len()] {
        std::array::from_fn(|at| self.ended[at].get())
    }

    fn count(&self, action: Action, what: &Changed) {
        match (action, what) {
            (Action::Created, Changed::Session(..)) => self.begun.count(),
            (_, Changed::Session(_, Some(reason))) => self.ended[reason.index()].count(),
            _ => {}
        }
    }

    /// Adds a change that everybody sees from now on. Called in the order of
    /// the commits.
    pub fn add(&self, commit: u64, at: Timestamp, by: Author, action: Action, what: Changed) {
        self.count(action, &what);
        let mut list = self.list.lock();
        let number = if list.last.commit == commit {
            list.last.number + 1
        } else {
            1
        };
        let place = ChangePlace {
            commit,
            number,
            ..list.last
        };
        list.last = place;
        list.kept.push_back(Arc::new(Change {
            place,
            at,
            by,
            action,
            what,
            written: OnceLock::new(),
        }));
        if list.kept.len() > self.kept_max
            && let Some(oldest) = list.kept.pop_front()
        {
            list.from = oldest.place;
        }
    }

    /// Adds the ending of a session.
    pub fn add_end(&self, ended: &EndedSession) {
        let what = Changed::Session(Box::new(ended.session.clone()), Some(ended.reason));
        let (at, by) = (ended.ended_at, ended.by.clone());
        self.add(ended.commit, at, by, Action::Deleted, what);
    }

    /// Adds what a change of the directory has done to what was there `before`.
    pub fn add_decision(
        &self,
        commit: u64,
        at: Timestamp,
        by: &Author,
        decision: &DirectoryDecision,
        before: &Directory,
    ) {
        for (action, what) in outcomes(decision, before) {
            self.add(commit, at, by.clone(), action, what);
        }
    }

    /// Wakes who waits for changes, if any have been added.
    pub fn tell(&self) {
        let last = self.list.lock().last;
        self.told.send_if_modified(|told| {
            let is_new = *told != last;
            *told = last;
            is_new
        });
    }

    /// Changes when there is something to read.
    #[must_use]
    pub fn told(&self) -> watch::Receiver<ChangePlace> {
        self.told.subscribe()
    }

    /// The place behind the newest change.
    #[must_use]
    pub fn last(&self) -> ChangePlace {
        self.list.lock().last
    }

    /// At most `max` changes behind a place.
    #[must_use]
    pub fn after(&self, place: ChangePlace, max: usize) -> ChangePart {
        let list = self.list.lock();
        let is_known = place.epoch == list.last.epoch && place >= list.from && place <= list.last;
        if !is_known {
            return ChangePart {
                changes: Vec::new(),
                next: list.last,
                lost: true,
            };
        }
        let first = list.kept.partition_point(|change| change.place <= place);
        let changes: Vec<_> = list.kept.range(first..).take(max).cloned().collect();
        ChangePart {
            next: changes.last().map_or(place, |change| change.place),
            changes,
            lost: false,
        }
    }
}

/// What a decision does to each resource, what is removed last.
#[must_use]
pub fn outcomes(decision: &DirectoryDecision, before: &Directory) -> Vec<(Action, Changed)> {
    let user = |it: &Arc<User>| of(ResourceKind::User, it.id, it.version);
    let device = |it: &Arc<Device>| of(ResourceKind::Device, &it.name, it.version);
    let role = |it: &Arc<Role>| of(ResourceKind::Role, &it.name, it.version);
    let key = |it: &Arc<ApiKey>| of(ResourceKind::ApiKey, it.id, it.version);
    let hook = |it: &Arc<Webhook>| of(ResourceKind::Webhook, it.id, it.version);

    let put = decision
        .put_users
        .iter()
        .map(|it| (before.user(it.id).is_some(), user(it)));
    let put = put.chain(
        decision
            .put_devices
            .iter()
            .map(|it| (before.device(&it.name).is_some(), device(it))),
    );
    let put = put.chain(
        decision
            .put_roles
            .iter()
            .map(|it| (before.role(&it.name).is_some(), role(it))),
    );
    let put = put.chain(
        decision
            .put_api_keys
            .iter()
            .map(|it| (before.api_key(it.id).is_some(), key(it))),
    );
    let put = put.chain(
        decision
            .put_webhooks
            .iter()
            .map(|it| (before.webhook(it.id).is_some(), hook(it))),
    );

    let gone = decision
        .removed_users
        .iter()
        .filter_map(|id| before.user(*id))
        .map(user);
    let gone = gone.chain(
        decision
            .removed_devices
            .iter()
            .filter_map(|name| before.device(name))
            .map(device),
    );
    let gone = gone.chain(
        decision
            .removed_roles
            .iter()
            .filter_map(|name| before.role(name))
            .map(role),
    );
    let gone = gone.chain(
        decision
            .removed_api_keys
            .iter()
            .filter_map(|id| before.api_key(*id))
            .map(key),
    );
    let gone = gone.chain(
        decision
            .removed_webhooks
            .iter()
            .filter_map(|id| before.webhook(*id))
            .map(hook),
    );

    let put = put.map(|(was_there, what)| {
        let action = if was_there {
            Action::Updated
        } else {
            Action::Created
        };
        (action, what)
    });
    put.chain(gone.map(|what| (Action::Deleted, what)))
        .collect()
}

fn of(kind: ResourceKind, id: impl Display, version: Version) -> Changed {
    let id = id.to_string().into();
    Changed::Resource { kind, id, version }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT_MAX: usize = 16;

    fn add(changes: &Changes, commit: u64) {
        let what = Changed::Resource {
            kind: ResourceKind::Role,
            id: "owner".into(),
            version: Version::FIRST,
        };
        let at = Timestamp::from_millis(0);
        changes.add(commit, at, Author::Server, Action::Created, what);
    }

    fn place(epoch: u64, commit: u64, number: u32) -> ChangePlace {
        ChangePlace {
            epoch,
            commit,
            number,
        }
    }

    fn places(part: &ChangePart) -> Vec<(u64, u32)> {
        let places = part.changes.iter().map(|change| change.place);
        places.map(|place| (place.commit, place.number)).collect()
    }

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let some = place(3, u64::MAX, 7);
        assert_eq!(ChangePlace::parse(&some.to_string()), Some(some));
        for text in ["", "1-2", "1-2-3-4", "01-2-3", "+1-2-3", "a-b-c", "1-2-"] {
            assert_eq!(ChangePlace::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_change_is_read_once_and_in_order_in_parts_of_any_size() {
        let changes = Changes::new(1, 10, KEPT_MAX);
        let start = changes.last();
        for commit in [11, 11, 11, 14, 15, 15] {
            add(&changes, commit);
        }
        let all = [(11, 1), (11, 2), (11, 3), (14, 1), (15, 1), (15, 2)];
        for size in 1..=7 {
            let (mut read, mut at) = (Vec::new(), start);
            loop {
                let part = changes.after(at, size);
                assert!(!part.lost && part.changes.len() <= size);
                if part.changes.is_empty() {
                    break;
                }
                read.extend(places(&part));
                at = part.next;
            }
            assert_eq!(read, all, "{size}");
            assert_eq!(at, changes.last());
        }
    }

    #[test]
    fn a_place_of_another_epoch_or_ahead_or_from_before_the_opening_is_lost() {
        let changes = Changes::new(1, 10, KEPT_MAX);
        add(&changes, 11);
        for lost in [
            place(2, 11, 0),
            place(1, 9, 1),
            place(1, 11, 2),
            place(1, 12, 0),
        ] {
            let part = changes.after(lost, 9);
            assert!(part.lost && part.changes.is_empty(), "{lost}");
            assert_eq!(part.next, place(1, 11, 1));
        }
        assert!(!changes.after(place(1, 10, 0), 9).lost);
    }

    #[test]
    fn a_reader_that_is_too_slow_loses_its_place_and_memory_stays_bounded() {
        let changes = Changes::new(1, 0, KEPT_MAX);
        let start = changes.last();
        for _ in 0..KEPT_MAX {
            add(&changes, 1);
        }
        assert!(!changes.after(start, 1).lost);
        add(&changes, 2);
        assert!(changes.after(start, 1).lost);
        assert_eq!(changes.list.lock().kept.len(), KEPT_MAX);
        let oldest = changes.list.lock().from;
        assert_eq!(places(&changes.after(oldest, 1)), [(1, 2)]);
    }

    #[test]
    fn who_waits_is_woken_once_for_what_was_added_together() {
        let changes = Changes::new(1, 0, KEPT_MAX);
        let mut told = changes.told();
        changes.tell();
        assert!(!told.has_changed().expect("the feed is there"));
        add(&changes, 1);
        add(&changes, 1);
        changes.tell();
        assert!(told.has_changed().expect("the feed is there"));
        told.mark_unchanged();
        changes.tell();
        assert!(!told.has_changed().expect("the feed is there"));
    }
}
