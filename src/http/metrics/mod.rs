//! `GET /metrics`: what the server has done and how it stands, for Prometheus.
//! Every layer counts for itself; here it is put into words. No label names a
//! user, a device or a session.

use std::sync::Arc;

use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderValue};

use self::text::{Exposition, Kind, seconds};
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::{Connections, Shared};
use crate::clock::ClockState;
use crate::model::{EndReason, Timestamp};
use crate::service::{App, LoginOutcome};
use crate::store::Store;

mod door;
mod process;
mod requests;
mod text;

pub use self::door::MetricsDoor;
pub(super) use self::requests::{NO_ROUTE, Requests};

/// `GET /metrics`
pub(super) async fn get<S: Store>(
    shared: &Arc<Shared<S>>,
    request: &Request,
) -> Result<Reply, ApiError> {
    let door = &shared.settings.metrics;
    door.let_in(request.peer.address, &request.headers)?;
    let shared = Arc::clone(shared);
    // Reads files of the kernel, and locks that others wait for.
    let written = tokio::task::spawn_blocking(move || everything(&shared)).await;
    let body = written.map_err(|_| ApiError::Internal)?;
    let mut reply = Reply::empty(StatusCode::OK);
    reply.body = body;
    Ok(reply.with(CONTENT_TYPE, HeaderValue::from_static(text::CONTENT_TYPE)))
}

fn everything<S: Store>(shared: &Shared<S>) -> Vec<u8> {
    let (app, mut text) = (&*shared.app, Exposition::default());
    build(app, &mut text);
    shared.requests.write(&mut text);
    connections(&shared.connections, &mut text);
    sessions(app, &mut text);
    hashing(app, &mut text);
    store(app, &mut text);
    sweep(app, &mut text);
    clock(app, &mut text);
    backups(app, &mut text);
    process::write(&mut text);
    text.into_bytes()
}

/// A time as Prometheus has it: seconds since 1970.
fn unix(at: Timestamp) -> String {
    seconds(
        u64::try_from(at.as_millis())
            .unwrap_or(0)
            .saturating_mul(1_000_000),
    )
}

fn build<S: Store>(app: &App<S>, text: &mut Exposition) {
    let labels = format!(
        "version=\"{}\",disk_format=\"{}\"",
        env!("CARGO_PKG_VERSION"),
        app.store.figures().format
    );
    text.family("tillgate_build_info", Kind::Gauge, "The version that runs.")
        .sample(&labels, 1);
}

fn connections(connections: &Connections, text: &mut Exposition) {
    text.gauge(
        "tillgate_http_connections",
        "Connections that are open.",
        connections.open(),
    );
    text.gauge(
        "tillgate_http_connections_max",
        "Connections that may be open; more wait in the system's queue.",
        connections.max(),
    );
    text.counter(
        "tillgate_http_connections_accepted_total",
        "Connections that were accepted.",
        connections.accepted.get(),
    );
    text.counter(
        "tillgate_http_connections_failed_total",
        "Connections that the system did not hand over, for want of files or because they were gone.",
        connections.failed.get(),
    );
}

fn sessions<S: Store>(app: &App<S>, text: &mut Exposition) {
    let figures = app.store.figures();
    text.gauge(
        "tillgate_sessions",
        "Sessions that live.",
        app.store.health().sessions,
    );
    text.counter(
        "tillgate_sessions_started_total",
        "Sessions that began.",
        figures.begun,
    );
    let mut ended = text.family(
        "tillgate_sessions_ended_total",
        Kind::Counter,
        "Sessions that ended, by reason; expired and idle ones when the sweep has archived them.",
    );
    for (reason, many) in EndReason::ALL.iter().zip(figures.ended) {
        ended.sample(&format!("reason=\"{}\"", reason.as_str()), many);
    }
    let mut logins = text.family(
        "tillgate_logins_total",
        Kind::Counter,
        "Logins with a password, by how they went.",
    );
    for outcome in LoginOutcome::ALL {
        let labels = format!("outcome=\"{}\"", outcome.as_str());
        logins.sample(&labels, app.logins.that_were(outcome));
    }
    let readers = app.feed.readers();
    text.gauge(
        "tillgate_event_readers",
        "Readers of /events and the hub.",
        readers.now,
    );
    text.gauge(
        "tillgate_event_readers_max",
        "Readers of both that there may be.",
        readers.max,
    );
}

