//! `/auth`: log in and out, the own profile, refresh, the own password.

use warp::http::StatusCode;

use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::resource::ProfileBody;
use super::wire::{self, AuthResult, RefreshResult};
use crate::auth::secret::Secret;
use crate::service::{App, Reach, ServiceError};
use crate::store::Store;

/// `POST /auth`
pub(super) async fn log_in<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let read = request.object(|fields| {
        let user = fields.required("userName");
        let device = fields.required("deviceName");
        // A missing password is an empty one.
        let password = fields.text("password").unwrap_or_default();
        Some((user?, Secret::new(password), device?))
    });
    let (user, password, device) = read.await?;
    let origin = request.origin();
    let logged_in = app.log_in(&origin, &user, password, &device).await;
    let logged_in = logged_in.map_err(refused)?;
    Ok(Reply::ok(wire::json(&AuthResult::from(&logged_in))))
}

/// The refusal of a login. No token was presented for it, so none is said to be
/// invalid.
pub(super) fn refused(error: ServiceError) -> ApiError {
    match error.into() {
        ApiError::Unauthenticated { reason, .. } => ApiError::Unauthenticated {
            reason,
            presented: false,
        },
        error => error,
    }
}

/// `GET /auth`
pub(super) async fn profile<S: Store>(app: &App<S>, request: &Request) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::OwnLogin).await?;
    Ok(Reply::ok(wire::json(&ProfileBody::from(
        &*caller.principal,
    ))))
}

/// `DELETE /auth`
pub(super) async fn log_out<S: Store>(app: &App<S>, request: &Request) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::OwnLogin).await?;
    app.log_out(&caller).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `POST /auth/refresh`
pub(super) async fn refresh<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let read = request.object(|fields| {
        let token_id = fields.required("tokenId");
        let refresh_token = fields.required("refreshToken");
        Some((token_id?, refresh_token?))
    });
    let (token_id, refresh_token) = read.await?;
    let pair = app
        .refresh(request.origin(), &token_id, &refresh_token)
        .await?;
    Ok(Reply::ok(wire::json(&RefreshResult::from(&pair))))
}

/// `PUT /auth/password`
pub(super) async fn change_password<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::OwnLogin).await?;
    let read = request.object(|fields| {
        let old = fields.text("oldPassword").unwrap_or_default();
        let new = fields.required("newPassword");
        Some((Secret::new(old), Secret::new(new?)))
    });
    let (old, new) = read.await?;
    app.change_own_password(&caller, old, new).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
