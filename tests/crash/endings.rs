//! How clients end sessions: one, one version, their own, by a filter.

use std::time::Instant;

use serde_json::Value;

use super::client::Answer;
use super::history::DEVICES;
use super::log::Did;
use super::promise::Promise;
use super::traffic::{One, bearer};
use super::wipes::Scope;

/// Sessions that one request by filter names.
const NAMED_MAX: usize = 4;

impl One<'_> {
    /// Somebody else ends a session; half of the time only the version that was
    /// seen of it.
    pub(crate) fn end(&self) {
        let Some((place, _)) = self.pick() else {
            return;
        };
        let (path, if_match) = {
            let mut history = self.history.lock();
            let entry = &mut history.sessions[place];
            entry.dying = true;
            let seen = entry.seen.as_ref().map(|(version, _)| *version);
            let if_match = seen.filter(|_| rand::random());
            (format!("/sessions/{}", entry.id), if_match)
        };
        let mut headers = vec![bearer(self.owner)];
        let condition = if_match.map(|version| format!("\"{version}\""));
        headers.extend(condition.map(|tag| ("If-Match".to_owned(), tag)));
        let asked = Instant::now();
        let answer = self.client.send("DELETE", &path, &headers, &Value::Null);
        let answer = answer.filter(|answer| self.owner_is_known(answer));
        self.ended(place, asked, if_match, answer);
    }

    /// A session ends itself.
    pub(crate) fn log_out(&self) {
        let Some((place, _)) = self.pick() else {
            return;
        };
        let token = {
            let mut history = self.history.lock();
            history.sessions[place].dying = true;
            history.sessions[place].token.clone()
        };
        let asked = Instant::now();
        let answer = self
            .client
            .call("DELETE", "/api/auth", Some(&token), &Value::Null);
        self.ended(place, asked, None, answer);
    }

    fn ended(&self, place: usize, asked: Instant, if_match: Option<u64>, answer: Option<Answer>) {
        let mut history = self.history.lock();
        let Some(answer) = answer.filter(|answer| answer.status != 503) else {
            history.note_unanswered_end(place, asked);
            return;
        };
        let did = match (answer.status, if_match) {
            (200 | 204, _) => {
                history.acknowledged += 1;
                Did::Ended {
                    if_match,
                    version: answer.body["_v"].as_u64(),
                }
            }
            (401 | 404, _) => Did::Gone,
            (412, Some(if_match)) => Did::Stale { if_match },
            _ => {
                let what = format!("an ending answers {answer:?}");
                history.broken(Promise::Lost, what);
                return;
            }
        };
        history.sessions[place].dead |= did.is_last();
        let id = history.sessions[place].id.clone();
        history.note(&id, &answer, did);
    }

    /// Somebody ends a few sessions by a filter that names them.
    pub(crate) fn end_named(&self) {
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
        if let Some(answer) = answer.filter(|answer| answer.status == 200) {
            let mut history = self.history.lock();
            history.acknowledged += 1;
            for (place, id) in places.into_iter().zip(ids) {
                history.sessions[place].dead = true;
                history.note(&id, &answer, Did::Gone);
            }
        }
    }

    /// Somebody ends all sessions of a device, but for those of the owner.
    pub(crate) fn end_all_on_a_device(&self) {
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
}
