//! What other services and proxies ask about tokens: `/introspect`, `/revoke`,
//! `/auth/verify`.

use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::{HeaderName, HeaderValue};

use super::form;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::{self, Request};
use super::wire;
use crate::model::{Right, Rights};
use crate::service::{App, Caller, Introspected, Reach};
use crate::store::Store;

/// RFC 7662, for a token that is good.
#[derive(Serialize)]
struct Introspection<'a> {
    active: bool,
    sub: &'a str,
    username: &'a str,
    sid: &'a str,
    dev: &'a str,
    env: &'a str,
    rights: Vec<&'a str>,
    iat: i64,
    exp: i64,
    iss: &'a str,
    token_type: &'static str,
}

/// RFC 7662, for everything else: nothing more is said.
#[derive(Serialize)]
struct NothingLive {
    active: bool,
}

impl<'a> From<&'a Introspected> for Introspection<'a> {
    fn from(found: &'a Introspected) -> Self {
        let identity = &found.session.identity;
        Self {
            active: true,
            sub: identity.user_name.as_str(),
            username: identity.user_name.as_str(),
            sid: found.session.id.as_str(),
            dev: identity.device_name.as_str(),
            env: identity.env.as_str(),
            rights: names(found.rights()),
            iat: found.claims.not_before.seconds_floor(),
            exp: found.claims.expires_at.seconds_floor(),
            iss: &found.issuer,
            token_type: "Bearer",
        }
    }
}

fn names(rights: &Rights) -> Vec<&str> {
    rights.iter().map(Right::as_str).collect()
}

/// `POST /introspect`
pub(super) async fn introspect<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    app.let_introspect(&caller)?;
    let read = request.form(|fields| {
        let token = fields.required("token")?;
        Some((token, fields.text("touch")))
    });
    let (token, touch) = read.await?;
    let touch = touch.is_none_or(|touch| is_true(&touch)) && Asked::of(request).touch;
    let found = app.introspect(&caller, &token, touch).await?;
    Ok(Reply::ok(match &found {
        Some(found) => wire::json(&Introspection::from(found)),
        None => wire::json(&NothingLive { active: false }),
    }))
}

/// `POST /revoke`
pub(super) async fn revoke<S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let token = request.form(|fields| fields.required("token")).await?;
    app.revoke_token(request.origin(), &token).await?;
    Ok(Reply::empty(StatusCode::OK))
}

/// What the query of a sub-request asks for. Others' parameters do not matter.
struct Asked {
    rights: Vec<String>,
    touch: bool,
}

impl Asked {
    /// A query that can not be read asks for a right that nobody has.
    fn of(request: &Request) -> Self {
        let query = request.query.as_deref().unwrap_or_default();
        let mut asked = Self {
            rights: Vec::new(),
            touch: true,
        };
        let Some(pairs) = form::pairs(query.as_bytes()) else {
            asked.rights.push(String::new());
            return asked;
        };
        for (name, value) in pairs {
            match name.as_str() {
                "right" => asked.rights.push(value),
                "touch" => asked.touch = is_true(&value),
                _ => {}
            }
        }
        asked
    }
}

/// `false` and `0`, in any case, are the only texts that mean no.
fn is_true(text: &str) -> bool {
    !text.eq_ignore_ascii_case("false") && text != "0"
}

/// `GET /auth/verify`: a reverse proxy asks before it lets a request through.
/// Only a token counts, as a bearer or in the page's cookie: a signature would
/// cover another path.
pub(super) async fn verify<S: Store>(app: &App<S>, request: &Request) -> Result<Reply, ApiError> {
    let asked = Asked::of(request);
    let token = request.token()?;
    let caller = app.verify(token, &asked.rights, asked.touch).await?;
    request.note(&caller);
    Ok(identified(&caller))
}

/// 204 with the five headers, always all of them.
fn identified(caller: &Caller) -> Reply {
    let identity = &caller.session.identity;
    let rights: Vec<String> = names(&caller.principal.rights)
        .into_iter()
        .map(request::encoded)
        .collect();
    let values = [
        ("x-auth-user", request::encoded(identity.user_name.as_str())),
        (
            "x-auth-device",
            request::encoded(identity.device_name.as_str()),
        ),
        ("x-auth-env", request::encoded(identity.env.as_str())),
        ("x-auth-session", caller.session.id.as_str().to_owned()),
        ("x-auth-rights", rights.join(",")),
    ];
    values.into_iter().fold(
        Reply::empty(StatusCode::NO_CONTENT),
        |reply, (name, value)| {
            let value = HeaderValue::try_from(value).expect("percent-encoded ASCII");
            reply.with(HeaderName::from_static(name), value)
        },
    )
}
