//! A shop that traded for a while and closed cleanly: what a later start of it
//! has to serve.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::process::Process;
use super::support::{self, Place};

/// Logins of the shop before it closes; a third of them are ended.
const LOGINS: usize = 360;
/// What people typed, as lists.
const PEOPLE: [&str; 3] = ["/users", "/devices", "/roles"];

/// A closed installation and what it must serve.
pub(crate) struct Closed {
    /// Where it is.
    pub(crate) place: Place,
    /// A token of an owner whose session lives.
    pub(crate) owner: String,
    /// That session.
    pub(crate) owner_id: String,
    /// The live sessions.
    pub(crate) rows: BTreeMap<String, Value>,
    /// Tokens of live sessions.
    pub(crate) live: Vec<String>,
    /// Tokens of ended sessions.
    pub(crate) dead: Vec<String>,
    /// Users, devices and roles.
    pub(crate) people: Vec<Value>,
}

/// Users, devices and roles, as they are listed.
pub(crate) fn people(client: &Client, owner: &str) -> Result<Vec<Value>, String> {
    let lists = PEOPLE.iter().map(|path| client.get(path, owner));
    lists
        .map(|answer| match answer {
            Some(Answer {
                status: 200, body, ..
            }) => Ok(body["items"].clone()),
            other => Err(format!("a list answers {other:?}")),
        })
        .collect()
}
/// The server on this data directory.
pub(crate) fn serve(data_dir: &Path) -> Command {
    let mut command = support::binary();
    command
        .env("TILLGATE_DATA_DIR", data_dir)
        .args(["serve", "--listen", "127.0.0.1:0"]);
    command
}

impl Closed {
    /// Runs a shop for a while and closes it cleanly.
    pub(crate) fn make() -> Result<Self, String> {
        let place = Place::with_shop();
        let mut process = Process::spawn(serve(&place.data_dir()));
        let (address, _) = process.listening()?;
        let client = Client::new(&address);
        let login = client.log_in("999", "BackOffice").ok_or("no answer")?;
        let (owner, owner_id) = (login.text("tokenId"), login.text("sessionId"));
        let (mut live, mut dead) = trade(&client, &owner)?;
        rename_people(&client, &owner)?;
        // A till's earlier session has given way to a later one.
        let lives = |token: &String| {
            client
                .get("/api/auth", token)
                .is_some_and(|a| a.status == 200)
        };
        let (still, replaced): (Vec<_>, Vec<_>) = live.drain(..).partition(lives);
        dead.extend(replaced);
        let people = people(&client, &owner)?;
        let rows = rows(
            &client
                .get("/sessions?$take=10000", &owner)
                .ok_or("no answer")?,
        )?;
        process.stop()?;
        println!(
            "damage    {} live and {} ended sessions",
            rows.len(),
            dead.len()
        );
        Ok(Self {
            place,
            owner,
            owner_id,
            rows,
            live: still,
            dead,
            people,
        })
    }

    /// That a listing shows what was there when the shop closed; answers
    /// whether versions have jumped to their ceilings. The owner's own session
    /// has moved on by asking.
    pub(crate) fn compare(&self, answer: &Answer) -> Result<bool, String> {
        let found = rows(answer)?;
        if found.len() != self.rows.len() {
            return Err(format!(
                "{} sessions are listed, not {}",
                found.len(),
                self.rows.len()
            ));
        }
        let mut jumped = false;
        for (id, row) in self.rows.iter().filter(|(id, _)| **id != self.owner_id) {
            let found = found.get(id).ok_or_else(|| format!("{id} is not listed"))?;
            let (was, is) = (row["_v"].as_u64(), found["_v"].as_u64());
            let mut same = found.clone();
            same["_v"] = row["_v"].clone();
            if same != *row || is < was {
                return Err(format!("{id} is {found}, was {row}"));
            }
            jumped |= is > was;
        }
        Ok(jumped)
    }
}

/// Logins, accesses, refreshes and endings; the tokens of those that were not
/// ended, and of those that were.
fn trade(client: &Client, owner: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut live, mut dead) = (Vec::new(), Vec::new());
    for number in 0..LOGINS {
        let (user, device) = match number % 12 {
            0 => ("1", "P01"),
            1 => ("1", "PDA1"),
            even if even % 2 == 0 => ("1", "LINK"),
            _ => ("2", "BackOffice"),
        };
        let login = client.log_in(user, device).ok_or("no answer")?;
        let (id, token) = (login.text("sessionId"), login.text("tokenId"));
        let path = format!("/sessions/{id}");
        match number % 6 {
            2 => drop(client.call("DELETE", &path, Some(owner), &Value::Null)),
            3 => drop(client.call("DELETE", "/api/auth", Some(&token), &Value::Null)),
            4 => drop(client.get(&path, &token)),
            5 => drop(client.refresh(&token, &login.text("refreshToken"))),
            _ => {}
        }
        if matches!(number % 6, 2 | 3) {
            dead.push(token);
        } else {
            live.push(token);
        }
    }
    Ok((live, dead))
}

/// A change that an earlier base file does not know of.
fn rename_people(client: &Client, owner: &str) -> Result<(), String> {
    let mut user = client.get("/users/2", owner).ok_or("no answer")?.body;
    let path = format!("/users/{}", user["id"].as_str().unwrap_or_default());
    for name in ["Renamed once", "Renamed twice"] {
        user["name"] = json!(name);
        user.as_object_mut().ok_or("no user")?.remove("_v");
        let answer = client
            .call("PUT", &path, Some(owner), &user)
            .ok_or("no answer")?;
        if answer.status != 200 {
            return Err(format!("the user is not renamed: {}", answer.body));
        }
    }
    Ok(())
}

fn rows(answer: &Answer) -> Result<BTreeMap<String, Value>, String> {
    let items = answer.body["items"]
        .as_array()
        .ok_or_else(|| answer.body.to_string())?;
    let rows = items.iter().map(|item| {
        (
            item["sessionId"].as_str().unwrap_or_default().to_owned(),
            item.clone(),
        )
    });
    Ok(rows.collect())
}

/// Whether the doctor finds damage in a closed data directory.
pub(crate) fn examine(data_dir: &Path) -> Result<bool, String> {
    let doctor = support::binary()
        .env("TILLGATE_DATA_DIR", data_dir)
        .args(["doctor", "--json"])
        .output()
        .expect("the binary runs");
    match doctor.status.code() {
        Some(0) => Ok(false),
        Some(65) => Ok(true),
        other => Err(format!(
            "the doctor ends with {other:?}: {}",
            String::from_utf8_lossy(&doctor.stderr)
        )),
    }
}
