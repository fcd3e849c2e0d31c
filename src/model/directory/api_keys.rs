//! The rules of API keys: create, replace, delete, and what becomes of them
//! when their user or device changes. A key is as mighty as its user, so who
//! has less than that user keeps off it.

use std::sync::Arc;

use super::guard::Asker;
use super::target::Target;
use super::{
    ApiKeyInput, Credentials, Directory, DirectoryDecision, Field, KeyEnds, Mode, Refusal,
    Resource, users, without_doubles,
};
use crate::model::{
    ApiKey, ApiKeyId, ClientId, EndReason, KnownRight, Precondition, Right, Rights, Timestamp,
    UserName, Version,
};

/// What the server adds to a key that is made.
pub(super) struct Made<'a> {
    /// Its id.
    pub(super) id: ApiKeyId,
    /// Its public name and its secret.
    pub(super) credentials: &'a Credentials,
    /// When.
    pub(super) created_at: Timestamp,
}

/// What a request gives beside the description of a key.
pub(super) struct Given<'a> {
    /// The public name; must be the stored one.
    pub(super) client_id: Option<&'a ClientId>,
    /// Another secret, sealed.
    pub(super) sealed_secret: Option<&'a Arc<[u8]>>,
}

/// Creates a key.
pub(super) fn create(
    directory: &Directory,
    asker: &Asker,
    made: &Made<'_>,
    input: &ApiKeyInput,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::ApiKeyCreate])?;
    let client_id = &made.credentials.client_id;
    let stored = directory
        .api_key(made.id)
        .or_else(|| directory.api_key_named(client_id));
    target(stored.map_or(made.id, |key| key.id), stored, input)
        .meets(precondition, Mode::Create)?;
    let mut wrong = look_at_members(directory, input);
    if stored.is_some() {
        wrong.push(Field::taken("clientId"));
    }
    refuse(wrong)?;
    let key = as_key(
        made.id,
        made.credentials.clone(),
        made.created_at,
        Version::FIRST,
        input,
    );
    must_cover(directory, asker, &key)?;
    asker.must_cover(&named(&key.permissions), whose(&key))?;
    let mut decision = about(directory, &key);
    decision.created = true;
    decision.put_api_keys.push(key);
    Ok(decision)
}

/// Replaces a key; its session ends when it is no longer the same key.
pub(super) fn replace(
    directory: &Directory,
    asker: &Asker,
    id: ApiKeyId,
    given: &Given<'_>,
    input: &ApiKeyInput,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::ApiKeyCreate, KnownRight::ApiKeyUpdate])?;
    let stored = directory.api_key(id);
    target(id, stored, input).meets(precondition, Mode::CreateOrReplace)?;
    let stored = stored.ok_or(Refusal::NotFound)?;
    must_cover(directory, asker, stored)?;
    let mut wrong = look_at_members(directory, input);
    if given
        .client_id
        .is_some_and(|given| *given != stored.client_id)
    {
        wrong.push(Field {
            member: "clientId".to_owned(),
            message: "can not be changed".to_owned(),
            code: None,
        });
    }
    refuse(wrong)?;
    let credentials = Credentials {
        client_id: stored.client_id.clone(),
        sealed_secret: Arc::clone(given.sealed_secret.unwrap_or(&stored.sealed_secret)),
    };
    let version = stored.version.next();
    let key = as_key(id, credentials, stored.created_at, version, input);
    must_cover(directory, asker, &key)?;
    must_not_widen(asker, stored, &key)?;
    let mut decision = about(directory, &key);
    decision.key_ends.extend(ended(stored, &key));
    decision.put_api_keys.push(key);
    Ok(decision)
}

/// Deletes a key; its session ends.
pub(super) fn delete(
    directory: &Directory,
    asker: &Asker,
    id: ApiKeyId,
    precondition: &Precondition,
) -> Result<DirectoryDecision, Refusal> {
    asker.must_have(&[KnownRight::ApiKeyDelete])?;
    let key = directory.api_key(id).ok_or(Refusal::NotFound)?;
    Target {
        resource: RESOURCE,
        name: key.name.clone(),
        id: Some(id.to_string()),
        stored: Some(key.version),
    }
    .meets(precondition, Mode::CreateOrReplace)?;
    must_cover(directory, asker, key)?;
    let mut decision = about(directory, key);
    decision.removed_api_keys.push(id);
    decision.key_ends.push(KeyEnds {
        key: id,
        reason: EndReason::KeyRevoked,
    });
    Ok(decision)
}

