//! `/webhooks/{id}/test` and `/webhooks/{id}/failures`: notifications that people
//! have sent, and those that a hook never got.

use serde::Serialize;
use serde_json::value::RawValue;

use super::listing;
use super::notification;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use super::wire;
use crate::model::{KnownRight, WebhookId};
use crate::ndata::{Kind, Limits, Member, Row, Value};
use crate::service::{App, Caller, Reach, Sent};
use crate::store::{DeliveryId, Failure, Store};

/// `POST /webhooks/{id}/test`
pub(super) async fn test<S: Store>(
    app: &App<S>,
    id: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = administrator(app, request).await?;
    let id = WebhookId::parse(id).map_err(|_| ApiError::NotFound)?;
    let sent = app.test_webhook(&caller, id).await?;
    Ok(Reply::ok(wire::json(&SentBody::from(&sent))))
}

/// `GET /webhooks/{id}/failures`
pub(super) async fn list<S: Store>(
    app: &App<S>,
    id: &str,
    limits: &Limits,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = administrator(app, request).await?;
    let id = WebhookId::parse(id).map_err(|_| ApiError::NotFound)?;
    let all = app.webhook_failures(&caller, id).await?;
    let rows = all.iter().map(|failure| &**failure);
    listing::page::<FailureMember, _, _>(request.query.as_deref(), limits, rows, |failure| {
        FailureBody::from(failure)
    })
}

/// `POST /webhooks/{id}/failures/{delivery}`
pub(super) async fn send_again<S: Store>(
    app: &App<S>,
    id: &str,
    delivery: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = administrator(app, request).await?;
    let sent = app.send_again(&caller, &named(id, delivery)?).await?;
    Ok(Reply::ok(wire::json(&SentBody::from(&sent))))
}

/// `DELETE /webhooks/{id}/failures/{delivery}`
pub(super) async fn discard<S: Store>(
    app: &App<S>,
    id: &str,
    delivery: &str,
    request: &Request,
) -> Result<Reply, ApiError> {
    let caller = administrator(app, request).await?;
    let gone = app.discard_failure(&caller, &named(id, delivery)?).await?;
    Ok(Reply::ok(wire::json(&FailureBody::from(&*gone))))
}

/// Who asks, when they are an administrator.
async fn administrator<S: Store>(app: &App<S>, request: &Request) -> Result<Caller, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    caller.needs(KnownRight::Admin)?;
    Ok(caller)
}

/// The failure that a path names, of the hook that it names.
fn named(id: &str, delivery: &str) -> Result<DeliveryId, ApiError> {
    let delivery = DeliveryId::parse(delivery);
    let of_hook = |delivery: &DeliveryId| WebhookId::parse(id) == Ok(delivery.hook);
    delivery.filter(of_hook).ok_or(ApiError::NotFound)
}

/// A notification that was sent by hand.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SentBody<'a> {
    delivery: &'a str,
    is_delivered: bool,
    status: Option<u16>,
    error: Option<&'a str>,
    took_milliseconds: u64,
}

impl<'a> From<&'a Sent> for SentBody<'a> {
    fn from(sent: &'a Sent) -> Self {
        Self {
            delivery: &sent.delivery,
            is_delivered: sent.error.is_none(),
            status: sent.status,
            error: sent.error.as_deref(),
            took_milliseconds: u64::try_from(sent.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A notification that a hook never got.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureBody<'a> {
    delivery: String,
    queued_at: String,
    failed_at: String,
    error: &'a str,
    notification: Box<RawValue>,
}

impl<'a> From<&'a Failure> for FailureBody<'a> {
    fn from(failure: &'a Failure) -> Self {
        let written = notification::of(&failure.event.change).to_vec();
        let written = String::from_utf8(written).expect("it is written from text");
        Self {
            delivery: failure.id().to_string(),
            queued_at: failure.event.since.to_string(),
            failed_at: failure.at.to_string(),
            error: &failure.why,
            notification: RawValue::from_string(written).expect("it is written as JSON"),
        }
    }
}

/// The members of a failure that lists filter and sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum FailureMember {
    Delivery,
    QueuedAt,
    FailedAt,
    Error,
}

impl Member for FailureMember {
    const ALL: &'static [Self] = &[Self::Delivery, Self::QueuedAt, Self::FailedAt, Self::Error];
    const TIE_BREAK: &'static [Self] = &[Self::QueuedAt, Self::Delivery];

    fn name(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::QueuedAt => "queuedAt",
            Self::FailedAt => "failedAt",
            Self::Error => "error",
        }
    }

    fn alias(self) -> Option<&'static str> {
        None
    }

    fn kind(self) -> Kind {
        match self {
            Self::Delivery | Self::Error => Kind::Text,
            Self::QueuedAt | Self::FailedAt => Kind::Time,
        }
    }
}

impl Row<FailureMember> for Failure {
    fn value(&self, member: FailureMember) -> Value<'_> {
        match member {
            FailureMember::Delivery => Value::Text(self.id().to_string().into()),
            FailureMember::QueuedAt => Value::Time(self.event.since),
            FailureMember::FailedAt => Value::Time(self.at),
            FailureMember::Error => Value::Text((&*self.why).into()),
        }
    }
}
