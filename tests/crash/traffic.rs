//! What tills, offices and onlookers do until the server dies under them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::history::{DEVICES, History, Promise};

/// Clients that change things, and clients that only look.
const WORKERS: usize = 4;
const READERS: usize = 2;
/// A worker picks among this many of the newest sessions.
const RECENT_SESSIONS: usize = 64;

/// Runs all clients until `stop`; to be called on a thread of its own.
pub(crate) fn run(address: &str, owner: &str, history: &Mutex<History>, stop: &AtomicBool) {
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                let one = One {
                    client: Client::new(address),
                    owner,
                    history,
                };
                while !stop.load(Ordering::Relaxed) {
                    one.work(worker == 0);
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
    });
}

/// One client.
struct One<'a> {
    client: Client,
    /// A bearer token that lives through the whole round.
    owner: &'a str,
    history: &'a Mutex<History>,
}

impl One<'_> {
    /// One step. Only one worker writes descriptions, so that their order is
    /// known.
    fn work(&self, may_describe: bool) {
        match rand::random_range(0..100) {
            0..=34 => self.log_in(),
            35..=59 => self.access(),
            60..=71 => self.refresh(),
            72..=85 => self.end(),
            86..=94 => self.log_out(),
            _ if may_describe => self.describe(),
            _ => self.look(),
        }
    }

    fn log_in(&self) {
        log_in(
            &self.client,
            self.history,
            rand::random_range(0..DEVICES.len()),
        );
    }

    /// Somebody who only looks: reads a session, or tries its token.
    fn look(&self) {
        if rand::random() {
            self.access();
            return;
        }
        let Some((place, was_dead)) = self.pick() else {
            return;
        };
        let path = format!("/sessions/{}", self.history.lock().sessions[place].id);
        let Some(answer) = self.client.get(&path, self.owner) else {
            return;
        };
        if self.owner_is_known(&answer) {
            self.saw(place, was_dead, &answer);
        }
    }

    /// The owner's session is never ended, so a 401 would be its loss and say
    /// nothing of the session asked for.
    fn owner_is_known(&self, answer: &Answer) -> bool {
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
        self.saw(place, was_dead, &answer);
    }

    fn saw(&self, place: usize, was_dead: bool, answer: &Answer) {
        let mut history = self.history.lock();
        match answer.status {
            200 => {
                history.saw_live(place, was_dead);
                if let Some((version, last_access)) = answer.version() {
                    history.saw_version(place, version, last_access);
                }
            }
            401 | 404 => history.sessions[place].dead = true,
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

    /// Somebody else ends a session.
    fn end(&self) {
        let Some((place, _)) = self.pick() else {
            return;
        };
        let path = {
            let mut history = self.history.lock();
            history.sessions[place].dying = true;
            format!("/sessions/{}", history.sessions[place].id)
        };
        let answer = self
            .client
            .call("DELETE", &path, Some(self.owner), &Value::Null);
        self.ended(place, answer.filter(|answer| self.owner_is_known(answer)));
    }

    /// A session ends itself.
    fn log_out(&self) {
        let Some((place, _)) = self.pick() else {
            return;
        };
        let token = {
            let mut history = self.history.lock();
            history.sessions[place].dying = true;
            history.sessions[place].token.clone()
        };
        self.ended(
            place,
            self.client
                .call("DELETE", "/api/auth", Some(&token), &Value::Null),
        );
    }

    fn ended(&self, place: usize, answer: Option<Answer>) {
        let Some(answer) = answer else { return };
        let mut history = self.history.lock();
        match answer.status {
            200 | 204 => {
                history.sessions[place].dead = true;
                history.acknowledged += 1;
            }
            401 | 404 => history.sessions[place].dead = true,
            _ => {}
        }
    }

    /// What people typed must survive as well.
    fn describe(&self) {
        let next = {
            let mut history = self.history.lock();
            history.described.1 += 1;
            history.described.1
        };
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
    fn pick(&self) -> Option<(usize, bool)> {
        let history = self.history.lock();
        let count = history.sessions.len();
        let place = rand::random_range(count.saturating_sub(RECENT_SESSIONS)..count.max(1));
        history.sessions.get(place).map(|entry| (place, entry.dead))
    }
}

/// A login on this device; the place of its session when it was answered.
pub(crate) fn log_in(client: &Client, history: &Mutex<History>, device: usize) -> Option<usize> {
    let asked = history.lock().ask_login(device);
    let answer = client.log_in(DEVICES[device].user, DEVICES[device].name)?;
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
            let entry = &mut history.sessions[place];
            entry.token = answer.text("tokenId");
            entry.refresh = answer.text("refreshToken");
            entry.refreshes += 1;
            entry.refreshing = None;
        }
        401 => history.sessions[place].dead = true,
        _ => {}
    }
}
