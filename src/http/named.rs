//! Resources that go by their name (devices, roles): list, look, create,
//! replace, delete, each written once. What tells one kind from another stands
//! in its own file.

use std::sync::Arc;

use serde::Serialize;
use warp::http::StatusCode;

use super::conditions;
use super::fields::Fields;
use super::listing;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::{self, Request};
use super::wire;
use crate::model::{Directory, DirectoryChange, Mode, Resource, Version};
use crate::ndata::{Limits, Member, Row};
use crate::service::{App, Caller, Reach, ServiceError};
use crate::store::Store;

/// One kind of resource that goes by its name.
pub(super) trait Named: Row<Self::Member> + Sized + 'static {
    /// The collection's path, as `/devices`.
    const PATH: &'static str;
    /// Its names.
    type Name;
    /// What a body describes.
    type Input;
    /// What lists filter and sort by.
    type Member: Member;
    /// Its JSON.
    type Body<'a>: Serialize;

    /// Reads a name; what can be none names nothing.
    fn parse(name: &str) -> Option<Self::Name>;
    /// Reads a body. `named`: the name that the path gives.
    fn input(fields: &mut Fields<'_>, named: Option<&Self::Name>) -> Option<Self::Input>;
    /// All of them, by name.
    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>>;
    /// The one of this name.
    fn find<'a>(directory: &'a Directory, name: &Self::Name) -> Option<&'a Arc<Self>>;
    /// The change that creates or replaces it.
    fn putting(mode: Mode, input: Self::Input) -> DirectoryChange;
    /// The change that deletes it.
    fn deletion(name: Self::Name) -> DirectoryChange;
    /// The resource of a change, if it is of this kind.
    fn of(resource: Resource) -> Option<Arc<Self>>;
    /// As the API shows it.
    fn body(&self) -> Self::Body<'_>;
    /// Its name and version.
    fn tag(&self) -> (&str, Version);
}

/// `GET /{collection}`
pub(super) async fn list<R: Named, S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let rows = R::all(&directory).map(|row| &**row);
    listing::page::<R::Member, _, _>(request.query.as_deref(), limits, rows, R::body)
}

/// `GET /{collection}/{name}`
pub(super) async fn get<R: Named, S: Store>(
    app: &App<S>,
    name: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let found = R::parse(name).and_then(|name| R::find(&directory, &name));
    let found = found.ok_or(ApiError::NotFound)?;
    let (_, version) = found.tag();
    if conditions::is_unchanged(&request.headers, version) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).tagged(version));
    }
    Ok(shown(&**found, StatusCode::OK))
}

/// `POST /{collection}`
pub(super) async fn create<R: Named, S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let input = request.object(|fields| R::input(fields, None)).await?;
    store::<R, S>(app, request, &caller, R::putting(Mode::Create, input), None).await
}

/// `PUT /{collection}/{name}`
pub(super) async fn put<R: Named, S: Store>(
    app: &App<S>,
    name: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let name = R::parse(name).ok_or(ApiError::NotFound)?;
    let read = request.object(|fields| {
        let version = fields.version();
        Some((R::input(fields, Some(&name))?, version))
    });
    let (input, version) = read.await?;
    let change = R::putting(Mode::CreateOrReplace, input);
    store::<R, S>(app, request, &caller, change, version).await
}

/// `DELETE /{collection}/{name}`
pub(super) async fn delete<R: Named, S: Store>(
    app: &App<S>,
    name: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let name = R::parse(name).ok_or(ApiError::NotFound)?;
    store::<R, S>(app, request, &caller, R::deletion(name), None).await
}

async fn store<R: Named, S: Store>(
    app: &App<S>,
    request: &Request,
    caller: &Caller,
    change: DirectoryChange,
    version: Option<Version>,
) -> Result<Reply, ApiError> {
    let mut precondition = conditions::precondition(&request.headers)?;
    precondition.body_version = version;
    let (resource, created) = app.change(change, precondition, caller.cause()).await?;
    let resource = R::of(resource).ok_or(ServiceError::Unknown)?;
    if !created {
        return Ok(shown(&*resource, StatusCode::OK));
    }
    let path = format!("{}/{}", R::PATH, request::encoded(resource.tag().0));
    Ok(shown(&*resource, StatusCode::CREATED).located(&path))
}

fn shown<R: Named>(resource: &R, status: StatusCode) -> Reply {
    Reply::json(status, wire::json(&resource.body())).tagged(resource.tag().1)
}
