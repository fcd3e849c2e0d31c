//! Clients of the recorded server, each with sessions of its own, and what each
//! of them knows at any instant.

use std::collections::HashMap;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::calls::Instant;
use crate::client::Client;

/// Clients at once, and what each does.
pub(crate) const CLIENTS: usize = 4;
const STEPS: usize = 60;

/// A request: when it was asked for, and when it was answered with success.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    asked: Instant,
    answered: Option<Instant>,
}

impl Asked {
    fn is_asked(&self, at: Instant) -> bool {
        self.asked <= at
    }

    fn is_answered(&self, at: Instant) -> bool {
        self.answered.is_some_and(|answered| answered <= at)
    }
}

/// One session.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Its id.
    pub(crate) id: String,
    began: Asked,
    end: Option<Asked>,
    uses: Vec<(Asked, u64)>,
    /// The tokens after each refresh; the first are those of the login.
    refreshes: Vec<(Asked, String, String)>,
}

/// Everything that all clients know.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The sessions.
    pub(crate) lives: Vec<Life>,
    /// What `LINK`'s description was asked to be.
    described: Vec<(Asked, u64)>,
}

impl Life {
    /// It must be there: nobody has asked for its end.
    pub(crate) fn must_live(&self, at: Instant) -> bool {
        self.began.is_answered(at) && self.end.is_none_or(|end| !end.is_asked(at))
    }

    /// It must not be there.
    pub(crate) fn must_be_dead(&self, at: Instant) -> bool {
        self.end.is_some_and(|end| end.is_answered(at))
    }

    /// The highest version that anybody was shown.
    pub(crate) fn version(&self, at: Instant) -> u64 {
        let shown = self.uses.iter().filter(|(asked, _)| asked.is_answered(at));
        shown.map(|(_, version)| *version).max().unwrap_or(1)
    }

    /// The newest pair of tokens, unless a refresh is on its way.
    pub(crate) fn tokens(&self, at: Instant) -> Option<(&str, &str)> {
        let (newest, token, refresh) = self
            .refreshes
            .iter()
            .rfind(|(asked, _, _)| asked.is_asked(at))?;
        newest.is_answered(at).then_some((token, refresh))
    }
}

impl Known {
    /// What the description may be.
    pub(crate) fn described(&self, at: Instant) -> std::ops::RangeInclusive<u64> {
        let newest = |holds: &dyn Fn(&Asked) -> bool| {
            let all = self.described.iter().filter(|(asked, _)| holds(asked));
            all.map(|(_, number)| *number).max().unwrap_or(0)
        };
        newest(&|asked| asked.is_answered(at))..=newest(&|asked| asked.is_asked(at))
    }

    /// Lets all clients trade with a server, and adds what they know.
    pub(crate) fn trade(&mut self, address: &str, owner: &str) {
        let described = self.described.last().map_or(0, |(_, number)| *number);
        let traders = std::thread::scope(|scope| {
            let traders: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let trader = Trader::new(address, owner);
                    scope.spawn(move || trader.trade((number == 0).then_some(described)))
                })
                .collect();
            let traders = traders.into_iter().map(std::thread::ScopedJoinHandle::join);
            traders
                .collect::<Result<Vec<_>, _>>()
                .expect("no trader panics")
        });
        for trader in traders {
            self.lives.extend(trader.lives.into_values());
            self.described.extend(trader.described);
        }
    }
}

/// One client.
struct Trader<'a> {
    client: Client,
    owner: &'a str,
    lives: HashMap<String, Life>,
    described: Vec<(Asked, u64)>,
}

/// Microseconds since 1970, by the clock that strace looks at.
fn now() -> Instant {
    let since = UNIX_EPOCH.elapsed().expect("after 1970");
    u64::try_from(since.as_micros()).expect("not that late")
}

impl<'a> Trader<'a> {
    fn new(address: &str, owner: &'a str) -> Self {
        Self {
            client: Client::new(address),
            owner,
            lives: HashMap::new(),
            described: Vec::new(),
        }
    }

    /// Only one of them writes descriptions, so that their order is known: with
    /// numbers above the one given.
    fn trade(mut self, described: Option<u64>) -> Self {
        for step in 1..=STEPS {
            match rand::random_range(0..10) {
                0..=3 => self.log_in(),
                4..=5 => self.access(),
                6..=7 => self.refresh(),
                8 => match described {
                    Some(number) => self.describe(number + step as u64),
                    None => self.access(),
                },
                _ => self.end(),
            }
        }
        self
    }

    /// Books a request around its call.
    fn ask<T>(&self, call: impl FnOnce(&Client) -> Option<T>) -> (Asked, Option<T>) {
        let asked = now();
        let answer = call(&self.client);
        let answered = answer.is_some().then(|| now() + 1);
        (Asked { asked, answered }, answer)
    }

    fn log_in(&mut self) {
        let (began, answer) = self.ask(|client| {
            let answer = client.log_in("1", "LINK")?;
            (answer.status == 200).then_some(answer)
        });
        let Some(answer) = answer else { return };
        let (token, refresh) = (answer.text("tokenId"), answer.text("refreshToken"));
        let life = Life {
            id: answer.text("sessionId"),
            began,
            end: None,
            uses: Vec::new(),
            refreshes: vec![(began, token, refresh)],
        };
        self.lives.insert(life.id.clone(), life);
    }

    fn pick(&self) -> Option<Life> {
        let mut open = self.lives.values().filter(|life| life.end.is_none());
        open.next().cloned()
    }

    fn access(&mut self) {
        let Some(mut life) = self.pick() else { return };
        let (_, token, _) = life.refreshes.last().expect("a login").clone();
        let (asked, answer) = self.ask(|client| {
            let answer = client.get(&format!("/sessions/{}", life.id), &token)?;
            answer.version()
        });
        if let Some((version, _)) = answer {
            life.uses.push((asked, version));
        }
        self.lives.insert(life.id.clone(), life);
    }

    fn refresh(&mut self) {
        let Some(mut life) = self.pick() else { return };
        let (_, token, refresh) = life.refreshes.last().expect("a login").clone();
        let (asked, answer) = self.ask(|client| {
            let answer = client.refresh(&token, &refresh)?;
            (answer.status == 200).then_some(answer)
        });
        let (token, refresh) = answer.map_or((token, refresh), |answer| {
            (answer.text("tokenId"), answer.text("refreshToken"))
        });
        life.refreshes.push((asked, token, refresh));
        self.lives.insert(life.id.clone(), life);
    }

    fn end(&mut self) {
        let Some(mut life) = self.pick() else { return };
        let path = format!("/sessions/{}", life.id);
        let owner = self.owner;
        let (end, _) = self.ask(|client| {
            let answer = client.call("DELETE", &path, Some(owner), &Value::Null)?;
            (answer.status == 200).then_some(())
        });
        life.end = Some(end);
        self.lives.insert(life.id.clone(), life);
    }

    fn describe(&mut self, number: u64) {
        let body = json!({"name": "LINK", "envName": "Tool", "isActive": true,
            "description": number.to_string()});
        let owner = self.owner;
        let (asked, _) = self.ask(|client| {
            let answer = client.call("PUT", "/devices/LINK", Some(owner), &body)?;
            (answer.status == 200).then_some(())
        });
        self.described.push((asked, number));
    }
}
