//! One order by time as it stood at one instant, with the accesses since its
//! last merge in their place.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Range;

use super::Table;
use super::counted_set::CountedSet;
use super::order::{Bits, Orders, TimeKey};
use super::plan::{Bounds, TimeOrder};
use super::shard::{SHARDS, Slot};
use crate::model::Timestamp;
use crate::ndata::Direction;

/// Marked slots sorted at a time: pages hardly ever need more.
const SORTED_STEP: usize = 512;

impl Orders {
    fn by(&self, order: TimeOrder) -> &CountedSet<TimeKey> {
        match order {
            TimeOrder::Start => &self.by_start,
            TimeOrder::Expiry => &self.by_expiry,
            TimeOrder::LastAccess => &self.by_last_access,
        }
    }

    /// The ranks of the keys within the bounds.
    pub(super) fn ranks(&self, order: TimeOrder, bounds: Bounds) -> Range<usize> {
        ranks(self.by(order), bounds)
    }
}

fn ranks(keys: &CountedSet<TimeKey>, bounds: Bounds) -> Range<usize> {
    let key = |millis: i64, slot| TimeKey::new(Timestamp::from_millis(millis), Slot(slot));
    let low = if bounds.low > Timestamp::MAX.as_millis() {
        keys.len()
    } else {
        keys.rank(&key(bounds.low, 0))
    };
    let high = if bounds.high < Timestamp::from_millis(i64::MIN).as_millis() {
        0
    } else {
        keys.rank(&key(bounds.high, u32::MAX))
    };
    low..high.max(low)
}

/// The order at its instant.
pub(super) struct Snapshot {
    keys: CountedSet<TimeKey>,
    /// Slots whose key is not where it should be, shard by shard. Only of the
    /// order by last access.
    marked: Vec<Slot>,
    is_marked: Bits,
    /// The marked slots by their last access as it was read, once for all.
    marks: Vec<(Timestamp, Slot)>,
    /// What was listed; needed only where there are marks.
    members: Bits,
}

impl Snapshot {
    /// Takes the order. The caller holds the orders, and is a reader.
    pub(super) fn take(table: &Table, orders: &Orders, order: TimeOrder) -> Self {
        let keys = orders.by(order).clone();
        let has_marks = order == TimeOrder::LastAccess && !table.marks.is_empty();
        let (marked, members) = if has_marks {
            (table.marks.all(), orders.members.clone())
        } else {
            (Vec::new(), Bits::default())
        };
        Self {
            keys,
            marked,
            is_marked: Bits::default(),
            marks: Vec::new(),
            members,
        }
    }

    /// Finds where the marked slots belong. Done after the orders are released.
    pub(super) fn settle(&mut self, table: &Table) {
        let (members, is_marked) = (&self.members, &mut self.is_marked);
        self.marked.retain(|slot| {
            let is_news = members.has(*slot) && !is_marked.has(*slot);
            if is_news {
                is_marked.set(*slot);
            }
            is_news
        });
        self.marks.reserve_exact(self.marked.len());
        for run in self.marked.chunk_by(|a, b| a.shard() == b.shard()) {
            for step in run.chunks(Table::SCAN_STEP_ENTRIES) {
                let shard = table.shards[step[0].shard()].read();
                let at = |slot: &Slot| (shard.at(slot.place()).last_access(), *slot);
                self.marks.extend(step.iter().map(at));
            }
        }
    }

    /// How many keys there are within the bounds.
    pub(super) fn count(&self, bounds: Bounds) -> usize {
        if bounds == Bounds::ALL {
            return self.keys.len();
        }
        let ranks = ranks(&self.keys, bounds);
        if self.marked.is_empty() {
            return ranks.len();
        }
        let unmarked = self
            .keys
            .range(ranks)
            .filter(|key| !self.is_marked.has(key.slot()));
        unmarked.count() + self.marks_within(bounds).count()
    }

