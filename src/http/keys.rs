//! The public signing keys, for whoever checks tokens without asking.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Serialize;

use super::reply::Reply;
use super::wire;
use crate::auth::token::PublicKey;
use crate::service::App;
use crate::store::Store;

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize)]
struct KeySet<'a> {
    keys: Vec<KeyBody<'a>>,
}

/// An Ed25519 key as RFC 8037 spells it.
#[derive(Serialize)]
struct KeyBody<'a> {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: &'a str,
    x: String,
}

impl<'a> From<&'a PublicKey> for KeyBody<'a> {
    fn from(key: &'a PublicKey) -> Self {
        Self {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            usage: "sig",
            kid: &key.kid,
            x: BASE64_URL_SAFE_NO_PAD.encode(key.bytes),
        }
    }
}

/// `GET /.well-known/jwks.json`
pub(super) fn published<S: Store>(app: &App<S>) -> Reply {
    let keys = app.published_keys();
    Reply::ok(wire::json(&KeySet {
        keys: keys.iter().map(KeyBody::from).collect(),
    }))
}
