//! The first of many in some order, without keeping all of them.

use std::cmp::Ordering;

/// Beyond this much more than is wanted, what can not be wanted is dropped.
const SLACK_ITEMS: usize = 1_024;

/// Collects items and keeps the `wanted` smallest.
pub(super) struct Top<T, F> {
    items: Vec<T>,
    wanted: usize,
    compare: F,
    /// Whether the item at `wanted - 1` is the greatest that may still be
    /// wanted.
    is_cut: bool,
}

impl<T, F: Fn(&T, &T) -> Ordering> Top<T, F> {
    /// Keeps at most `wanted` items.
    pub(super) const fn new(wanted: usize, compare: F) -> Self {
        Self {
            items: Vec::new(),
            wanted,
            compare,
            is_cut: false,
        }
    }

    /// One more item.
    pub(super) fn push(&mut self, item: T) {
        if self.wanted == 0 || (self.is_cut && self.is_behind(&item)) {
            return;
        }
        self.items.push(item);
        if self.items.len() >= self.wanted.saturating_mul(2).saturating_add(SLACK_ITEMS) {
            self.cut();
        }
    }

    fn is_behind(&self, item: &T) -> bool {
        (self.compare)(item, &self.items[self.wanted - 1]).is_ge()
    }

    fn cut(&mut self) {
        if self.wanted > 0 && self.items.len() > self.wanted {
            self.items
                .select_nth_unstable_by(self.wanted - 1, &self.compare);
            self.items.truncate(self.wanted);
            self.is_cut = true;
        }
    }

    /// The items in order.
    pub(super) fn sorted(mut self) -> Vec<T> {
        self.cut();
        self.items.sort_unstable_by(&self.compare);
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_are_kept_in_order() {
        for wanted in [0, 1, 7, 5_000] {
            let mut top = Top::new(wanted, u64::cmp);
            let scattered = (0..9_001u64).map(|n| n * 4_999 % 9_001);
            scattered.for_each(|n| top.push(n));
            assert!(top.sorted().into_iter().eq(0..wanted as u64), "{wanted}");
        }
    }
}
