//! Sessions and pages as JSON, written by hand: a session stands in every
//! answer of the hot route, and the order of its members is documented.

use serde::Serialize;

use super::resource::ProfileBody;
use crate::model::{Author, EndedSession, Identity, Session, Timestamp};
use crate::ndata::{self, Member, Query, Row, Selected, SessionMember};
use crate::service::{LoggedIn, RefreshedPair};
use crate::store::SessionPage;

/// Room for one session: ids and times are fixed, names are short as a rule.
const SESSION_BYTES_USUAL: usize = 352;

/// One session as a document of its own.
#[must_use]
pub fn session(session: &Session) -> Vec<u8> {
    let mut out = Vec::with_capacity(SESSION_BYTES_USUAL);
    write_session(&mut out, session);
    out
}

/// Appends one session, in the documented order of members.
pub fn write_session(out: &mut Vec<u8>, session: &Session) {
    out.extend_from_slice(b"{\"sessionId\":\"");
    out.extend_from_slice(session.id.as_bytes());
    out.extend_from_slice(b"\",\"identity\":");
    write_identity(out, &session.identity);
    out.extend_from_slice(b",\"startedAt\":\"");
    session.started_at.write_iso(out);
    out.extend_from_slice(b"\",\"expiresAt\":\"");
    session.expires_at.write_iso(out);
    out.extend_from_slice(b"\",\"lastAccessAt\":\"");
    session.last_access_at.write_iso(out);
    out.extend_from_slice(b"\",\"_v\":");
    write_number(out, session.version.0);
    out.push(b'}');
}

/// Appends whose session it is, and where.
pub(super) fn write_identity(out: &mut Vec<u8>, identity: &Identity) {
    out.extend_from_slice(b"{\"userName\":");
    write_text(out, identity.user_name.as_str());
    out.extend_from_slice(b",\"deviceName\":");
    write_text(out, identity.device_name.as_str());
    out.extend_from_slice(b",\"envName\":\"");
    out.extend_from_slice(identity.env.as_str().as_bytes());
    out.extend_from_slice(b"\",\"authenticationType\":\"");
    out.extend_from_slice(identity.authentication_type.as_str().as_bytes());
    out.extend_from_slice(b"\"}");
}

/// A page of sessions: `{items, count, totalCount, nextCursor?}`, without
/// `items` when only counts were asked for.
#[must_use]
pub fn session_page(query: &Query<SessionMember>, page: &SessionPage) -> Vec<u8> {
    let last = page.items.last().filter(|_| page.more && !query.count_only);
    let counts = Counts {
        only: query.count_only,
        count: page.count,
        total: page.total,
        next: last.map(|row| ndata::next_cursor(query, row)),
    };
    write_page(&page.items, &counts, write_session)
}

/// Appends one ended session: its last state, then how it ended.
pub(super) fn write_ended(out: &mut Vec<u8>, ended: &EndedSession) {
    write_session(out, &ended.session);
    // The object goes on behind its last member.
    out.pop();
    out.extend_from_slice(b",\"endedAt\":\"");
    ended.ended_at.write_iso(out);
    out.extend_from_slice(b"\",\"endReason\":\"");
    out.extend_from_slice(ended.reason.as_str().as_bytes());
    out.extend_from_slice(b"\",\"endedBy\":");
    write_author(out, &ended.by);
    out.push(b'}');
}

/// Appends who did something; `null` for the server and its operator.
pub(super) fn write_author(out: &mut Vec<u8>, by: &Author) {
    match by {
        Author::Server | Author::CommandLine => out.extend_from_slice(b"null"),
        Author::Caller {
            user_name,
            device_name,
        } => {
            out.extend_from_slice(b"{\"userName\":");
            write_text(out, user_name.as_str());
            out.extend_from_slice(b",\"deviceName\":");
            write_text(out, device_name.as_str());
            out.push(b'}');
        }
    }
}

/// A page of selected rows: `{items, count, totalCount, nextCursor?}`.
pub(super) fn selected_page<M: Member, R: Row<M>>(
    query: &Query<M>,
    page: &Selected<R>,
    write: impl Fn(&mut Vec<u8>, &R),
) -> Vec<u8> {
    let last = page.items.last().filter(|_| page.more && !query.count_only);
    let counts = Counts {
        only: query.count_only,
        count: page.count,
        total: page.total,
        next: last.map(|row| ndata::next_cursor(query, row)),
    };
    write_page(&page.items, &counts, write)
}

/// What stands in a page beside its items.
pub(super) struct Counts {
    /// Leave the items out.
    pub only: bool,
    /// How many rows the page holds.
    pub count: usize,
    /// All matches.
    pub total: u64,
    /// Where the next page starts, when there is one.
    pub next: Option<String>,
}

/// A page of anything.
pub(super) fn write_page<T>(
    items: &[T],
    counts: &Counts,
    write: impl Fn(&mut Vec<u8>, &T),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + items.len() * SESSION_BYTES_USUAL);
    out.push(b'{');
    if !counts.only {
        out.extend_from_slice(b"\"items\":[");
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write(&mut out, item);
        }
        out.extend_from_slice(b"],");
    }
    out.extend_from_slice(b"\"count\":");
    write_number(&mut out, counts.count);
    out.extend_from_slice(b",\"totalCount\":");
    write_number(&mut out, counts.total);
    if let Some(next) = &counts.next {
        out.extend_from_slice(b",\"nextCursor\":");
        write_text(&mut out, next);
    }
    out.push(b'}');
    out
}

