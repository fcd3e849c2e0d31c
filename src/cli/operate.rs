//! The operator's requests, carried out by the use cases. The operator sits at
//! the server and needs no right; every other rule holds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::control::Request;
use super::exit::{Exit, Failure};
use super::{backup, store_file};
use crate::auth::secret::Secret;
use crate::auth::token::PublicKey;
use crate::http::resource::UserBody;
use crate::http::wire;
use crate::model::{
    AuditAction, AuditEntry, Cause, DeviceName, DirectoryChange, EndReason, Mode, Precondition,
    RoleName, SessionId, Subject, User, UserDeviceInput, UserId, UserInput, UserName,
};
use crate::ndata::{self, SessionMember};
use crate::service::{App, ServiceError};
use crate::store::sled::SledStore;
use crate::store::{End, Progress, Scope, Store, StoreError};

/// A user to create.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewUser {
    /// The name to log in with.
    pub user_name: String,
    /// The name to show.
    pub name: String,
    /// The password.
    pub password: String,
    /// Devices with the roles there.
    pub devices: Vec<(String, Vec<String>)>,
    /// Whether it must be changed at the first login.
    pub must_change_password: bool,
}

type Operated = App<SledStore>;

/// Carries a request out; the answer is JSON for the command line to show.
pub async fn carry_out(
    app: &Operated,
    request: Request,
    progress: Arc<Progress>,
) -> Result<Value, Failure> {
    match request {
        Request::UserAdd(new) => add_user(app, new).await,
        Request::UserSetPassword {
            user_name,
            password,
        } => {
            let change = |input: &mut UserInput| input.must_change_password = false;
            change_user(app, &user_name, Some(password), change).await
        }
        Request::UserDisable { user_name } => {
            change_user(app, &user_name, None, |input| input.is_active = false).await
        }
        Request::UserUnlock { user_name } => {
            let user = find_user(app, &user_name).await?;
            let (unlock, none) = (DirectoryChange::Unlock(user.id), Precondition::default());
            let done = app.change(unlock, none, Cause::operator()).await;
            done.map_err(service_failure)?;
            Ok(json!({ "unlocked": user.user_name.as_str() }))
        }
        Request::UserList => {
            let directory = app.store.directory().await;
            let users: Vec<_> = directory
                .users()
                .map(|user| UserBody::new(user, &directory))
                .collect();
            Ok(json!(users))
        }
        Request::SessionsList { query } => list_sessions(app, query.as_deref()).await,
        Request::SessionsEnd { id } => end_session(app, &id).await,
        Request::KeysList => Ok(keys(app)),
        Request::KeysRotate => {
            let key = app
                .rotate_keys(Cause::operator())
                .await
                .map_err(service_failure)?;
            Ok(json!({ "kid": key.kid }))
        }
        Request::KeysRevoke { kid } => revoke_key(app, &kid).await,
        Request::ClockShow => Ok(show_clock(app)),
        Request::ClockConfirm => {
            app.clock.confirm();
            app.store
                .mark_clock(
                    app.now(),
                    false,
                    Some(of_clock(app, AuditAction::ClockConfirmed)),
                )
                .await
                .map_err(store_failure)?;
            Ok(show_clock(app))
        }
        Request::ClockReset => reset_clock(app).await,
        Request::Backup { file } => {
            let made = app.back_up(file, Cause::operator(), progress).await;
            Ok(backup::describe(&made.map_err(backup::backup_failure)?))
        }
        Request::Export => Ok(store_file::export(&*app.store.directory().await)),
    }
}

async fn add_user(app: &Operated, new: NewUser) -> Result<Value, Failure> {
    let name = |what: &str, text: &str, why: &dyn std::fmt::Display| {
        Failure::new(Exit::Usage, format!("{what} '{text}' {why}"))
    };
    let user_name = UserName::parse(&new.user_name)
        .map_err(|error| name("the user name", &new.user_name, &error))?;
    let mut devices = Vec::new();
    for (device, roles) in &new.devices {
        let parsed = roles
            .iter()
            .map(|role| RoleName::parse(role).map_err(|error| name("the role", role, &error)));
        devices.push(UserDeviceInput {
            name: DeviceName::parse(device).map_err(|error| name("the device", device, &error))?,
            is_active: true,
            roles: parsed.collect::<Result<_, _>>()?,
        });
    }
    let input = UserInput {
        user_name,
        name: new.name,
        is_active: true,
        is_virtual: false,
        feature_name: None,
        devices,
        must_change_password: new.must_change_password,
        password: None,
    };
    put_user(app, Mode::Create, UserId::draw(), input, Some(new.password)).await
}

async fn change_user(
    app: &Operated,
    user_name: &str,
    password: Option<String>,
    change: impl FnOnce(&mut UserInput),
) -> Result<Value, Failure> {
    let user = find_user(app, user_name).await?;
    let mut input = UserInput::from(&*user);
    change(&mut input);
    put_user(app, Mode::CreateOrReplace, user.id, input, password).await
}

async fn find_user(app: &Operated, user_name: &str) -> Result<Arc<User>, Failure> {
    let directory = app.store.directory().await;
    let user = directory.user_by(user_name).cloned();
    user.ok_or_else(|| {
        Failure::new(
            Exit::NoInput,
            format!("there is no user '{user_name}'; see 'tillgate user list'"),
        )
    })
}

