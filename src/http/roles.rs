//! `/roles`: list, look, create, replace, delete.

use warp::http::StatusCode;

use super::conditions;
use super::devices;
use super::fields::Fields;
use super::listing;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::{self, Request};
use super::resource::{RoleBody, same_name};
use super::wire;
use crate::model::{DirectoryChange, Mode, Resource, Right, Role, RoleInput, RoleName, Version};
use crate::ndata::{Limits, RoleMember};
use crate::service::{App, Caller, Reach, ServiceError};
use crate::store::Store;

/// A role as a body describes it. `named`: the name that the path gives. A role
/// without environments gives nothing anywhere.
pub fn input(fields: &mut Fields<'_>, named: Option<&RoleName>) -> Option<RoleInput> {
    let name = match named {
        None => fields.parsed("name", RoleName::parse),
        Some(named) => same_name(fields, "name", RoleName::parse, named),
    };
    let label = fields.text("label").unwrap_or_default();
    let description = fields.text("description").unwrap_or_default();
    let rights = fields.texts("rights", Right::parse);
    let env_names = fields.texts("envNames", devices::env);
    Some(RoleInput {
        name: name?,
        label,
        description,
        rights,
        env_names,
    })
}

/// `GET /roles`
pub(super) async fn list<S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let rows = directory.roles().map(|role| &**role);
    listing::page::<RoleMember, _, _>(request.query.as_deref(), limits, rows, RoleBody::from)
}

/// `GET /roles/{name}`
pub(super) async fn get<S: Store>(
    app: &App<S>,
    name: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let role = app.find_role(name).await?;
    if conditions::is_unchanged(&request.headers, role.version) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).tagged(role.version));
    }
    Ok(shown(&role, StatusCode::OK))
}

/// `POST /roles`
pub(super) async fn create<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let input = request.object(|fields| input(fields, None)).await?;
    store(app, request, &caller, Mode::Create, input, None).await
}

/// `PUT /roles/{name}`
pub(super) async fn put<S: Store>(
    app: &App<S>,
    name: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let name = RoleName::parse(name).map_err(|_| ApiError::NotFound)?;
    let read = request.object(|fields| {
        let version = fields.version();
        Some((input(fields, Some(&name))?, version))
    });
    let (input, version) = read.await?;
    store(app, request, &caller, Mode::CreateOrReplace, input, version).await
}

async fn store<S: Store>(
    app: &App<S>,
    request: &Request,
    caller: &Caller,
    mode: Mode,
    input: RoleInput,
    version: Option<Version>,
) -> Result<Reply, ApiError> {
    let mut precondition = conditions::precondition(&request.headers)?;
    precondition.body_version = version;
    let change = DirectoryChange::PutRole { mode, input };
    match app.change(change, precondition, caller.actor()).await? {
        (Resource::Role(role), false) => Ok(shown(&role, StatusCode::OK)),
        (Resource::Role(role), true) => {
            let path = format!("/roles/{}", request::encoded(role.name.as_str()));
            Ok(shown(&role, StatusCode::CREATED).located(&path))
        }
        _ => Err(ServiceError::Unknown.into()),
    }
}

/// `DELETE /roles/{name}`
pub(super) async fn delete<S: Store>(
    app: &App<S>,
    name: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let name = RoleName::parse(name).map_err(|_| ApiError::NotFound)?;
    let precondition = conditions::precondition(&request.headers)?;
    let change = DirectoryChange::DeleteRole(name);
    match app.change(change, precondition, caller.actor()).await? {
        (Resource::Role(role), _) => Ok(shown(&role, StatusCode::OK)),
        _ => Err(ServiceError::Unknown.into()),
    }
}

fn shown(role: &Role, status: StatusCode) -> Reply {
    Reply::json(status, wire::json(&RoleBody::from(role))).tagged(role.version)
}
