//! API keys: their secrets are drawn and sealed here, everything else is
//! decided where the change is made.

use std::sync::Arc;

use super::{App, Caller, ServiceError};
use crate::auth::api_key;
use crate::auth::secret::Secret;
use crate::model::{
    ApiKey, ApiKeyId, ApiKeyInput, ClientId, Credentials, DirectoryChange, Precondition, Resource,
};
use crate::store::Store;

/// What a request gives of a key's credentials; what it leaves out is drawn for
/// a key that is made, and stays for one that is replaced.
#[derive(Debug, Default)]
pub struct GivenCredentials {
    /// The public name.
    pub client_id: Option<ClientId>,
    /// The secret.
    pub secret: Option<Secret>,
}

/// A key was made. This is the one time that its secret is shown.
#[derive(Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: Arc<ApiKey>,
    /// Its secret.
    pub secret: Secret,
}

impl<S: Store> App<S> {
    /// Creates an API key.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        input: ApiKeyInput,
        given: GivenCredentials,
        precondition: Precondition,
    ) -> Result<CreatedKey, ServiceError> {
        let id = ApiKeyId::draw();
        let secret = given.secret.unwrap_or_else(api_key::draw_secret);
        let change = DirectoryChange::CreateApiKey {
            id,
            credentials: Credentials {
                client_id: given.client_id.unwrap_or_else(ClientId::draw),
                sealed_secret: self.sealed(id, &secret),
            },
            created_at: self.now(),
            input,
        };
        match self.change(change, precondition, caller.cause()).await? {
            (Resource::ApiKey(key), _) => Ok(CreatedKey { key, secret }),
            _ => Err(ServiceError::Unknown),
        }
    }

    /// Replaces an API key.
    pub async fn replace_api_key(
        &self,
        caller: &Caller,
        id: ApiKeyId,
        input: ApiKeyInput,
        given: GivenCredentials,
        precondition: Precondition,
    ) -> Result<Arc<ApiKey>, ServiceError> {
        let change = DirectoryChange::ReplaceApiKey {
            id,
            client_id: given.client_id,
            sealed_secret: given.secret.map(|secret| self.sealed(id, &secret)),
            input,
        };
        match self.change(change, precondition, caller.cause()).await? {
            (Resource::ApiKey(key), _) => Ok(key),
            _ => Err(ServiceError::Unknown),
        }
    }

    fn sealed(&self, id: ApiKeyId, secret: &Secret) -> Arc<[u8]> {
        api_key::seal(&self.installation_key, id, secret).into()
    }
}
