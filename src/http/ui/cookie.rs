//! The cookie that the page logs in with: no script can read it, no other site
//! can use it. It is looked at only where no `Authorization` is given.

use warp::http::Method;
use warp::http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use super::AllowedHosts;
use crate::http::Peer;
use crate::http::problem::ApiError;

/// Who may read and send it: the browser, to this server, for its own pages.
const RULES: &str = "Path=/; HttpOnly; SameSite=Strict";

/// What the cookie is over one kind of connection. Under TLS the one that a
/// server without TLS could have set counts for nothing: browsers take a name
/// that begins with `__Host-` from TLS only, and with `Secure` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Cookie {
    name: &'static str,
    /// The rule that it has under TLS alone.
    secure: &'static str,
    /// How the origin of the page begins.
    scheme: &'static str,
}

/// Without TLS.
const PLAIN: Cookie = Cookie {
    name: "tillgate",
    secure: "",
    scheme: "http://",
};
/// Under TLS.
const SECURE: Cookie = Cookie {
    name: "__Host-tillgate",
    secure: "; Secure",
    scheme: "https://",
};
/// By which pages a request was made, as browsers of today say.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const FOREIGN_HOST: &str = "Requests with this cookie are taken for the hosts of http.allowed_hosts only: use the \
     address of this server, or add the name to that option.";
const FOREIGN_PAGE: &str = "A request with this cookie that changes something must come from this server's own page \
     (Sec-Fetch-Site: same-origin, or a matching Origin).";
const NO_JSON: &str =
    "A request with this cookie that changes something needs Content-Type: application/json.";

impl Cookie {
    /// That of a connection.
    pub(in crate::http) const fn of(peer: Peer) -> Self {
        if peer.is_secure { SECURE } else { PLAIN }
    }

    /// `Set-Cookie` with a token.
    pub(super) fn set(self, token: &str) -> HeaderValue {
        let Self { name, secure, .. } = self;
        let text = format!("{name}={token}; {RULES}{secure}");
        HeaderValue::from_str(&text).expect("tokens are plain ASCII")
    }

    /// `Set-Cookie` that makes the browser forget it.
    pub(super) fn forget(self) -> HeaderValue {
        let Self { name, secure, .. } = self;
        let text = format!("{name}=; {RULES}{secure}; Max-Age=0");
        HeaderValue::from_str(&text).expect("names and rules are plain ASCII")
    }

    /// The token of the cookie, if the request may use it.
    ///
    /// # Errors
    /// 401 without a cookie, or with more than one of the name; 403 when the
    /// request is for another host, or changes something and does not show that
    /// it comes from a page of this server.
    pub(in crate::http) fn token<'a>(
        self,
        method: &Method,
        headers: &'a HeaderMap,
        hosts: &AllowedHosts,
    ) -> Result<&'a str, ApiError> {
        let mut tokens = self.tokens(headers);
        let token = match (tokens.next(), tokens.next()) {
            (Some(token), None) => token,
            (first, _) => {
                return Err(ApiError::Unauthenticated {
                    reason: None,
                    presented: first.is_some(),
                });
            }
        };
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            is_for(headers, hosts)?;
        } else {
            self.may_change(headers, hosts)?;
        }
        Ok(token)
    }

    /// Whether a request that lives by the cookie may change something.
    ///
    /// # Errors
    /// 403.
    pub(super) fn may_change(
        self,
        headers: &HeaderMap,
        hosts: &AllowedHosts,
    ) -> Result<(), ApiError> {
        is_for(headers, hosts)?;
        if !self.is_own_page(headers) {
            return Err(ApiError::Forbidden(FOREIGN_PAGE.to_owned()));
        }
        if !is_json(headers) {
            return Err(ApiError::Forbidden(NO_JSON.to_owned()));
        }
        Ok(())
    }

    /// What a browser says of the page that sent the request. Off loopback it
    /// says `Sec-Fetch-Site` under TLS only; where it does, that counts.
    fn is_own_page(self, headers: &HeaderMap) -> bool {
        if let Some(site) = headers.get(SEC_FETCH_SITE) {
            return site == "same-origin";
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = text(ORIGIN).and_then(|origin: &str| origin.strip_prefix(self.scheme));
        let host: Option<&str> = text(HOST);
        origin
            .zip(host)
            .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
    }

    /// The values of all cookies of the name.
    fn tokens(self, headers: &HeaderMap) -> impl Iterator<Item = &str> {
        let texts = headers.get_all(COOKIE).iter();
        let texts = texts.filter_map(|value| value.to_str().ok());
        texts
            .flat_map(|text| text.split(';'))
            .filter_map(move |pair| pair.trim().strip_prefix(self.name)?.strip_prefix('='))
    }
}

