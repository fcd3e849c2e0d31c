//! Lists of what has happened: they grow at their end, shrink at their front,
//! and nothing in them changes. They are held in memory whole, so that readers
//! never go to the disk and see one instant; the disk has every record first.
//!
//! A list is a row of sorted chunks. A reader copies the chunk list, which
//! costs one reference count for each, and then reads without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::ndata::{self, Direction, Member, Query, Row, Selected, Test};
use crate::store::StoreError;

/// Records in one chunk at most.
const CHUNK_RECORDS_MAX: usize = 256;
/// Queries at work on one list at most; more are refused as busy.
const READERS_MAX: usize = 2;

/// A record that has its place in a list.
pub trait Filed {
    /// What the list is sorted by; no two records share one.
    type Key: Ord + Copy;

    /// The record's own.
    fn key(&self) -> Self::Key;
}

type Chunk<R> = Arc<Vec<Arc<R>>>;

/// A list that grows and is read at the same time.
pub struct History<R> {
    chunks: RwLock<Vec<Chunk<R>>>,
    readers: AtomicUsize,
}

impl<R> Default for History<R> {
    fn default() -> Self {
        Self {
            chunks: RwLock::default(),
            readers: AtomicUsize::new(0),
        }
    }
}

impl<R> std::fmt::Debug for History<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chunks = self.chunks.read().len();
        f.debug_struct("History")
            .field("chunks", &chunks)
            .finish_non_exhaustive()
    }
}

impl<R: Filed> History<R> {
    /// Puts a record in its place; one with the same key stays as it is.
    pub fn insert(&self, record: Arc<R>) {
        let key = record.key();
        let mut chunks = self.chunks.write();
        let behind = chunks.partition_point(|chunk| chunk[0].key() <= key);
        let Some(at) = behind.checked_sub(1) else {
            chunks.insert(0, Arc::new(vec![record]));
            return;
        };
        let is_last = at + 1 == chunks.len();
        let chunk = &mut chunks[at];
        let place = chunk.partition_point(|other| other.key() < key);
        if chunk.get(place).is_some_and(|other| other.key() == key) {
            return;
        }
        if is_last && place == chunk.len() && place >= CHUNK_RECORDS_MAX {
            // What only ever grows fills its chunks to the brim.
            chunks.push(Arc::new(vec![record]));
            return;
        }
        let records = Arc::make_mut(chunk);
        records.insert(place, record);
        if records.len() > CHUNK_RECORDS_MAX {
            let upper = records.split_off(CHUNK_RECORDS_MAX / 2);
            chunks.insert(at + 1, Arc::new(upper));
        }
    }

    /// Puts a record in its place, instead of one with the same key.
    pub fn put(&self, record: Arc<R>) {
        let key = record.key();
        let mut chunks = self.chunks.write();
        let behind = chunks.partition_point(|chunk| chunk[0].key() <= key);
        if let Some(at) = behind.checked_sub(1) {
            let place = chunks[at].partition_point(|other| other.key() < key);
            if chunks[at]
                .get(place)
                .is_some_and(|other| other.key() == key)
            {
                Arc::make_mut(&mut chunks[at])[place] = record;
                return;
            }
        }
        drop(chunks);
        self.insert(record);
    }

    /// Whether a record is there.
    pub fn contains(&self, key: R::Key) -> bool {
        let chunks = self.chunks.read();
        let behind = chunks.partition_point(|chunk| chunk[0].key() <= key);
        let chunk = behind.checked_sub(1).map(|at| &chunks[at]);
        chunk.is_some_and(|chunk| chunk.binary_search_by_key(&key, |row| row.key()).is_ok())
    }

    /// Takes a record out, if it is there.
    pub fn remove(&self, key: R::Key) {
        let mut chunks = self.chunks.write();
        let behind = chunks.partition_point(|chunk| chunk[0].key() <= key);
        let Some(at) = behind.checked_sub(1) else {
            return;
        };
        let records = Arc::make_mut(&mut chunks[at]);
        records.retain(|record| record.key() != key);
        if records.is_empty() {
            chunks.remove(at);
        }
    }

