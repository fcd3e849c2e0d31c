//! What tills, offices and onlookers do until the server dies under them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;

use super::client::{Answer, Client};
use super::history::{DEVICES, History, Who};
use super::log::Did;
use super::promise::Promise;

/// Clients that change things, and clients that only look.
pub(crate) const WORKERS: usize = 8;
const READERS: usize = 3;
/// Devices with large settings, all of them on one page of sled's.
const LARGE_DEVICES: u64 = 4;
/// Bytes of such settings.
const LARGE_BYTES: usize = 60_000;
/// How often the feed of revocations is asked.
const LISTEN_EVERY: Duration = Duration::from_millis(10);
/// A worker picks among this many of the newest sessions.
const RECENT_SESSIONS: usize = 64;

/// Runs all clients until `stop`; to be called on a thread of its own.
///
/// Without an office nobody changes users, devices and keys. The base file is
/// synced with each such change, and ext4 then writes much of the database as
/// well: what a server without sync loses hides behind that.
pub(crate) fn run(
    address: &str,
    owner: &str,
    history: &Mutex<History>,
    has_office: bool,
    stop: &AtomicBool,
) {
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                let one = One {
                    client: Client::new(address),
                    owner,
                    history,
                };
                while !stop.load(Ordering::Relaxed) {
                    one.work(worker, has_office);
                }
            });
        }
        for _ in 0..READERS {
            scope.spawn(|| {
                let one = One {
                    client: Client::new(address),
                    owner,
                    history,
                };
                while !stop.load(Ordering::Relaxed) {
                    one.look();
                }
            });
        }
        scope.spawn(|| {
            let one = One {
                client: Client::new(address),
                owner,
                history,
            };
            while !stop.load(Ordering::Relaxed) {
                one.listen();
                std::thread::sleep(LISTEN_EVERY);
            }
        });
    });
}

/// One client.
pub(crate) struct One<'a> {
    pub(crate) client: Client,
    /// A bearer token that lives through the whole round.
    pub(crate) owner: &'a str,
    pub(crate) history: &'a Mutex<History>,
}