fn is_for(headers: &HeaderMap, hosts: &AllowedHosts) -> Result<(), ApiError> {
    if hosts.have(headers) {
        return Ok(());
    }
    Err(ApiError::Forbidden(FOREIGN_HOST.to_owned()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs
            .map(|(name, value)| (name, HeaderValue::from_str(value).expect("a value")))
            .collect()
    }

    fn local() -> AllowedHosts {
        AllowedHosts {
            any_address: true,
            names: Vec::new(),
        }
    }

    #[test]
    fn the_one_cookie_of_the_name_is_found_among_others() {
        for (cookie, wanted) in [
            ("tillgate=a.b.c", Some("a.b.c")),
            ("x=1; tillgate=a.b.c; tillgate2=y", Some("a.b.c")),
            ("xtillgate=a", None),
            ("tillgate", None),
            ("tillgate=a; tillgate=b", None),
        ] {
            let given = headers(&[(HOST, "127.0.0.1"), (COOKIE, cookie)]);
            let found = PLAIN.token(&Method::GET, &given, &local()).ok();
            assert_eq!(found, wanted, "{cookie}");
        }
    }

    #[test]
    fn forgetting_names_the_same_cookie_with_the_same_rules() {
        for cookie in [PLAIN, SECURE] {
            let (set, forget) = (cookie.set(""), cookie.forget());
            let texts = [
                set.to_str().expect("ASCII"),
                forget.to_str().expect("ASCII"),
            ];
            assert_eq!(texts[1], format!("{}; Max-Age=0", texts[0]));
        }
    }

    #[test]
    fn under_tls_the_cookie_of_plain_http_counts_for_nothing() {
        for (cookie, wanted) in [
            ("__Host-tillgate=a.b.c", Some("a.b.c")),
            ("tillgate=x; __Host-tillgate=a.b.c", Some("a.b.c")),
            ("tillgate=x", None),
        ] {
            let given = headers(&[(HOST, "127.0.0.1"), (COOKIE, cookie)]);
            let found = SECURE.token(&Method::GET, &given, &local()).ok();
            assert_eq!(found, wanted, "{cookie}");
        }
        let text = SECURE.set("t");
        assert_eq!(
            text,
            "__Host-tillgate=t; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
    }

    #[test]
    fn an_origin_is_the_own_page_only_with_the_same_host_and_port() {
        for (origin, wanted) in [
            ("http://127.0.0.1:8080", true),
            ("http://127.0.0.1", false),
            ("http://127.0.0.1:80801", false),
            ("https://127.0.0.1:8080", false),
            ("null", false),
            ("http://evil.example", false),
        ] {
            let given = headers(&[(HOST, "127.0.0.1:8080"), (ORIGIN, origin)]);
            assert_eq!(PLAIN.is_own_page(&given), wanted, "{origin}");
        }
        let given = headers(&[(HOST, "127.0.0.1:8080"), (ORIGIN, "https://127.0.0.1:8080")]);
        assert!(SECURE.is_own_page(&given));
    }
}