    /// The list as it is at this instant.
    pub fn snapshot(&self) -> Snapshot<R> {
        Snapshot(self.chunks.read().clone())
    }

    /// Answers a query from the part of the list that is `shown`, at one
    /// instant; takes as long as it takes.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others are at work already.
    pub fn page<M>(
        &self,
        query: &Query<M>,
        natural: M,
        shown: impl FnOnce(&Snapshot<R>) -> Snapshot<R>,
    ) -> Result<Selected<Arc<R>>, StoreError>
    where
        M: Member,
        R: Row<M>,
    {
        let _reading = Reading::begin(&self.readers)?;
        Ok(shown(&self.snapshot()).page(query, natural))
    }
}

/// A place among the readers, given back when dropped.
struct Reading<'a>(&'a AtomicUsize);

impl<'a> Reading<'a> {
    fn begin(readers: &'a AtomicUsize) -> Result<Self, StoreError> {
        let reading = Self(readers);
        if readers.fetch_add(1, Ordering::AcqRel) >= READERS_MAX {
            return Err(StoreError::Busy);
        }
        Ok(reading)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A list as it was at one instant.
pub struct Snapshot<R>(Vec<Chunk<R>>);

impl<R> Snapshot<R> {
    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.0.iter().map(|chunk| chunk.len()).sum()
    }

    /// All records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<R>> {
        self.0.iter().flat_map(|chunk| chunk.iter())
    }

    /// The list without so many of its oldest records.
    pub fn without_first(&self, mut count: usize) -> Self {
        let mut chunks = self.0.as_slice();
        while let Some((first, rest)) = chunks.split_first() {
            if count < first.len() {
                break;
            }
            count -= first.len();
            chunks = rest;
        }
        let mut chunks = chunks.to_vec();
        if let Some(first) = chunks.first_mut().filter(|_| count > 0) {
            *first = Arc::new(first[count..].to_vec());
        }
        Self(chunks)
    }

    /// How many records stand before the first that is not `before`: true for
    /// some at the front, false for all behind them.
    pub fn rank(&self, before: impl Fn(&R) -> bool) -> usize {
        let chunk = self.0.partition_point(|chunk| before(&chunk[0]));
        let Some(at) = chunk.checked_sub(1) else {
            return 0;
        };
        let earlier: usize = self.0[..at].iter().map(|chunk| chunk.len()).sum();
        earlier + self.0[at].partition_point(|record| before(record))
    }

    fn get(&self, mut rank: usize) -> Option<&Arc<R>> {
        for chunk in &self.0 {
            if let Some(record) = chunk.get(rank) {
                return Some(record);
            }
            rank -= chunk.len();
        }
        None
    }

    /// Answers a query. `natural` is the member whose values ascend along the
    /// list: a query that is sorted and filtered by nothing else costs as much
    /// as its page, any other looks at every record within the bounds.
    fn page<M: Member>(&self, query: &Query<M>, natural: M) -> Selected<Arc<R>>
    where
        R: Row<M>,
    {
        let order = query.order();
        let (low, high, is_whole) = self.bounds(query, natural);
        if is_whole && order.first().is_some_and(|(member, _)| *member == natural) {
            return self.walk(query, &order, low, high);
        }
        let candidates = self.iter().skip(low).take(high.saturating_sub(low));
        ndata::select(query, candidates.cloned())
    }

