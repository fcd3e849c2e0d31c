//! What clients do while the disk fails, and what has to be true of it
//! afterwards.

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::verdict;

/// How an answer binds the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is so, and stays so.
    Done,
    /// It is not so, and stays so.
    Refused,
    /// Nobody can tell.
    Unknown,
}

impl Word {
    fn of(answer: Option<&Answer>) -> Self {
        match answer.map(|answer| (answer.status, answer.retry_after)) {
            Some((200..=299, _)) => Self::Done,
            // Read-only, or no room: nothing was tried.
            Some((503, Some(60)) | (507, _)) => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// One login and what became of it.
#[derive(Debug, Default)]
struct Login {
    word: Option<Word>,
    token: String,
    refresh: String,
}

/// Everything that was asked and answered.
#[derive(Debug, Default)]
pub(crate) struct Script {
    till: Login,
    office: Login,
    owner: Login,
    later_till: Login,
    link: Login,
    ending: Option<Word>,
    renaming: Option<Word>,
    /// A promise broken while the server ran.
    broken: Option<String>,
}

/// The name that a user gets on the way.
const RENAMED: &str = "Renamed in trouble";

impl Script {
    /// Goes through all steps; none of them waits for another to succeed.
    pub(crate) fn play(client: &Client) -> Self {
        let mut script = Self {
            till: log_in(client, "1", "P01"),
            office: log_in(client, "2", "BackOffice"),
            owner: log_in(client, "999", "BackOffice"),
            ..Self::default()
        };
        drop(client.refresh(&script.owner.token, &script.owner.refresh));
        script.later_till = log_in(client, "1", "P01");
        let gone = |token: &str| status(client, token) == Some(401);
        if script.later_till.word == Some(Word::Done) && !gone(&script.till.token) {
            script.broken = Some("the till's earlier session answers behind a later login".into());
        }
        if script.office.word == Some(Word::Done) {
            let token = Some(script.office.token.as_str());
            let ended = client.call("DELETE", "/api/auth", token, &Value::Null);
            let word = Word::of(ended.as_ref());
            script.ending = Some(word);
            if word == Word::Done && !gone(&script.office.token) {
                script.broken = Some("a session answers behind its ending".into());
            }
        }
        script.renaming = rename(client, &script.owner.token);
        script.link = log_in(client, "1", "LINK");
        drop(client.get("/sessions", &script.link.token));
        script
    }

    /// Whether every step got what it asked for.
    pub(crate) fn is_untouched(&self) -> bool {
        let logins = [
            &self.till,
            &self.office,
            &self.owner,
            &self.later_till,
            &self.link,
        ];
        let done = Some(Word::Done);
        logins.iter().all(|login| login.word == done)
            && self.ending == done
            && self.renaming == done
    }

    /// Holds a healthy server on the same directory against every word given.
    pub(crate) fn check(&self, client: &Client) -> Result<(), String> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let over = [
            (
                &self.till,
                self.later_till.word,
                "the till's earlier session",
            ),
            (&self.office, self.ending, "the ended session"),
        ];
        for (login, end, name) in over {
            let live = status(client, &login.token);
            match (login.word, end) {
                (_, Some(Word::Done)) if live != Some(401) => {
                    return Err(format!("{name} answers {live:?} after the restart"));
                }
                (Some(Word::Done), Some(Word::Refused)) if live != Some(200) => {
                    return Err(format!("{name} was not ended and answers {live:?}"));
                }
                _ => {}
            }
        }
        for (login, name) in [
            (&self.owner, "owner"),
            (&self.later_till, "till"),
            (&self.link, "link"),
        ] {
            let live = status(client, &login.token);
            if login.word == Some(Word::Done) && live != Some(200) {
                return Err(format!(
                    "the login of {name} was acknowledged and answers {live:?}"
                ));
            }
        }
        self.count(client)
    }

    /// A refused login has left nothing, and the new name is there if it was
    /// acknowledged.
    fn count(&self, client: &Client) -> Result<(), String> {
        let owner = verdict::owner(client).ok_or("nobody can log in after the restart")?;
        let logins = [
            &self.till,
            &self.office,
            &self.owner,
            &self.later_till,
            &self.link,
        ];
        let perhaps = |login: &&&Login| login.word != Some(Word::Refused);
        // The one that asks is there as well.
        let most = logins.iter().filter(perhaps).count() + 1;
        let counted = client
            .get("/sessions?$count=true", &owner)
            .ok_or("no answer")?;
        let found = counted.body["totalCount"].as_u64().unwrap_or(u64::MAX);
        if found > most as u64 {
            return Err(format!(
                "{found} sessions live, and {most} logins were not refused"
            ));
        }
        let user = client.get("/users/2", &owner).ok_or("no answer")?;
        let renamed = user.text("name") == RENAMED;
        match self.renaming {
            Some(Word::Done) if !renamed => Err("an acknowledged change is lost".to_owned()),
            Some(Word::Refused) if renamed => Err("a refused change was made".to_owned()),
            _ => Ok(()),
        }
    }
}

fn log_in(client: &Client, user: &str, device: &str) -> Login {
    let answer = client.log_in(user, device);
    let text = |name: &str| answer.as_ref().map(|a| a.text(name)).unwrap_or_default();
    Login {
        word: Some(Word::of(answer.as_ref())),
        token: text("tokenId"),
        refresh: text("refreshToken"),
    }
}

fn status(client: &Client, token: &str) -> Option<u16> {
    client.get("/api/auth", token).map(|answer| answer.status)
}

fn rename(client: &Client, owner: &str) -> Option<Word> {
    let found = client.get("/users/2", owner)?;
    if found.status != 200 {
        return None;
    }
    let mut user = found.body;
    user["name"] = json!(RENAMED);
    user.as_object_mut()?.remove("_v");
    let path = format!("/users/{}", user["id"].as_str()?);
    let answer = client.call("PUT", &path, Some(owner), &user);
    Some(Word::of(answer.as_ref()))
}
