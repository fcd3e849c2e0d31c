//! The server's own backups.

use serde::Serialize;
use warp::http::StatusCode;

use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::wire;
use crate::model::KnownRight;
use crate::service::backups::{Asked, ListedBackup, Standing};
use crate::service::{App, Reach};
use crate::store::Store;

/// `GET /backups`
pub(super) async fn list<S: Store>(app: &App<S>, request: &Request) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let all = app.list_backups(&caller).await?;
    Ok(Reply::ok(wire::json(&ListBody {
        items: all.iter().map(BackupBody::from).collect(),
        count: all.len(),
        total_count: all.len(),
    })))
}

/// `POST /backups`
pub(super) async fn create<S: Store>(app: &App<S>, request: &Request) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    caller.needs(KnownRight::Admin)?;
    let (status, backup) = match app.ask_for_backup(&caller).await? {
        Asked::Made(backup) => (StatusCode::CREATED, backup),
        Asked::GoesOn(backup) => (StatusCode::ACCEPTED, backup),
    };
    let body = wire::json(&BackupBody::from(&backup));
    Ok(Reply::json(status, body).located(&format!("/backups/{}", backup.name)))
}

/// `GET /backups/{name}`
pub(super) async fn get<S: Store>(
    app: &App<S>,
    name: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let found = app.find_backup(&caller, name).await?;
    Ok(Reply::ok(wire::json(&BackupBody::from(&found))))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListBody<'a> {
    items: Vec<BackupBody<'a>>,
    count: usize,
    total_count: usize,
}

/// A backup on the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupBody<'a> {
    name: &'a str,
    state: &'static str,
    verified: Option<bool>,
    #[serde(flatten)]
    info: Option<InfoBody<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InfoBody<'a> {
    taken_at: String,
    made_by: &'a str,
    format: u8,
    bytes: u64,
    commit: u64,
    epoch: u64,
    counts: CountsBody,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsBody {
    users: u64,
    devices: u64,
    roles: u64,
    api_keys: u64,
    sessions: u64,
    ended_sessions: u64,
    audit_entries: u64,
    lockouts: u64,
}

impl<'a> From<&'a ListedBackup> for BackupBody<'a> {
    fn from(backup: &'a ListedBackup) -> Self {
        let (state, verified) = match backup.standing {
            Standing::Running => ("running", None),
            Standing::Complete => ("complete", None),
            Standing::Verified => ("complete", Some(true)),
            Standing::Damaged => ("damaged", Some(false)),
        };
        let info = backup.info.as_ref().map(|info| InfoBody {
            taken_at: info.taken_at.to_string(),
            made_by: &info.made_by,
            format: info.format,
            bytes: info.bytes,
            commit: info.commit,
            epoch: info.epoch,
            counts: CountsBody {
                users: info.counts.users,
                devices: info.counts.devices,
                roles: info.counts.roles,
                api_keys: info.counts.api_keys,
                sessions: info.counts.sessions,
                ended_sessions: info.counts.ended,
                audit_entries: info.counts.audit,
                lockouts: info.counts.lockouts,
            },
        });
        Self {
            name: &backup.name,
            state,
            verified,
            info,
        }
    }
}
