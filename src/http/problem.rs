//! What goes wrong with a request, and how it is told: one enum with a variant
//! for each way the client reacts, and the RFC 9457 document for each.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::{ALLOW, CONTENT_LANGUAGE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::i18n::Language;
use super::reply::{Reply, seconds};
use super::wire;
use crate::auth::nws4::{Answer, Refusal};
use crate::model::{EndReason, Field, Timestamp};
use crate::ndata::QueryErrors;
use crate::service::{ServiceError, Stored};

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The request is no HTTP or no JSON that can be read (400); the sentence
    /// says where.
    Unreadable(&'static str),
    /// Members of the body or of the query that can not be so (400).
    Invalid(Vec<Field>),
    /// `_v` of the body is not the stored one (400, errorCode 6).
    VersionMismatch(Stored),
    /// Nobody is logged in (401).
    Unauthenticated {
        /// Why the session is over, if that is known.
        reason: Option<EndReason>,
        /// Whether the request carried credentials, which are then no good.
        presented: bool,
    },
    /// A signed request is refused (401), for whatever reason but one: who has
    /// the secret and the wrong time is told what time it is here.
    SignatureRefused {
        /// The server's time, when that is the reason.
        server_time: Option<String>,
    },
    /// The caller may not (403).
    Forbidden(String),
    /// A limit of sessions is reached (403).
    SessionLimit,
    /// There is no such thing (404).
    NotFound,
    /// The path exists, with these methods (405).
    MethodNotAllowed(&'static str),
    /// The client does not take JSON (406).
    NotAcceptable,
    /// The request did not arrive in time (408).
    TooSlow,
    /// `If-Match` or `If-None-Match` does not hold (412).
    PreconditionFailed(Stored),
    /// The body is larger than bodies may be (413).
    BodyTooLarge,
    /// The address is longer than addresses may be (414).
    UriTooLong,
    /// The body is no JSON by its own account (415).
    UnsupportedMediaType,
    /// Too many failed logins: locked for this long (423).
    Locked(Duration),
    /// The headers are larger than headers may be (431).
    HeadersTooLarge,
    /// A fault of ours (500). The cause is in the log.
    Internal,
    /// It may go well after this long (503).
    Unavailable(Duration),
    /// No room on the disk for what begins or grows (507).
    NoRoom,
}

/// What a 401 asks of who would sign, as the .NET server words it.
const SIGNED_CHALLENGE: &str = "NWS4-HMAC-SHA256 realm=\"tillgate\", charset=\"UTF-8\"";
/// How soon to look again while the server only reads: somebody has to restart it.
const READ_ONLY_RETRY_AFTER: Duration = Duration::from_mins(1);
/// How soon to try again when nobody can tell whether a change was made.
const UNKNOWN_RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Unauthenticated { reason } => Self::Unauthenticated {
                reason,
                presented: true,
            },
            ServiceError::Signature {
                refusal,
                server_time,
            } => Self::of_signature(refusal, server_time),
            ServiceError::Forbidden(sentence) => Self::Forbidden(sentence),
            ServiceError::SessionLimit => Self::SessionLimit,
            ServiceError::NotFound => Self::NotFound,
            ServiceError::Invalid(fields) => Self::Invalid(fields),
            ServiceError::VersionMismatch(stored) => Self::VersionMismatch(stored),
            ServiceError::PreconditionFailed(stored) => Self::PreconditionFailed(stored),
            ServiceError::Locked(wait) => Self::Locked(wait),
            ServiceError::Busy(after) => Self::Unavailable(after),
            ServiceError::Full => Self::NoRoom,
            ServiceError::ReadOnly => Self::Unavailable(READ_ONLY_RETRY_AFTER),
            ServiceError::Unknown => Self::Unavailable(UNKNOWN_RETRY_AFTER),
        }
    }
}

