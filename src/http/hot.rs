//! `GET /sessions/{id}` of the caller's own session with a bearer token, or of
//! any with a signature, and nothing unusual: the request that tills and
//! services send thousands of times a second.
//!
//! It is answered before any route, without waiting and without a copy of the
//! request. Whatever is unusual about a request (another method, another path,
//! another session, a query, no credentials, a body, `If-None-Match`, an `Accept`
//! without JSON, an access that must be written first) leaves it to the general table, whose
//! handler gives the same answers. Such a request has not been counted as an
//! access yet, so it is counted once.

use warp::http::header::{ACCEPT, AUTHORIZATION, HeaderMap, IF_NONE_MATCH};
use warp::http::{Method, Uri};
use warp::reply::Response;

use super::caught::caught_at_once;
use super::{ApiError, Shared, request, signed, wire};
use crate::auth::nws4;
use crate::model::SessionId;
use crate::store::Store;

/// The answer, unless the request belongs to the table.
pub(super) fn answer<S: Store>(
    shared: &Shared<S>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Response> {
    if *method != Method::GET || uri.query().is_some() || headers.contains_key(IF_NONE_MATCH) {
        return None;
    }
    let id = session_id(uri.path())?;
    let authorization = headers.get(AUTHORIZATION)?;
    if headers.contains_key(ACCEPT) && !request::takes_json(headers) {
        return None;
    }
    let since = shared.requests.begin_hot();
    let now = shared.app.now();
    let session = caught_at_once(|| {
        if nws4::is_presented(authorization.as_bytes()) {
            return signed::session_at_once(&shared.app, method, uri, headers, id);
        }
        let token = request::bearer(authorization).ok()?;
        let own = shared.app.own_session_at_once(token, id, now)?;
        Some(own.map_err(ApiError::from))
    });
    let answer = match session.unwrap_or(Some(Err(ApiError::Internal)))? {
        Ok(session) => {
            let stamp = shared.stamps.stamp(now);
            stamp.session(wire::session(&session), session.version)
        }
        Err(error) => {
            let language = shared.language(headers);
            shared.problem(&error, language, uri.path())
        }
    };
    shared.requests.count_hot(answer.status(), since);
    Some(answer)
}

/// The id in a hot path, under any prefix.
fn session_id(path: &str) -> Option<SessionId> {
    let id = request::strip_prefix(path.strip_prefix('/')?).strip_prefix("sessions/")?;
    SessionId::parse(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_under_a_known_prefix_is_hot() {
        let id = "soZIt6uj62fzs8ep4UvnNSxRXFryUiq3";
        for prefix in ["", "/api", "/api/v1"] {
            let path = format!("{prefix}/sessions/{id}");
            assert_eq!(session_id(&path), SessionId::parse(id).ok(), "{path}");
        }
        for path in [
            format!("/api/api/sessions/{id}"),
            format!("/v1/sessions/{id}"),
            format!("/sessions/{id}/"),
            format!("/sessions/{}", &id[1..]),
            "/sessions/ended".to_owned(),
            "/sessions".to_owned(),
            String::new(),
        ] {
            assert_eq!(session_id(&path), None, "{path}");
        }
    }
}
