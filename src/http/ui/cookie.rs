//! The cookie that the page logs in with: no script can read it, no other site
//! can use it. It is looked at only where no `Authorization` is given.

use warp::http::Method;
use warp::http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use super::AllowedHosts;
use crate::http::problem::ApiError;

/// Its name on plain HTTP.
const NAME: &str = "tillgate";
/// Who may read and send it: the browser, to this server, for its own pages.
const RULES: &str = "Path=/; HttpOnly; SameSite=Strict";
/// By which pages a request was made, as browsers of today say.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const FOREIGN_HOST: &str = "Requests with this cookie are taken for the hosts of http.allowed_hosts only: use the \
     address of this server, or add the name to that option.";
const FOREIGN_PAGE: &str = "A request with this cookie that changes something must come from this server's own page \
     (Sec-Fetch-Site: same-origin, or a matching Origin).";
const NO_JSON: &str =
    "A request with this cookie that changes something needs Content-Type: application/json.";

/// `Set-Cookie` with a token.
pub(super) fn set(token: &str) -> HeaderValue {
    let text = format!("{NAME}={token}; {RULES}");
    HeaderValue::from_str(&text).expect("tokens are plain ASCII")
}

/// `Set-Cookie` that makes the browser forget it.
pub(super) const fn forget() -> HeaderValue {
    HeaderValue::from_static("tillgate=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

/// The token of the cookie, if the request may use it.
///
/// # Errors
/// 401 without a cookie, or with more than one of the name; 403 when the
/// request is for another host, or changes something and does not show that it
/// comes from a page of this server.
pub(in crate::http) fn token<'a>(
    method: &Method,
    headers: &'a HeaderMap,
    hosts: &AllowedHosts,
) -> Result<&'a str, ApiError> {
    let mut tokens = tokens(headers);
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
        may_change(headers, hosts)?;
    }
    Ok(token)
}

/// Whether a request that lives by the cookie may change something.
///
/// # Errors
/// 403.
pub(super) fn may_change(headers: &HeaderMap, hosts: &AllowedHosts) -> Result<(), ApiError> {
    is_for(headers, hosts)?;
    if !is_own_page(headers) {
        return Err(ApiError::Forbidden(FOREIGN_PAGE.to_owned()));
    }
    if !is_json(headers) {
        return Err(ApiError::Forbidden(NO_JSON.to_owned()));
    }
    Ok(())
}

fn is_for(headers: &HeaderMap, hosts: &AllowedHosts) -> Result<(), ApiError> {
    if hosts.have(headers) {
        return Ok(());
    }
    Err(ApiError::Forbidden(FOREIGN_HOST.to_owned()))
}

/// What a browser says of the page that sent the request. Off loopback it says
/// `Sec-Fetch-Site` under TLS only; where it does, that counts.
fn is_own_page(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin: &str| origin.strip_prefix("http://"));
    let host: Option<&str> = text(HOST);
    origin
        .zip(host)
        .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The values of all cookies of the name.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(COOKIE).iter();
    let texts = texts.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
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
            let found = token(&Method::GET, &given, &local()).ok();
            assert_eq!(found, wanted, "{cookie}");
        }
    }

    #[test]
    fn forgetting_names_the_same_cookie_with_the_same_rules() {
        let forget = forget();
        let text = forget.to_str().expect("ASCII");
        assert_eq!(text, format!("{NAME}=; {RULES}; Max-Age=0"));
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
            assert_eq!(is_own_page(&given), wanted, "{origin}");
        }
    }
}