    /// The ranks between which everything lies that can match, and whether
    /// nothing else has to be looked at.
    fn bounds<M: Member>(&self, query: &Query<M>, natural: M) -> (usize, usize, bool)
    where
        R: Row<M>,
    {
        let (mut low, mut high, mut is_whole) = (0, self.len(), true);
        for filter in &query.filters {
            let from = |test: &Test| self.rank(|row| !test.passes(&row.value(natural)));
            let to = |test: &Test| self.rank(|row| test.passes(&row.value(natural)));
            match &filter.test {
                _ if filter.member != natural => is_whole = false,
                test @ (Test::Gt(_) | Test::Gte(_)) => low = low.max(from(test)),
                test @ (Test::Lt(_) | Test::Lte(_)) => high = high.min(to(test)),
                Test::Eq(literal) => {
                    low = low.max(from(&Test::Gte(literal.clone())));
                    high = high.min(to(&Test::Lte(literal.clone())));
                }
                _ => is_whole = false,
            }
        }
        (low, high, is_whole)
    }

    /// Walks the list in the query's direction, one group of equal natural
    /// values after the other, until the page is full.
    fn walk<M: Member>(
        &self,
        query: &Query<M>,
        order: &[(M, Direction)],
        low: usize,
        high: usize,
    ) -> Selected<Arc<R>>
    where
        R: Row<M>,
    {
        let total = high.saturating_sub(low);
        let (natural, direction) = order[0];
        let (mut low, mut high) = (low, high.max(low));
        if let Some(place) = query.after.as_ref().and_then(|after| after.0.first()) {
            match direction {
                Direction::Ascending => low = low.max(self.rank(|row| row.value(natural) < *place)),
                Direction::Descending => {
                    high = high.min(self.rank(|row| row.value(natural) <= *place));
                }
            }
        }
        let mut skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
        let wanted = query.take.saturating_add(1);
        let mut rows: Vec<Arc<R>> = Vec::new();
        while low < high && rows.len() < wanted {
            let (from, to) = self.group(natural, direction, low, high);
            match direction {
                Direction::Ascending => low = to,
                Direction::Descending => high = from,
            }
            if query.after.is_none() && skip >= to - from {
                skip -= to - from;
                continue;
            }
            let mut group: Vec<_> = self.iter().skip(from).take(to - from).cloned().collect();
            if let Some(after) = &query.after {
                group.retain(|row| Query::is_after(order, &**row, after));
            }
            group.sort_by(|a, b| Query::compare(order, &**a, &**b));
            rows.extend(group.into_iter().skip(std::mem::take(&mut skip)));
        }
        let more = rows.len() > query.take;
        rows.truncate(query.take);
        let count = rows.len();
        Selected {
            items: if query.count_only { Vec::new() } else { rows },
            count,
            total: u64::try_from(total).unwrap_or(u64::MAX),
            more,
        }
    }

