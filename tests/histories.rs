//! Sixteen clients at once on few sessions and devices, every request recorded:
//! the answers must be explainable by one order.

#[path = "histories/check.rs"]
mod check;
#[path = "histories/check_test.rs"]
mod check_test;
#[path = "histories/log.rs"]
mod log;
mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use check::{Record, check};
use log::{Did, Event};
use serde_json::{Value, json};
use support::{Answer, Login, Place, Server};

/// Clients at once, and requests of each.
const WRITERS: u32 = 16;
const REQUESTS: u32 = 120;
/// Sessions that they share; one that has ended makes room for another.
const SESSIONS: usize = 3;
/// Devices that they share.
const DEVICES: [&str; 2] = ["P01", "P02"];

/// One shop with everything that its clients share.
struct Shop {
    server: Server,
    owner: String,
    sessions: Vec<Mutex<Login>>,
    events: Mutex<Vec<Event>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no client panicked")
}

impl Shop {
    fn open(place: &Place) -> Self {
        let server = place.serve();
        let owner = server.log_in("999", "BackOffice").token;
        let sessions = (0..SESSIONS).map(|_| Mutex::new(server.log_in("1", "LINK")));
        Self {
            sessions: sessions.collect(),
            server,
            owner,
            events: Mutex::new(Vec::new()),
        }
    }

    /// Sends a request and records what it came to.
    fn record(
        &self,
        key: &str,
        send: impl FnOnce(&Server) -> Answer,
        did: impl FnOnce(&Answer) -> Vec<Did>,
    ) -> Answer {
        let asked = Instant::now();
        let answer = send(&self.server);
        let answered = Instant::now();
        let events = did(&answer).into_iter().map(|did| Event {
            key: key.to_owned(),
            asked,
            answered,
            did,
        });
        locked(&self.events).extend(events);
        answer
    }

    /// One request on one of the sessions.
    fn visit(&self) {
        let slot = &self.sessions[rand::random_range(0..SESSIONS)];
        let login = locked(slot).clone();
        let answer = match rand::random_range(0..100) {
            0..=39 => self.use_it(&login),
            40..=69 => self.read_it(&login),
            70..=89 => self.refresh(&login, slot),
            _ => self.end(&login),
        };
        let is_over = answer.status == 401 || answer.status == 404;
        if is_over && locked(slot).id == login.id {
            *locked(slot) = self.server.log_in("1", "LINK");
        }
    }

    fn use_it(&self, login: &Login) -> Answer {
        let path = format!("/sessions/{}", login.id);
        let send = |server: &Server| server.get(&path, &login.token);
        self.record(&login.id, send, |answer| {
            shown(answer, "lastAccessAt", |version, shows| Did::Used {
                version,
                shows,
            })
        })
    }

    fn read_it(&self, login: &Login) -> Answer {
        let path = format!("/sessions/{}", login.id);
        let send = |server: &Server| server.get(&path, &self.owner);
        self.record(&login.id, send, |answer| {
            shown(answer, "lastAccessAt", |version, shows| Did::Read {
                version,
                shows,
            })
        })
    }

    /// A repeat that comes too late ends the session, so a refusal may have.
    fn refresh(&self, login: &Login, slot: &Mutex<Login>) -> Answer {
        let body = json!({"tokenId": login.token, "refreshToken": login.refresh});
        let send = |server: &Server| server.call("POST", "/api/auth/refresh", None, &body);
        let answer = self.record(&login.id, send, |answer| match answer.status {
            200 => vec![Did::Refreshed {
                spent: login.refresh.clone(),
                got: text(&answer.json(), "refreshToken"),
            }],
            401 => vec![Did::MayHaveEnded, Did::Gone],
            other => panic!("a refresh answers {other}: {}", answer.text),
        });
        if answer.status == 200 {
            let mut shared = locked(slot);
            if shared.refresh == login.refresh {
                shared.token = text(&answer.json(), "tokenId");
                shared.refresh = text(&answer.json(), "refreshToken");
            }
        }
        answer
    }

