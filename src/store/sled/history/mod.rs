//! Lists of what has happened: they grow at their end, shrink at their front,
//! and nothing in them changes. They are held in memory whole, so that readers
//! never go to the disk and see one instant; the disk has every record first.
//!
//! A list is a row of sorted chunks. A reader copies the chunk list, which
//! costs one reference count for each, and then reads without a lock. All but
//! the newest are packed (`chunk`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use self::chunk::Chunk;
pub use self::snapshot::Snapshot;
use super::codec::{CodecError, Names};
use crate::ndata::{Member, Query, Row, Selected};
use crate::store::StoreError;

mod chunk;
mod snapshot;

/// Records in one chunk at most.
const CHUNK_RECORDS_MAX: usize = 256;
/// Chunks at the end of a list that are not packed, since records still come
/// in there, or are counted up.
const OPEN_CHUNKS: usize = 2;
/// Queries at work on one list at most; more are refused as busy.
const READERS_MAX: usize = 2;

/// A record that has its place in a list.
pub trait Filed: Sized {
    /// What the list is sorted by; no two records share one.
    type Key: Ord + Copy + std::fmt::Debug;

    /// The record's own.
    fn key(&self) -> Self::Key;

    /// The record as bytes: its key on the disk, then its value.
    fn packed(&self) -> Vec<u8>;

    /// The record whose bytes these are.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that no record was packed into.
    fn unpacked(bytes: &[u8], names: &mut Names) -> Result<Self, CodecError>;

    /// Whether the record may go before older ones that are not minor.
    fn is_minor(&self) -> bool {
        false
    }
}

/// A list that grows and is read at the same time.
pub struct History<R: Filed> {
    chunks: RwLock<Vec<Chunk<R>>>,
    readers: AtomicUsize,
}

impl<R: Filed> Default for History<R> {
    fn default() -> Self {
        Self {
            chunks: RwLock::default(),
            readers: AtomicUsize::new(0),
        }
    }
}

impl<R: Filed> std::fmt::Debug for History<R> {
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
        Self::insert_in(&mut self.chunks.write(), record);
    }

    fn insert_in(chunks: &mut Vec<Chunk<R>>, record: Arc<R>) {
        let key = record.key();
        let Some(at) = chunk_of(chunks, key) else {
            chunks.insert(0, Chunk::open(vec![record]));
            return;
        };
        let is_last = at + 1 == chunks.len();
        let Err(place) = chunks[at].find(key) else {
            return;
        };
        if is_last && place == chunks[at].len() && place >= CHUNK_RECORDS_MAX {
            // What only ever grows fills its chunks to the brim.
            chunks.push(Chunk::open(vec![record]));
            let packed = chunks.len().saturating_sub(OPEN_CHUNKS);
            chunks[..packed].iter_mut().for_each(Chunk::pack);
            return;
        }
        let records = chunks[at].change();
        records.insert(place, record);
        if records.len() > CHUNK_RECORDS_MAX {
            let upper = records.split_off(CHUNK_RECORDS_MAX / 2);
            chunks.insert(at + 1, Chunk::open(upper));
        }
    }

    /// Puts a record in its place, instead of one with the same key.
    pub fn put(&self, record: Arc<R>) {
        let key = record.key();
        let mut chunks = self.chunks.write();
        let found = chunk_of(&chunks, key).map(|at| (at, chunks[at].find(key)));
        match found {
            Some((at, Ok(place))) => chunks[at].change()[place] = record,
            _ => Self::insert_in(&mut chunks, record),
        }
    }

    /// Whether a record is there.
    pub fn contains(&self, key: R::Key) -> bool {
        let chunks = self.chunks.read();
        chunk_of(&chunks, key).is_some_and(|at| chunks[at].find(key).is_ok())
    }

    /// Takes a record out, if it is there.
    pub fn remove(&self, key: R::Key) {
        let mut chunks = self.chunks.write();
        let found = chunk_of(&chunks, key).map(|at| (at, chunks[at].find(key)));
        let Some((at, Ok(place))) = found else {
            return;
        };
        let records = chunks[at].change();
        records.remove(place);
        if records.is_empty() {
            chunks.remove(at);
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.chunks.read().iter().map(Chunk::len).sum()
    }

    /// The list as it is at this instant.
    pub fn snapshot(&self) -> Snapshot<R> {
        Snapshot::of(self.chunks.read().clone())
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

/// The chunk in which a key is, if it is there.
fn chunk_of<R: Filed>(chunks: &[Chunk<R>], key: R::Key) -> Option<usize> {
    let behind = chunks.partition_point(|chunk| chunk.first_key() <= key);
    behind.checked_sub(1)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AuthenticationType, DeviceName, Env, Identity, UserName};
    use crate::model::{Author, EndReason, EndedSession, Session, SessionId, Timestamp, Version};
    use crate::ndata::{self, EndedMember, Limits, next_cursor, parse};

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
            let left: Vec<_> = shown.iter().collect();
            assert_eq!(left, rows[count.min(700)..], "{count}");
            assert_eq!(shown.len(), left.len());
        }
    }

    #[test]
    fn all_but_the_newest_records_are_packed_and_read_as_they_were_put() {
        let history = History::default();
        let rows: Vec<_> = (0..2_000)
            .map(|n| ended(n, i64::try_from(n).unwrap_or(0), "a"))
            .collect();
        for row in &rows {
            history.insert(Arc::clone(row));
        }
        let open = |history: &History<EndedSession>| {
            let chunks = history.chunks.read();
            let open = chunks
                .iter()
                .filter(|chunk| matches!(chunk, Chunk::Open(_)));
            (open.count(), chunks.len())
        };
        assert_eq!(open(&history), (OPEN_CHUNKS, 8));
        assert!(history.snapshot().iter().eq(rows.iter().cloned()));

        // One is taken out and one put over another, deep inside.
        let changed = Arc::new(EndedSession {
            reason: EndReason::LoggedOut,
            ..EndedSession::clone(&rows[300])
        });
        history.remove(rows[10].key());
        history.put(Arc::clone(&changed));
        assert!(!history.contains(rows[10].key()) && history.contains(changed.key()));
        assert_eq!(history.snapshot().get(299), Some(changed));
        assert_eq!(history.snapshot().len(), 1_999);
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
