//! The table: every route, what it takes to reach it, and a request that is
//! good in everything but perhaps the caller. Who may what is written down
//! here and nowhere else in the tests.

use serde_json::{Value, json};

use crate::world::{PASSWORD, Subject};

/// A webhook that is not there.
const NO_WEBHOOK: &str = "/webhooks/64ccdf0a1d41c80a2c1f7e21";
/// What it never got.
const NO_DELIVERY: &str = "64ccdf0a1d41c80a2c1f7e21-1-4711-1";

/// Whose the thing is that a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nobody's.
    Nothing,
    /// The caller's own.
    Own,
    /// Another user's, who has no right.
    Foreign,
    /// An administrator's: what only an administrator may change.
    Mightier,
}

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// A login, also one that must change its password first.
    OwnLogin,
    /// Any login.
    Login,
    /// Any login with a bearer token: a signature covers another path.
    Bearer,
    /// This right, and an API key; never for a person who has `admin` or rights
    /// that the key lacks.
    Key(&'static str),
    /// One of these rights.
    Right(&'static [&'static str]),
    /// Any login for the own sessions; with `sessions.access = "own"` this
    /// right for those of others, which are else not there (404).
    Reach(&'static str),
    /// The same for a list, which is then empty.
    List(&'static str),
}

/// One route.
pub struct Row {
    /// The method.
    pub method: &'static str,
    /// The path, as the server's own table has it.
    pub path: &'static str,
    /// What it takes.
    pub access: Access,
    /// The status for who may.
    pub done: u16,
    /// What it can be about.
    pub targets: &'static [Target],
    /// Path and body of a request about a subject. A body that is a text goes
    /// as a form.
    pub request: fn(&Subject) -> (String, Value),
}

const NOTHING: &[Target] = &[Target::Nothing];
const EITHER: &[Target] = &[Target::Own, Target::Foreign];
const ANY: &[Target] = &[Target::Own, Target::Foreign, Target::Mightier];

const fn row(
    (method, path): (&'static str, &'static str),
    access: Access,
    done: u16,
    targets: &'static [Target],
    request: fn(&Subject) -> (String, Value),
) -> Row {
    Row {
        method,
        path,
        access,
        done,
        targets,
        request,
    }
}

fn bare(path: &str) -> (String, Value) {
    (path.to_owned(), Value::Null)
}

/// Every route.
pub const ROWS: &[Row] = &[
    row(
        ("GET", "/sessions"),
        Access::List("sessionReadAny"),
        200,
        EITHER,
        |s| bare(&format!("/sessions?userName={}", s.user)),
    ),
    row(
        ("POST", "/sessions"),
        Access::Key("sessionCreate"),
        201,
        ANY,
        |s| {
            (
                "/sessions".to_owned(),
                json!({"userName": s.user, "deviceName": s.device}),
            )
        },
    ),
    row(
        ("GET", "/sessions/{id}"),
        Access::Reach("sessionReadAny"),
        200,
        EITHER,
        |s| bare(&format!("/sessions/{}", s.session)),
    ),
    row(
        ("DELETE", "/sessions/{id}"),
        Access::Reach("sessionDeleteAny"),
        200,
        EITHER,
        |s| bare(&format!("/sessions/{}", s.session)),
    ),
    row(
        ("DELETE", "/sessions"),
        Access::Right(&["sessionDeleteAny"]),
        200,
        NOTHING,
        |_| bare("/sessions?userName=no-such-user"),
    ),
    row(
        ("GET", "/sessions/ended"),
        Access::Right(&["sessionReadAny"]),
        200,
        NOTHING,
        |_| bare("/sessions/ended"),
    ),
    row(
        ("GET", "/sessions/revocations"),
        Access::Right(&["sessionReadAny"]),
        200,
        NOTHING,
        |_| bare("/sessions/revocations"),
    ),
    row(
        ("GET", "/audit"),
        Access::Right(&["auditRead"]),
        200,
        NOTHING,
        |_| bare("/audit"),
    ),
    row(
        ("GET", "/backups"),
        Access::Right(&["admin"]),
        200,
        NOTHING,
        |_| bare("/backups"),
    ),
    row(
        ("POST", "/backups"),
        Access::Right(&["admin"]),
        201,
        NOTHING,
        |_| bare("/backups"),
    ),
    row(
        ("GET", "/backups/{name}"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| bare("/backups/tillgate-20230804T120000Z.backup"),
    ),
    row(
        ("GET", "/webhooks"),
        Access::Right(&["admin"]),
        200,
        NOTHING,
        |_| bare("/webhooks"),
    ),
    row(
        ("POST", "/webhooks"),
        Access::Right(&["admin"]),
        201,
        NOTHING,
        |_| {
            (
                "/webhooks".to_owned(),
                json!({"url": "http://127.0.0.1:1/", "isActive": false}),
            )
        },
    ),
    row(
        ("GET", "/webhooks/{id}"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| bare(NO_WEBHOOK),
    ),
    row(
        ("PUT", "/webhooks/{id}"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| (NO_WEBHOOK.to_owned(), json!({"url": "http://127.0.0.1:1/"})),
    ),
    row(
        ("DELETE", "/webhooks/{id}"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| bare(NO_WEBHOOK),
    ),
    row(
        ("POST", "/webhooks/{id}/test"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| bare(&format!("{NO_WEBHOOK}/test")),
    ),
    row(
        ("GET", "/webhooks/{id}/failures"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| bare(&format!("{NO_WEBHOOK}/failures")),
    ),
    row(
        ("POST", "/webhooks/{id}/failures/{delivery}"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| bare(&format!("{NO_WEBHOOK}/failures/{NO_DELIVERY}")),
    ),
    row(
        ("DELETE", "/webhooks/{id}/failures/{delivery}"),
        Access::Right(&["admin"]),
        404,
        NOTHING,
        |_| bare(&format!("{NO_WEBHOOK}/failures/{NO_DELIVERY}")),
    ),
    row(("POST", "/auth"), Access::Open, 200, EITHER, |s| {
        let body = json!({"UserName": s.user, "Password": PASSWORD, "DeviceName": s.device});
        ("/auth".to_owned(), body)
    }),
    row(("GET", "/auth"), Access::OwnLogin, 200, NOTHING, |_| {
        bare("/auth")
    }),
    row(("DELETE", "/auth"), Access::OwnLogin, 204, NOTHING, |_| {
        bare("/auth")
    }),
    row(("POST", "/auth/refresh"), Access::Open, 200, EITHER, |s| {
        let body = json!({"tokenId": s.tokens.0, "refreshToken": s.tokens.1});
        ("/auth/refresh".to_owned(), body)
    }),
    row(
        ("PUT", "/auth/password"),
        Access::OwnLogin,
        204,
        NOTHING,
        |_| {
            let body = json!({"oldPassword": PASSWORD, "newPassword": "another word"});
            ("/auth/password".to_owned(), body)
        },
    ),
    row(("GET", "/users"), Access::Login, 200, NOTHING, |_| {
        bare("/users")
    }),
    row(
        ("POST", "/users"),
        Access::Right(&["userCreate"]),
        201,
        NOTHING,
        |s| ("/users".to_owned(), json!({"userName": s.unused})),
    ),
    row(("GET", "/users/{id}"), Access::Login, 200, EITHER, |s| {
        bare(&format!("/users/{}", s.user))
    }),
    row(
        ("PUT", "/users/{id}"),
        Access::Right(&["userCreate", "userUpdate"]),
        200,
        ANY,
        |s| (format!("/users/{}", s.user), s.as_user()),
    ),
    row(
        ("DELETE", "/users/{id}"),
        Access::Right(&["userDelete"]),
        200,
        ANY,
        |s| bare(&format!("/users/{}", s.user)),
    ),
    row(
        ("DELETE", "/users/{id}/lock"),
        Access::Right(&["userUpdate"]),
        204,
        ANY,
        |s| bare(&format!("/users/{}/lock", s.user)),
    ),
    row(("GET", "/devices"), Access::Login, 200, NOTHING, |_| {
        bare("/devices")
    }),
    row(
        ("POST", "/devices"),
        Access::Right(&["deviceCreate"]),
        201,
        NOTHING,
        |s| {
            (
                "/devices".to_owned(),
                json!({"name": s.unused, "envName": "Tool"}),
            )
        },
    ),
    row(
        ("GET", "/devices/{name}"),
        Access::Login,
        200,
        EITHER,
        |s| bare(&format!("/devices/{}", s.device)),
    ),
    row(
        ("PUT", "/devices/{name}"),
        Access::Right(&["deviceCreate", "deviceUpdate"]),
        200,
        EITHER,
        |s| (format!("/devices/{}", s.device), s.as_device()),
    ),
    row(
        ("DELETE", "/devices/{name}"),
        Access::Right(&["deviceDelete"]),
        200,
        ANY,
        |s| bare(&format!("/devices/{}", s.device)),
    ),
    row(("GET", "/roles"), Access::Login, 200, NOTHING, |_| {
        bare("/roles")
    }),
    row(
        ("POST", "/roles"),
        Access::Right(&["roleCreate"]),
        201,
        NOTHING,
        |s| ("/roles".to_owned(), json!({"name": s.unused})),
    ),
    row(("GET", "/roles/{name}"), Access::Login, 200, EITHER, |s| {
        bare(&format!("/roles/{}", s.role))
    }),
    row(
        ("PUT", "/roles/{name}"),
        Access::Right(&["roleCreate", "roleUpdate"]),
        200,
        ANY,
        |s| (format!("/roles/{}", s.role), s.as_role()),
    ),
    row(
        ("DELETE", "/roles/{name}"),
        Access::Right(&["roleDelete"]),
        200,
        ANY,
        |s| bare(&format!("/roles/{}", s.role)),
    ),
    row(("GET", "/apikeys"), Access::Login, 200, NOTHING, |_| {
        bare("/apikeys")
    }),
    row(
        ("POST", "/apikeys"),
        Access::Right(&["apiKeyCreate"]),
        201,
        ANY,
        |s| ("/apikeys".to_owned(), s.as_key()),
    ),
    row(("GET", "/apikeys/{id}"), Access::Login, 200, EITHER, |s| {
        bare(&format!("/apikeys/{}", s.key))
    }),
    row(
        ("PUT", "/apikeys/{id}"),
        Access::Right(&["apiKeyCreate", "apiKeyUpdate"]),
        200,
        ANY,
        |s| (format!("/apikeys/{}", s.key), s.as_key()),
    ),
    row(
        ("DELETE", "/apikeys/{id}"),
        Access::Right(&["apiKeyDelete"]),
        200,
        ANY,
        |s| bare(&format!("/apikeys/{}", s.key)),
    ),
    row(("GET", "/health"), Access::Open, 200, NOTHING, |_| {
        bare("/health")
    }),
    row(("GET", "/livez"), Access::Open, 200, NOTHING, |_| {
        bare("/livez")
    }),
    row(("GET", "/readyz"), Access::Open, 200, NOTHING, |_| {
        bare("/readyz")
    }),
    // As far as this machine asks and there is no token: tests/metrics.rs.
    row(("GET", "/metrics"), Access::Open, 200, NOTHING, |_| {
        bare("/metrics")
    }),
    row(("GET", "/openapi.json"), Access::Open, 200, NOTHING, |_| {
        bare("/openapi.json")
    }),
    row(
        ("GET", "/.well-known/jwks.json"),
        Access::Open,
        200,
        NOTHING,
        |_| bare("/.well-known/jwks.json"),
    ),
    row(
        ("POST", "/introspect"),
        Access::Right(&["sessionReadAny"]),
        200,
        EITHER,
        |s| {
            (
                "/introspect".to_owned(),
                format!("token={}", s.tokens.0).into(),
            )
        },
    ),
    // Who has the token may end its session.
    row(("POST", "/revoke"), Access::Open, 200, EITHER, |s| {
        ("/revoke".to_owned(), format!("token={}", s.tokens.0).into())
    }),
    row(
        ("GET", "/auth/verify"),
        Access::Bearer,
        204,
        NOTHING,
        |_| bare("/auth/verify"),
    ),
    row(("GET", "/events"), Access::Login, 200, NOTHING, |_| {
        bare("/events")
    }),
    row(
        ("GET", "/signalr/v1/mainHub"),
        Access::Login,
        101,
        NOTHING,
        |_| bare("/signalr/v1/mainHub"),
    ),
    row(
        ("POST", "/signalr/v1/mainHub/negotiate"),
        Access::Login,
        200,
        NOTHING,
        |_| bare("/signalr/v1/mainHub/negotiate"),
    ),
    row(("POST", "/ui/session"), Access::Open, 200, EITHER, |s| {
        let body = json!({"userName": s.user, "password": PASSWORD, "deviceName": s.device});
        ("/ui/session".to_owned(), body)
    }),
    row(
        ("DELETE", "/ui/session"),
        Access::OwnLogin,
        204,
        NOTHING,
        |_| bare("/ui/session"),
    ),
    // The door is closed for good once there has been a user.
    row(("POST", "/setup"), Access::Open, 404, NOTHING, |s| {
        let body = json!({"code": "x", "userName": s.unused, "password": PASSWORD, "deviceName": s.unused});
        ("/setup".to_owned(), body)
    }),
];
