//! Requests that are signed instead of carrying a token: what of them is
//! signed, and whose word about the host counts.

use std::net::IpAddr;

use warp::http::header::{AUTHORIZATION, HOST, HeaderName};

use super::problem::ApiError;
use super::request::Request;
use crate::auth::nws4::{self, Head};
use crate::model::Origin;
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
    let headers = request.headers.iter();
    let headers: Vec<(&str, &[u8])> = headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let forwarded = request.headers.get(FORWARDED_HOST);
    let host = forwarded
        .filter(|_| request.believes_host)
        .or_else(|| request.headers.get(HOST));
    let head = Head {
        method: request.method.as_str(),
        path: &request.path,
        query: request.query.as_deref(),
        host: host.map(warp::http::HeaderValue::as_bytes),
        headers: &headers,
    };
    let signed = SignedRequest {
        head,
        authorization,
        body: request.body.held(),
    };
    Ok(app.signed_caller(&signed, origin, reach).await?)
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
