//! `/signalr/v1/mainHub`: the feed of changes for clients of SignalR, which the
//! documented API has it for. Here is what HTTP sees of it, the negotiation and
//! the upgrade; `talk` is what follows, `protocol` the records that are spoken.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use warp::http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};

use super::problem::ApiError;
use super::reply::Reply;
use super::request::{ACCESS_TOKEN, Request};
use super::upgrade::Upgrade;
use super::wire;
use crate::service::{App, Caller, Reach};
use crate::store::Store;

mod protocol;
mod talk;

/// The newest form of the negotiation that is answered.
const NEGOTIATE_VERSION: u8 = 1;
/// Bytes behind the text of a `Sec-WebSocket-Key`.
const KEY_BYTES: usize = 16;
/// What RFC 6455 adds to the key of a handshake.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const NO_UPGRADE: ApiError = ApiError::Unreadable(
    "This address answers upgrades to a WebSocket (RFC 6455, version 13) over HTTP/1.1 only.",
);
const TWO_TOKENS: ApiError =
    ApiError::Unreadable("Authorization and access_token are both given; send one of them.");
const FOREIGN_PAGE: &str = "The hub is for pages of this server and for programs: the Origin is not the Host of the \
     request.";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Negotiated<'a> {
    connection_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<&'a str>,
    negotiate_version: u8,
    available_transports: [Transport; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transport {
    transport: &'static str,
    transfer_formats: [&'static str; 1],
}

/// `POST /signalr/v1/mainHub/negotiate`: there is one way to connect. The ids
/// are drawn and not kept: what counts at the upgrade is the token.
pub(super) async fn negotiate<S: Store>(
    app: &App<S>,
    request: &Request,
) -> Result<Reply, ApiError> {
    refuse_foreign(&request.headers)?;
    caller(app, request).await?;
    let asked = request.parameter("negotiateVersion");
    let negotiate_version = asked.as_deref().map_or(Ok(0), version_of)?;
    let drawn = || format!("{:032x}", rand::random::<u128>());
    let (id, token) = (drawn(), drawn());
    Ok(Reply::ok(wire::json(&Negotiated {
        connection_id: &id,
        connection_token: (negotiate_version > 0).then_some(&token),
        negotiate_version,
        available_transports: [Transport {
            transport: "WebSockets",
            transfer_formats: ["Text"],
        }],
    })))
}

/// The form that is answered to a client that knows those up to the given one.
fn version_of(text: &str) -> Result<u8, ApiError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        let message = "must be a whole number, 0 or greater";
        return Err(ApiError::wrong("negotiateVersion", message));
    }
    Ok(text.parse().unwrap_or(u8::MAX).min(NEGOTIATE_VERSION))
}

/// `GET /signalr/v1/mainHub`: the upgrade.
pub(super) async fn connect<S: Store>(
    app: &Arc<App<S>>,
    request: &Request,
) -> Result<Reply, ApiError> {
    refuse_foreign(&request.headers)?;
    let accepted = accept(request).ok_or(NO_UPGRADE);
    if request.parameter(ACCESS_TOKEN).is_some() && accepted.is_err() {
        return Err(NO_UPGRADE);
    }
    let caller = caller(&**app, request).await?;
    let accepted = accepted?;
    let watcher = app.watch(caller, None, false)?;
    let upgrade = Upgrade::new(move |stream, read| talk::carry(watcher, stream, read));
    Ok(Reply::switching(upgrade)
        .with(CONNECTION, HeaderValue::from_static("upgrade"))
        .with(UPGRADE, HeaderValue::from_static("websocket"))
        .with(SEC_WEBSOCKET_ACCEPT, accepted))
}

/// Who asks. A browser can not give a WebSocket headers, so here, and nowhere
/// else, the token may stand in the query.
async fn caller<S: Store>(app: &App<S>, request: &Request) -> Result<Caller, ApiError> {
    let Some(token) = request.parameter(ACCESS_TOKEN) else {
        return request.caller(app, Reach::Everything).await;
    };
    if request.headers.contains_key(AUTHORIZATION) {
        return Err(TWO_TOKENS);
    }
    let caller = app.caller(&token, Reach::Everything).await?;
    let caller = caller.from(request.origin());
    request.note(&caller);
    Ok(caller)
}

/// Browsers say which page asks, and let any page ask.
fn refuse_foreign(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        // Before this server may stand a proxy that speaks TLS.
        let host = origin.and_then(|origin| {
            let plain = origin.strip_prefix("http://");
            plain.or_else(|| origin.strip_prefix("https://"))
        });
        host.zip(text(HOST))
            .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
    };
    if headers.get(ORIGIN).is_none_or(is_own) {
        return Ok(());
    }
    Err(ApiError::Forbidden(FOREIGN_PAGE.to_owned()))
}

/// `Sec-WebSocket-Accept`, if the request is an upgrade as RFC 6455 has it.
fn accept(request: &Request) -> Option<HeaderValue> {
    let headers = &request.headers;
    let asks = request.can_upgrade
        && names(headers, &UPGRADE, "websocket")
        && names(headers, &CONNECTION, "upgrade")
        && headers.get(SEC_WEBSOCKET_VERSION)? == "13";
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asks)?;
    let bytes = STANDARD.decode(key.as_bytes()).ok()?;
    if bytes.len() != KEY_BYTES {
        return None;
    }
    // The protocol has it from a time when that was still good; here it proves
    // only that somebody has read the key.
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(KEY_SUFFIX.as_bytes());
    let text = STANDARD.encode(hash.finish());
    Some(HeaderValue::from_str(&text).expect("base64 is ASCII"))
}

/// Whether one of the words of a header is this one.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let words = values.filter_map(|value| value.to_str().ok());
    words
        .flat_map(|text| text.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_foreign_unless_it_is_the_host_with_its_port() {
        for (origin, is_own) in [
            ("http://127.0.0.1:4000", true),
            ("https://127.0.0.1:4000", true),
            ("http://127.0.0.1", false),
            ("http://127.0.0.1:40001", false),
            ("http://evil.example", false),
            ("ftp://127.0.0.1:4000", false),
            ("null", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:4000"));
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(refuse_foreign(&headers).is_ok(), is_own, "{origin}");
        }
        assert!(refuse_foreign(&HeaderMap::new()).is_ok());
    }
}
