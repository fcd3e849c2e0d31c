//! What tills, offices and onlookers do until the server dies under them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::history::{DEVICES, History, Promise, Who};
use super::wipes::Scope;

/// Clients that change things, and clients that only look.
pub(crate) const WORKERS: usize = 8;
const READERS: usize = 3;
/// Sessions that one request by filter names.
const NAMED_MAX: usize = 4;
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
                    one.work(worker);
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
pub(crate) struct One<'a> {
    pub(crate) client: Client,
    /// A bearer token that lives through the whole round.
    pub(crate) owner: &'a str,
    pub(crate) history: &'a Mutex<History>,
}

impl One<'_> {
    /// One step. Only one worker writes descriptions, so that their order is
    /// known.
    fn work(&self, worker: usize) {
        match rand::random_range(0..100) {
            0..=29 => self.log_in(),
            30..=51 => self.access(),
            52..=62 => self.refresh(),
            63..=72 => self.end(),
            73..=79 => self.log_out(),
            80..=81 => self.end_named(),
            82 => self.end_all_on_a_device(),
            83..=94 => self.do_paperwork(worker),
            _ if worker == 0 => self.describe(),
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

    /// Somebody ends a few sessions by a filter that names them.
    fn end_named(&self) {
        let places: Vec<usize> = (0..NAMED_MAX)
            .filter_map(|_| Some(self.pick()?.0))
            .collect();
        let ids: Vec<String> = {
            let mut history = self.history.lock();
            let named = places.iter().map(|place| {
                history.sessions[*place].dying = true;
                history.sessions[*place].id.clone()
            });
            named.collect()
        };
        if ids.is_empty() {
            return;
        }
        let path = format!("/sessions?sessionId=in:{}", ids.join(","));
        let answer = self.end_by_filter(&path);
        if answer.is_some_and(|answer| answer.status == 200) {
            let mut history = self.history.lock();
            history.acknowledged += 1;
            for place in places {
                history.sessions[place].dead = true;
            }
        }
    }

    /// Somebody ends all sessions of a device, but for those of the owner.
    fn end_all_on_a_device(&self) {
        let device = rand::random_range(0..DEVICES.len() - 1);
        let wipe = self.history.lock().ask_wipe(Scope::Device(device));
        let path = format!("/sessions?deviceName={}", DEVICES[device].name);
        let Some(answer) = self.end_by_filter(&path) else {
            return;
        };
        let mut history = self.history.lock();
        if answer.status == 200 {
            history.acknowledged += 1;
            history.wiped(wipe, true);
        }
    }

    fn end_by_filter(&self, path: &str) -> Option<Answer> {
        let answer = self
            .client
            .call("DELETE", path, Some(self.owner), &Value::Null)?;
        if ![200, 503].contains(&answer.status) {
            let what = format!("DELETE {path} answers {answer:?}");
            self.history.lock().broken(Promise::Lost, what);
        }
        self.owner_is_known(&answer).then_some(answer)
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