impl ApiError {
    /// One member of a request, or a parameter of its query, is wrong.
    pub(super) fn wrong(member: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Field {
            member: member.to_owned(),
            message: message.into(),
            code: None,
        }])
    }

    /// Everything that would tell keys and signatures apart stays inside.
    fn of_signature(refusal: Refusal, server_time: Timestamp) -> Self {
        match (refusal.answer(), refusal) {
            (Answer::BadRequest, Refusal::UnsignedQuery) => {
                Self::Unreadable("A query parameter of a signed request has a second '='.")
            }
            (Answer::BadRequest, _) => Self::Unreadable("Chunk-signed bodies are not supported."),
            (Answer::Busy, _) => Self::Unavailable(UNKNOWN_RETRY_AFTER),
            (Answer::Unauthenticated, Refusal::Expired) => {
                let time = format!(
                    "The signature's time is too far from the server's, which is {server_time}."
                );
                Self::SignatureRefused {
                    server_time: Some(time),
                }
            }
            (Answer::Unauthenticated, _) => Self::SignatureRefused { server_time: None },
        }
    }
}

impl From<QueryErrors> for ApiError {
    fn from(errors: QueryErrors) -> Self {
        let fields = errors.errors.into_iter().map(|error| Field {
            member: error.member,
            message: error.message,
            code: None,
        });
        Self::Invalid(fields.collect())
    }
}

/// The parts of a problem that its kind decides.
struct Kind {
    status: StatusCode,
    /// Ends the stable `type`.
    urn: &'static str,
    title: &'static str,
    error_code: Option<u8>,
}

const fn kind(status: StatusCode, urn: &'static str, title: &'static str) -> Kind {
    Kind {
        status,
        urn,
        title,
        error_code: None,
    }
}

const fn coded(status: StatusCode, urn: &'static str, title: &'static str, code: u8) -> Kind {
    Kind {
        status,
        urn,
        title,
        error_code: Some(code),
    }
}

impl ApiError {
    fn kind(&self) -> Kind {
        type S = StatusCode;
        match self {
            Self::Unreadable(_) => coded(
                S::BAD_REQUEST,
                "unreadable",
                "The request can not be read",
                3,
            ),
            Self::Invalid(_) => coded(S::BAD_REQUEST, "validation", "The request is not valid", 3),
            Self::VersionMismatch(_) => coded(
                S::BAD_REQUEST,
                "version-mismatch",
                "Changed in the meantime",
                6,
            ),
            Self::Unauthenticated { .. } | Self::SignatureRefused { .. } => {
                coded(S::UNAUTHORIZED, "unauthenticated", "Not logged in", 1)
            }
            Self::Forbidden(_) => coded(S::FORBIDDEN, "unauthorized", "Not allowed", 2),
            Self::SessionLimit => coded(S::FORBIDDEN, "session-limit", "Too many sessions", 2),
            Self::NotFound => kind(S::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed(_) => kind(
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This method is not available here",
            ),
            Self::NotAcceptable => kind(
                S::NOT_ACCEPTABLE,
                "not-acceptable",
                "No answer in an acceptable format",
            ),
            Self::TooSlow => kind(
                S::REQUEST_TIMEOUT,
                "too-slow",
                "The request came too slowly",
            ),
            Self::PreconditionFailed(_) => coded(
                S::PRECONDITION_FAILED,
                "precondition-failed",
                "Changed in the meantime",
                6,
            ),
            Self::BodyTooLarge => kind(
                S::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The request is too large",
            ),
            Self::UriTooLong => kind(S::URI_TOO_LONG, "uri-too-long", "The address is too long"),
            Self::UnsupportedMediaType => kind(
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body is of another type than needed",
            ),
            Self::Locked(_) => coded(S::LOCKED, "locked", "Locked for the time being", 5),
            Self::HeadersTooLarge => kind(
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers-too-large",
                "The headers are too large",
            ),
            Self::Internal => kind(
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong here",
            ),
            Self::Unavailable(_) => kind(
                S::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available at the moment",
            ),
            Self::NoRoom => kind(S::INSUFFICIENT_STORAGE, "no-room", "No room on the disk"),
        }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind().status
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Self::Unreadable(sentence) => Some(sentence),
            Self::Forbidden(sentence) => Some(sentence),
            Self::Locked(_) => Some(
                "Too many attempts have failed. Try again after the seconds named in Retry-After.",
            ),
            Self::SignatureRefused { server_time } => server_time.as_deref(),
            Self::Unavailable(_) => Some("Try again after the seconds named in Retry-After."),
            Self::NoRoom => {
                Some("Logins are refused until there is room; sessions go on and can be ended.")
            }
            _ => None,
        }
    }