/// Appends any other body.
pub(super) fn write_json<T: Serialize>(out: &mut Vec<u8>, body: &T) {
    serde_json::to_writer(out, body).expect("bodies have text keys, and memory takes every byte");
}

/// Any other body as a document of its own.
pub(super) fn json<T: Serialize>(body: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_json(&mut out, body);
    out
}

/// Appends a text as JSON.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        write_json(out, &text);
    }
}

/// Appends a number.
pub(super) fn write_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The answer to a login: the documented three members, then the additions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthResult<'a> {
    token_id: &'a str,
    refresh_token: &'a str,
    user: ProfileBody<'a>,
    #[serde(flatten)]
    times: PairTimes<'a>,
}

/// The answer to a refresh.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshResult<'a> {
    token_id: &'a str,
    refresh_token: &'a str,
    #[serde(flatten)]
    times: PairTimes<'a>,
}

/// What a till with a wrong clock needs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PairTimes<'a> {
    session_id: &'a str,
    expires_at: String,
    expires_in_seconds: u64,
    server_time: String,
}

impl<'a> From<&'a LoggedIn> for AuthResult<'a> {
    fn from(logged_in: &'a LoggedIn) -> Self {
        let pair = &logged_in.pair;
        Self {
            token_id: &pair.token_id,
            refresh_token: &pair.refresh_token,
            user: ProfileBody::from(&*logged_in.principal),
            times: PairTimes::from(pair),
        }
    }
}

impl<'a> From<&'a RefreshedPair> for RefreshResult<'a> {
    fn from(pair: &'a RefreshedPair) -> Self {
        Self {
            token_id: &pair.token_id,
            refresh_token: &pair.refresh_token,
            times: PairTimes::from(pair),
        }
    }
}

impl<'a> From<&'a RefreshedPair> for PairTimes<'a> {
    fn from(pair: &'a RefreshedPair) -> Self {
        Self {
            session_id: pair.session.id.as_str(),
            expires_at: pair.session.expires_at.to_string(),
            expires_in_seconds: seconds_until(pair.session.expires_at, pair.server_time),
            server_time: pair.server_time.to_string(),
        }
    }
}

/// Rounded up, as `exp` is: a lifetime of twelve hours reads 43200 although
/// making the tokens took a moment.
fn seconds_until(end: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(end.since(now).as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AuthenticationType, DeviceName, Env, SessionId, UserName, Version};

    fn documented() -> Session {
        Session {
            id: SessionId::parse("soZIt6uj62fzs8ep4UvnNSxRXFryUiq3").expect("an id"),
            identity: Identity {
                user_name: UserName::parse("999").expect("a name"),
                device_name: DeviceName::parse("P01").expect("a name"),
                env: Env::CashRegister,
                authentication_type: AuthenticationType::Bearer,
            },
            started_at: Timestamp::from_millis(1_691_147_978_015),
            expires_at: Timestamp::from_millis(1_691_191_178_015),
            last_access_at: Timestamp::from_millis(1_691_147_979_980),
            version: Version(2),
        }
    }

    #[test]
    fn a_session_reads_as_documented_byte_for_byte() {
        let golden = include_str!("../../data/golden/session.json");
        let written = String::from_utf8(session(&documented())).expect("UTF-8");
        assert_eq!(written, golden.trim_end());
    }

    #[test]
    fn a_page_reads_as_documented_byte_for_byte() {
        let golden = include_str!("../../data/golden/sessions.json");
        let page = SessionPage {
            items: vec![documented()],
            count: 1,
            total: 1,
            more: false,
        };
        let written = session_page(&Query::all(1_000), &page);
        assert_eq!(
            String::from_utf8(written).expect("UTF-8"),
            golden.trim_end()
        );
    }

    #[test]
    fn names_with_quotes_stay_json() {
        let mut odd = documented();
        odd.identity.user_name = UserName::parse("a\"b\\c \u{13e}").expect("a name");
        let read: serde_json::Value = serde_json::from_slice(&session(&odd)).expect("JSON");
        assert_eq!(read["identity"]["userName"], "a\"b\\c \u{13e}");
    }

    #[test]
    fn counts_alone_come_without_items_and_cursor() {
        let query = Query {
            count_only: true,
            ..Query::all(10)
        };
        let page = SessionPage {
            items: Vec::new(),
            count: 7,
            total: 9,
            more: true,
        };
        assert_eq!(
            session_page(&query, &page),
            b"{\"count\":7,\"totalCount\":9}"
        );
    }

    #[test]
    fn seconds_left_are_rounded_up() {
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(seconds_until(at(43_200_000), at(18)), 43_200);
        assert_eq!(seconds_until(at(1_000), at(0)), 1);
        assert_eq!(seconds_until(at(0), at(5)), 0);
    }
}