async fn put_user(
    app: &Operated,
    mode: Mode,
    id: UserId,
    input: UserInput,
    password: Option<String>,
) -> Result<Value, Failure> {
    let (cause, none) = (Cause::operator(), Precondition::default());
    let password = password.map(Secret::new);
    let done = app.put_user(cause, mode, id, input, password, none).await;
    let (user, _) = done.map_err(service_failure)?;
    Ok(json!(UserBody::new(&user, &*app.store.directory().await)))
}

async fn list_sessions(app: &Operated, query: Option<&str>) -> Result<Value, Failure> {
    let limits = ndata::Limits::default();
    let query = ndata::parse::<SessionMember>(query, &limits).map_err(|error| {
        let first = error.errors.first();
        let why = first.map_or(String::new(), |e| format!("{}: {}", e.member, e.message));
        Failure::new(Exit::Usage, format!("the query can not be read: {why}"))
    })?;
    // An operator's reach is the machine: the rules for callers are not asked.
    let page = app.store.page(&query, &Scope::Any, app.now()).await;
    let page = page.map_err(store_failure)?;
    let body = wire::session_page(&query, &page);
    serde_json::from_slice(&body).map_err(|error| Failure::new(Exit::Failure, error))
}

async fn end_session(app: &Operated, id: &str) -> Result<Value, Failure> {
    let none = || {
        Failure::new(
            Exit::NoInput,
            "there is no such live session; see 'tillgate sessions list'",
        )
    };
    let id = SessionId::parse(id).map_err(|_| none())?;
    let end = End {
        id,
        scope: Scope::Any,
        if_match: Precondition::default(),
        own_access: false,
        reason: EndReason::Revoked,
        cause: Cause::operator(),
    };
    match app.store.end(end, app.now()).await {
        Ok(session) => Ok(json!({ "ended": session.id.as_str() })),
        Err(StoreError::NotLive(_)) => Err(none()),
        Err(error) => Err(store_failure(error)),
    }
}

fn keys(app: &Operated) -> Value {
    let key = |key: &PublicKey| {
        json!({
            "kid": key.kid,
            "standing": key.standing.as_str(),
            "since": key.since.to_string(),
            "until": key.standing.until().map(|until| until.to_string()),
        })
    };
    app.bearer.keys().public_keys().iter().map(key).collect()
}

async fn revoke_key(app: &Operated, kid: &str) -> Result<Value, Failure> {
    match app.revoke_key(kid, Cause::operator()).await {
        Ok(()) => Ok(json!({ "kid": kid })),
        Err(ServiceError::NotFound) => {
            let sentence = format!("there is no key '{kid}'; see 'tillgate keys list'");
            Err(Failure::new(Exit::NoInput, sentence))
        }
        Err(error) => Err(service_failure(error)),
    }
}

fn of_clock(app: &Operated, action: AuditAction) -> AuditEntry {
    AuditEntry::new(action, Cause::operator(), app.now())
}

fn show_clock(app: &Operated) -> Value {
    let clock = app.clock.status();
    json!({
        "state": format!("{:?}", clock.state),
        "wall": clock.wall.to_string(),
        "trusted": clock.trusted.to_string(),
    })
}

async fn reset_clock(app: &Operated) -> Result<Value, Failure> {
    // Sessions first: none may live on under a time that goes back.
    app.store
        .end_all(
            Subject::Everybody,
            EndReason::NotBefore,
            Cause::operator(),
            app.now(),
        )
        .await
        .map_err(store_failure)?;
    let wall = app.clock.status().wall;
    // The clock before the mark: nothing may store the time that is given up.
    app.clock.reset(wall);
    app.store
        .mark_clock(wall, true, Some(of_clock(app, AuditAction::ClockReset)))
        .await
        .map_err(store_failure)?;
    Ok(show_clock(app))
}

fn store_failure(error: crate::store::StoreError) -> Failure {
    service_failure(error.into())
}

/// A use case's refusal, as the command line says it.
pub fn service_failure(error: ServiceError) -> Failure {
    let because = |exit, message: &str| Failure::new(exit, message);
    match error {
        ServiceError::Invalid(fields) => {
            let said: Vec<_> = fields
                .iter()
                .map(|field| format!("{} {}", field.member, field.message))
                .collect();
            Failure::new(Exit::Refused, said.join("; "))
        }
        ServiceError::Forbidden(sentence) => Failure::new(Exit::Refused, sentence),
        ServiceError::NotFound
        | ServiceError::Unauthenticated { .. }
        | ServiceError::Signature { .. } => because(Exit::NoInput, "there is no such thing"),
        ServiceError::VersionMismatch(_) | ServiceError::PreconditionFailed(_) => because(
            Exit::Temporary,
            "somebody else changed it just now; try again",
        ),
        ServiceError::SessionLimit => because(Exit::Refused, "a limit of sessions is reached"),
        ServiceError::Locked(_) => because(Exit::Refused, "too many attempts have failed"),
        ServiceError::Busy(_) => because(Exit::Temporary, "the server is busy; try again"),
        ServiceError::Full => because(Exit::Io, "there is too little room on the disk"),
        ServiceError::ReadOnly => because(Exit::Io, "an earlier write failed; restart the server"),
        ServiceError::Unknown => because(
            Exit::Io,
            "nobody can tell whether this was written; look, then try again",
        ),
    }
}
