//! `/apikeys`: what a body says, create and replace. A secret stands in one
//! answer only, that of the creation.

use std::borrow::Cow;
use std::sync::Arc;

use warp::http::StatusCode;

use super::fields::Fields;
use super::listed::{self, Listed};
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::resource::{ApiKeyBody, same_id};
use super::wire;
use crate::auth::api_key::parse_secret;
use crate::model::{
    ApiKey, ApiKeyId, ApiKeyInput, ClientId, DeviceName, Directory, DirectoryChange, Resource,
    Right, UserName, Version,
};
use crate::ndata::ApiKeyMember;
use crate::service::{App, GivenCredentials, Reach};
use crate::store::Store;

/// Longest `name`, in characters.
const NAME_CHARS_MAX: usize = 256;
/// Longest `description`, in characters.
const DESCRIPTION_CHARS_MAX: usize = 4_096;

/// What a request to create or replace a key says.
struct Described {
    input: ApiKeyInput,
    given: GivenCredentials,
    version: Option<Version>,
    /// The id in the body, as it is written.
    id: Option<String>,
}

fn described(fields: &mut Fields<'_>) -> Option<Described> {
    let client_id = fields.parsed_if_given("clientId", ClientId::parse);
    let secret = fields.parsed_if_given("clientSecret", parse_secret);
    let (version, id) = (fields.version(), fields.text("id"));
    let name = fields.required("name");
    let name = name.and_then(|name| bounded(fields, "name", name, NAME_CHARS_MAX));
    let description = fields.text("description");
    let description =
        description.and_then(|text| bounded(fields, "description", text, DESCRIPTION_CHARS_MAX));
    let user_name = fields.parsed("userName", UserName::parse);
    let device_name = fields.parsed("deviceName", DeviceName::parse);
    // A key signs nothing before somebody says so.
    let is_active = fields.flag("isActive", false);
    let permissions = fields.texts("permissions", Right::parse);
    let input = ApiKeyInput {
        is_active,
        name: name?,
        description,
        user_name: user_name?,
        device_name: device_name?,
        permissions,
    };
    Some(Described {
        input,
        given: GivenCredentials { client_id, secret },
        version,
        id,
    })
}

fn bounded(fields: &mut Fields<'_>, member: &str, text: String, max: usize) -> Option<String> {
    if text.chars().count() <= max {
        return Some(text);
    }
    fields.fault(member, &format!("must have at most {max} characters"), None);
    None
}

/// `POST /apikeys`
pub(super) async fn create<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let Described { input, given, .. } = request.object(described).await?;
    let precondition = listed::precondition(request, None)?;
    let created = app
        .create_api_key(&caller, input, given, precondition)
        .await?;
    let mut body = ApiKeyBody::from(&*created.key);
    body.show_secret(&created.secret);
    let reply = Reply::json(StatusCode::CREATED, wire::json(&body));
    Ok(reply
        .tagged(created.key.version)
        .located(&listed::path_of(&*created.key)))
}

/// `PUT /apikeys/{id}`
pub(super) async fn put<S: Store>(
    app: &App<S>,
    id: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let id = ApiKeyId::parse(id).map_err(|_| ApiError::NotFound)?;
    let described = request.object(described).await?;
    same_id(&id, described.id.as_deref(), ApiKeyId::parse)?;
    let precondition = listed::precondition(request, described.version)?;
    let Described { input, given, .. } = described;
    let key = app
        .replace_api_key(&caller, id, input, given, precondition)
        .await?;
    Ok(listed::changed(app, &*key, false).await)
}

impl Listed for ApiKey {
    const PATH: &'static str = "/apikeys";
    type Member = ApiKeyMember;
    type Body<'a> = ApiKeyBody<'a>;

    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>> {
        directory.api_keys()
    }

    fn find<'a>(directory: &'a Directory, named: &str) -> Option<&'a Arc<Self>> {
        directory.api_key(ApiKeyId::parse(named).ok()?)
    }

    fn deletion(_: &Directory, named: &str) -> Option<DirectoryChange> {
        let id = ApiKeyId::parse(named).ok()?;
        Some(DirectoryChange::DeleteApiKey(id))
    }

    fn of(resource: Resource) -> Option<Arc<Self>> {
        match resource {
            Resource::ApiKey(key) => Some(key),
            _ => None,
        }
    }

    fn body<'a>(&'a self, _: &'a Directory) -> ApiKeyBody<'a> {
        ApiKeyBody::from(self)
    }

    fn named(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn version(&self) -> Version {
        self.version
    }
}
