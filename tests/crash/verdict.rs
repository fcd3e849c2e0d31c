//! Holds a restarted server against what the clients know.
//!
//! The rules. "After" means asked for after the answer to the other had come;
//! what has no answer, or a 503, may have happened or not.
//!
//! 1. A session whose login was answered lives, unless something that may have
//!    ended it was asked for.
//! 2. A session that was ended, or answered 401 or 404 to anybody, is dead: not
//!    listed, 404 by its id, 401 by its token, and its ending is in the archive.
//!    Whoever listens to the feed of revocations hears of it, also across the
//!    crash, and hears of no session that lives.
//! 3. A sale device has one session. Who was there before is dead when a later
//!    login was answered, and alive when no later login has left its session.
//! 4. A session is dead when its user's password, activity or existence changed
//!    after its login, or when that is no longer the password it was opened with.
//! 5. `_v` never goes back, and no two states of a session have the same.
//! 6. The last refresh token that was handed out is good; so is the one before,
//!    if the answer to its refresh did not come.
//! 7. A user or API key is as it was last acknowledged or seen, or as it was
//!    asked to be since. Its password or secret opens, an earlier one does not.
//!    The audit has an entry for each change that has happened, and no other.
//! 8. The answers before and after the crash can be explained by one order of
//!    the requests (`tests/histories/check.rs` has the rules of that).
//! 9. The server starts, and indexes, records and digests on its disk agree.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use super::check::{Record, check};
use super::client::{Answer, Client};
use super::history::{DEVICES, History, Replaced};
use super::log::Did;
use super::promise::{Promise, Violation};
use super::wipes::Wiped;
use super::{crowd, listener, office, traffic};

/// Sessions of each kind whose tokens are tried one by one; the listing covers
/// the others.
const TRIED_MAX: usize = 60;
/// A refresh without an answer may be repeated for 30 s; this leaves room for
/// a slow machine.
const REPEAT_MAX: Duration = Duration::from_secs(20);
/// How long the first login after a restart may take.
const LOGIN_MAX: Duration = Duration::from_secs(5);

/// What a listing says of a session.
pub(crate) struct Row {
    version: u64,
    last_access: String,
    device: String,
}

/// Looks at everything; what is wrong goes to the history's violations.
pub(crate) fn look(address: &str, history: &Mutex<History>) {
    let client = Client::new(address);
    let Some(owner) = owner(&client) else {
        history.lock().broken(
            Promise::Lost,
            "nobody can log in after the restart".to_owned(),
        );
        return;
    };
    let Some((listed, rows)) = list(&client, &owner) else {
        history
            .lock()
            .broken(Promise::Lost, "the sessions can not be listed".to_owned());
        return;
    };
    {
        let mut history = history.lock();
        for (id, row) in &rows {
            let did = Did::Read {
                version: row.version,
                shows: row.last_access.clone(),
            };
            history.note(id, &listed, did);
        }
        office::look(&mut history, &client, &owner);
        office::look_into_the_audit(&mut history, &client, &owner);
        compare(&mut history, &rows);
        tills(&mut history, &rows);
        description(&mut history, &client, &owner);
    }
    let records = history.lock().records.clone();
    {
        let mut history = history.lock();
        history.settle(|id| rows.contains_key(id));
        listener::look(&mut history, &client, &owner);
        try_the_dead(&mut history, &client, &owner);
        look_into_the_archive(&mut history, &client, &owner);
        try_the_living(&mut history, &client);
        try_the_refreshed(&mut history, &client);
    }
    office::try_records(&records, history, &client, &owner);
    explain(&mut history.lock());
}

/// One order explains every answer since the database was made.
fn explain(history: &mut History) {
    for what in check(&history.events, Record::Partial) {
        history.broken(Promise::Order, what);
    }
}

/// A token of an owner in the back office, who disturbs no till.
pub(crate) fn owner(client: &Client) -> Option<String> {
    let started = Instant::now();
    while started.elapsed() < LOGIN_MAX {
        match client.log_in("999", "BackOffice") {
            Some(answer) if answer.status == 200 => return Some(answer.text("tokenId")),
            Some(answer) if answer.status == 503 => std::thread::sleep(Duration::from_millis(50)),
            _ => return None,
        }
    }
    None
}

