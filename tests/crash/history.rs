//! What the clients did and saw, and what must therefore hold after a crash.
//!
//! Times are ticks of one counter: something surely came after something else
//! only when it was asked for after the other was answered. An operation
//! without an answer may have happened or not.

use std::collections::HashMap;
use std::time::Instant;

use super::client::Answer;
use super::listener::Heard;
use super::log::{Did, Event};
use super::promise::{Promise, Violation};
use super::records::Record;
use super::wipes::{Scope, Wiped, Wipes};

/// A device of the test shop, and who logs in there.
pub(crate) struct Device {
    /// Its name.
    pub(crate) name: &'static str,
    /// Who logs in there.
    pub(crate) user: &'static str,
    /// At most one session lives on it.
    pub(crate) is_sale: bool,
}

/// The devices in use.
pub(crate) const DEVICES: [Device; 5] = [
    Device {
        name: "P01",
        user: "1",
        is_sale: true,
    },
    Device {
        name: "P02",
        user: "1",
        is_sale: true,
    },
    Device {
        name: "PDA1",
        user: "999",
        is_sale: true,
    },
    Device {
        name: "LINK",
        user: "1",
        is_sale: false,
    },
    Device {
        name: "BackOffice",
        user: "2",
        is_sale: false,
    },
];

/// A session that some client was told of.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its id.
    pub(crate) id: String,
    /// Index into [`DEVICES`].
    pub(crate) device: usize,
    /// Whose it is.
    pub(crate) user: String,
    /// The password it was opened with, when that one changes.
    pub(crate) password: Option<u64>,
    /// The newest bearer token.
    pub(crate) token: String,
    /// The newest refresh token.
    pub(crate) refresh: String,
    /// How often it was refreshed.
    pub(crate) refreshes: u32,
    /// Its end was acknowledged, or somebody saw it ended.
    pub(crate) dead: bool,
    /// An end was asked for; the answer is not there.
    pub(crate) dying: bool,
    /// A refresh was asked for; the answer is not there.
    pub(crate) refreshing: Option<Instant>,
    /// The highest version seen, and the last access seen with it.
    pub(crate) seen: Option<(u64, String)>,
    asked: u64,
    answered: u64,
}

/// Who logs in, and where.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// Index into [`DEVICES`].
    pub(crate) device: usize,
    /// The user's name.
    pub(crate) user: String,
    /// The password, when it is one that changes.
    pub(crate) password: Option<u64>,
}

impl Who {
    /// The one who always logs in on this device.
    pub(crate) fn of_device(device: usize) -> Self {
        Self {
            device,
            user: DEVICES[device].user.to_owned(),
            password: None,
        }
    }
}

/// A login, answered or not.
#[derive(Debug)]
struct Login {
    who: Who,
    asked: u64,
    answered: Option<u64>,
}

/// How a login on the same till bears on a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// None was made since.
    No,
    /// One may have come later.
    Perhaps,
    /// Only one without an answer may have come later.
    Unanswered,
    /// One was asked for after this session's login was answered, and was
    /// answered.
    Surely,
}

/// Everything that clients know of one database.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The sessions, in the order of their answers.
    pub(crate) sessions: Vec<Entry>,
    /// Logins without an answer, ever: that many unknown sessions may live.
    pub(crate) unanswered: usize,
    /// Answers that acknowledged something.
    pub(crate) acknowledged: u64,
    /// Promises that were broken before the crash already.
    pub(crate) violations: Vec<Violation>,
    /// What `LINK`'s description is, and what it was last asked to be.
    pub(crate) described: (u64, u64),
    /// Users and API keys.
    pub(crate) records: Vec<Record>,
    /// What the feed of revocations has told.
    pub(crate) heard: Heard,
    /// Every answer, for the checker.
    pub(crate) events: Vec<Event>,
    by_id: HashMap<String, usize>,
    logins: Vec<Login>,
    wipes: Wipes,
    tick: u64,
}

/// A login that is on its way.
pub(crate) struct LoginAsked(usize);

impl History {
    /// The next number: an instant, or a text that nobody typed before.
    pub(crate) fn tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    /// A login is asked for.
    pub(crate) fn ask_login(&mut self, who: Who) -> LoginAsked {
        let asked = self.tick();
        self.unanswered += 1;
        self.logins.push(Login {
            who,
            asked,
            answered: None,
        });
        LoginAsked(self.logins.len() - 1)
    }