    /// The ranks of the next records that share a natural value.
    fn group<M: Member>(
        &self,
        natural: M,
        direction: Direction,
        low: usize,
        high: usize,
    ) -> (usize, usize)
    where
        R: Row<M>,
    {
        let edge = match direction {
            Direction::Ascending => low,
            Direction::Descending => high - 1,
        };
        let Some(row) = self.get(edge) else {
            return (low, high);
        };
        let value = row.value(natural);
        match direction {
            Direction::Ascending => {
                let to = self.rank(|other| other.value(natural) <= value);
                (low, to.clamp(low + 1, high))
            }
            Direction::Descending => {
                let from = self.rank(|other| other.value(natural) < value);
                (from.clamp(low, high - 1), high)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AuthenticationType, DeviceName, Env, Identity, UserName};
    use crate::model::{Author, EndReason, EndedSession, Session, SessionId, Timestamp, Version};
    use crate::ndata::{EndedMember, Limits, next_cursor, parse};

    fn ended(number: u64, at: i64, user: &str) -> Arc<EndedSession> {
        let time = Timestamp::from_millis;
        let id = format!("{number:0>32}");
        Arc::new(EndedSession {
            session: Session {
                id: SessionId::parse(&id).expect("an id"),
                identity: Identity {
                    user_name: UserName::parse(user).expect("a name"),
                    device_name: DeviceName::parse("P01").expect("a name"),
                    env: Env::CashRegister,
                    authentication_type: AuthenticationType::Bearer,
                },
                started_at: time(1_000 - at),
                expires_at: time(90_000),
                last_access_at: time(at),
                version: Version::FIRST,
            },
            ended_at: time(at),
            reason: EndReason::Revoked,
            by: Author::Server,
            commit: number,
        })
    }

    fn page(
        history: &History<EndedSession>,
        query: &Query<EndedMember>,
    ) -> Selected<Arc<EndedSession>> {
        let all = |all: &Snapshot<_>| all.without_first(0);
        let page = history.page(query, EndedMember::EndedAt, all);
        page.expect("nobody else reads")
    }

    proptest! {
        /// Whatever is asked, the answer is that of the plain reading, and
        /// cursors lead through all of it.
        #[test]
        fn a_list_answers_as_the_plain_reading_does(
            ats in prop::collection::vec(0_i64..40, 0..900),
            gone in prop::collection::vec(0_usize..900, 0..50),
            text in prop::sample::select(vec![
                "", "$sort=-endedAt", "$sort=endedAt:asc,-userName", "$sort=userName",
                "endedAt=gte:1970-01-01T00:00:00.010Z;lt:1970-01-01T00:00:00.030Z",
                "endedAt=1970-01-01T00:00:00.007Z&$sort=-endedAt,-sessionId",
                "endedAt=gt:1970-01-01T00:00:00.030Z;lt:1970-01-01T00:00:00.010Z",
                "userName=a&$sort=-endedAt", "endedAt=neq:1970-01-01T00:00:00.007Z",
            ]),
            skip in 0_u64..60,
            take in 0_usize..300,
            count_only: bool,
        ) {
            let history = History::default();
            let mut rows: Vec<_> = ats.iter().zip(0..).map(|(at, number)| {
                ended(number, *at, if at % 3 == 0 { "a" } else { "b" })
            }).collect();
            for row in &rows {
            history.insert(Arc::clone(row));
        }
            for place in gone {
                if let Some(row) = rows.get(place) {
                    history.remove(row.key());
                    rows.remove(place);
                }
            }
            let mut query = parse::<EndedMember>(Some(text), &Limits::default()).expect("good");
            (query.skip, query.take, query.count_only) = (skip, take, count_only);
            let plain = ndata::select(&query, rows.iter().cloned());
            prop_assert_eq!(page(&history, &query), plain);

            (query.skip, query.take, query.count_only) = (0, take + 1, false);
            let mut pages = 0;
            let mut walked = Vec::new();
            loop {
                let page = page(&history, &query);
                let plain = ndata::select(&query, rows.iter().cloned());
                prop_assert_eq!(&page, &plain);
                walked.extend(page.items.iter().map(|row| row.session.id));
                pages += 1;
                let Some(last) = page.items.last().filter(|_| page.more && pages < 40) else { break };
                let cursor = next_cursor(&query, last);
                let next = format!("{text}&$after={cursor}");
                let after = parse::<EndedMember>(Some(&next), &Limits::default()).expect("good");
                query.after = after.after;
            }
            let distinct: std::collections::HashSet<_> = walked.iter().collect();
            prop_assert_eq!(distinct.len(), walked.len());
        }
    }

    #[test]
    fn the_oldest_are_left_out_of_what_is_shown() {
        let history = History::default();
        let rows: Vec<_> = (0..700).map(|n| ended(n, 5, "a")).collect();
        for row in &rows {
            history.insert(Arc::clone(row));
        }
        for count in [0, 1, 255, 256, 257, 699, 700, 900] {
            let shown = history.snapshot().without_first(count);
            let left: Vec<_> = shown.iter().cloned().collect();
            assert_eq!(left, rows[count.min(700)..], "{count}");
            assert_eq!(shown.len(), left.len());
        }
    }

    #[test]
    fn a_third_reader_is_told_that_the_list_is_busy() {
        let readers = AtomicUsize::new(0);
        let (first, _second) = (Reading::begin(&readers), Reading::begin(&readers));
        assert_eq!(Reading::begin(&readers).err(), Some(StoreError::Busy));
        drop(first);
        assert!(Reading::begin(&readers).is_ok());
    }
}
