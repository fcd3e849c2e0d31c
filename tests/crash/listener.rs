//! A service that checks tokens by itself, and asks the feed of revocations
//! which sessions have ended (`GET /sessions/revocations`).

use std::collections::HashSet;

use super::client::Client;
use super::history::History;
use super::promise::Promise;
use super::traffic::One;

/// Answers of the feed that are read after a restart until it has no more.
const ANSWERS_MAX: u32 = 100;

/// What the feed has told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    cursor: String,
    ended: HashSet<String>,
}

/// One answer of the feed.
struct Told {
    cursor: String,
    ended: HashSet<String>,
    begins_anew: bool,
}

impl Told {
    /// Asks for what came after a cursor; `None` without an answer.
    fn since(cursor: &str, client: &Client, owner: &str) -> Option<Self> {
        let path = match cursor {
            "" => "/sessions/revocations".to_owned(),
            cursor => format!("/sessions/revocations?since={cursor}"),
        };
        let answer = client.get(&path, owner)?;
        let items = answer.body["items"].as_array()?;
        let ended = items.iter().filter_map(|item| item["sid"].as_str());
        Some(Self {
            cursor: answer.text("cursor"),
            ended: ended.map(str::to_owned).collect(),
            begins_anew: !cursor.is_empty() && answer.body["reset"] == true,
        })
    }
}

impl One<'_> {
    /// Hears what has ended since it asked last.
    pub(crate) fn listen(&self) {
        let cursor = self.history.lock().heard.cursor.clone();
        if let Some(told) = Told::since(&cursor, &self.client, self.owner) {
            let heard = &mut self.history.lock().heard;
            heard.cursor = told.cursor;
            heard.ended.extend(told.ended);
        }
    }
}

/// After a restart: whoever listens goes on from where it was, has heard of
/// every session that is dead, and of none that lives.
pub(crate) fn look(history: &mut History, client: &Client, owner: &str) {
    for _ in 0..ANSWERS_MAX {
        let Some(told) = Told::since(&history.heard.cursor, client, owner) else {
            history.broken(Promise::Lost, "the feed does not answer".to_owned());
            return;
        };
        if told.begins_anew {
            history.broken(Promise::Lost, "the feed begins anew".to_owned());
        }
        history.heard.cursor = told.cursor;
        if told.ended.is_empty() {
            break;
        }
        history.heard.ended.extend(told.ended);
    }
    let (mut untold, mut back) = (0, 0);
    for entry in &history.sessions {
        let is_told = history.heard.ended.contains(&entry.id);
        untold += u32::from(entry.dead && !is_told);
        back += u32::from(!entry.dead && is_told);
    }
    if untold > 0 {
        let what = format!("the feed has not told of {untold} ended sessions");
        history.broken(Promise::Lost, what);
    }
    if back > 0 {
        let what = format!("{back} sessions live that the feed told were ended");
        history.broken(Promise::Returned, what);
    }
}
