//! The records of SignalR's JSON hub protocol, as far as a hub needs them that
//! is called with two methods and calls one: reading what clients say, writing
//! what they are told. A record is a JSON object and a byte 0x1E behind it.

use serde::Deserialize;
use serde_json::Value;

use super::super::notification::{self, CHANGED};
use super::super::wire;
use crate::service::Told;
use crate::store::ChangePlace;

/// Ends each record.
const END: char = '\u{1e}';
/// The longest record that a client may send.
pub(super) const RECORD_BYTES_MAX: usize = 16 * 1024;
/// The versions of the protocol: the second adds what only a negotiated resuming
/// of connections uses.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=2;
/// What clients hear is called there by this name.
const ON_EVENT: &str = "OnEvent";

/// The connection stays: nothing came for a while.
pub(super) const PING: &str = "{\"type\":6}\u{1e}";
/// The handshake is accepted.
pub(super) const ACCEPTED: &str = "{}\u{1e}";
/// The handshake is refused.
pub(super) const REFUSED: &str =
    "{\"error\":\"This hub speaks the protocol 'json' in version 1 or 2.\"}\u{1e}";
/// Changes were missed; everything is to be looked at anew.
const RESYNC: &str = "{\"type\":1,\"target\":\"OnEvent\",\"arguments\":[{\"e\":\"resync\"}]}\u{1e}";

const NO_METHOD: &str = "There is no such method: Subscribe and Unsubscribe are all.";
const NO_NAMES: &str = "The arguments must be names of events.";
const NO_STREAMS: &str = "No method of this hub streams.";

/// Puts records together again from the texts in which they come.
#[derive(Debug, Default)]
pub(super) struct Records(String);

impl Records {
    /// Takes one more text.
    pub(super) fn add(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// The next whole record.
    pub(super) fn next(&mut self) -> Option<String> {
        let at = self.0.find(END)?;
        let rest = self.0.split_off(at + END.len_utf8());
        let mut record = std::mem::replace(&mut self.0, rest);
        record.truncate(at);
        Some(record)
    }

    /// Whether what has come of the next record is already more than any may have.
    pub(super) fn are_too_long(&self) -> bool {
        self.0.len() > RECORD_BYTES_MAX
    }
}

/// Whether the first record of a client asks for what is spoken here.
pub(super) fn is_handshake(record: &str) -> bool {
    let asked: Option<Value> = serde_json::from_str(record).ok();
    asked.is_some_and(|asked| {
        let version = asked["version"].as_u64();
        asked["protocol"] == "json" && version.is_some_and(|one| VERSIONS.contains(&one))
    })
}

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It wants to hear of changes from now on, or no more; the record that
    /// answers it, if it waits for one.
    Subscribe(bool, Option<String>),
    /// Nothing to do but to give this record.
    Answer(String),
    /// That it is there.
    Nothing,
    /// That it goes.
    Close,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(rename = "invocationId")]
    id: Option<String>,
    #[serde(default)]
    target: String,
    #[serde(default)]
    arguments: Vec<Value>,
}

/// Reads a record behind the handshake; `None`: it is none.
pub(super) fn read(record: &str) -> Option<Said> {
    const INVOCATION: u64 = 1;
    const STREAM_INVOCATION: u64 = 4;
    const CLOSE: u64 = 7;

    let message: Message = serde_json::from_str(record).ok()?;
    let id = message.id.as_deref();
    Some(match message.kind {
        INVOCATION => called(&message),
        STREAM_INVOCATION => answered(id, Some(NO_STREAMS)),
        CLOSE => Said::Close,
        // Pings, and what belongs to streams that there are none of.
        _ => Said::Nothing,
    })
}

fn called(message: &Message) -> Said {
    let id = message.id.as_deref();
    let is_named = |name: &str| message.target.eq_ignore_ascii_case(name);
    let wants = is_named("Subscribe");
    if !wants && !is_named("Unsubscribe") {
        return answered(id, Some(NO_METHOD));
    }
    let Some(names) = event_names(&message.arguments) else {
        return answered(id, Some(NO_NAMES));
    };
    // Events of other servers with this interface do not happen here.
    let is_ours = names.is_empty() || names.contains(&CHANGED);
    match (is_ours, id) {
        (true, id) => Said::Subscribe(wants, id.map(|id| completion(id, None))),
        (false, id) => answered(id, None),
    }
}

/// The names of events, given one by one or as a list.
fn event_names(arguments: &[Value]) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for argument in arguments {
        match argument {
            Value::String(name) => names.push(name.as_str()),
            Value::Array(list) => {
                for name in list {
                    names.push(name.as_str()?);
                }
            }
            _ => return None,
        }
    }
    Some(names)
}

/// The answer to a call, if the caller waits for one.
fn answered(id: Option<&str>, error: Option<&str>) -> Said {
    id.map_or(Said::Nothing, |id| Said::Answer(completion(id, error)))
}

fn completion(id: &str, error: Option<&str>) -> String {
    let mut out = b"{\"type\":3,\"invocationId\":".to_vec();
    wire::write_text(&mut out, id);
    if let Some(error) = error {
        out.extend_from_slice(b",\"error\":");
        wire::write_text(&mut out, error);
    }
    ended(out)
}

