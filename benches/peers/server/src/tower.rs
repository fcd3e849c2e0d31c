//! axum with tower-sessions, as its documentation sets it up: a cookie, ten
//! hours of inactivity, every request an access (saved always).

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::Record;
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::*;
use tower_sessions_sqlx_store::SqliteStore;
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};

/// Connections to Redis, as in the documentation's example.
const REDIS_CONNECTIONS: usize = 6;
/// Sessions in one answer.
const PAGE: i64 = 50;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    user_name: String,
    device_name: String,
}

/// The order by user that Redis itself does not keep.
#[derive(Clone)]
struct Index(Option<Pool>);

/// Sessions in the Redis at this port.
pub async fn redis(listener: TcpListener, port: &str) {
    let config = Config::from_url(&format!("redis://127.0.0.1:{port}")).expect("a port");
    let pool = Pool::new(config, None, None, None, REDIS_CONNECTIONS).expect("a pool");
    pool.connect();
    pool.wait_for_connect().await.expect("Redis is there");
    serve(listener, RedisStore::new(pool.clone()), Index(Some(pool))).await;
}

/// Sessions in this SQLite file, in the mode that most choose: a power cut may take
/// the last commits.
pub async fn sqlite(listener: TcpListener, file: &str) {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(std::time::Duration::from_secs(30));
    let pool = SqlitePoolOptions::new().connect_with(options).await;
    let store = SqliteStore::new(pool.expect("the file opens"));
    store.migrate().await.expect("the table is made");
    serve(listener, store, Index(None)).await;
}

async fn serve(listener: TcpListener, store: impl SessionStore + Clone, index: Index) {
    let layer = SessionManagerLayer::new(store)
        .with_secure(false)
        .with_same_site(SameSite::Strict)
        .with_always_save(true)
        .with_expiry(Expiry::OnInactivity(Duration::hours(10)));
    let routes = Router::new()
        .route("/login", post(log_in))
        .route("/session", get(check).delete(end))
        .route("/refresh", post(refresh))
        .layer(layer)
        .route("/sessions", get(list))
        .with_state(index);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes).await.expect("it serves");
}

fn now() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

async fn log_in(State(index): State<Index>, session: Session, Json(who): Json<Identity>) -> StatusCode {
    if session.insert("identity", &who).await.is_err() || session.save().await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let (Some(pool), Some(id)) = (&index.0, session.id()) else {
        return StatusCode::CREATED;
    };
    #[expect(clippy::cast_precision_loss, reason = "Redis orders by floating point")]
    let score = now() as f64;
    let entry = (score, id.to_string());
    let added = pool
        .zadd::<(), _, _>(format!("by_user:{}", who.user_name), None, None, false, false, entry)
        .await;
    match added {
        Ok(()) => StatusCode::CREATED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn check(session: Session) -> Result<Json<Value>, StatusCode> {
    let identity = session.get::<Identity>("identity").await;
    let identity = identity.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let identity = identity.ok_or(StatusCode::UNAUTHORIZED)?;
    let id = session.id().map(|id| id.to_string());
    Ok(Json(json!({
        "sessionId": id,
        "identity": identity,
        "expiresAt": session.expiry_date().unix_timestamp(),
        "lastAccessAt": now(),
    })))
}

async fn end(session: Session) -> StatusCode {
    match session.flush().await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn refresh(session: Session) -> StatusCode {
    match session.cycle_id().await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "userName")]
    user_name: String,
}

/// The user's latest sessions, by an index made by hand.
async fn list(State(index): State<Index>, Query(asked): Query<Asked>) -> Result<Json<Vec<Value>>, StatusCode> {
    let pool = index.0.ok_or(StatusCode::NOT_IMPLEMENTED)?;
    let key = format!("by_user:{}", asked.user_name);
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let ids: Vec<String> = pool.zrevrange(key, 0, PAGE - 1, false).await.map_err(failed)?;
    if ids.is_empty() {
        return Ok(Json(Vec::new()));
    }
    let records: Vec<Option<Vec<u8>>> = pool.mget(ids).await.map_err(failed)?;
    let mut sessions = Vec::with_capacity(records.len());
    for bytes in records.into_iter().flatten() {
        let record: Record =
            rmp_serde::from_slice(&bytes).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        sessions.push(json!({
            "sessionId": record.id.to_string(),
            "identity": record.data.get("identity"),
            "expiresAt": record.expiry_date.unix_timestamp(),
        }));
    }
    Ok(Json(sessions))
}