    /// The keys within the bounds, in order, and how many of the `skip` first
    /// are still to be left out: what can be jumped over is.
    pub(super) fn walk<'a>(
        &'a self,
        bounds: Bounds,
        direction: Direction,
        skip: u64,
    ) -> (Box<dyn Iterator<Item = (Timestamp, Slot)> + 'a>, u64) {
        let ranks = ranks(&self.keys, bounds);
        let pair = |key: TimeKey| (key.at(), key.slot());
        if self.marked.is_empty() {
            let (ranks, skip) = self.jump(ranks, direction, skip);
            let keys = self.keys.range(ranks).map(pair);
            return match direction {
                Direction::Ascending => (Box::new(keys), skip),
                Direction::Descending => (Box::new(keys.rev()), skip),
            };
        }
        let mut items: Vec<_> = self.marks_within(bounds).collect();
        let (ranks, skip) = self.jump_among(&mut items, ranks, direction, skip);
        let keys = self
            .keys
            .range(ranks)
            .filter(|key| !self.is_marked.has(key.slot()))
            .map(pair);
        let marks = Sorting {
            items,
            direction,
            sorted: 0,
            next: 0,
        };
        match direction {
            Direction::Ascending => (merged(keys, marks, direction), skip),
            Direction::Descending => (merged(keys.rev(), marks, direction), skip),
        }
    }

    /// Leaves ranks out up to the first key of the instant at which the page
    /// begins.
    fn jump(&self, ranks: Range<usize>, direction: Direction, skip: u64) -> (Range<usize>, u64) {
        let over = usize::try_from(skip).unwrap_or(usize::MAX);
        if over >= ranks.len() {
            return (ranks.end..ranks.end, 0);
        }
        let first = match direction {
            Direction::Ascending => ranks.start + over,
            Direction::Descending => ranks.end - 1 - over,
        };
        let Some(at) = self.keys.get(first).map(TimeKey::at) else {
            return (ranks, skip);
        };
        let (start, end) = match direction {
            Direction::Ascending => (
                self.keys.rank(&TimeKey::new(at, Slot(0))).max(ranks.start),
                ranks.end,
            ),
            Direction::Descending => (
                ranks.start,
                self.keys
                    .rank(&TimeKey::new(at, Slot(u32::MAX)))
                    .min(ranks.end),
            ),
        };
        let jumped = (start - ranks.start) + (ranks.end - end);
        (start..end, skip - u64::try_from(jumped).unwrap_or(skip))
    }

    /// As [`Snapshot::jump`] where some keys are not where they should be: at
    /// most as many as there are marks stand before the page that did not, so
    /// that many fewer are jumped over. Takes the marks out that are jumped over.
    fn jump_among(
        &self,
        marks: &mut Vec<(Timestamp, Slot)>,
        ranks: Range<usize>,
        direction: Direction,
        skip: u64,
    ) -> (Range<usize>, u64) {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let over = skip.saturating_sub(count(marks.len()));
        if over == 0 || over >= count(ranks.len()) {
            return (ranks, skip);
        }
        let (rest, _) = self.jump(ranks.clone(), direction, over);
        let (first, jumped) = match direction {
            Direction::Ascending => (rest.start, ranks.start..rest.start),
            Direction::Descending => (rest.end.saturating_sub(1), rest.end..ranks.end),
        };
        let Some(at) = self.keys.get(first).map(TimeKey::at) else {
            return (ranks, skip);
        };
        let keys = self.keys.range(jumped);
        let keys = keys.filter(|key| !self.is_marked.has(key.slot())).count();
        let all = marks.len();
        marks.retain(|(mark, _)| direction.apply(mark.cmp(&at)).is_ge());
        (rest, skip - count(keys) - count(all - marks.len()))
    }

    fn marks_within(&self, bounds: Bounds) -> impl Iterator<Item = (Timestamp, Slot)> {
        self.marks
            .iter()
            .copied()
            .filter(move |(at, _)| bounds.hold(*at))
    }
}

/// Items that are sorted only as far as they are asked for.
struct Sorting {
    items: Vec<(Timestamp, Slot)>,
    direction: Direction,
    sorted: usize,
    next: usize,
}

impl Iterator for Sorting {
    type Item = (Timestamp, Slot);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.sorted {
            let direction = self.direction;
            let compare = |a: &Self::Item, b: &Self::Item| direction.apply(a.cmp(b));
            let step = self.sorted.max(SORTED_STEP);
            let rest = &mut self.items[self.sorted..];
            if rest.len() > step {
                rest.select_nth_unstable_by(step, compare);
            }
            let step = step.min(rest.len());
            rest[..step].sort_unstable_by(compare);
            self.sorted += step;
        }
        let item = self.items[..self.sorted].get(self.next).copied();
        self.next += usize::from(item.is_some());
        item
    }
}

/// Two sequences of one direction as one.
fn merged<'a>(
    keys: impl Iterator<Item = (Timestamp, Slot)> + 'a,
    marks: Sorting,
    direction: Direction,
) -> Box<dyn Iterator<Item = (Timestamp, Slot)> + 'a> {
    let (mut keys, mut marks) = (keys.peekable(), marks.peekable());
    Box::new(std::iter::from_fn(move || {
        take_first(&mut keys, &mut marks, direction)
    }))
}

fn take_first<T: Copy + Ord>(
    a: &mut Peekable<impl Iterator<Item = T>>,
    b: &mut Peekable<impl Iterator<Item = T>>,
    direction: Direction,
) -> Option<T> {
    let a_is_first = match (a.peek(), b.peek()) {
        (Some(first), Some(second)) => direction.apply(first.cmp(second)) != Ordering::Greater,
        (_, second) => second.is_none(),
    };
    if a_is_first { a.next() } else { b.next() }
}

impl Bits {
    /// Every slot in, one shard after the other.
    pub(super) fn shards(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let places = self.places();
        (0..SHARDS).flat_map(move |shard| {
            let starts = (0..places).step_by(Table::SCAN_STEP_ENTRIES);
            starts.map(move |start| (shard, start..places.min(start + Table::SCAN_STEP_ENTRIES)))
        })
    }
}
