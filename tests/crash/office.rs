//! What the office does until the server dies under it: hires people, changes
//! their names and passwords, sends them away, issues API keys; and what must
//! hold of that after the restart.

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::history::{DEVICES, History, Who};
use super::log::Did;
use super::promise::Promise;
use super::records::{Content, Kind, Record, shows};
use super::support::signer;
use super::traffic::{self, One};
use super::wipes::Scope;

/// The device on which the office's people log in: it has no limit.
const DESK: usize = 3;
/// What taking a lock off a user answers.
const UNLOCKED: [u16; 2] = [200, 204];

/// The records of one worker: nobody else changes them.
pub(crate) fn records_of(worker: usize) -> [Record; 2] {
    [
        Record::absent(Kind::User, format!("w{worker}")),
        Record::absent(Kind::ApiKey, format!("key-{worker}")),
    ]
}

/// One change of a record.
struct Change {
    method: &'static str,
    path: String,
    body: Value,
    if_match: Option<u64>,
    becomes: Option<Content>,
    /// It ends all sessions of the user.
    wipes: bool,
}

impl One<'_> {
    /// One change of a record of this worker.
    pub(crate) fn do_paperwork(&self, worker: usize) {
        let place = 2 * worker + usize::from(rand::random_ratio(2, 5));
        let (change, wipe) = {
            let mut history = self.history.lock();
            let number = history.tick();
            let record = &mut history.records[place];
            // An answer is missing: only a restart tells what is.
            if !record.is_settled() {
                return;
            }
            let change = draw(record, number);
            record.ask(change.becomes.clone());
            let user = Scope::User(record.name.clone());
            let wipe = change.wipes.then(|| history.ask_wipe(user));
            (change, wipe)
        };
        let mut headers = vec![("Authorization".to_owned(), format!("Bearer {}", self.owner))];
        let condition = change.if_match.map(|version| format!("\"{version}\""));
        headers.extend(condition.map(|tag| ("If-Match".to_owned(), tag)));
        let answer = self
            .client
            .send(change.method, &change.path, &headers, &change.body);
        let Some(answer) = answer.filter(|answer| answer.status != 503) else {
            return;
        };
        let mut history = self.history.lock();
        if !matches!(answer.status, 200 | 201) {
            let what = format!("{} {}: {}", change.method, change.path, answer.body);
            history.broken(Promise::Lost, what);
            return;
        }
        history.acknowledged += 1;
        if let Some(wipe) = wipe {
            history.wiped(wipe, true);
        }
        let record = &mut history.records[place];
        record.acknowledged();
        if answer.status == 201 && record.kind == Kind::ApiKey {
            record.id = answer.text("id");
            record.secret = Some(answer.body.clone());
        }
        let floor = record.floor();
        let shown = change.becomes.is_some().then_some(&answer.body);
        if let (Some(content), "PUT") = (&change.becomes, change.method) {
            let did = Did::Wrote {
                if_match: change.if_match,
                version: content.version,
                shows: content.shows(),
            };
            history.note(&answer.text("id"), &answer, did);
        }
        let record = &mut history.records[place];
        if let Err(what) = record.saw(floor, shown) {
            history.broken(Promise::Repeated, what);
        }
    }

    /// Somebody reads a record of the office.
    pub(crate) fn read_record(&self) {
        let (place, path, floor) = {
            let history = self.history.lock();
            let place = rand::random_range(0..history.records.len());
            let record = &history.records[place];
            (place, record.path(), record.floor())
        };
        // Without an id there is nothing to read.
        if path.ends_with('/') {
            return;
        }
        let Some(answer) = self.client.get(&path, self.owner) else {
            return;
        };
        let found = match answer.status {
            200 => Some(&answer.body),
            404 => None,
            _ => return,
        };
        let mut history = self.history.lock();
        if let Some(body) = found {
            let member = history.records[place].member();
            let typed = body[member].as_str().unwrap_or_default();
            let did = Did::Read {
                version: body["_v"].as_u64().unwrap_or_default(),
                shows: shows(typed, &body["isActive"]),
            };
            history.note(&answer.text("id"), &answer, did);
        }
        if let Err(what) = history.records[place].saw(floor, found) {
            history.broken(Promise::Lost, what);
        }
    }

    /// One of the office's people, if there is one who may log in.
    pub(crate) fn somebody(&self) -> Option<Who> {
        let history = self.history.lock();
        let place = rand::random_range(0..history.records.len());
        person(&history.records[place])
    }
}

/// Who logs in at the desk when this record is a user who may.
fn person(record: &Record) -> Option<Who> {
    let content = record.newest().filter(|content| content.is_active)?;
    (record.kind == Kind::User).then(|| Who {
        device: DESK,
        user: record.name.clone(),
        password: Some(content.password),
    })
}

/// What happens to the record next.
fn draw(record: &Record, number: u64) -> Change {
    let Some(now) = record.newest() else {
        return create(record, number);
    };
    let next = |change: &dyn Fn(&mut Content)| {
        let mut next = now.clone();
        (next.number, next.version) = (number, now.version + 1);
        change(&mut next);
        next
    };
    let (becomes, wipes) = match rand::random_range(0..10) {
        0..=3 => (Some(next(&|_| {})), false),
        4..=6 => (Some(next(&|it| it.password = number)), true),
        7..=8 => (Some(next(&|it| it.is_active = !now.is_active)), true),
        _ => (None, true),
    };
    let body = becomes.as_ref().map_or(Value::Null, |next| {
        body(record, next, next.password != now.password)
    });
    Change {
        method: if becomes.is_some() { "PUT" } else { "DELETE" },
        path: record.path(),
        body,
        if_match: rand::random::<bool>().then_some(now.version),
        becomes,
        wipes: wipes && record.kind == Kind::User,
    }
}