fn list(client: &Client, owner: &str) -> Option<(Answer, HashMap<String, Row>)> {
    // A crowd looks at its sessions itself.
    let path = format!("/sessions?$take=10000&userName=neq:{}", crowd::USER);
    let answer = client.get(&path, owner)?;
    let rows = answer.body["items"].as_array()?.iter().filter_map(|item| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let row = Row {
            version: item["_v"].as_u64()?,
            last_access: text(&item["lastAccessAt"])?,
            device: text(&item["identity"]["deviceName"])?,
        };
        Some((text(&item["sessionId"])?, row))
    });
    let rows: HashMap<_, _> = rows.collect();
    let count = answer.body["count"].as_u64();
    (count == Some(rows.len() as u64)).then_some((answer, rows))
}

/// Every known session lives or not, as it must.
fn compare(history: &mut History, rows: &HashMap<String, Row>) {
    for place in 0..history.sessions.len() {
        let entry = &history.sessions[place];
        let replaced = history.replaced(entry);
        let (id, device) = (entry.id.clone(), DEVICES[entry.device].name);
        let wiped = history.is_wiped(entry);
        let must_be_dead = entry.dead || replaced == Replaced::Surely || wiped == Wiped::Surely;
        let may_be_dead = entry.dying || replaced != Replaced::No || wiped != Wiped::No;
        match rows.get(&id) {
            Some(_) if must_be_dead => {
                let dead = entry.dead;
                let what = format!("{id} on {device} lives: dead {dead}, {replaced:?}, {wiped:?}");
                history.broken(Promise::Returned, what);
            }
            None if !must_be_dead && !may_be_dead => {
                history.broken(Promise::Lost, format!("{id} on {device} is gone"));
            }
            // Only a login nobody knows of can have ended it, and that login is
            // one atomic step.
            None if !entry.dead
                && !entry.dying
                && wiped == Wiped::No
                && replaced == Replaced::Unanswered
                && !rows.values().any(|row| row.device == device) =>
            {
                let what = format!("{id} on {device} was ended by a login that is not there");
                history.broken(Promise::Lost, what);
            }
            None => {}
            Some(row) => {
                let seen = entry.seen.as_ref().map_or(0, |(version, _)| *version);
                if row.version < seen {
                    let what = format!("{id} went back from version {seen} to {}", row.version);
                    history.broken(Promise::Repeated, what);
                }
                history.saw_version(place, row.version, row.last_access.clone());
            }
        }
    }
}

/// No till has two sessions, and no session comes from nowhere.
fn tills(history: &mut History, rows: &HashMap<String, Row>) {
    for device in DEVICES.iter().filter(|device| device.is_sale) {
        let live = rows
            .values()
            .filter(|row| row.device == device.name)
            .count();
        if live > 1 {
            let what = format!("{} has {live} sessions at once", device.name);
            history.broken(Promise::Returned, what);
        }
    }
    // The owner's logins are not in the history.
    let strangers = rows
        .iter()
        .filter(|(id, row)| history.place(id).is_none() && row.device != "BackOffice")
        .count();
    if strangers > history.unanswered {
        let what = format!(
            "{strangers} unknown sessions, {} possible",
            history.unanswered
        );
        history.broken(Promise::Returned, what);
    }
}

fn description(history: &mut History, client: &Client, owner: &str) {
    let (acknowledged, asked) = history.described;
    let answer = client.get("/devices/LINK", owner);
    let found = answer
        .map(|answer| answer.text("description"))
        .unwrap_or_default();
    let number: u64 = found.parse().unwrap_or(0);
    if !(acknowledged..=asked).contains(&number) {
        let what = format!("LINK is described as '{found}', not {acknowledged} to {asked}");
        history.broken(Promise::Lost, what);
    }
    history.described.0 = number;
}

/// The newest of the sessions that `choose` names.
fn newest(history: &History, choose: impl Fn(&super::history::Entry) -> bool) -> Vec<usize> {
    let places = (0..history.sessions.len()).rev();
    places
        .filter(|place| choose(&history.sessions[*place]))
        .take(TRIED_MAX)
        .collect()
}

