//! The documented samples: what the API page shows must come out member for
//! member, in the same order, with times spelled in the same way.

mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use support::{Place, Server};
use tillgate::http::wire;
use tillgate::model::{
    AuthenticationType, DeviceName, Env, Identity, Session, SessionId, Timestamp, UserName, Version,
};
use tillgate::ndata::Query;
use tillgate::store::SessionPage;

/// `GET /sessions/{id}` and `DELETE /sessions/{id}`.
const SESSION: &str = include_str!("../data/golden/session.json");
/// `GET /sessions`.
const SESSIONS: &str = include_str!("../data/golden/sessions.json");

/// The session of the samples.
fn documented() -> Session {
    Session {
        id: SessionId::parse("soZIt6uj62fzs8ep4UvnNSxRXFryUiq3").expect("an id"),
        identity: Identity {
            user_name: UserName::parse("999").expect("a name"),
            device_name: DeviceName::parse("P01").expect("a name"),
            env: Env::CashRegister,
            authentication_type: AuthenticationType::Bearer,
        },
        started_at: Timestamp::from_millis(1_691_147_978_015),
        expires_at: Timestamp::from_millis(1_691_191_178_015),
        last_access_at: Timestamp::from_millis(1_691_147_979_980),
        version: Version(2),
    }
}

/// The text with every value replaced by what kind of value it is, so that two
/// answers can be compared in everything but the values.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut rest = text.trim_end();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            '0'..='9' => rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len()),
            _ => 1,
        };
        let (piece, behind) = rest.split_at(length);
        shape.push_str(&match first {
            '"' if behind.starts_with(':') => piece.to_owned(),
            '"' => kind(piece.trim_matches('"')).to_owned(),
            '0'..='9' => "number".to_owned(),
            other => other.to_string(),
        });
        rest = behind;
    }
    shape
}

fn kind(text: &str) -> &'static str {
    if is_time(text) {
        "time"
    } else if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        "id"
    } else {
        "text"
    }
}

/// `2023-08-04T11:19:39.98Z`: UTC with `Z`, at most milliseconds, no trailing
/// zero, no fraction for a whole second.
fn is_time(text: &str) -> bool {
    let digits = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .chars()
                .zip(shape.chars())
                .all(|(c, s)| if s == '0' { c.is_ascii_digit() } else { c == s })
    };
    let Some(text) = text.strip_suffix('Z') else {
        return false;
    };
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(w, f)| (w, Some(f)));
    digits(whole, "0000-00-00T00:00:00")
        && fraction.is_none_or(|fraction| {
            (1..=3).contains(&fraction.len())
                && fraction.bytes().all(|byte| byte.is_ascii_digit())
                && !fraction.ends_with('0')
        })
}

#[test]
fn the_documented_session_comes_out_byte_for_byte() {
    let written = String::from_utf8(wire::session(&documented())).expect("UTF-8");
    assert_eq!(written, SESSION.trim_end());
}

#[test]
fn the_documented_page_comes_out_byte_for_byte() {
    let page = SessionPage {
        items: vec![documented()],
        count: 1,
        total: 1,
        more: false,
    };
    let written = wire::session_page(&Query::all(1_000), &page);
    assert_eq!(
        String::from_utf8(written).expect("UTF-8"),
        SESSIONS.trim_end()
    );
}

#[test]
fn the_samples_have_the_shapes_that_the_comparison_knows() {
    assert_eq!(
        shape(SESSION),
        "{\"sessionId\":id,\"identity\":{\"userName\":text,\"deviceName\":text,\"envName\":text,\
         \"authenticationType\":text},\"startedAt\":time,\"expiresAt\":time,\"lastAccessAt\":time,\
         \"_v\":number}"
    );
    for text in [
        "2023-08-04T11:19:39.980Z",
        "2023-08-04T11:19:39.Z",
        "2023-08-04T11:19:39+00:00",
        "",
    ] {
        assert!(!is_time(text), "{text}");
    }
    assert!(is_time("2023-08-04T11:19:39Z") && is_time("2023-08-04T11:19:38.015Z"));
}

/// The owner's token, and the id of the till session that is looked at.
fn log_in(server: &Server) -> (String, String) {
    let owner = server.log_in("999", "BackOffice");
    (owner.token, server.log_in("999", "P01").id)
}

#[test]
fn list_read_and_delete_answer_in_the_documented_shape() {
    let place = Place::with_shop();
    let server = place.serve();
    let (token, id) = log_in(&server);
    let path = format!("/api/sessions/{id}");

    let listed = server.get(&format!("/api/sessions?sessionId={id}"), &token);
    assert_eq!((listed.status, shape(&listed.text)), (200, shape(SESSIONS)));
    let read = server.get(&path, &token);
    assert_eq!((read.status, shape(&read.text)), (200, shape(SESSION)));
    let deleted = server.delete(&path, &token);
    assert_eq!((deleted.status, deleted.text), (200, read.text));
}

#[test]
fn a_session_shows_the_documented_values_of_its_login() {
    let place = Place::with_shop();
    let server = place.serve();
    let (token, id) = log_in(&server);

    let session = server.get(&format!("/api/sessions/{id}"), &token).json();

    let sample: Value = serde_json::from_str(SESSION).expect("JSON");
    assert_eq!(session["identity"], sample["identity"]);
    assert_eq!(
        (&session["_v"], &session["startedAt"]),
        (&1.into(), &session["lastAccessAt"])
    );
}

#[test]
fn every_answer_of_the_api_carries_its_headers() {
    let place = Place::with_shop();
    let server = place.serve();
    let (token, id) = log_in(&server);
    let mut ids = BTreeMap::new();
    for path in [
        "/api/sessions".to_owned(),
        format!("/api/sessions/{id}"),
        "/api/auth".to_owned(),
    ] {
        let answer = server.get(&path, &token);
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(answer.header("date").ends_with(" GMT"), "{path}");
        ids.insert(answer.header("x-request-id").to_owned(), path);
    }
    assert_eq!(ids.len(), 3, "each request has an id of its own");
}
