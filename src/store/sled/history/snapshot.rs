//! A list at one instant, and how queries are answered from it.

use std::cell::RefCell;
use std::sync::Arc;

use super::Filed;
use super::chunk::Chunk;
use crate::ndata::{self, Direction, Member, Query, Row, Selected, Test};

/// A list as it was at one instant.
pub struct Snapshot<R: Filed> {
    chunks: Vec<Chunk<R>>,
    /// The chunk that a walk was in last, unpacked.
    unpacked: RefCell<Option<Unpacked<R>>>,
}

/// A chunk's place and its records.
type Unpacked<R> = (usize, Arc<Vec<Arc<R>>>);

impl<R: Filed> Snapshot<R> {
    pub(super) fn of(chunks: Vec<Chunk<R>>) -> Self {
        Self {
            chunks,
            unpacked: RefCell::default(),
        }
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum()
    }

    /// All records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Arc<R>> {
        self.range(0, usize::MAX)
    }

    /// All records, oldest first, so many at a time.
    pub fn groups(&self, size: usize) -> impl Iterator<Item = Vec<Arc<R>>> {
        let mut records = self.iter();
        std::iter::from_fn(move || {
            let some: Vec<_> = records.by_ref().take(size).collect();
            (!some.is_empty()).then_some(some)
        })
    }

    /// The records of these ranks.
    fn range(&self, from: usize, to: usize) -> impl Iterator<Item = Arc<R>> {
        let mut before = 0;
        let overlapping = self
            .chunks
            .iter()
            .enumerate()
            .filter_map(move |(at, chunk)| {
                let first = before;
                before += chunk.len();
                let low = from.saturating_sub(first);
                let high = to.saturating_sub(first).min(chunk.len());
                (low < high).then(|| (self.records(at), low..high))
            });
        overlapping.flat_map(|(records, ranks)| ranks.map(move |rank| Arc::clone(&records[rank])))
    }

    /// How many records are [minor](Filed::is_minor).
    pub fn count_minor(&self) -> usize {
        self.chunks.iter().map(Chunk::minor).sum()
    }

    /// The minor ones, oldest first.
    pub fn iter_minor(&self) -> impl Iterator<Item = Arc<R>> {
        let with_minor = self.chunks.iter().filter(|chunk| chunk.minor() > 0);
        let records = with_minor.flat_map(|chunk| {
            let records = chunk.records();
            (0..records.len()).map(move |at| Arc::clone(&records[at]))
        });
        records.filter(|record| record.is_minor())
    }

    /// The list without so many of its oldest records.
    pub fn without_first(&self, mut count: usize) -> Self {
        let mut chunks = self.chunks.as_slice();
        while let Some((first, rest)) = chunks.split_first() {
            if count < first.len() {
                break;
            }
            count -= first.len();
            chunks = rest;
        }
        let mut chunks = chunks.to_vec();
        if let Some(first) = chunks.first_mut().filter(|_| count > 0) {
            *first = Chunk::open(first.records()[count..].to_vec());
        }
        Self::of(chunks)
    }

    /// How many records stand before the first that is not `before`: true for
    /// some at the front, false for all behind them.
    pub fn rank(&self, before: impl Fn(&R) -> bool) -> usize {
        let chunk = self.chunks.partition_point(|chunk| before(&chunk.first()));
        let Some(at) = chunk.checked_sub(1) else {
            return 0;
        };
        let earlier: usize = self.chunks[..at].iter().map(Chunk::len).sum();
        earlier + self.records(at).partition_point(|row| before(row))
    }

    pub(super) fn get(&self, mut rank: usize) -> Option<Arc<R>> {
        for (at, chunk) in self.chunks.iter().enumerate() {
            if rank < chunk.len() {
                return Some(Arc::clone(&self.records(at)[rank]));
            }
            rank -= chunk.len();
        }
        None
    }

    /// The records of a chunk. Whoever asks for one often asks for its
    /// neighbour next.
    fn records(&self, at: usize) -> Arc<Vec<Arc<R>>> {
        let mut unpacked = self.unpacked.borrow_mut();
        if let Some((place, records)) = unpacked.as_ref()
            && *place == at
        {
            return Arc::clone(records);
        }
        let records = self.chunks[at].records();
        *unpacked = Some((at, Arc::clone(&records)));
        records
    }

    /// Answers a query. `natural` is the member whose values ascend along the
    /// list: a query that is sorted and filtered by nothing else costs as much
    /// as its page, any other looks at every record within the bounds.
    pub(super) fn page<M: Member>(&self, query: &Query<M>, natural: M) -> Selected<Arc<R>>
    where
        R: Row<M>,
    {
        let order = query.order();
        let (low, high, is_whole) = self.bounds(query, natural);
        if is_whole && order.first().is_some_and(|(member, _)| *member == natural) {
            return self.walk(query, &order, low, high);
        }
        ndata::select(query, self.range(low, high))
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
            let mut group: Vec<_> = self.range(from, to).collect();
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