fn create(record: &Record, number: u64) -> Change {
    let first = Content {
        number,
        password: number,
        is_active: true,
        version: 1,
    };
    let (path, method) = match record.kind {
        Kind::User => ("/users", "POST"),
        Kind::ApiKey => ("/apikeys", "POST"),
    };
    Change {
        method,
        path: path.to_owned(),
        body: body(record, &first, true),
        if_match: None,
        becomes: Some(first),
        wipes: false,
    }
}

fn body(record: &Record, content: &Content, with_password: bool) -> Value {
    let number = content.number.to_string();
    match record.kind {
        Kind::User => {
            let device =
                json!({"name": DEVICES[DESK].name, "isActive": true, "roles": ["cashier"]});
            let mut body = json!({"userName": record.name, "name": number,
                "isActive": content.is_active, "devices": [device]});
            if with_password {
                body["password"] = json!(content.password());
            }
            body
        }
        Kind::ApiKey => json!({"name": record.name, "description": number,
            "isActive": content.is_active, "userName": "1", "deviceName": "BackOffice"}),
    }
}

/// After a restart: every record is in a state that it may be in.
pub(crate) fn look(history: &mut History, client: &Client, owner: &str) {
    for place in 0..history.records.len() {
        if history.records[place].kind == Kind::ApiKey {
            find_key(&mut history.records[place], client, owner);
        }
        let record = &history.records[place];
        let answer = client.get(&record.path(), owner);
        let found = match answer {
            Some(Answer {
                status: 200, body, ..
            }) => Some(body),
            Some(Answer { status: 404, .. }) => None,
            other => {
                let what = format!("{} answers {other:?}", record.path());
                history.broken(Promise::Lost, what);
                continue;
            }
        };
        let floor = record.floor();
        if let Err(what) = history.records[place].saw(floor, found.as_ref()) {
            history.broken(Promise::Lost, what);
        }
    }
}

/// After a restart: the audit has an entry for each change of a user that has
/// happened, and for none that has not.
pub(crate) fn look_into_the_audit(history: &mut History, client: &Client, owner: &str) {
    let users = history.records.iter().filter(|it| it.kind == Kind::User);
    let mut wrong = Vec::new();
    for record in users {
        let path = format!(
            "/audit?action=in:created,updated,deleted&resourceUserName={}&$count=true",
            record.name
        );
        let answer = client.get(&path, owner);
        let told = answer
            .as_ref()
            .and_then(|answer| answer.body["totalCount"].as_u64());
        if told != Some(record.changes() as u64) {
            let (name, changes) = (&record.name, record.changes());
            wrong.push(format!(
                "{name} has changed {changes} times, the audit: {answer:?}"
            ));
        }
    }
    for what in wrong {
        history.broken(Promise::Lost, what);
    }
}

/// A key whose creation was not answered has an id that nobody was told.
fn find_key(record: &mut Record, client: &Client, owner: &str) {
    let Some(list) = client.get(&format!("/apikeys?name={}", record.name), owner) else {
        return;
    };
    let id = list.body["items"][0]["id"].as_str().unwrap_or("none");
    if record.id != id {
        id.clone_into(&mut record.id);
        record.secret = None;
    }
}

/// After a restart: the password that a user has opens, and the one before
/// does not; a key that is active signs. The records are those before doubts
/// were over, so that they know of earlier passwords.
pub(crate) fn try_records(
    records: &[Record],
    history: &Mutex<History>,
    client: &Client,
    owner: &str,
) {
    for record in records {
        match record.kind {
            Kind::User => try_password(history, client, owner, record),
            Kind::ApiKey => try_key(history, client, record),
        }
    }
}

fn try_password(history: &Mutex<History>, client: &Client, owner: &str, record: &Record) {
    let desk = DEVICES[DESK].name;
    if let Some(earlier) = record.earlier_password() {
        let answer = client.log_in_with(&record.name, &earlier, desk);
        if answer
            .as_ref()
            .is_none_or(|answer| ![401, 423].contains(&answer.status))
        {
            let what = format!("{}'s earlier password answers {answer:?}", record.name);
            history.lock().broken(Promise::Returned, what);
        }
    }
    let Some(content) = record.sure().filter(|content| content.is_active) else {
        return;
    };
    // Logins that met a change of the password count as wrong ones.
    let lock = format!("/users/{}/lock", record.name);
    let unlocked = client.call("DELETE", &lock, Some(owner), &Value::Null);
    if !unlocked.is_some_and(|answer| UNLOCKED.contains(&answer.status)) {
        let what = format!("{} can not be unlocked", record.name);
        history.lock().broken(Promise::Lost, what);
    }
    let who = Who {
        device: DESK,
        user: record.name.clone(),
        password: Some(content.password),
    };
    if traffic::log_in(client, history, &who).is_none() {
        let what = format!("{} can not log in with {}", record.name, content.password());
        history.lock().broken(Promise::Lost, what);
    }
}

/// A key that is active signs; one that is not, does not.
fn try_key(history: &Mutex<History>, client: &Client, record: &Record) {
    let (Some(content), Some(secret)) = (record.sure(), &record.secret) else {
        return;
    };
    let signer = signer::Signer::of(secret);
    let headers = signer.headers_at(client.address(), "GET", "/api/auth", "");
    let answer = client.send("GET", "/api/auth", &headers, &Value::Null);
    let wanted = if content.is_active { 200 } else { 401 };
    if answer.as_ref().map(|answer| answer.status) != Some(wanted) {
        let what = format!("{} is {content:?}, signed: {answer:?}", record.name);
        history.lock().broken(Promise::Lost, what);
    }
}
