//! `/ui/session`: log in and out with a cookie.

use warp::http::StatusCode;
use warp::http::header::SET_COOKIE;

use crate::auth::secret::Secret;
use crate::http::auth::refused;
use crate::http::problem::ApiError;
use crate::http::reply::Reply;
use crate::http::request::Request;
use crate::http::resource::ProfileBody;
use crate::http::wire;
use crate::service::{App, Reach};
use crate::store::Store;

/// `POST /ui/session`
pub(in crate::http) async fn log_in<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    // Nobody is to be logged in, as whomever, by a page of somebody else's.
    request
        .cookie()
        .may_change(&request.headers, &request.allowed_hosts)?;
    let read = request.object(|fields| {
        let user = fields.required("userName");
        let password = fields.text("password").unwrap_or_default();
        let device = fields.text("deviceName").filter(|name| !name.is_empty());
        Some((user?, Secret::new(password), device))
    });
    let (user, password, device) = read.await?;
    let origin = request.origin();
    let logged_in = app
        .log_in_to_page(&origin, &user, password, device.as_deref())
        .await
        .map_err(refused)?;
    end_earlier(app, request).await;
    let user = wire::json(&ProfileBody::from(&*logged_in.principal));
    let cookie = request.cookie().set(&logged_in.pair.token_id);
    Ok(Reply::ok(user).with(SET_COOKIE, cookie))
}

/// The browser forgets the cookie that it had; nobody shall go on with it.
async fn end_earlier<S: Store>(app: &App<S>, request: &Request) {
    let (headers, hosts) = (&request.headers, &request.allowed_hosts);
    let earlier = request.cookie().token(&request.method, headers, hosts);
    let Ok(token) = earlier else { return };
    if let Ok(caller) = app.caller(token, Reach::OwnLogin).await {
        let left = app.log_out(&caller.from(request.origin())).await;
        if let Err(error) = left {
            tracing::warn!(target: "http", ?error, "the earlier session of a browser goes on");
        }
    }
}

/// `DELETE /ui/session`
pub(in crate::http) async fn log_out<S: Store>(
    app: &App<S>,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::OwnLogin).await?;
    app.log_out(&caller).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT).with(SET_COOKIE, request.cookie().forget()))
}
