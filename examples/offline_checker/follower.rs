//! Keeps a checker informed over HTTP: logs in, fetches keys, reads the feed of
//! endings from where it stopped, and goes on after a restart of the server.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::checker::{Checker, Feed, KeySet, Moment};

/// How long the server may hold an answer back while nothing ends. Well below
/// its `staleAfterSeconds`: an answer tells how things stood when it was asked.
const WAIT_SECONDS: u32 = 10;
/// How long an answer may take beyond that.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// The account that reads the feed: it needs the right `sessionReadAny`, and a
/// device of environment `Tool`, where logins do not replace each other.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The user name.
    pub user_name: String,
    /// The password.
    pub password: String,
    /// The device.
    pub device_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedIn {
    token_id: String,
}

/// Where in the feed a checker stands.
#[derive(Debug)]
pub struct Follower {
    agent: ureq::Agent,
    server: String,
    account: Account,
    token: Option<String>,
    cursor: Option<String>,
}

/// Whether there is more to hear at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something ended, and more may have.
    More,
    /// All is heard.
    Everything,
}

impl Follower {
    /// `server`: scheme, host and port, without a path.
    pub fn new(server: &str, account: Account) -> Self {
        let patience = Duration::from_secs(WAIT_SECONDS.into()) + ANSWER_PATIENCE;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(patience))
            .build()
            .new_agent();
        Self {
            agent,
            server: server.to_owned(),
            account,
            token: None,
            cursor: None,
        }
    }

    /// Asks once, waiting for the next ending when `waits`. After an error the
    /// place in the feed is kept: ask again a little later.
    ///
    /// # Errors
    /// When the server does not answer, or refuses the account.
    pub fn ask(&mut self, checker: &Mutex<Checker>, waits: bool) -> Result<Heard, ureq::Error> {
        let token = match self.token.clone() {
            Some(token) => token,
            None => self.log_in()?,
        };
        let wait = if waits { WAIT_SECONDS } else { 0 };
        let mut path = format!("/sessions/revocations?wait={wait}");
        if let Some(cursor) = &self.cursor {
            path = format!("{path}&since={cursor}");
        }
        let asked = Moment::now();
        let answer: Result<Feed, _> = self.get(&path, Some(&token));
        let heard = Moment::now();
        // A session of this account that is over: the next question logs in.
        let is_over = matches!(answer, Err(ureq::Error::StatusCode(401)));
        self.token = (!is_over).then_some(token);
        let feed = answer?;
        let is_complete = feed.is_complete();
        let cursor = feed.cursor.clone();
        let lacks_a_key = {
            let mut checker = checker.lock().unwrap_or_else(PoisonError::into_inner);
            checker.take_feed(feed, asked, heard);
            checker.lacks_a_key()
        };
        self.cursor = Some(cursor);
        if lacks_a_key {
            let keys: KeySet = self.get("/.well-known/jwks.json", None)?;
            let mut checker = checker.lock().unwrap_or_else(PoisonError::into_inner);
            checker.take_keys(keys);
        }
        Ok(if is_complete {
            Heard::Everything
        } else {
            Heard::More
        })
    }

    fn log_in(&self) -> Result<String, ureq::Error> {
        let url = format!("{}/api/auth", self.server);
        let mut answer = self.agent.post(url).send_json(&self.account)?;
        let login: LoggedIn = answer.body_mut().read_json()?;
        Ok(login.token_id)
    }

    fn get<T: DeserializeOwned>(&self, path: &str, token: Option<&str>) -> Result<T, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.server));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call()?.body_mut().read_json()
    }
}
