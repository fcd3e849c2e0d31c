//! The API over HTTP: the table of all routes, and the filter that stands
//! before it. Nothing here decides what a caller may; that is the service's.
//!
//! `GET /sessions/{id}` is asked thousands of times a second and, as a rule,
//! answered before any filter (`hot`). Everything else goes through one filter
//! and one table.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hyper::upgrade::OnUpgrade;
use warp::Filter;
use warp::http::header::{ALLOW, HeaderMap, HeaderValue};
use warp::http::{Method, StatusCode, Uri, Version};
use warp::path::FullPath;
use warp::reply::Response;

use self::body::Body;
use self::caught::caught;
use self::files::Page;
pub use self::i18n::Language;
use self::metrics::Requests;
pub use self::problem::ApiError;
use self::reply::{Reply, Stamp, Stamps};
pub use self::request::HEAD_BYTES_MAX;
use self::request::{Request, Verb};
use crate::model::{ApiKey, Device, Role, User, Webhook};
use crate::ndata;
use crate::service::App;
use crate::store::Store;

mod api_keys;
mod archive;
mod auth;
mod backups;
pub mod body;
mod caught;
mod conditions;
mod connections;
mod deliveries;
mod devices;
mod docs;
mod events;
pub mod fields;
mod files;
mod form;
mod health;
mod hot;
mod hub;
mod i18n;
mod keys;
mod listed;
mod listing;
mod metrics;
mod named;
mod notification;
mod openapi;
mod problem;
mod reply;
mod request;
pub mod resource;
mod roles;
mod sessions;
mod set_up;
mod signed;
#[cfg(test)]
pub(crate) mod testing;
mod tokens;
mod ui;
mod upgrade;
mod users;
mod webhooks;
pub mod wire;

pub use self::connections::Connections;
pub use self::devices::input as device_input;
pub use self::events::EVENT_STREAM;
pub use self::metrics::MetricsDoor;
pub use self::notification::of as notification;
pub use self::roles::input as role_input;
pub use self::signed::ForwardedHost;
pub use self::ui::AllowedHosts;
pub use self::upgrade::Upgrade;
pub use self::users::input as user_input;

/// What the configuration decides for HTTP.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For clients that name no language of ours.
    pub default_language: Language,
    /// Limits of list queries.
    pub query: ndata::Limits,
    /// Whose `X-Forwarded-Host` counts for signed requests.
    pub forwarded_host: ForwardedHost,
    /// For which hosts requests with the page's cookie count.
    pub allowed_hosts: Arc<AllowedHosts>,
    /// Who may read the metrics.
    pub metrics: MetricsDoor,
    /// Write one log line for each request, the hot route aside.
    pub log_requests: bool,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether nobody between reads along or changes anything: TLS.
    pub is_secure: bool,
    /// How long one body may take to arrive.
    pub body_timeout: Duration,
}

/// What answers the requests of connections.
pub trait Answers: Clone + Send + Sync + 'static {
    /// The filter that answers every request of one connection.
    fn to(
        &self,
        peer: Peer,
    ) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static;

    /// The answer to a request that needs no route and waits for nothing: one
    /// that HTTP itself refuses, or the hot one. `bodiless`: no body comes.
    fn at_once(
        &self,
        method: &Method,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        bodiless: bool,
    ) -> Option<Response>;

    /// Where connections are counted.
    fn connections(&self) -> &Arc<Connections>;

    /// The bytes of a response that ends a connection on which no request
    /// could be read.
    fn unread(&self, error: &ApiError) -> Vec<u8>;
}

/// The whole API.
pub struct Routes<S>(Arc<Shared<S>>);

impl<S> Clone for Routes<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What all requests share.
struct Shared<S> {
    app: Arc<App<S>>,
    settings: Settings,
    stamps: Stamps,
    requests: Requests,
    connections: Arc<Connections>,
}

/// The whole API over this app.
pub fn routes<S: Store>(app: &Arc<App<S>>, settings: Settings) -> Routes<S> {
    let stamps = Stamps::new();
    Routes(Arc::new(Shared {
        app: Arc::clone(app),
        settings,
        stamps,
        requests: Requests::new(),
        connections: Arc::default(),
    }))
}

