//! `/devices`: list, look, create, replace, delete.

use warp::http::StatusCode;

use super::conditions;
use super::fields::Fields;
use super::listing;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::{self, Request};
use super::resource::{DeviceBody, same_name};
use super::wire;
use crate::model::{
    Device, DeviceInput, DeviceName, DirectoryChange, Env, Mode, Resource, RoleName, Version,
};
use crate::ndata::{DeviceMember, Limits};
use crate::service::{App, Caller, Reach, ServiceError};
use crate::store::Store;

/// A device as a body describes it. `named`: the name that the path gives.
pub fn input(fields: &mut Fields<'_>, named: Option<&DeviceName>) -> Option<DeviceInput> {
    let name = match named {
        None => fields.parsed("name", DeviceName::parse),
        Some(named) => same_name(fields, "name", DeviceName::parse, named),
    };
    let env = fields.parsed("envName", env);
    let is_active = fields.flag("isActive", true);
    let description = fields.text("description").unwrap_or_default();
    let roles = fields.texts("roles", RoleName::parse);
    let (preferences, settings) = (fields.free("preferences"), fields.free("settings"));
    Some(DeviceInput {
        name: name?,
        is_active,
        env: env?,
        description,
        roles,
        preferences,
        settings,
    })
}

/// An environment, or the list of those there are.
pub(super) fn env(text: &str) -> Result<Env, &'static str> {
    Env::parse(text).ok_or("must be BackOffice, CashRegister, PDA or Tool")
}

/// `GET /devices`
pub(super) async fn list<S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let rows = directory.devices().map(|device| &**device);
    listing::page::<DeviceMember, _, _>(request.query.as_deref(), limits, rows, DeviceBody::from)
}

/// `GET /devices/{name}`
pub(super) async fn get<S: Store>(
    app: &App<S>,
    name: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let device = app.find_device(name).await?;
    if conditions::is_unchanged(&request.headers, device.version) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).tagged(device.version));
    }
    Ok(shown(&device, StatusCode::OK))
}

/// `POST /devices`
pub(super) async fn create<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let input = request.object(|fields| input(fields, None)).await?;
    store(app, request, &caller, Mode::Create, input, None).await
}

/// `PUT /devices/{name}`
pub(super) async fn put<S: Store>(
    app: &App<S>,
    name: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let name = DeviceName::parse(name).map_err(|_| ApiError::NotFound)?;
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
    input: DeviceInput,
    version: Option<Version>,
) -> Result<Reply, ApiError> {
    let mut precondition = conditions::precondition(&request.headers)?;
    precondition.body_version = version;
    let change = DirectoryChange::PutDevice { mode, input };
    match app.change(change, precondition, caller.actor()).await? {
        (Resource::Device(device), false) => Ok(shown(&device, StatusCode::OK)),
        (Resource::Device(device), true) => {
            let path = format!("/devices/{}", request::encoded(device.name.as_str()));
            Ok(shown(&device, StatusCode::CREATED).located(&path))
        }
        _ => Err(ServiceError::Unknown.into()),
    }
}

/// `DELETE /devices/{name}`
pub(super) async fn delete<S: Store>(
    app: &App<S>,
    name: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let name = DeviceName::parse(name).map_err(|_| ApiError::NotFound)?;
    let precondition = conditions::precondition(&request.headers)?;
    let change = DirectoryChange::DeleteDevice(name);
    match app.change(change, precondition, caller.actor()).await? {
        (Resource::Device(device), _) => Ok(shown(&device, StatusCode::OK)),
        _ => Err(ServiceError::Unknown.into()),
    }
}

fn shown(device: &Device, status: StatusCode) -> Reply {
    Reply::json(status, wire::json(&DeviceBody::from(device))).tagged(device.version)
}
