//! `/webhooks`: what a body says, create and replace. A secret is never shown.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use super::fields::Fields;
use super::listed::{self, Listed};
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::resource::same_id;
use crate::auth::secret::Secret;
use crate::auth::webhook::parse_secret;
use crate::model::{
    Directory, DirectoryChange, KnownRight, Resource, ResourceKind, SecretInput, Version, Webhook,
    WebhookId, WebhookInput, WebhookUrl,
};
use crate::ndata::WebhookMember;
use crate::service::{App, Reach};
use crate::store::Store;

/// What a request to create or replace a webhook says.
struct Described {
    input: WebhookInput,
    secret: Option<Secret>,
    version: Option<Version>,
    /// The id in the body, as it is written.
    id: Option<String>,
}

fn described(fields: &mut Fields<'_>) -> Option<Described> {
    let secret = fields.parsed_if_given("secret", parse_secret);
    let (version, id) = (fields.version(), fields.text("id"));
    let url = fields.parsed("url", WebhookUrl::parse);
    let resources = fields.texts("resources", ResourceKind::parse);
    let is_active = fields.flag("isActive", true);
    let input = WebhookInput {
        url: url?,
        secret: SecretInput::Keep,
        resources,
        is_active,
    };
    Some(Described {
        input,
        secret,
        version,
        id,
    })
}

/// `POST /webhooks`
pub(super) async fn create<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let Described { input, secret, .. } = request.object(described).await?;
    let precondition = listed::precondition(request, None)?;
    let hook = app
        .create_webhook(&caller, input, secret, precondition)
        .await?;
    Ok(listed::changed(app, &*hook, true).await)
}

/// `PUT /webhooks/{id}`
pub(super) async fn put<S: Store>(
    app: &App<S>,
    id: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let id = WebhookId::parse(id).map_err(|_| ApiError::NotFound)?;
    let described = request.object(described).await?;
    same_id(&id, described.id.as_deref(), WebhookId::parse)?;
    let precondition = listed::precondition(request, described.version)?;
    let Described { input, secret, .. } = described;
    let hook = app
        .replace_webhook(&caller, id, input, secret, precondition)
        .await?;
    Ok(listed::changed(app, &*hook, false).await)
}

/// A webhook as the API shows it. Never the secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookBody<'a> {
    id: String,
    url: &'a str,
    has_secret: bool,
    resources: Vec<&'a str>,
    is_active: bool,
    #[serde(rename = "_v")]
    version: u64,
}

impl Listed for Webhook {
    const PATH: &'static str = "/webhooks";
    const READ: Option<KnownRight> = Some(KnownRight::Admin);
    type Member = WebhookMember;
    type Body<'a> = WebhookBody<'a>;

    fn all(directory: &Directory) -> impl Iterator<Item = &Arc<Self>> {
        directory.webhooks()
    }

    fn find<'a>(directory: &'a Directory, named: &str) -> Option<&'a Arc<Self>> {
        directory.webhook(WebhookId::parse(named).ok()?)
    }

    fn deletion(_: &Directory, named: &str) -> Option<DirectoryChange> {
        let id = WebhookId::parse(named).ok()?;
        Some(DirectoryChange::DeleteWebhook(id))
    }

    fn of(resource: Resource) -> Option<Arc<Self>> {
        match resource {
            Resource::Webhook(hook) => Some(hook),
            _ => None,
        }
    }

    fn body<'a>(&'a self, _: &'a Directory) -> WebhookBody<'a> {
        WebhookBody {
            id: self.id.to_string(),
            url: self.url.as_str(),
            has_secret: self.sealed_secret.is_some(),
            resources: self.resources.iter().map(|kind| kind.as_str()).collect(),
            is_active: self.is_active,
            version: self.version.0,
        }
    }

    fn named(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn version(&self) -> Version {
        self.version
    }
}
