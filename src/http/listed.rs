//! The resources that people type in (users, devices, roles, API keys, webhooks): list,
//! look, delete and the answer to a change, each written once. What tells one
//! kind from another stands in its own file.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use warp::http::StatusCode;

use super::conditions;
use super::listing;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::{self, Request};
use super::wire;
use crate::model::{Directory, DirectoryChange, KnownRight, Precondition, Resource, Version};
use crate::ndata::{Limits, Member, Row};
use crate::service::{App, Caller, Reach, ServiceError};
use crate::store::Store;

/// One kind of resource.
pub(super) trait Listed: Row<Self::Member> + Sized + 'static {
    /// The collection's path, as `/devices`.
    const PATH: &'static str;
    /// What it takes to see them, beside being logged in.
    const READ: Option<KnownRight> = None;
    /// What lists filter and sort by.
    type Member: Member;
    /// Its JSON.
    type Body<'a>: Serialize;

    /// All of them.
    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>>;
    /// The one that a path names.
    fn find<'a>(directory: &'a Directory, named: &str) -> Option<&'a Arc<Self>>;
    /// The change that deletes the one that a path names, there or not; `None`
    /// when the text can name none.
    fn deletion(directory: &Directory, named: &str) -> Option<DirectoryChange>;
    /// The resource of a change, if it is of this kind.
    fn of(resource: Resource) -> Option<Arc<Self>>;
    /// As the API shows it.
    fn body<'a>(&'a self, directory: &'a Directory) -> Self::Body<'a>;
    /// How its path names it.
    fn named(&self) -> Cow<'_, str>;
    /// Its `_v`.
    fn version(&self) -> Version;
}

/// `GET /{collection}`
pub(super) async fn list<R: Listed, S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    reader::<R, S>(app, request).await?;
    let directory = app.store.directory().await;
    let rows = R::all(&directory).map(|row| &**row);
    let body = |row| R::body(row, &directory);
    listing::page::<R::Member, _, _>(request.query.as_deref(), limits, rows, body)
}

/// `GET /{collection}/{id}`
pub(super) async fn get<R: Listed, S: Store>(
    app: &App<S>,
    named: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    reader::<R, S>(app, request).await?;
    let directory = app.store.directory().await;
    let found = R::find(&directory, named).ok_or(ApiError::NotFound)?;
    let version = found.version();
    if conditions::is_unchanged(&request.headers, version) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).tagged(version));
    }
    Ok(shown(&**found, &directory, StatusCode::OK))
}

async fn reader<R: Listed, S: Store>(app: &App<S>, request: &Request) -> Result<(), ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    R::READ.map_or(Ok(()), |right| Ok(caller.needs(right)?))
}

/// `DELETE /{collection}/{id}`
pub(super) async fn delete<R: Listed, S: Store>(
    app: &App<S>,
    named: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let change = R::deletion(&directory, named).ok_or(ApiError::NotFound)?;
    change_one::<R, S>(app, request, &caller, change, None).await
}

/// Makes a change under the conditions of the request; `version` is `_v` of its
/// body.
pub(super) async fn change_one<R: Listed, S: Store>(
    app: &App<S>,
    request: &Request,
    caller: &Caller,
    change: DirectoryChange,
    version: Option<Version>,
) -> Result<Reply, ApiError> {
    let precondition = precondition(request, version)?;
    let (resource, created) = app.change(change, precondition, caller.cause()).await?;
    let resource = R::of(resource).ok_or(ServiceError::Unknown)?;
    Ok(changed(app, &*resource, created).await)
}

/// The conditions of a change: headers, and `_v` of the body.
pub(super) fn precondition(
    request: &Request,
    version: Option<Version>,
) -> Result<Precondition, ApiError> {
    let mut precondition = conditions::precondition(&request.headers)?;
    precondition.body_version = version;
    Ok(precondition)
}

/// The answer to a change.
pub(super) async fn changed<R: Listed, S: Store>(
    app: &App<S>,
    resource: &R,
    created: bool,
) -> Reply {
    let directory = app.store.directory().await;
    if created {
        shown(resource, &directory, StatusCode::CREATED).located(&path_of(resource))
    } else {
        shown(resource, &directory, StatusCode::OK)
    }
}

/// The path of a resource.
pub(super) fn path_of<R: Listed>(resource: &R) -> String {
    format!("{}/{}", R::PATH, request::encoded(&resource.named()))
}

fn shown<R: Listed>(resource: &R, directory: &Directory, status: StatusCode) -> Reply {
    Reply::json(status, wire::json(&resource.body(directory))).tagged(resource.version())
}