/// The active keys that a deletion leaves without user or device, no longer
/// active. Their sessions are among those that the deletion itself ends.
pub(super) fn deactivated(
    directory: &Directory,
    concerns: impl Fn(&ApiKey) -> bool,
) -> Vec<Arc<ApiKey>> {
    let keys = directory.api_keys();
    keys.filter(|key| key.is_active && concerns(key))
        .map(|key| {
            Arc::new(ApiKey {
                is_active: false,
                version: key.version.next(),
                ..(**key).clone()
            })
        })
        .collect()
}

/// The keys of a user who gets another name.
pub(super) fn renamed(directory: &Directory, old: &UserName, new: &UserName) -> Vec<Arc<ApiKey>> {
    let keys = directory.api_keys();
    keys.filter(|key| key.user_name == *old)
        .map(|key| {
            Arc::new(ApiKey {
                user_name: new.clone(),
                version: key.version.next(),
                ..(**key).clone()
            })
        })
        .collect()
}

const RESOURCE: &str = "apikey";

fn target(id: ApiKeyId, stored: Option<&Arc<ApiKey>>, input: &ApiKeyInput) -> Target {
    Target {
        resource: RESOURCE,
        name: stored.map_or(&input.name, |key| &key.name).clone(),
        id: Some(id.to_string()),
        stored: stored.map(|key| key.version),
    }
}

fn about(directory: &Directory, key: &Arc<ApiKey>) -> DirectoryDecision {
    DirectoryDecision::about(Resource::ApiKey(Arc::clone(key)), directory)
}

fn as_key(
    id: ApiKeyId,
    credentials: Credentials,
    created_at: Timestamp,
    version: Version,
    input: &ApiKeyInput,
) -> Arc<ApiKey> {
    Arc::new(ApiKey {
        id,
        client_id: credentials.client_id,
        sealed_secret: credentials.sealed_secret,
        is_active: input.is_active,
        created_at,
        name: input.name.clone(),
        description: input.description.clone(),
        user_name: input.user_name.clone(),
        device_name: input.device_name.clone(),
        permissions: without_doubles(input.permissions.clone()),
        version,
    })
}

fn look_at_members(directory: &Directory, input: &ApiKeyInput) -> Vec<Field> {
    let mut wrong = Vec::new();
    if directory.user_named(&input.user_name).is_none() {
        let member = "userName".to_owned();
        wrong.push(Field::unknown(member, "user", &input.user_name));
    }
    if directory.device(&input.device_name).is_none() {
        let member = "deviceName".to_owned();
        wrong.push(Field::unknown(member, "device", &input.device_name));
    }
    wrong
}

fn refuse(wrong: Vec<Field>) -> Result<(), Refusal> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Invalid(wrong))
    }
}

/// Nobody lays hands on the key of a user who has more than they have, whatever
/// its permissions.
fn must_cover(directory: &Directory, asker: &Asker, key: &ApiKey) -> Result<(), Refusal> {
    directory
        .user_named(&key.user_name)
        .map_or(Ok(()), |user| users::must_cover(directory, asker, user))
}

/// A permission that the key did not have is granted, also one that its user
/// does not have today. What an empty list grants, [`must_cover`] asks for.
fn must_not_widen(asker: &Asker, old: &ApiKey, new: &ApiKey) -> Result<(), Refusal> {
    if old.permissions.is_empty() {
        return Ok(());
    }
    let gained = named(&old.permissions).missing(&named(&new.permissions));
    asker.must_cover(&gained, whose(new))
}

fn named(permissions: &[Right]) -> Rights {
    permissions.iter().cloned().collect()
}

fn whose(key: &ApiKey) -> String {
    format!("API key '{}'", key.name)
}

/// Why the session of a key ends when `old` becomes `new`, if it does.
fn ended(old: &ApiKey, new: &ApiKey) -> Option<KeyEnds> {
    let other_secret = old.sealed_secret != new.sealed_secret;
    let reason = if (old.is_active && !new.is_active) || other_secret {
        EndReason::KeyRevoked
    } else if (&old.user_name, &old.device_name) != (&new.user_name, &new.device_name) {
        EndReason::IdentityChanged
    } else {
        return None;
    };
    Some(KeyEnds {
        key: old.id,
        reason,
    })
}
