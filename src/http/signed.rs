//! Requests that are signed instead of carrying a token: what of them is
//! signed, and whose word about the host counts.

use std::net::IpAddr;

use warp::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use warp::http::{Method, Uri};

use super::problem::ApiError;
use super::request::Request;
use crate::auth::nws4::{self, Head};
use crate::model::{Origin, Session, SessionId};
use crate::service::{App, Caller, Reach, SignedRequest};
use crate::store::Store;

/// Behind a tunnel the client has signed the host that it asked for, and this
/// is where the tunnel says so.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whose `X-Forwarded-Host` stands for `Host`.
#[derive(Clone, Debug, Default)]
pub struct ForwardedHost {
    /// Whether anybody's does.
    pub is_on: bool,
    /// The proxies that are believed.
    pub proxies: Vec<IpAddr>,
}

impl ForwardedHost {
    /// Whether what comes from this address is believed.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.is_on && self.proxies.contains(&peer.to_canonical())
    }
}

/// Whether the request carries credentials of this scheme, good or not.
pub(super) fn is_signed(request: &Request) -> bool {
    let value = request.headers.get(AUTHORIZATION);
    value.is_some_and(|value| nws4::is_presented(value.as_bytes()))
}

/// Finds out who has signed the request, whose body is held.
pub(super) async fn caller<S: Store>(
    app: &App<S>,
    request: &Request,
    authorization: &[u8],
    origin: Origin,
    reach: Reach,
) -> Result<Caller, ApiError> {
    let forwarded = request.headers.get(FORWARDED_HOST);
    let host = forwarded
        .filter(|_| request.believes_host)
        .or_else(|| request.headers.get(HOST));
    let fields = fields(&request.headers);
    let head = Head {
        method: request.method.as_str(),
        path: &request.path,
        query: request.query.as_deref(),
        host: host.map(HeaderValue::as_bytes),
        headers: &fields,
    };
    let signed = SignedRequest {
        head,
        authorization,
        body: request.body.held(),
    };
    Ok(app.signed_caller(&signed, origin, reach).await?)
}

/// The session that a signed request without a body asks for, if the answer
/// waits for nothing; all else is for [`caller`] to say.
pub(super) fn session_at_once<S: Store>(
    app: &App<S>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    id: SessionId,
) -> Option<Result<Session, ApiError>> {
    // Whose word counts for the host is not decided here.
    if headers.contains_key(FORWARDED_HOST) {
        return None;
    }
    let fields = fields(headers);
    let head = Head {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query(),
        host: headers.get(HOST).map(HeaderValue::as_bytes),
        headers: &fields,
    };
    let signed = SignedRequest {
        head,
        authorization: headers.get(AUTHORIZATION)?.as_bytes(),
        body: &[],
    };
    let session = app.signed_session_at_once(&signed, id)?;
    Some(session.map_err(ApiError::from))
}

/// The header fields as they are signed.
fn fields(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    let fields = headers.iter();
    fields
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_host_counts_only_when_switched_on_and_from_a_trusted_proxy() {
        let (proxy, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().expect("an address");
        let on = ForwardedHost {
            is_on: true,
            proxies: vec![proxy],
        };
        assert!(on.trusts(proxy) && on.trusts(mapped) && !on.trusts(other));
        let off = ForwardedHost { is_on: false, ..on };
        assert!(!off.trusts(proxy));
        assert!(!ForwardedHost::default().trusts(proxy));
    }
}
