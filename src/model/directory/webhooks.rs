//! The rules of webhooks: create, replace, delete. Administrators only, since a
//! hook hears of everything.

use std::sync::Arc;

use super::guard::Asker;
use super::target::Target;
use super::{
    Directory, DirectoryDecision, Field, Mode, Refusal, Resource, SecretInput, WebhookInput,
    without_doubles,
};
use crate::model::{KnownRight, Precondition, Version, Webhook, WebhookId};

/// Webhooks at most: each is told by itself and has its own part of the outbox.
pub const WEBHOOKS_MAX: usize = 16;

/// Creates a webhook.
pub(super) fn create(
    directory: &Directory,
    asker: &Asker,
    id: WebhookId,
    input: &WebhookInput,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::Admin])?;
    let stored = directory.webhook(id);
    target(id, stored).meets(precondition, Mode::Create)?;
    let refuse = |field| Err(Refusal::Invalid(vec![field]));
    if stored.is_some() {
        return refuse(Field::taken("id"));
    }
    if directory.webhooks.len() >= WEBHOOKS_MAX {
        return refuse(Field {
            member: "url".to_owned(),
            message: format!("is one too many: there are {WEBHOOKS_MAX} webhooks already"),
            code: None,
        });
    }
    let mut decision = put(directory, as_hook(id, None, input));
    decision.created = true;
    Ok(decision)
}

/// Replaces a webhook.
pub(super) fn replace(
    directory: &Directory,
    asker: &Asker,
    id: WebhookId,
    input: &WebhookInput,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::Admin])?;
    let stored = directory.webhook(id);
    target(id, stored).meets(precondition, Mode::CreateOrReplace)?;
    let stored = stored.ok_or(Refusal::NotFound)?;
    Ok(put(directory, as_hook(id, Some(stored), input)))
}

/// Deletes a webhook.
pub(super) fn delete(
    directory: &Directory,
    asker: &Asker,
    id: WebhookId,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::Admin])?;
    let stored = directory.webhook(id).ok_or(Refusal::NotFound)?;
    target(id, Some(stored)).meets(precondition, Mode::CreateOrReplace)?;
    let mut decision = about(directory, stored);
    decision.removed_webhooks.push(id);
    Ok(decision)
}

fn put(directory: &Directory, hook: Arc<Webhook>) -> DirectoryDecision {
    let mut decision = about(directory, &hook);
    decision.put_webhooks.push(hook);
    decision
}

fn about(directory: &Directory, hook: &Arc<Webhook>) -> DirectoryDecision {
    DirectoryDecision::about(Resource::Webhook(Arc::clone(hook)), directory)
}

fn target(id: WebhookId, stored: Option<&Arc<Webhook>>) -> Target {
    Target {
        resource: "webhook",
        name: id.to_string(),
        id: Some(id.to_string()),
        stored: stored.map(|hook| hook.version),
    }
}

fn as_hook(id: WebhookId, stored: Option<&Arc<Webhook>>, input: &WebhookInput) -> Arc<Webhook> {
    let kept = || stored.and_then(|hook| hook.sealed_secret.clone());
    Arc::new(Webhook {
        id,
        url: input.url.clone(),
        sealed_secret: match &input.secret {
            SecretInput::Keep => kept(),
            SecretInput::Put(sealed) => Some(Arc::clone(sealed)),
            SecretInput::Remove => None,
        },
        resources: without_doubles(input.resources.clone()),
        is_active: input.is_active,
        version: stored.map_or(Version::FIRST, |hook| hook.version.next()),
    })
}
