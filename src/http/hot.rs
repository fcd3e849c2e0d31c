//! `GET /sessions/{id}` with a bearer token and nothing unusual: the request
//! that tills send thousands of times a second.
//!
//! The filter looks only at what it needs, copies nothing, and leaves every
//! request with something unusual about it (another method, another path, no
//! credentials, a signature, `If-None-Match`, an `Accept` without JSON) to the general
//! table, whose handler gives the same answers. Such a request has not been
//! counted as an access yet, so it is counted once.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use warp::http::header::HeaderValue;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::caught::caught;
use super::{ApiError, Language, Shared, request, wire};
use crate::auth::nws4;
use crate::model::{Session, SessionId};
use crate::service::Reach;
use crate::store::Store;

/// The filter; rejects what belongs to the table.
pub(super) fn filter<S: Store>(
    shared: &Arc<Shared<S>>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<S> {
    let shared = Arc::clone(shared);
    let asked = |path: FullPath| {
        let asked = match session_id(path.as_str()) {
            Some(id) => Ok(Asked { id, path }),
            None => Err(warp::reject::not_found()),
        };
        std::future::ready(asked)
    };
    warp::get()
        .and(warp::path::full().and_then(asked))
        .and(warp::header::value("authorization").and_then(unsigned))
        .and(warp::header::optional::<Preferred>("accept-language"))
        .and(usual())
        .then(move |asked, authorization, preferred: Option<Preferred>| {
            let shared = Arc::clone(&shared);
            answer(
                shared,
                asked,
                authorization,
                preferred.and_then(|preferred| preferred.0),
            )
        })
}

/// A signature covers more than the hot route looks at.
fn unsigned(value: HeaderValue) -> impl Future<Output = Result<HeaderValue, Rejection>> {
    std::future::ready(if nws4::is_presented(value.as_bytes()) {
        Err(warp::reject::not_found())
    } else {
        Ok(value)
    })
}

/// Which session, under which path as received.
struct Asked {
    id: SessionId,
    path: FullPath,
}

/// Nothing that the table must look at.
fn usual() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::header::optional::<TakesJson>("accept")
        .and(warp::header::optional::<Never>("if-none-match"))
        .map(|_, _| ())
        .untuple_one()
}

/// The id in a hot path, under any prefix.
fn session_id(path: &str) -> Option<SessionId> {
    let id = request::strip_prefix(path.strip_prefix('/')?).strip_prefix("sessions/")?;
    SessionId::parse(id).ok()
}

async fn answer<S: Store>(
    shared: Arc<Shared<S>>,
    Asked { id, path }: Asked,
    authorization: HeaderValue,
    preferred: Option<Language>,
) -> Response {
    let found = caught(find(&shared, id, &authorization)).await;
    match found.unwrap_or(Err(ApiError::Internal)) {
        Ok(session) => shared
            .stamp()
            .session(wire::session(&session), session.version),
        Err(error) => {
            let language = preferred.unwrap_or(shared.settings.default_language);
            shared.problem(&error, language, path.as_str())
        }
    }
}

async fn find<S: Store>(
    shared: &Shared<S>,
    id: SessionId,
    authorization: &HeaderValue,
) -> Result<Session, ApiError> {
    let token = request::bearer(authorization)?;
    let caller = shared.app.caller(token, Reach::Everything).await?;
    if caller.session.id == id {
        return Ok(caller.session);
    }
    Ok(shared.app.find_session(&caller, id).await?)
}

/// A language of ours, if the header names one.
struct Preferred(Option<Language>);

impl FromStr for Preferred {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Language::preferred(text)))
    }
}

/// An `Accept` that takes JSON.
struct TakesJson;

impl FromStr for TakesJson {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        request::names_json(text).then_some(Self).ok_or(())
    }
}

/// A header that must not be there.
enum Never {}

impl FromStr for Never {
    type Err = ();

    fn from_str(_: &str) -> Result<Self, ()> {
        Err(())
    }
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
