//! `POST /setup`: the first administrator, with the code from the screen.

use warp::http::StatusCode;

use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::resource::UserBody;
use super::wire;
use crate::auth::secret::Secret;
use crate::model::{DeviceName, UserName};
use crate::service::{App, ServiceError, SetUpRequest};
use crate::store::Store;

/// Creates role, device and first user.
pub(super) async fn create<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    // Closed for good: whatever is sent, there is nothing here.
    if app.store.directory().await.held_user() {
        return Err(ServiceError::NotFound.into());
    }
    let read = request.object(|fields| {
        let code = fields.required("code");
        let user_name = fields.parsed("userName", UserName::parse);
        let name = fields.text("name");
        let password = fields.required("password").map(Secret::new);
        let device_name = fields.parsed("deviceName", DeviceName::parse);
        let user_name = user_name?;
        Some(SetUpRequest {
            code: code?,
            name: name.unwrap_or_else(|| user_name.to_string()),
            user_name,
            password: password?,
            device_name: device_name?,
        })
    });
    let described = read.await?;
    let user = app.set_up(request.origin(), described).await?;
    let directory = app.store.directory().await;
    let body = wire::json(&UserBody::new(&user, &directory));
    let reply = Reply::json(StatusCode::CREATED, body).tagged(user.version);
    Ok(reply.located(&format!("/users/{}", user.id)))
}
