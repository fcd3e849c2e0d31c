//! `/sessions`: list, look, end, and open for somebody else.

use warp::http::StatusCode;

use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::wire::AuthResult;
use super::{auth, conditions, wire};
use crate::model::SessionId;
use crate::ndata::{self, Limits, SessionMember};
use crate::service::{App, Reach};
use crate::store::Store;

/// `GET /sessions`
pub(super) async fn list<S: Store>(
    app: &App<S>,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let query = ndata::parse::<SessionMember>(request.query.as_deref(), limits)?;
    let page = app.list_sessions(&caller, &query).await?;
    Ok(Reply::ok(wire::session_page(&query, &page)))
}

/// `POST /sessions`
pub(super) async fn open<S: Store>(app: &App<S>, request: &mut Request) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let read = request.object(|fields| {
        let user = fields.required("userName");
        let device = fields.required("deviceName");
        Some((user?, device?))
    });
    let (user, device) = read.await?;
    let opened = app.open_for(&caller, &user, &device).await;
    let opened = opened.map_err(auth::refused)?;
    let path = format!("/sessions/{}", opened.pair.session.id);
    let body = wire::json(&AuthResult::from(&opened));
    Ok(Reply::json(StatusCode::CREATED, body).located(&path))
}

/// `GET /sessions/{id}`, when the hot route has left it to the table.
pub(super) async fn get<S: Store>(
    app: &App<S>,
    id: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let id = SessionId::parse(id).map_err(|_| ApiError::NotFound)?;
    let session = app.find_session(&caller, id).await?;
    // This request's own access is left out of the comparison.
    let compared = if caller.session.id == id {
        caller.before
    } else {
        session.version
    };
    if conditions::is_unchanged(&request.headers, compared) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).tagged(compared));
    }
    Ok(Reply::ok(wire::session(&session)).tagged(session.version))
}

/// `DELETE /sessions/{id}`
pub(super) async fn delete<S: Store>(
    app: &App<S>,
    id: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let id = SessionId::parse(id).map_err(|_| ApiError::NotFound)?;
    let if_match = conditions::precondition(&request.headers)?;
    let ended = app.end_session(&caller, id, if_match).await?;
    Ok(Reply::ok(wire::session(&ended)))
}