    /// A login was answered with a session.
    pub(crate) fn logged_in(
        &mut self,
        login: &LoginAsked,
        id: String,
        token: String,
        refresh: String,
    ) {
        let answered = self.tick();
        let login = &mut self.logins[login.0];
        login.answered = Some(answered);
        let entry = Entry {
            id: id.clone(),
            device: login.who.device,
            user: login.who.user.clone(),
            password: login.who.password,
            token,
            refresh,
            refreshes: 0,
            dead: false,
            dying: false,
            refreshing: None,
            seen: None,
            asked: login.asked,
            answered,
        };
        self.unanswered -= 1;
        self.acknowledged += 1;
        if self.by_id.insert(id, self.sessions.len()).is_some() {
            self.broken(
                Promise::Repeated,
                format!("two logins got the id {}", entry.id),
            );
        }
        self.sessions.push(entry);
    }

    /// The place of a session in [`History::sessions`].
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Records what an answer said of a session, user or key.
    pub(crate) fn note(&mut self, key: &str, answer: &Answer, did: Did) {
        self.events.push(Event {
            key: key.to_owned(),
            asked: answer.asked,
            answered: answer.answered,
            did,
        });
    }

    /// Records that an ending was asked for and not answered until now.
    pub(crate) fn note_unanswered_end(&mut self, place: usize, asked: Instant) {
        self.events.push(Event {
            key: self.sessions[place].id.clone(),
            asked,
            answered: Instant::now(),
            did: Did::MayHaveEnded,
        });
    }

    /// A session was seen with this version; equal versions must have equal
    /// contents.
    pub(crate) fn saw_version(&mut self, place: usize, version: u64, last_access: String) {
        let entry = &mut self.sessions[place];
        let (highest, known) = entry.seen.clone().unwrap_or_default();
        if version == highest && known != last_access {
            let what = format!(
                "{} version {version}: {known}, then {last_access}",
                entry.id
            );
            self.broken(Promise::Repeated, what);
        } else if version > highest {
            entry.seen = Some((version, last_access));
        }
    }

    /// A session answered as live; `was_dead` tells whether it was known to be
    /// ended when that was asked.
    pub(crate) fn saw_live(&mut self, place: usize, was_dead: bool) {
        if was_dead {
            let what = format!("{} is used after its end was seen", self.sessions[place].id);
            self.broken(Promise::Returned, what);
        }
    }

    /// A promise was broken.
    pub(crate) fn broken(&mut self, promise: Promise, what: String) {
        self.violations.push(Violation { promise, what });
    }

    /// Whether a later login on the same till has ended a session.
    pub(crate) fn replaced(&self, entry: &Entry) -> Replaced {
        if !DEVICES[entry.device].is_sale {
            return Replaced::No;
        }
        let (mut answered, mut unanswered) = (false, false);
        for login in self
            .logins
            .iter()
            .filter(|login| login.who.device == entry.device)
        {
            if login.asked == entry.asked {
                continue;
            }
            match login.answered {
                Some(_) if login.asked > entry.answered => return Replaced::Surely,
                Some(at) => answered |= at > entry.asked,
                None => unanswered = true,
            }
        }
        match (answered, unanswered) {
            (true, _) => Replaced::Perhaps,
            (false, true) => Replaced::Unanswered,
            (false, false) => Replaced::No,
        }
    }

    /// A request is sent that ends many sessions.
    pub(crate) fn ask_wipe(&mut self, scope: Scope) -> usize {
        let asked = self.tick();
        self.wipes.ask(scope, asked)
    }

    /// It was done, or refused.
    pub(crate) fn wiped(&mut self, number: usize, done: bool) {
        if done {
            let answered = self.tick();
            self.wipes.done(number, answered);
        } else {
            self.wipes.refused(number);
        }
    }

    /// Whether such a request has ended a session.
    pub(crate) fn is_wiped(&self, entry: &Entry) -> Wiped {
        let by_request = self.wipes.bear(entry, entry.asked, entry.answered);
        let user = self.records.iter().find(|record| record.name == entry.user);
        // A login may overlap a change of its password; then either it is
        // refused or the change ends it.
        let stands = |record: &Record| {
            let now = record.sure();
            now.is_some_and(|now| now.is_active && Some(now.password) == entry.password)
        };
        if user.is_none_or(stands) {
            by_request
        } else {
            Wiped::Surely
        }
    }

    /// Takes what was found after a restart as what is: every doubt is over.
    pub(crate) fn settle(&mut self, is_live: impl Fn(&str) -> bool) {
        for entry in &mut self.sessions {
            entry.dead |= !is_live(&entry.id);
            entry.dying = false;
        }
        self.logins.clear();
        self.wipes.clear();
        for record in &mut self.records {
            record.settle();
        }
    }
}