fn hashing<S: Store>(app: &App<S>, text: &mut Exposition) {
    let pool = app.hashing.figures();
    text.gauge(
        "tillgate_hashing_threads",
        "Threads that hash passwords.",
        pool.threads,
    );
    text.gauge(
        "tillgate_hashing_waiting",
        "Passwords that wait to be hashed.",
        pool.waiting,
    );
    text.counter(
        "tillgate_hashing_refused_total",
        "Passwords that were refused because too many waited.",
        pool.refused,
    );
    text.histogram(
        "tillgate_hashing_duration_seconds",
        "How long a password took to be hashed, without its wait.",
        &pool.hashed,
    );
}

fn store<S: Store>(app: &App<S>, text: &mut Exposition) {
    let (health, figures) = (app.store.health(), app.store.figures());
    text.gauge(
        "tillgate_store_read_only",
        "1: a write has failed, changes are refused until a restart.",
        u8::from(health.read_only),
    );
    text.gauge(
        "tillgate_store_stalled_seconds",
        "How long the disk has not answered; 0 while that is no reason to refuse anything.",
        health.stalled.map_or(0, |silent| silent.as_secs()),
    );
    text.gauge(
        "tillgate_store_full",
        "1: too little room, logins are refused.",
        u8::from(health.full),
    );
    text.known(
        "tillgate_store_free_bytes",
        "Free room where the data lies, as the writer last saw it.",
        health.free_bytes,
    );
    text.gauge(
        "tillgate_store_unwritten_sessions",
        "Sessions whose last access is not on the disk yet.",
        health.dirty,
    );
    text.gauge(
        "tillgate_store_epoch",
        "Grows when a past state had to be given up.",
        health.epoch,
    );
    text.histogram(
        "tillgate_store_group_duration_seconds",
        "How long a group of changes took to be written and synced.",
        &figures.groups,
    );
    text.histogram(
        "tillgate_store_sync_duration_seconds",
        "How long the sync of a group took.",
        &figures.syncs,
    );
    text.counter(
        "tillgate_store_operations_total",
        "Changes that were in these groups.",
        figures.operations,
    );
    text.gauge(
        "tillgate_store_queue",
        "Changes that wait for the writer.",
        figures.queued,
    );
    text.gauge(
        "tillgate_archive_sessions",
        "Ended sessions that are kept.",
        figures.archived,
    );
    text.gauge(
        "tillgate_audit_entries",
        "Audit entries that are kept.",
        figures.audited,
    );
}

fn sweep<S: Store>(app: &App<S>, text: &mut Exposition) {
    let sweep = app.sweeper.report();
    text.known(
        "tillgate_sweep_last_run_timestamp_seconds",
        "When the sweep last came to its end.",
        sweep.last_run.map(unix),
    );
    text.gauge(
        "tillgate_sweep_failed",
        "1: its last step could not be written.",
        u8::from(sweep.error.is_some()),
    );
    text.counter(
        "tillgate_sweep_archived_total",
        "Sessions whose time was over that it moved to the archive.",
        sweep.ended,
    );
    text.counter(
        "tillgate_sweep_purged_total",
        "Records of the archive and the audit that it let go.",
        sweep.purged,
    );
}

fn clock<S: Store>(app: &App<S>, text: &mut Exposition) {
    let clock = app.clock.status();
    let mut states = text.family(
        "tillgate_clock_state",
        Kind::Gauge,
        "1 for the state that the computer's clock is in.",
    );
    for (state, word) in [
        (ClockState::Good, "good"),
        (ClockState::Behind, "behind"),
        (ClockState::Unconfirmed, "unconfirmed"),
    ] {
        let labels = format!("state=\"{word}\"");
        states.sample(&labels, u8::from(clock.state == state));
    }
    text.gauge(
        "tillgate_clock_trusted_timestamp_seconds",
        "The time that counts.",
        unix(clock.trusted),
    );
}

fn backups<S: Store>(app: &App<S>, text: &mut Exposition) {
    let Some(backups) = app.backups.report() else {
        return;
    };
    text.known(
        "tillgate_backup_last_success_timestamp_seconds",
        "When the newest backup was made.",
        backups.last_success.map(unix),
    );
    let age = backups.last_success.map(|last| app.now().since(last));
    text.known(
        "tillgate_backup_age_seconds",
        "How old the newest backup is.",
        age.map(|age| age.as_secs()),
    );
    text.gauge(
        "tillgate_backup_failed",
        "1: the last attempt failed.",
        u8::from(backups.failed.is_some()),
    );
    text.gauge(
        "tillgate_backup_running",
        "1: one is being made.",
        u8::from(backups.is_running),
    );
    text.gauge(
        "tillgate_backup_damaged",
        "Backups that are not what was written.",
        backups.damaged,
    );
}
