//! Health: the documented page, which is always 200, and the two probes whose
//! status codes mean something.

use std::time::Duration;

use serde_json::{Map, Value, json};
use warp::http::StatusCode;

use super::problem::ApiError;
use super::reply::Reply;
use super::wire;
use crate::service::App;
use crate::service::health::{Entry, Report, Status};
use crate::store::Store;

/// How soon a probe may look again.
const READY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// `GET /health`
pub(super) async fn report<S: Store>(app: &App<S>) -> Reply {
    Reply::ok(wire::json(&page(&app.health().await)))
}

/// `GET /livez`: the process answers.
pub(super) fn live() -> Reply {
    status_only()
}

/// `GET /readyz`: changes can be taken on.
pub(super) fn ready<S: Store>(app: &App<S>) -> Result<Reply, ApiError> {
    if app.is_ready() {
        Ok(status_only())
    } else {
        Err(ApiError::Unavailable(READY_RETRY_AFTER))
    }
}

fn status_only() -> Reply {
    Reply::json(
        StatusCode::OK,
        wire::json(&json!({"status": Status::Healthy.as_str()})),
    )
}

fn page(report: &Report) -> Value {
    let entries = report
        .entries
        .iter()
        .map(|entry| (entry.name.to_owned(), shown(entry)));
    json!({
        "status": report.status.as_str(),
        "totalDuration": spelled(report.duration),
        "entries": entries.collect::<Map<_, _>>(),
    })
}

fn shown(entry: &Entry) -> Value {
    let mut shown = json!({
        "status": entry.status.as_str(),
        "duration": spelled(entry.duration),
    });
    if let Some(description) = &entry.description {
        shown["description"] = description.as_str().into();
    }
    if !entry.data.is_empty() {
        let data = entry
            .data
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        shown["data"] = data.collect::<Map<_, _>>().into();
    }
    shown
}

/// `hh:mm:ss.fffffff`
fn spelled(duration: Duration) -> String {
    let (seconds, ticks) = (duration.as_secs(), duration.subsec_nanos() / 100);
    format!(
        "{:02}:{:02}:{:02}.{ticks:07}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_documented_shape() {
        let entry = |name, description: Option<&str>, data| Entry {
            name,
            status: Status::Healthy,
            duration: Duration::from_nanos(1_500),
            description: description.map(str::to_owned),
            data,
        };
        let report = Report {
            status: Status::Degraded,
            duration: Duration::from_millis(3_723_004),
            entries: vec![
                entry("clock", Some("set it"), vec![("wall", "x".into())]),
                entry("database", None, Vec::new()),
            ],
        };
        assert_eq!(
            page(&report),
            json!({
                "status": "Degraded",
                "totalDuration": "01:02:03.0040000",
                "entries": {
                    "clock": {
                        "status": "Healthy",
                        "duration": "00:00:00.0000015",
                        "description": "set it",
                        "data": {"wall": "x"},
                    },
                    "database": {"status": "Healthy", "duration": "00:00:00.0000015"},
                },
            })
        );
    }
}