/// The last record of a connection.
pub(super) fn close(error: Option<&str>, may_reconnect: bool) -> String {
    let mut out = b"{\"type\":7".to_vec();
    if let Some(error) = error {
        out.extend_from_slice(b",\"error\":");
        wire::write_text(&mut out, error);
    }
    if may_reconnect {
        out.extend_from_slice(b",\"allowReconnect\":true");
    }
    ended(out)
}

/// What is told of changes behind a place, as calls of the client; empty when
/// that is nothing.
pub(super) fn events(told: &Told, from: ChangePlace) -> String {
    let changes = match told {
        Told::Lost => return RESYNC.to_owned(),
        Told::Changes(changes) => changes,
    };
    let mut out = Vec::new();
    for change in changes.iter().filter(|change| change.place > from) {
        out.extend_from_slice(b"{\"type\":1,\"target\":");
        wire::write_text(&mut out, ON_EVENT);
        out.extend_from_slice(b",\"arguments\":[");
        out.extend_from_slice(notification::of(change));
        out.extend_from_slice(b"]}\x1e");
    }
    text(out)
}

fn ended(mut out: Vec<u8>) -> String {
    out.extend_from_slice(b"}\x1e");
    text(out)
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("it was put together from texts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_however_they_are_cut() {
        let whole = "{\"type\":6}\u{1e}{\"a\":\"\u{13e}\"}\u{1e}";
        for (cut, _) in whole.char_indices() {
            let (mut records, mut found) = (Records::default(), Vec::new());
            for part in [&whole[..cut], &whole[cut..]] {
                records.add(part);
                found.extend(std::iter::from_fn(|| records.next()));
            }
            assert_eq!(found, ["{\"type\":6}", "{\"a\":\"\u{13e}\"}"], "{cut}");
        }
    }

    #[test]
    fn a_record_that_never_ends_is_seen_to_be_too_long() {
        let mut records = Records::default();
        records.add(&"x".repeat(RECORD_BYTES_MAX));
        assert!(!records.are_too_long() && records.next().is_none());
        records.add("x");
        assert!(records.are_too_long());
    }

    #[test]
    fn only_json_in_a_known_version_is_spoken() {
        for (record, is_good) in [
            (r#"{"protocol":"json","version":1}"#, true),
            (r#"{"protocol":"json","version":2}"#, true),
            (r#"{"protocol":"json","version":3}"#, false),
            (r#"{"protocol":"json","version":"1"}"#, false),
            (r#"{"protocol":"messagepack","version":1}"#, false),
            (r#"{"type":6}"#, false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(is_handshake(record), is_good, "{record}");
        }
    }

    #[test]
    fn what_clients_say_is_read_and_answered_when_they_wait() {
        let done = Some("{\"type\":3,\"invocationId\":\"7\"}\u{1e}".to_owned());
        let subscribe = |arguments: &str| {
            format!(
                r#"{{"type":1,"invocationId":"7","target":"Subscribe","arguments":{arguments}}}"#
            )
        };
        for arguments in [
            "[]",
            "[[]]",
            r#"["portos.resources.changed"]"#,
            r#"["other", "portos.resources.changed"]"#,
            r#"[["portos.resources.changed"]]"#,
        ] {
            let said = read(&subscribe(arguments));
            assert_eq!(
                said,
                Some(Said::Subscribe(true, done.clone())),
                "{arguments}"
            );
        }
        let other = read(&subscribe(r#"["other"]"#));
        assert_eq!(other, done.map(Said::Answer));
        let unsubscribe = r#"{"type":1,"target":"unsubscribe"}"#;
        assert_eq!(read(unsubscribe), Some(Said::Subscribe(false, None)));
        for quiet in [
            r#"{"type":6}"#,
            r#"{"type":5,"invocationId":"7"}"#,
            r#"{"type":1,"target":"Nothing","arguments":[1]}"#,
        ] {
            assert_eq!(read(quiet), Some(Said::Nothing), "{quiet}");
        }
        for refused in [
            subscribe("[1]"),
            subscribe("[[null]]"),
            r#"{"type":1,"invocationId":"7","target":"Shout"}"#.to_owned(),
            r#"{"type":4,"invocationId":"7","target":"Subscribe"}"#.to_owned(),
        ] {
            let Some(Said::Answer(answer)) = read(&refused) else {
                panic!("{refused}");
            };
            assert!(answer.contains("\"error\":\""), "{answer}");
        }
        assert_eq!(read(r#"{"type":7}"#), Some(Said::Close));
        for no_record in [
            "",
            "[]",
            "7",
            r#"{"type":"1"}"#,
            r#"{"target":"Subscribe"}"#,
        ] {
            assert_eq!(read(no_record), None, "{no_record}");
        }
    }

    #[test]
    fn who_was_too_slow_is_told_to_look_anew() {
        let start = ChangePlace::default();
        let record = events(&Told::Lost, start);
        let record: Value = serde_json::from_str(record.trim_end_matches(END)).expect("JSON");
        assert_eq!(record["target"], ON_EVENT);
        assert_eq!(record["arguments"][0]["e"], "resync");
        assert_eq!(events(&Told::Changes(Vec::new()), start), "");
    }

    #[test]
    fn the_last_record_says_why_and_whether_to_come_back() {
        assert_eq!(
            close(None, true),
            "{\"type\":7,\"allowReconnect\":true}\u{1e}"
        );
        assert_eq!(
            close(Some("over"), false),
            "{\"type\":7,\"error\":\"over\"}\u{1e}"
        );
    }
}
