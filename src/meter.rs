//! What is counted while requests run and read when somebody asks: counters and
//! histograms of relaxed atomics. A leaf, since every layer counts something of
//! its own, and nothing here knows what.
//!
//! Counting takes no lock, allocates nothing and looks nothing up. What several
//! serving threads count at every request is [`Striped`], so that they do not
//! pass one cache line around.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts so many.
    pub fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    /// How many were counted.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The upper bounds of the buckets of every histogram, in nanoseconds: from a
/// check in memory to a disk that hardly answers.
pub const BOUNDS_NANOS: [u64; 18] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
    30_000_000_000,
];

/// How long things took: how many in each bucket, and the sum.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BOUNDS_NANOS.len()],
    /// Those beyond the last bound.
    beyond: Counter,
    nanos: Counter,
}

impl Histogram {
    /// Counts one that took this long.
    pub fn count(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NANOS.iter().position(|bound| nanos <= *bound);
        bucket
            .map_or(&self.beyond, |bucket| &self.buckets[bucket])
            .count();
        self.nanos.add(nanos);
    }

    /// What was counted. Something that is counted meanwhile may be in one part
    /// of it and not yet in another.
    #[must_use]
    pub fn read(&self) -> Distribution {
        let mut read = Distribution {
            beyond: self.beyond.get(),
            nanos: self.nanos.get(),
            ..Distribution::default()
        };
        for (read, bucket) in read.buckets.iter_mut().zip(&self.buckets) {
            *read = bucket.get();
        }
        read
    }
}

/// What a histogram has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many in each bucket of [`BOUNDS_NANOS`], those of lower ones left out.
    pub buckets: [u64; BOUNDS_NANOS.len()],
    /// How many beyond the last bound.
    pub beyond: u64,
    /// How long all together took.
    pub nanos: u64,
}

impl Distribution {
    /// How many there were.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.beyond
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// With those of another one.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (one, more) in self.buckets.iter_mut().zip(other.buckets) {
            *one += more;
        }
        self.beyond += other.beyond;
        self.nanos += other.nanos;
        self
    }
}

/// Stripes of one thing. More threads than these share some.
const STRIPES: usize = 16;

/// One stripe, with two cache lines to itself: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe<T>(T);

/// One of a kind for each thread that counts, read as one.
#[derive(Debug, Default)]
pub struct Striped<T>([Stripe<T>; STRIPES]);

impl<T> Striped<T> {
    /// The one of this thread.
    pub fn own(&self) -> &T {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
        }
        &self.0[OWN.with(|own| *own)].0
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|stripe| &stripe.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for nanos in [0, 5_000, 5_001, 29_999_999_999, 30_000_000_001] {
            histogram.count(Duration::from_nanos(nanos));
        }

        let read = histogram.read();
        assert_eq!((read.buckets[0], read.buckets[1]), (2, 1));
        assert_eq!((read.buckets[17], read.beyond), (1, 1));
        assert_eq!((read.len(), read.nanos), (5, 60_000_010_001));
        assert_eq!(read.and(&read).len(), 10);
    }

    #[test]
    fn what_threads_count_in_stripes_adds_up() {
        let striped: Striped<Counter> = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| (0..1_000).for_each(|_| striped.own().count()));
            }
        });

        let counted: u64 = striped.all().map(Counter::get).sum();
        assert_eq!(counted, 2_000 * u64::try_from(STRIPES).unwrap());
    }
}