/// A path that exists. Names and ids are decoded, not yet checked.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Sessions,
    Session(&'a str),
    Ended,
    Audit,
    Backups,
    Backup(&'a str),
    Revocations,
    Auth,
    Refresh,
    OwnPassword,
    Users,
    User(&'a str),
    UserLock(&'a str),
    Devices,
    Device(&'a str),
    Roles,
    Role(&'a str),
    ApiKeys,
    ApiKey(&'a str),
    Webhooks,
    Webhook(&'a str),
    WebhookTest(&'a str),
    Failures(&'a str),
    Failure(&'a str, &'a str),
    Keys,
    Introspect,
    Revoke,
    Verify,
    Health,
    Live,
    Ready,
    Metrics,
    SetUp,
    OpenApi,
    UiSession,
    Events,
    Hub,
    HubNegotiation,
}

/// Makes the list of all paths, and the function that finds a path in it, out
/// of one table: what is answered can not be missing from the list.
macro_rules! paths {
    ($($segments:pat => ($place:expr, $template:literal, $allow:literal)),+ $(,)?) => {
        /// All paths, each with the form that logs and documents show and the
        /// methods it knows. Every one of them answers behind `/api` and
        /// `/api/v1`, too.
        pub const PATHS: &[(&str, &str)] = &[$(($template, $allow)),+];

        fn place<'a>(
            segments: &'a [Cow<'a, str>],
        ) -> Option<(Place<'a>, &'static str, &'static str)> {
            let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
            Some(match *segments {
                $($segments => ($place, $template, $allow),)+
                _ => return None,
            })
        }
    };
}

paths! {
    ["sessions"] => (Place::Sessions, "/sessions", "GET, HEAD, POST, DELETE, OPTIONS"),
    ["sessions", "ended"] => (Place::Ended, "/sessions/ended", "GET, HEAD, OPTIONS"),
    ["sessions", "revocations"] => (Place::Revocations, "/sessions/revocations", "GET, HEAD, OPTIONS"),
    ["sessions", id] => (Place::Session(id), "/sessions/{id}", "GET, HEAD, DELETE, OPTIONS"),
    ["auth"] => (Place::Auth, "/auth", "GET, HEAD, POST, DELETE, OPTIONS"),
    ["auth", "refresh"] => (Place::Refresh, "/auth/refresh", "POST, OPTIONS"),
    ["auth", "password"] => (Place::OwnPassword, "/auth/password", "PUT, OPTIONS"),
    ["users"] => (Place::Users, "/users", "GET, HEAD, POST, OPTIONS"),
    ["users", id] => (Place::User(id), "/users/{id}", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ["users", id, "lock"] => (Place::UserLock(id), "/users/{id}/lock", "DELETE, OPTIONS"),
    ["devices"] => (Place::Devices, "/devices", "GET, HEAD, POST, OPTIONS"),
    ["devices", name] => (Place::Device(name), "/devices/{name}", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ["roles"] => (Place::Roles, "/roles", "GET, HEAD, POST, OPTIONS"),
    ["roles", name] => (Place::Role(name), "/roles/{name}", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ["apikeys"] => (Place::ApiKeys, "/apikeys", "GET, HEAD, POST, OPTIONS"),
    ["apikeys", id] => (Place::ApiKey(id), "/apikeys/{id}", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ["webhooks"] => (Place::Webhooks, "/webhooks", "GET, HEAD, POST, OPTIONS"),
    ["webhooks", id] => (Place::Webhook(id), "/webhooks/{id}", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ["webhooks", id, "test"] => (Place::WebhookTest(id), "/webhooks/{id}/test", "POST, OPTIONS"),
    ["webhooks", id, "failures"] => (Place::Failures(id), "/webhooks/{id}/failures", "GET, HEAD, OPTIONS"),
    ["webhooks", id, "failures", delivery] => (Place::Failure(id, delivery), "/webhooks/{id}/failures/{delivery}", "POST, DELETE, OPTIONS"),
    [".well-known", "jwks.json"] => (Place::Keys, "/.well-known/jwks.json", "GET, HEAD, OPTIONS"),
    ["introspect"] => (Place::Introspect, "/introspect", "POST, OPTIONS"),
    ["revoke"] => (Place::Revoke, "/revoke", "POST, OPTIONS"),
    ["auth", "verify"] => (Place::Verify, "/auth/verify", "GET, HEAD, OPTIONS"),
    ["audit"] => (Place::Audit, "/audit", "GET, HEAD, OPTIONS"),
    ["backups"] => (Place::Backups, "/backups", "GET, HEAD, POST, OPTIONS"),
    ["backups", name] => (Place::Backup(name), "/backups/{name}", "GET, HEAD, OPTIONS"),
    ["health"] => (Place::Health, "/health", "GET, HEAD, OPTIONS"),
    ["livez"] => (Place::Live, "/livez", "GET, HEAD, OPTIONS"),
    ["readyz"] => (Place::Ready, "/readyz", "GET, HEAD, OPTIONS"),
    ["metrics"] => (Place::Metrics, "/metrics", "GET, HEAD, OPTIONS"),
    ["setup"] => (Place::SetUp, "/setup", "POST, OPTIONS"),
    ["events"] => (Place::Events, "/events", "GET, HEAD, OPTIONS"),
    ["signalr", "v1", "mainHub"] => (Place::Hub, "/signalr/v1/mainHub", "GET, HEAD, OPTIONS"),
    ["signalr", "v1", "mainHub", "negotiate"] => (Place::HubNegotiation, "/signalr/v1/mainHub/negotiate", "POST, OPTIONS"),
    ["ui", "session"] => (Place::UiSession, "/ui/session", "POST, DELETE, OPTIONS"),
    ["openapi.json"] => (Place::OpenApi, "/openapi.json", "GET, HEAD, OPTIONS"),
}

/// The table: what is asked of which path, and who answers.
async fn dispatch<S: Store>(
    shared: &Arc<Shared<S>>,
    place: Place<'_>,
    allow: &'static str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let (app, limits) = (&*shared.app, &shared.settings.query);
    match (Verb::from(&request.method), place) {
        (Verb::Get, Place::Sessions) => sessions::list(app, limits, request).await,
        (Verb::Post, Place::Sessions) => sessions::open(app, request).await,
        (Verb::Get, Place::Session(id)) => sessions::get(app, id, request).await,
        (Verb::Delete, Place::Session(id)) => sessions::delete(app, id, request).await,
        (Verb::Get, Place::Audit) => archive::audit(app, limits, request).await,
        (Verb::Get, Place::Backups) => backups::list(app, request).await,
        (Verb::Post, Place::Backups) => backups::create(app, request).await,
        (Verb::Get, Place::Backup(name)) => backups::get(app, name, request).await,
        (Verb::Get, Place::Ended) => archive::ended(app, limits, request).await,
        (Verb::Delete, Place::Sessions) => archive::end_matching(app, request).await,
        (Verb::Get, Place::Revocations) => archive::revocations(app, request).await,
        (Verb::Post, Place::Auth) => auth::log_in(app, request).await,
        (Verb::Get, Place::Auth) => auth::profile(app, request).await,
        (Verb::Delete, Place::Auth) => auth::log_out(app, request).await,
        (Verb::Post, Place::Refresh) => auth::refresh(app, request).await,
        (Verb::Put, Place::OwnPassword) => auth::change_password(app, request).await,
        (Verb::Get, Place::Users) => listed::list::<User, _>(app, limits, request).await,
        (Verb::Post, Place::Users) => users::create(app, request).await,
        (Verb::Get, Place::User(id)) => listed::get::<User, _>(app, id, request).await,
        (Verb::Put, Place::User(id)) => users::put(app, id, request).await,
        (Verb::Delete, Place::User(id)) => listed::delete::<User, _>(app, id, request).await,
        (Verb::Delete, Place::UserLock(id)) => users::unlock(app, id, request).await,
        (Verb::Get, Place::Devices) => listed::list::<Device, _>(app, limits, request).await,
        (Verb::Post, Place::Devices) => named::create::<Device, _>(app, request).await,
        (Verb::Get, Place::Device(name)) => listed::get::<Device, _>(app, name, request).await,
        (Verb::Put, Place::Device(name)) => named::put::<Device, _>(app, name, request).await,
        (Verb::Delete, Place::Device(name)) => {
            listed::delete::<Device, _>(app, name, request).await
        }
        (Verb::Get, Place::Roles) => listed::list::<Role, _>(app, limits, request).await,
        (Verb::Post, Place::Roles) => named::create::<Role, _>(app, request).await,
        (Verb::Get, Place::Role(name)) => listed::get::<Role, _>(app, name, request).await,
        (Verb::Put, Place::Role(name)) => named::put::<Role, _>(app, name, request).await,
        (Verb::Delete, Place::Role(name)) => listed::delete::<Role, _>(app, name, request).await,
        (Verb::Get, Place::ApiKeys) => listed::list::<ApiKey, _>(app, limits, request).await,
        (Verb::Post, Place::ApiKeys) => api_keys::create(app, request).await,
        (Verb::Get, Place::ApiKey(id)) => listed::get::<ApiKey, _>(app, id, request).await,
        (Verb::Put, Place::ApiKey(id)) => api_keys::put(app, id, request).await,
        (Verb::Delete, Place::ApiKey(id)) => listed::delete::<ApiKey, _>(app, id, request).await,
        (Verb::Get, Place::Webhooks) => listed::list::<Webhook, _>(app, limits, request).await,
        (Verb::Post, Place::Webhooks) => webhooks::create(app, request).await,
        (Verb::Get, Place::Webhook(id)) => listed::get::<Webhook, _>(app, id, request).await,
        (Verb::Put, Place::Webhook(id)) => webhooks::put(app, id, request).await,
        (Verb::Delete, Place::Webhook(id)) => listed::delete::<Webhook, _>(app, id, request).await,
        (Verb::Post, Place::WebhookTest(id)) => deliveries::test(app, id, request).await,
        (Verb::Get, Place::Failures(id)) => deliveries::list(app, id, limits, request).await,
        (Verb::Post, Place::Failure(id, delivery)) => {
            deliveries::send_again(app, id, delivery, request).await
        }
        (Verb::Delete, Place::Failure(id, delivery)) => {
            deliveries::discard(app, id, delivery, request).await
        }
        (Verb::Get, Place::Keys) => Ok(keys::published(app)),
        (Verb::Post, Place::Introspect) => tokens::introspect(app, request).await,
        (Verb::Post, Place::Revoke) => tokens::revoke(app, request).await,
        (Verb::Get, Place::Verify) => tokens::verify(app, request).await,
        (Verb::Get, Place::Health) => Ok(health::report(app).await),
        (Verb::Get, Place::Live) => Ok(health::live()),
        (Verb::Get, Place::Ready) => health::ready(app),
        (Verb::Get, Place::Metrics) => metrics::get(shared, request).await,
        (Verb::Get, Place::OpenApi) => Ok(openapi::get()),
        (Verb::Get, Place::Events) => events::get(&shared.app, request).await,
        (Verb::Get, Place::Hub) => hub::connect(&shared.app, request).await,
        (Verb::Post, Place::HubNegotiation) => hub::negotiate(app, request).await,
        (Verb::Post, Place::UiSession) => ui::session::log_in(app, request).await,
        (Verb::Delete, Place::UiSession) => ui::session::log_out(app, request).await,
        (Verb::Post, Place::SetUp) => set_up::create(app, request).await,
        (Verb::Options, _) => {
            let allow = HeaderValue::from_static(allow);
            Ok(Reply::empty(StatusCode::NO_CONTENT).with(ALLOW, allow))
        }
        _ => Err(ApiError::MethodNotAllowed(allow)),
    }
}

/// The pages that are part of the binary. Each is one route for logs and counts.
static PAGES: [&Page; 2] = [&ui::page::PAGE, &docs::PAGE];

/// Where health stands besides: the one address of the second version.
const HEALTH_V2: &str = "/api/v2/health";

/// Addresses end up in logs and histories.
const TOKEN_IN_ADDRESS: &str = "Tokens belong into the Authorization header; only the upgrade of the hub takes an access_token.";

async fn handle<S: Store>(
    shared: &Arc<Shared<S>>,
    request: &mut Request,
    template: &mut &'static str,
) -> Result<Reply, ApiError> {
    let path = if request.path == HEALTH_V2 {
        "/health"
    } else {
        &request.path
    }
    .to_owned();
    for page in PAGES {
        if let Some(answer) = page.answer(request) {
            *template = page.form;
            return answer;
        }
    }
    let segments = request::segments(&path).ok_or(ApiError::NotFound)?;
    let (place, form, allow) = place(&segments).ok_or(ApiError::NotFound)?;
    *template = form;
    // Whoever watches over the server gets its state, whatever they prefer, and
    // a proxy's question carries what the client prefers of somebody else. Events
    // and metrics are no JSON.
    let any_accept = matches!(
        place,
        Place::Health
            | Place::Live
            | Place::Ready
            | Place::Metrics
            | Place::Verify
            | Place::Events
            | Place::Hub
    );
    let takes_token = matches!(place, Place::Hub | Place::HubNegotiation);
    if !takes_token && request.parameter(request::ACCESS_TOKEN).is_some() {
        return Err(ApiError::Unreadable(TOKEN_IN_ADDRESS));
    }
    if !any_accept && !request::takes_json(&request.headers) {
        return Err(ApiError::NotAcceptable);
    }
    if signed::is_signed(request) {
        // Its signature covers the body, and must hold before anything is done.
        request
            .body
            .hold(&request.headers, request.peer.body_timeout)
            .await?;
    }
    dispatch(shared, place, allow, request).await
}

/// Answers one request, whatever happens.
async fn answer<S: Store>(shared: Arc<Shared<S>>, mut request: Request) -> Response {
    let started = Instant::now();
    let stamp = shared.stamp();
    request.id = Some(stamp.trace_id().into());
    let language = shared.language(&request.headers);
    let mut template = metrics::NO_ROUTE;
    let handled = caught(handle(&shared, &mut request, &mut template)).await;
    if !matches!(handled, Ok(Err(ApiError::TooSlow | ApiError::BodyTooLarge))) {
        let Request { body, headers, .. } = &mut request;
        body.drain(headers).await;
    }
    let reply = handled
        .unwrap_or(Err(ApiError::Internal))
        .unwrap_or_else(|error| error.reply(language, stamp.trace_id(), &request.path));
    let (verb, took) = (Verb::from(&request.method), started.elapsed());
    shared.requests.count(template, verb, reply.status, took);
    if shared.settings.log_requests {
        log(&request, template, reply.status, took, stamp.trace_id());
    }
    reply.finish(&stamp)
}

/// One line a request: never a query, a header, a token or a path as sent.
fn log(request: &Request, route: &str, status: StatusCode, took: Duration, request_id: &str) {
    let (method, status, micros) = (&request.method, status.as_u16(), took.as_micros());
    let known = request.known.get();
    let session = known.map_or("-", |known| known.session.short());
    let user = known.map_or("-", |known| known.user.as_str());
    tracing::info!(
        target: "http",
        %method, route, status, micros,
        request.id = request_id, session.id = session, user.name = user,
        "answered"
    );
}

impl<S: Store> Shared<S> {
    fn stamp(&self) -> Stamp {
        self.stamps.stamp(self.app.now())
    }

    fn language(&self, headers: &HeaderMap) -> Language {
        Language::of(headers, self.settings.default_language)
    }

    /// Counts a request that HTTP itself refuses.
    fn count_unrouted(&self, error: &ApiError, verb: Verb) {
        let (route, status) = (metrics::NO_ROUTE, error.status());
        self.requests.count(route, verb, status, Duration::ZERO);
    }

    fn problem(&self, error: &ApiError, language: Language, path: &str) -> Response {
        let stamp = self.stamp();
        error.reply(language, stamp.trace_id(), path).finish(&stamp)
    }
}

impl<S: Store> Answers for Routes<S> {
    fn to(
        &self,
        peer: Peer,
    ) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static
    {
        everything(&self.0, peer)
    }

    fn at_once(
        &self,
        method: &Method,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
        bodiless: bool,
    ) -> Option<Response> {
        let Err(error) = request::look_at_head(version, uri, headers) else {
            let hot = || hot::answer(&self.0, method, uri, headers);
            return bodiless.then(hot).flatten();
        };
        // An address that is too long is not sent back.
        let path = if error == ApiError::UriTooLong {
            ""
        } else {
            uri.path()
        };
        self.0.count_unrouted(&error, Verb::from(method));
        Some(self.0.problem(&error, self.0.language(headers), path))
    }

    fn connections(&self) -> &Arc<Connections> {
        &self.0.connections
    }

    fn unread(&self, error: &ApiError) -> Vec<u8> {
        self.0.count_unrouted(error, Verb::Other);
        let stamp = self.0.stamp();
        let language = self.0.settings.default_language;
        error
            .reply(language, stamp.trace_id(), "")
            .into_bytes(&stamp)
    }
}

/// The filter of every route: takes the request apart and never rejects.
fn everything<S: Store>(
    shared: &Arc<Shared<S>>,
    peer: Peer,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + use<S> {
    let shared = Arc::clone(shared);
    let query = warp::query::raw()
        .map(Some)
        .or(warp::any().map(|| None))
        .unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::body::stream().map(Body::new))
        .then(
            move |method, path: FullPath, query, headers, upgrade: Option<OnUpgrade>, body| {
                let path = path.as_str().to_owned();
                let known = OnceLock::new();
                let believes_host = shared.settings.forwarded_host.trusts(peer.address.ip());
                let request = Request {
                    method,
                    path,
                    query,
                    headers,
                    peer,
                    id: None,
                    can_upgrade: upgrade.is_some(),
                    believes_host,
                    allowed_hosts: Arc::clone(&shared.settings.allowed_hosts),
                    body,
                    known,
                };
                // Boxed: it is large, and moved several times.
                Box::pin(answer(Arc::clone(&shared), request))
            },
        )
        .recover(|_: warp::Rejection| {
            std::future::ready(Ok::<_, Infallible>(StatusCode::INTERNAL_SERVER_ERROR))
        })
        .map(warp::Reply::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<(&'static str, &'static str)> {
        let segments = request::segments(path)?;
        place(&segments).map(|(_, template, allow)| (template, allow))
    }

    #[test]
    fn every_path_of_the_contract_is_found_and_no_other() {
        for (path, template) in [
            ("/sessions", Some("/sessions")),
            ("/api/v1/sessions/abc", Some("/sessions/{id}")),
            ("/sessions/ended", Some("/sessions/ended")),
            ("/api/auth", Some("/auth")),
            ("/api/auth/refresh", Some("/auth/refresh")),
            ("/users/a%20b", Some("/users/{id}")),
            ("/api/apikeys", Some("/apikeys")),
            ("/apikeys/x", Some("/apikeys/{id}")),
            ("/users/1/lock", Some("/users/{id}/lock")),
            ("/api/health", Some("/health")),
            ("/.well-known/jwks.json", Some("/.well-known/jwks.json")),
            ("/livez", Some("/livez")),
            ("/sessions/", None),
            ("/sessions/a/b", None),
            ("/api/api/sessions", None),
            ("/api/v2/sessions", None),
            ("/", None),
            ("/api", None),
        ] {
            assert_eq!(
                found(path).map(|(template, _)| template),
                template,
                "{path}"
            );
        }
    }

    #[test]
    fn every_listed_path_is_found_under_its_own_form_and_knows_options_and_head() {
        for (template, allow) in PATHS {
            let path = template.replace("{word}", "ended");
            let path = path.replace("{id}", "x").replace("{name}", "x");
            assert_eq!(found(&path), Some((*template, *allow)), "{path}");
            assert!(allow.ends_with("OPTIONS"), "{template}");
            assert_eq!(allow.contains("GET"), allow.contains("HEAD"), "{template}");
        }
    }
}
