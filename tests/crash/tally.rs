//! What came of all rounds, as a line of a table.

use std::fmt;
use std::time::Duration;

use super::promise::{Promise, Violation};

/// Violations shown.
const SHOWN_MAX: u64 = 10;

/// What came of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// What was done.
    name: &'static str,
    /// The control run: promises have to break.
    must_break: bool,
    /// Crashes so far.
    pub(crate) rounds: u32,
    /// Changes that were answered.
    pub(crate) acknowledged: u64,
    lost: u64,
    returned: u64,
    repeated: u64,
    failed_starts: u64,
    disorders: u64,
    index_problems: u64,
    /// Of the starts after a crash.
    pub(crate) slowest_start: Duration,
    /// All in all.
    pub(crate) seconds: f32,
}

impl Tally {
    /// The first line of the table.
    pub(crate) const HEADER: &'static str = "mode      rounds acknowledged   lost returned \
                                             repeated disorders failed-starts index slowest-start seconds";

    /// Nothing has come yet.
    pub(crate) fn new(name: &'static str, must_break: bool) -> Self {
        Self {
            name,
            must_break,
            ..Self::default()
        }
    }

    /// Whether promises have to break.
    pub(crate) fn must_break(&self) -> bool {
        self.must_break
    }

    /// Books a violation, and shows the first ones.
    pub(crate) fn count(&mut self, violation: &Violation) {
        let shown = self.broken();
        if self.must_break && shown == 0 {
            println!(
                "  round {}, as it must without sync: {violation}",
                self.rounds
            );
        } else if !self.must_break && shown < SHOWN_MAX {
            println!("  round {}: {violation}", self.rounds);
        }
        match violation.promise {
            Promise::Lost => self.lost += 1,
            Promise::Returned => self.returned += 1,
            Promise::Repeated => self.repeated += 1,
            Promise::Order => self.disorders += 1,
            Promise::Start => self.failed_starts += 1,
            Promise::Index => self.index_problems += 1,
        }
    }

    /// How many promises were broken.
    pub(crate) fn broken(&self) -> u64 {
        let answers = self.lost + self.returned + self.repeated + self.disorders;
        answers + self.failed_starts + self.index_problems
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<9} {:>6} {:>12} {:>6} {:>8} {:>8} {:>9} {:>13} {:>5} {:>10} ms {:>7.1}",
            self.name,
            self.rounds,
            self.acknowledged,
            self.lost,
            self.returned,
            self.repeated,
            self.disorders,
            self.failed_starts,
            self.index_problems,
            self.slowest_start.as_millis(),
            self.seconds
        )
    }
}