fn try_the_dead(history: &mut History, client: &Client, owner: &str) {
    for place in newest(history, |entry| entry.dead) {
        let entry = history.sessions[place].clone();
        let by_token = client
            .get("/api/auth", &entry.token)
            .map(|answer| answer.status);
        let by_id = client
            .get(&format!("/sessions/{}", entry.id), owner)
            .map(|a| a.status);
        if (by_token, by_id) != (Some(401), Some(404)) {
            let what = format!("{} is ended but answers {by_token:?}, {by_id:?}", entry.id);
            history.broken(Promise::Returned, what);
        }
    }
}

/// What was opened and is no longer live has left a record of its ending.
fn look_into_the_archive(history: &mut History, client: &Client, owner: &str) {
    let dead = newest(history, |entry| entry.dead);
    let ids: Vec<&str> = dead
        .iter()
        .map(|place| history.sessions[*place].id.as_str())
        .collect();
    if ids.is_empty() {
        return;
    }
    let path = format!("/sessions/ended?$count=true&sessionId=in:{}", ids.join(","));
    let answer = client.get(&path, owner);
    let found = answer
        .as_ref()
        .and_then(|answer| answer.body["totalCount"].as_u64());
    if found != Some(ids.len() as u64) {
        let what = format!("{} ended sessions, in the archive: {answer:?}", ids.len());
        history.broken(Promise::Lost, what);
    }
}

fn try_the_living(history: &mut History, client: &Client) {
    for place in newest(history, |entry| !entry.dead) {
        let entry = history.sessions[place].clone();
        let answer = client.get(&format!("/sessions/{}", entry.id), &entry.token);
        let version = answer
            .as_ref()
            .filter(|a| a.status == 200)
            .and_then(Answer::version);
        let Some((version, last_access)) = version else {
            let what = format!("{} is listed but answers {answer:?}", entry.id);
            history.broken(Promise::Lost, what);
            continue;
        };
        let seen = entry.seen.map_or(0, |(version, _)| version);
        if version <= seen {
            let what = format!("{} gives version {version} after {seen} was seen", entry.id);
            history.broken(Promise::Repeated, what);
        }
        if let Some(answer) = &answer {
            let shows = last_access.clone();
            history.note(&entry.id, answer, Did::Used { version, shows });
        }
        history.saw_version(place, version, last_access);
    }
}

/// The last acknowledged refresh token is good, and so is the repeat of a
/// refresh whose answer was lost.
fn try_the_refreshed(history: &mut History, client: &Client) {
    let lost = |since: Option<Instant>| since.is_some_and(|at| at.elapsed() < REPEAT_MAX);
    for place in newest(history, |entry| {
        !entry.dead
            && (lost(entry.refreshing) || (entry.refreshing.is_none() && entry.refreshes > 0))
    }) {
        let entry = history.sessions[place].clone();
        let answer = client.refresh(&entry.token, &entry.refresh);
        match answer {
            Some(answer) if answer.status == 200 => {
                traffic::refreshed(history, place, false, &answer);
            }
            other => {
                let kind = if entry.refreshing.is_some() {
                    "repeated"
                } else {
                    "next"
                };
                let what = format!("the {kind} refresh of {} answers {other:?}", entry.id);
                history.broken(Promise::Lost, what);
            }
        }
    }
}

/// Holds indexes and records of a stopped store against each other.
pub(crate) fn look_at_disk(data_dir: &Path, history: &mut History) {
    history.violations.extend(whole_on_disk(data_dir).err());
}

/// That indexes, records and digests of a stopped store agree.
pub(crate) fn whole_on_disk(data_dir: &Path) -> Result<(), Violation> {
    let what = match tillgate::store::sled::verify::verify(data_dir) {
        Ok(verified) if verified.problems.is_empty() => return Ok(()),
        Ok(verified) => verified.problems.join("; "),
        Err(error) => format!("the check fails: {error}"),
    };
    let promise = Promise::Index;
    Err(Violation { promise, what })
}