    /// The whole answer. `instance`: the path that was asked for, as received.
    pub(super) fn reply(&self, language: Language, trace_id: &str, instance: &str) -> Reply {
        let document = self.document(language, trace_id, instance);
        let mut reply = Reply::problem(self.status(), wire::json(&document))
            .with(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        for challenge in self.challenges() {
            reply = reply.with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        match self {
            Self::MethodNotAllowed(allow) => reply.with(ALLOW, HeaderValue::from_static(allow)),
            Self::Locked(after) | Self::Unavailable(after) => {
                reply.with(RETRY_AFTER, seconds(*after))
            }
            _ => reply,
        }
    }

    fn challenges(&self) -> &'static [&'static str] {
        match self {
            Self::Unauthenticated {
                presented: true, ..
            } => &["Bearer error=\"invalid_token\""],
            Self::Unauthenticated {
                presented: false, ..
            } => &["Bearer", SIGNED_CHALLENGE],
            Self::SignatureRefused { .. } => &[SIGNED_CHALLENGE],
            _ => &[],
        }
    }

    fn document<'a>(
        &'a self,
        language: Language,
        trace_id: &'a str,
        instance: &'a str,
    ) -> Document<'a> {
        let Kind {
            status,
            urn,
            title,
            error_code,
        } = self.kind();
        Document {
            kind: format!("urn:tillgate:problem:{urn}"),
            title: language.say(title),
            status: status.as_u16(),
            detail: self.detail().map(|detail| language.say(detail)),
            instance: Some(instance).filter(|instance| !instance.is_empty()),
            trace_id,
            error_code,
            reason: match self {
                Self::Unauthenticated { reason, .. } => reason.map(EndReason::as_str),
                Self::SessionLimit => Some("sessionLimit"),
                _ => None,
            },
            resource: match self {
                Self::VersionMismatch(stored) | Self::PreconditionFailed(stored) => {
                    Some(Resource::from(stored))
                }
                _ => None,
            },
            errors: match self {
                Self::Invalid(fields) => Some(
                    fields
                        .iter()
                        .map(|field| Invalid::new(field, language))
                        .collect(),
                ),
                _ => None,
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: Cow<'static, str>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Resource<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<Invalid<'a>>>,
}

/// What a version condition was about.
#[derive(Serialize)]
struct Resource<'a> {
    name: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

impl<'a> From<&'a Stored> for Resource<'a> {
    fn from(stored: &'a Stored) -> Self {
        Self {
            name: stored.resource,
            id: stored.id.as_deref().unwrap_or(&stored.name),
            version: stored.version.map(|version| version.0),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invalid<'a> {
    member_name: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl<'a> Invalid<'a> {
    fn new(field: &'a Field, language: Language) -> Self {
        let message = language.say(&field.message).into_owned();
        Self {
            member_name: &field.member,
            message,
            code: field.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Version;

    fn read(error: &ApiError, language: Language) -> (Reply, Value) {
        let reply = error.reply(language, "t-1", "/x");
        let body = serde_json::from_slice(&reply.body).expect("JSON");
        (reply, body)
    }

    fn headers(reply: &Reply, name: &warp::http::HeaderName) -> Vec<String> {
        let fits = reply.headers.iter().filter(|(given, _)| given == name);
        fits.map(|(_, value)| value.to_str().expect("ASCII").to_owned())
            .collect()
    }

    #[test]
    fn a_validation_problem_names_every_member() {
        let field = |member: &str, code| Field {
            member: member.to_owned(),
            message: "is required".to_owned(),
            code,
        };
        let error = ApiError::Invalid(vec![field("userName", Some("1")), field("name", None)]);

        let (reply, body) = read(&error, Language::Slovak);

        assert_eq!(reply.status, 400);
        assert_eq!(
            body,
            json!({
                "type": "urn:tillgate:problem:validation",
                "title": "Požiadavka nie je platná",
                "status": 400,
                "instance": "/x",
                "traceId": "t-1",
                "errorCode": 3,
                "errors": [
                    {"memberName": "userName", "message": "je povinné", "code": "1"},
                    {"memberName": "name", "message": "je povinné"},
                ],
            })
        );
        assert_eq!(headers(&reply, &CONTENT_LANGUAGE), ["sk-SK"]);
    }

    #[test]
    fn a_version_problem_names_the_stored_version() {
        let stored = Stored {
            resource: "device",
            name: "P01".to_owned(),
            id: None,
            version: Some(Version(7)),
        };
        for (error, status) in [
            (ApiError::PreconditionFailed(stored.clone()), 412),
            (ApiError::VersionMismatch(stored.clone()), 400),
        ] {
            let (_, body) = read(&error, Language::English);
            assert_eq!(
                (&body["status"], &body["errorCode"]),
                (&json!(status), &json!(6))
            );
            assert_eq!(
                body["resource"],
                json!({"name": "device", "id": "P01", "version": 7})
            );
        }
        let gone = ApiError::VersionMismatch(Stored {
            version: None,
            ..stored
        });
        assert_eq!(
            read(&gone, Language::English).1["resource"],
            json!({"name": "device", "id": "P01"})
        );
    }

    #[test]
    fn a_401_without_credentials_challenges_twice_and_one_with_bad_ones_names_the_error() {
        let bare = ApiError::Unauthenticated {
            reason: None,
            presented: false,
        };
        let over = ApiError::Unauthenticated {
            reason: Some(EndReason::Idle),
            presented: true,
        };

        let (reply, body) = read(&bare, Language::English);
        assert_eq!(
            headers(&reply, &WWW_AUTHENTICATE),
            ["Bearer", SIGNED_CHALLENGE]
        );
        assert_eq!(body.get("reason"), None);
        let (reply, body) = read(&over, Language::English);
        assert_eq!(
            headers(&reply, &WWW_AUTHENTICATE),
            ["Bearer error=\"invalid_token\""]
        );
        assert_eq!(body["reason"], "idle");
    }

    #[test]
    fn every_status_of_the_contract_has_its_document() {
        for (error, status) in [
            (ApiError::Unreadable("x"), 400),
            (ApiError::Forbidden("x".to_owned()), 403),
            (ApiError::SessionLimit, 403),
            (ApiError::NotFound, 404),
            (ApiError::MethodNotAllowed("GET"), 405),
            (ApiError::NotAcceptable, 406),
            (ApiError::TooSlow, 408),
            (ApiError::BodyTooLarge, 413),
            (ApiError::UriTooLong, 414),
            (ApiError::UnsupportedMediaType, 415),
            (ApiError::Locked(Duration::from_mins(30)), 423),
            (ApiError::HeadersTooLarge, 431),
            (ApiError::Internal, 500),
            (ApiError::Unavailable(Duration::from_millis(1_500)), 503),
            (ApiError::NoRoom, 507),
        ] {
            let (reply, body) = read(&error, Language::English);
            assert_eq!(
                (reply.status.as_u16(), &body["status"]),
                (status, &json!(status))
            );
            assert_ne!(
                Language::Slovak.say(error.kind().title),
                error.kind().title,
                "{error:?}"
            );
        }
        let (reply, _) = read(
            &ApiError::Unavailable(Duration::from_millis(1_500)),
            Language::English,
        );
        assert_eq!(headers(&reply, &RETRY_AFTER), ["2"]);
    }
}