    /// Half of the endings name the version that they want to end.
    fn end(&self, login: &Login) -> Answer {
        let if_match = rand::random::<bool>()
            .then(|| self.read_it(login))
            .filter(|answer| answer.status == 200)
            .and_then(|answer| answer.json()["_v"].as_u64());
        let path = format!("/sessions/{}", login.id);
        let headers = self.headers(if_match);
        let send = |server: &Server| server.send("DELETE", &path, &headers, &Value::Null);
        self.record(&login.id, send, |answer| match (answer.status, if_match) {
            (200, _) => vec![Did::Ended {
                if_match,
                version: answer.json()["_v"].as_u64(),
            }],
            (404, _) => vec![Did::Gone],
            (412, Some(if_match)) => vec![Did::Stale { if_match }],
            (other, _) => panic!("an ending answers {other}: {}", answer.text),
        })
    }

    /// Counts one up in the description of a device, as a form would: reads it,
    /// writes it, and says which version it has read. Answers whether it may.
    fn count_up(&self) -> bool {
        let name = DEVICES[rand::random_range(0..DEVICES.len())];
        let path = format!("/devices/{name}");
        let read = self.record(
            name,
            |server| server.get(&path, &self.owner),
            |answer| {
                shown(answer, "description", |version, shows| Did::Read {
                    version,
                    shows,
                })
            },
        );
        let mut device = read.json();
        let version = device["_v"].as_u64().expect("a version");
        device.as_object_mut().expect("an object").remove("_v");
        device["description"] = json!((number(&device) + 1).to_string());
        let headers = self.headers(Some(version));
        let written = self.record(
            name,
            |server| server.send("PUT", &path, &headers, &device),
            |answer| match answer.status {
                200 => shown(answer, "description", |made, shows| Did::Wrote {
                    if_match: Some(version),
                    version: made,
                    shows,
                }),
                412 => vec![Did::Stale { if_match: version }],
                other => panic!("a change answers {other}: {}", answer.text),
            },
        );
        written.status == 200
    }

    fn headers(&self, if_match: Option<u64>) -> Vec<(String, String)> {
        let bearer = format!("Bearer {}", self.owner);
        let condition = if_match.map(|version| ("If-Match", format!("\"{version}\"")));
        [("Authorization", bearer)]
            .into_iter()
            .chain(condition)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// What an answer to a look shows: a version, or that there is nothing.
fn shown(answer: &Answer, member: &str, did: impl Fn(u64, String) -> Did) -> Vec<Did> {
    match answer.status {
        200 => {
            let body = answer.json();
            vec![did(
                body["_v"].as_u64().expect("a version"),
                text(&body, member),
            )]
        }
        401 | 404 => vec![Did::Gone],
        other => panic!("a look answers {other}: {}", answer.text),
    }
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().expect("text").to_owned()
}

fn number(device: &Value) -> u32 {
    let description = device["description"].as_str().unwrap_or_default();
    description.parse().unwrap_or(0)
}

#[test]
fn the_answers_to_sixteen_clients_at_once_are_explained_by_one_order() {
    let place = Place::with_shop();
    let shop = Shop::open(&place);
    let counted = AtomicU32::new(0);

    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                for _ in 0..REQUESTS {
                    if rand::random_ratio(1, 4) {
                        counted.fetch_add(u32::from(shop.count_up()), Ordering::Relaxed);
                    } else {
                        shop.visit();
                    }
                }
            });
        }
    });

    let events = locked(&shop.events);
    let changes = events.iter().filter(|event| event.did.is_change()).count();
    let ends = events.iter().filter(|event| event.did.is_last()).count();
    assert!(changes > 100 && ends > 10, "{changes} changes, {ends} ends");
    assert_eq!(check(&events, Record::Complete), Vec::<String>::new());
    let found = DEVICES.map(|name| {
        let path = format!("/devices/{name}");
        number(&shop.server.get(&path, &shop.owner).json())
    });
    assert_eq!(found.iter().sum::<u32>(), counted.into_inner());
}
