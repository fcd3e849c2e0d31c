//! `/users`: list, look, create, replace, delete.

use warp::http::StatusCode;

use super::conditions;
use super::fields::Fields;
use super::listing;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::resource::UserBody;
use super::wire;
use crate::auth::secret::Secret;
use crate::model::{
    DeviceName, DirectoryChange, Mode, Resource, RoleName, User, UserDeviceInput, UserId,
    UserInput, UserName, Version,
};
use crate::ndata::{Limits, UserMember};
use crate::service::{App, Caller, Reach, ServiceError};
use crate::store::Store;

/// A user as a body describes it. Members that come from elsewhere (`id`, what
/// devices add) are left alone, so that what was read may be sent back.
///
/// `named`: the user name that the path gives, when it gives one.
pub fn input(fields: &mut Fields<'_>, named: Option<&UserName>) -> Option<UserInput> {
    let user_name = match named {
        None => fields.parsed("userName", UserName::parse),
        Some(named) => super::resource::same_name(fields, "userName", UserName::parse, named),
    };
    let name = fields.text("name");
    let input = UserInput {
        name: String::new(),
        is_active: fields.flag("isActive", true),
        is_virtual: fields.flag("isVirtual", false),
        feature_name: fields.text("featureName"),
        devices: fields.objects("devices", device_entry),
        must_change_password: fields.flag("mustChangePassword", false),
        password: None,
        user_name: user_name?,
    };
    let name = name.unwrap_or_else(|| input.user_name.to_string());
    Some(UserInput { name, ..input })
}

fn device_entry(fields: &mut Fields<'_>) -> Option<UserDeviceInput> {
    let name = fields.parsed("name", DeviceName::parse);
    let is_active = fields.flag("isActive", true);
    let roles = fields.texts("roles", RoleName::parse);
    Some(UserDeviceInput {
        name: name?,
        is_active,
        roles,
    })
}

/// What a request to create or replace a user says.
struct Described {
    input: UserInput,
    password: Option<Secret>,
    version: Option<Version>,
    /// The id in the body, when it is one.
    id: Option<String>,
}

async fn described(request: &mut Request, named: Option<&UserName>) -> Result<Described, ApiError> {
    let read = request.object(|fields| {
        let password = fields.text("password").map(Secret::new);
        let (version, id) = (fields.version(), fields.text("id"));
        Some(Described {
            input: input(fields, named)?,
            password,
            version,
            id,
        })
    });
    read.await
}

/// `GET /users`
pub(super) async fn list<S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let directory = app.store.directory().await;
    let rows = directory.users().map(|user| &**user);
    let body = |user| UserBody::new(user, &directory);
    listing::page::<UserMember, _, _>(request.query.as_deref(), limits, rows, body)
}

/// `GET /users/{id}`
pub(super) async fn get<S: Store>(
    app: &App<S>,
    id: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    request.caller(app, Reach::Everything).await?;
    let user = app.find_user(id).await?;
    if conditions::is_unchanged(&request.headers, user.version) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).tagged(user.version));
    }
    Ok(shown(app, &user, StatusCode::OK).await)
}

/// `POST /users`
pub(super) async fn create<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let described = described(request, None).await?;
    store(
        app,
        request,
        &caller,
        Mode::Create,
        UserId::draw(),
        described,
    )
    .await
}

/// `PUT /users/{id}`
pub(super) async fn put<S: Store>(
    app: &App<S>,
    id: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let found = app.find_user(id).await;
    let (id, named) = match (found, UserId::parse(id)) {
        (Ok(user), by_id) if by_id == Ok(user.id) => (user.id, None),
        (Ok(user), _) => (user.id, Some(user.user_name.clone())),
        // An unknown id: what the answer is, `_v` in the body decides.
        (Err(_), Ok(id)) => (id, None),
        (Err(error), Err(_)) => return Err(error.into()),
    };
    let described = described(request, named.as_ref()).await?;
    let other = |given: &String| UserId::parse(given) != Ok(id);
    if described.id.as_ref().is_some_and(other) {
        return Err(super::resource::other_than_the_path(
            "id",
            "differs from the id in the path",
        ));
    }
    store(app, request, &caller, Mode::CreateOrReplace, id, described).await
}

async fn store<S: Store>(
    app: &App<S>,
    request: &Request,
    caller: &Caller,
    mode: Mode,
    id: UserId,
    described: Described,
) -> Result<Reply, ApiError> {
    let Described {
        input,
        password,
        version,
        ..
    } = described;
    let mut precondition = conditions::precondition(&request.headers)?;
    precondition.body_version = version.filter(|_| mode == Mode::CreateOrReplace);
    let (user, created) = app
        .put_user(caller.cause(), mode, id, input, password, precondition)
        .await?;
    if !created {
        return Ok(shown(app, &user, StatusCode::OK).await);
    }
    let reply = shown(app, &user, StatusCode::CREATED).await;
    Ok(reply.located(&format!("/users/{}", user.id)))
}

/// `DELETE /users/{id}`
pub(super) async fn delete<S: Store>(
    app: &App<S>,
    id: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let user = app.find_user(id).await?;
    let precondition = conditions::precondition(&request.headers)?;
    let change = DirectoryChange::DeleteUser(user.id);
    match app.change(change, precondition, caller.cause()).await? {
        (Resource::User(user), _) => Ok(shown(app, &user, StatusCode::OK).await),
        _ => Err(ServiceError::Unknown.into()),
    }
}

async fn shown<S: Store>(app: &App<S>, user: &User, status: StatusCode) -> Reply {
    let directory = app.store.directory().await;
    let body = wire::json(&UserBody::new(user, &directory));
    Reply::json(status, body).tagged(user.version)
}
