//! Requests that end many sessions at once: by filter, or because a user's
//! password, activity or existence changed.

use super::history::Entry;

/// Whose sessions such a request ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All on this device; an index into [`super::history::DEVICES`].
    Device(usize),
    /// All of this user.
    User(String),
}

impl Scope {
    fn covers(&self, entry: &Entry) -> bool {
        match self {
            Self::Device(device) => entry.device == *device,
            Self::User(name) => entry.user == *name,
        }
    }
}

/// How the requests bear on one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wiped {
    /// None covers it.
    No,
    /// One may have come after its login.
    Perhaps,
    /// One was asked for after its login was answered, and was answered.
    Surely,
}

#[derive(Debug)]
struct Wipe {
    scope: Scope,
    asked: u64,
    answered: Option<u64>,
}

/// All such requests since the last crash.
#[derive(Debug, Default)]
pub(crate) struct Wipes(Vec<Option<Wipe>>);

impl Wipes {
    /// One is asked for; the number by which its answer is booked.
    pub(crate) fn ask(&mut self, scope: Scope, asked: u64) -> usize {
        self.0.push(Some(Wipe {
            scope,
            asked,
            answered: None,
        }));
        self.0.len() - 1
    }

    /// It was done.
    pub(crate) fn done(&mut self, number: usize, answered: u64) {
        if let Some(wipe) = &mut self.0[number] {
            wipe.answered = Some(answered);
        }
    }

    /// It was refused and has ended nothing.
    pub(crate) fn refused(&mut self, number: usize) {
        self.0[number] = None;
    }

    /// How they bear on a session whose login was asked for and answered then.
    pub(crate) fn bear(&self, entry: &Entry, asked: u64, answered: u64) -> Wiped {
        let covering = self.0.iter().flatten().filter(|w| w.scope.covers(entry));
        covering
            .map(|wipe| match wipe.answered {
                Some(_) if wipe.asked > answered => Wiped::Surely,
                Some(at) if at < asked => Wiped::No,
                _ => Wiped::Perhaps,
            })
            .max()
            .unwrap_or(Wiped::No)
    }

    /// Every doubt is over.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