impl One<'_> {
    /// One step. Only one worker writes descriptions, so that their order is
    /// known.
    fn work(&self, worker: usize, has_office: bool) {
        match rand::random_range(0..100) {
            0..=29 => self.log_in(),
            30..=51 => self.access(),
            52..=62 => self.refresh(),
            63..=72 => self.end(),
            73..=79 => self.log_out(),
            80..=81 => self.end_named(),
            82 => self.end_all_on_a_device(),
            83..=94 if has_office => self.do_paperwork(worker),
            95..=99 if has_office && worker == 0 => self.describe(),
            _ => self.look(),
        }
    }

    fn log_in(&self) {
        let on_a_device = || Who::of_device(rand::random_range(0..DEVICES.len()));
        let person = rand::random_ratio(1, 4).then(|| self.somebody()).flatten();
        log_in(
            &self.client,
            self.history,
            &person.unwrap_or_else(on_a_device),
        );
    }

    /// Somebody who only looks: tries a session's token, or reads it, or a
    /// record of the office.
    fn look(&self) {
        match rand::random_range(0..5) {
            0..=1 => self.access(),
            2..=3 => self.read_session(),
            _ => self.read_record(),
        }
    }

    fn read_session(&self) {
        let Some((place, was_dead)) = self.pick() else {
            return;
        };
        let path = format!("/sessions/{}", self.history.lock().sessions[place].id);
        let Some(answer) = self.client.get(&path, self.owner) else {
            return;
        };
        if self.owner_is_known(&answer) {
            self.saw(place, was_dead, &answer, |version, shows| Did::Read {
                version,
                shows,
            });
        }
    }

    /// The owner's session is never ended, so a 401 would be its loss and say
    /// nothing of the session asked for.
    pub(crate) fn owner_is_known(&self, answer: &Answer) -> bool {
        if answer.status == 401 {
            let what = format!("the owner's session is refused: {}", answer.body);
            self.history.lock().broken(Promise::Lost, what);
        }
        answer.status != 401
    }

    /// A request of the session itself.
    fn access(&self) {
        let Some((place, was_dead)) = self.pick() else {
            return;
        };
        let (token, path) = {
            let history = self.history.lock();
            let entry = &history.sessions[place];
            (entry.token.clone(), format!("/sessions/{}", entry.id))
        };
        let Some(answer) = self.client.get(&path, &token) else {
            return;
        };
        self.saw(place, was_dead, &answer, |version, shows| Did::Used {
            version,
            shows,
        });
    }

    fn saw(&self, place: usize, was_dead: bool, answer: &Answer, did: impl Fn(u64, String) -> Did) {
        let mut history = self.history.lock();
        let id = history.sessions[place].id.clone();
        match answer.status {
            200 => {
                history.saw_live(place, was_dead);
                if let Some((version, last_access)) = answer.version() {
                    history.note(&id, answer, did(version, last_access.clone()));
                    history.saw_version(place, version, last_access);
                }
            }
            401 | 404 => {
                history.note(&id, answer, Did::Gone);
                history.sessions[place].dead = true;
            }
            _ => {}
        }
    }

    fn refresh(&self) {
        let Some((place, was_dead)) = self.pick() else {
            return;
        };
        let (token, refresh) = {
            let mut history = self.history.lock();
            let entry = &mut history.sessions[place];
            // Two at once would be a repeat, which may end the session.
            if entry.refreshing.is_some() {
                return;
            }
            entry.refreshing = Some(Instant::now());
            (entry.token.clone(), entry.refresh.clone())
        };
        let Some(answer) = self.client.refresh(&token, &refresh) else {
            return;
        };
        refreshed(&mut self.history.lock(), place, was_dead, &answer);
    }

    /// What people typed must survive as well.
    fn describe(&self) {
        let next = {
            let mut history = self.history.lock();
            history.described.1 += 1;
            history.described.1
        };
        // Large enough that sled keeps their page in a file of its own.
        let large = format!("LARGE{}", next % LARGE_DEVICES);
        let body = json!({"name": large, "envName": "Tool", "isActive": true,
            "settings": {"layout": "x".repeat(LARGE_BYTES)}});
        let path = format!("/devices/{large}");
        self.client.call("PUT", &path, Some(self.owner), &body);
        let body = json!({"name": "LINK", "envName": "Tool", "isActive": true,
            "description": next.to_string()});
        let answer = self
            .client
            .call("PUT", "/devices/LINK", Some(self.owner), &body);
        if answer.is_some_and(|answer| answer.status == 200) {
            let mut history = self.history.lock();
            history.described.0 = next;
            history.acknowledged += 1;
        }
    }

    /// A session among the newest, and whether it is known to be dead.
    pub(crate) fn pick(&self) -> Option<(usize, bool)> {
        let history = self.history.lock();
        let count = history.sessions.len();
        let place = rand::random_range(count.saturating_sub(RECENT_SESSIONS)..count.max(1));
        history.sessions.get(place).map(|entry| (place, entry.dead))
    }
}

/// A login; the place of its session when it was answered with one.
pub(crate) fn log_in(client: &Client, history: &Mutex<History>, who: &Who) -> Option<usize> {
    let password = match who.password {
        Some(number) => format!("pass-{number}"),
        None => "pass".to_owned(),
    };
    let asked = history.lock().ask_login(who.clone());
    let answer = client.log_in_with(&who.user, &password, DEVICES[who.device].name)?;
    if answer.status != 200 {
        return None;
    }
    let (id, token) = (answer.text("sessionId"), answer.text("tokenId"));
    let mut history = history.lock();
    history.logged_in(&asked, id, token, answer.text("refreshToken"));
    Some(history.sessions.len() - 1)
}

/// Books the answer to a refresh.
pub(crate) fn refreshed(history: &mut History, place: usize, was_dead: bool, answer: &Answer) {
    match answer.status {
        200 => {
            history.saw_live(place, was_dead);
            history.acknowledged += 1;
            let (id, spent) = {
                let entry = &history.sessions[place];
                (entry.id.clone(), entry.refresh.clone())
            };
            let got = answer.text("refreshToken");
            history.note(&id, answer, Did::Refreshed { spent, got });
            let entry = &mut history.sessions[place];
            entry.token = answer.text("tokenId");
            entry.refresh = answer.text("refreshToken");
            entry.refreshes += 1;
            entry.refreshing = None;
        }
        401 => {
            let id = history.sessions[place].id.clone();
            history.note(&id, answer, Did::Gone);
            history.sessions[place].dead = true;
        }
        _ => {}
    }
}

/// The header that shows a token.
pub(crate) fn bearer(token: &str) -> (String, String) {
    ("Authorization".to_owned(), format!("Bearer {token}"))
}
