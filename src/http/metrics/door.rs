//! Who may read the metrics. They name nobody, but they tell how busy a shop
//! is, so they are for this machine or for who holds a token, and never for
//! everybody behind a proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use warp::http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, HeaderName, VIA};
use warp::http::uri::Authority;

use crate::auth::secret::Secret;
use crate::http::problem::ApiError;
use crate::http::request::bearer;

const LOCAL_ONLY: &str =
    "Metrics are for this machine only; the option metrics.token_file lets others in with a token.";
/// What proxies add to requests of others.
const ADDED_BY_PROXIES: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// The rule.
#[derive(Clone, Debug, Default)]
pub struct MetricsDoor {
    /// The token that everybody needs. Without one only this machine may read,
    /// by an address of its own, and not through a proxy.
    pub token: Option<Arc<Secret>>,
}

impl MetricsDoor {
    /// Lets a request in.
    ///
    /// # Errors
    /// 401 where a token is needed and this is not it, 403 where none is and the
    /// request may come from elsewhere.
    pub(super) fn let_in(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(token) = &self.token else {
            let is_local = peer.ip().to_canonical().is_loopback()
                && names_this_machine(headers)
                && !ADDED_BY_PROXIES
                    .iter()
                    .any(|name| headers.contains_key(name));
            return is_local
                .then_some(())
                .ok_or_else(|| ApiError::Forbidden(LOCAL_ONLY.to_owned()));
        };
        let presented = headers.get(AUTHORIZATION).map(bearer).transpose()?;
        if presented.is_some_and(|presented| token.is(presented)) {
            return Ok(());
        }
        Err(ApiError::Unauthenticated {
            reason: None,
            presented: presented.is_some(),
        })
    }
}

/// Whether the client asked for a loopback address. A page in a browser of this
/// machine that made a name of its own lead here did not.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = HeaderName::try_from(*name).expect("a name");
            (name, value.parse().expect("a value"))
        });
        pairs.collect()
    }

    #[test]
    fn without_a_token_only_this_machine_reads_and_not_through_a_proxy() {
        let door = MetricsDoor::default();
        let asked = |peer: &str, pairs: &[(&str, &str)]| {
            let peer = peer.parse().expect("an address");
            door.let_in(peer, &headers(pairs))
                .map_err(|error| error.status().as_u16())
        };
        let host = ("host", "127.0.0.1:4000");
        assert_eq!(asked("127.0.0.1:9", &[host]), Ok(()));
        assert_eq!(asked("[::1]:9", &[("host", "[::1]:4000")]), Ok(()));
        assert_eq!(
            asked("[::ffff:127.0.0.1]:9", &[("host", "LOCALHOST")]),
            Ok(())
        );
        assert_eq!(asked("10.0.0.7:9", &[host]), Err(403));
        assert_eq!(asked("127.0.0.1:9", &[]), Err(403));
        assert_eq!(asked("127.0.0.1:9", &[("host", "evil.example")]), Err(403));
        for name in ADDED_BY_PROXIES {
            assert_eq!(
                asked("127.0.0.1:9", &[host, (name.as_str(), "x")]),
                Err(403),
                "{name}"
            );
        }
    }

    #[test]
    fn with_a_token_everybody_needs_it_and_it_is_enough() {
        let token = Arc::new(Secret::new("a token of sixteen".to_owned()));
        let door = MetricsDoor { token: Some(token) };
        let asked = |value: &str| {
            let peer = "10.0.0.7:9".parse().expect("an address");
            let pairs = [("authorization", value), ("x-forwarded-for", "10.0.0.8")];
            let pairs = if value.is_empty() {
                &pairs[1..]
            } else {
                &pairs
            };
            door.let_in(peer, &headers(pairs)).is_ok()
        };
        assert!(!asked(""));
        assert!(!asked("Bearer a"));
        assert!(!asked("Basic YQ=="));
        let local = "127.0.0.1:9".parse().expect("an address");
        assert!(
            door.let_in(local, &headers(&[("host", "localhost")]))
                .is_err()
        );
        let token = Arc::new(Secret::new("0123456789abcdef".to_owned()));
        let door = MetricsDoor { token: Some(token) };
        let right = headers(&[("authorization", "Bearer 0123456789abcdef")]);
        assert_eq!(door.let_in(local, &right), Ok(()));
    }
}
