//! `/sessions/ended`, `/sessions/revocations`, the end of many sessions at once,
//! and `/audit`: what is over, and what was done.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::wire;
use crate::model::{
    AuditEntry, Author, DeviceName, EndReason, KnownRight, SessionId, Timestamp, UserName,
};
use crate::ndata::{self, AuditMember, EndedMember, Limits, SessionMember};
use crate::service::{App, FEED_WAIT_MAX, Reach, STALE_AFTER};
use crate::store::{FeedPlace, Store};

/// `GET /sessions/ended`
pub(super) async fn ended<S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    // Rights before the query: who may not learns nothing from its errors.
    caller.needs(KnownRight::SessionReadAny)?;
    let query = ndata::parse::<EndedMember>(request.query.as_deref(), limits)?;
    let page = app.list_ended(&caller, &query).await?;
    Ok(Reply::ok(wire::selected_page(&query, &page, |out, row| {
        wire::write_ended(out, row);
    })))
}

/// `DELETE /sessions`
pub(super) async fn end_matching<S: Store>(
    app: &App<S>,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    caller.needs(KnownRight::SessionDeleteAny)?;
    let text = request.query.as_deref();
    let filters = ndata::parse_filters::<SessionMember>(text)?;
    let count = app
        .end_matching(&caller, filters, text.unwrap_or_default())
        .await?;
    Ok(Reply::ok(wire::json(&EndedBody { count })))
}

#[derive(Debug, Serialize)]
struct EndedBody {
    count: usize,
}

/// `GET /sessions/revocations`
pub(super) async fn revocations<S: Store>(
    app: &App<S>,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    caller.needs(KnownRight::SessionReadAny)?;
    let since = request.parameter("since");
    let since = since.as_deref().and_then(FeedPlace::parse);
    let wait = request.parameter("wait");
    let wait = wait.as_deref().map_or(Ok(Duration::ZERO), wait_of)?;
    let told = app.revocations(&caller, since, wait).await?;
    let revoked = &told.revoked;
    let item = |(sid, until): &(SessionId, Timestamp)| RevokedBody {
        sid: sid.to_string(),
        exp: until.seconds_ceil(),
    };
    Ok(Reply::ok(wire::json(&FeedBody {
        items: revoked.items.iter().map(item).collect(),
        cursor: revoked.next.to_string(),
        now: told.now.to_string(),
        epoch: revoked.next.epoch,
        kids: told.kids,
        reset: revoked.reset,
        stale_after_seconds: STALE_AFTER.as_secs(),
    })))
}

fn wait_of(text: &str) -> Result<Duration, ApiError> {
    let max = FEED_WAIT_MAX.as_secs();
    let seconds = text.parse().ok().filter(|seconds| *seconds <= max);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| ApiError::wrong("wait", format!("must be a whole number from 0 to {max}")))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedBody {
    items: Vec<RevokedBody>,
    cursor: String,
    now: String,
    epoch: u64,
    kids: Vec<String>,
    reset: bool,
    stale_after_seconds: u64,
}

#[derive(Debug, Serialize)]
struct RevokedBody {
    sid: String,
    exp: i64,
}

/// `GET /audit`
pub(super) async fn audit<S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    caller.needs(KnownRight::AuditRead)?;
    let query = ndata::parse::<AuditMember>(request.query.as_deref(), limits)?;
    let page = app.list_audit(&caller, &query).await?;
    Ok(Reply::ok(wire::selected_page(&query, &page, |out, row| {
        wire::write_json(out, &AuditBody::from(&**row));
    })))
}

/// An audit entry on the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditBody<'a> {
    number: u64,
    at: String,
    last_at: String,
    count: u64,
    action: &'static str,
    author: &'static str,
    by: Option<ByBody<'a>>,
    api_key_id: Option<String>,
    peer: Option<IpAddr>,
    request_id: Option<&'a str>,
    resource: Option<ResourceBody<'a>>,
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "slice_is_empty")]
    changed: &'a [Box<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ByBody<'a> {
    user_name: &'a str,
    device_name: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceBody<'a> {
    name: &'static str,
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<&'a str>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference to the slice"
)]
fn slice_is_empty(slice: &&[Box<str>]) -> bool {
    slice.is_empty()
}

impl<'a> From<&'a AuditEntry> for AuditBody<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        let origin = &entry.cause.origin;
        Self {
            number: entry.number,
            at: entry.at.to_string(),
            last_at: entry.last_at.to_string(),
            count: entry.count,
            action: entry.action.as_str(),
            author: entry.cause.by.as_str(),
            by: match &entry.cause.by {
                Author::Server | Author::CommandLine => None,
                Author::Caller {
                    user_name,
                    device_name,
                } => Some(ByBody {
                    user_name: user_name.as_str(),
                    device_name: device_name.as_str(),
                }),
            },
            api_key_id: origin.api_key.map(|id| id.to_string()),
            peer: origin.peer,
            request_id: origin.request_id.as_deref(),
            resource: entry.object.as_ref().map(|object| ResourceBody {
                name: object.kind.as_str(),
                id: object.id.as_deref(),
                user_name: object.user_name.as_ref().map(UserName::as_str),
                device_name: object.device_name.as_ref().map(DeviceName::as_str),
            }),
            reason: entry.reason.map(EndReason::as_str),
            changed: &entry.changed,
            detail: entry.detail.as_deref(),
        }
    }
}
