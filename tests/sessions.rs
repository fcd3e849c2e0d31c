//! Sessions over the socket: list, look, end, versions, conditions.

mod support;

use serde_json::{Value, json};
use support::{Place, eventually};

/// A session's last state, as an owner who logs in elsewhere sees it.
#[test]
fn a_session_can_be_listed_read_and_ended() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");

    let page = server.get("/sessions?userName=1", &owner.token).json();
    assert_eq!(page["count"], 1);
    assert_eq!(page["totalCount"], 1);
    assert_eq!(page["items"][0]["sessionId"], till.id.as_str());

    let seen = server.get(&format!("/sessions/{}", till.id), &owner.token);
    assert_eq!(seen.status, 200);
    assert_eq!(seen.json()["identity"]["deviceName"], "P01");

    let ended = server.delete(&format!("/sessions/{}", till.id), &owner.token);
    assert_eq!(ended.status, 200);
    assert_eq!(ended.json(), seen.json());
    assert_eq!(
        server
            .get(&format!("/sessions/{}", till.id), &owner.token)
            .status,
        404
    );
    let refused = server.get("/api/auth", &till.token);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["reason"], "revoked");
    assert_eq!(
        server
            .delete(&format!("/sessions/{}", till.id), &owner.token)
            .status,
        404
    );
}

#[test]
fn every_prefix_reaches_the_same_routes_and_only_once() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    for path in ["/sessions", "/api/sessions", "/api/v1/sessions"] {
        assert_eq!(server.get(path, &owner.token).status, 200, "{path}");
    }
    // Problems name the path as it was asked for, prefix and all.
    for prefix in ["", "/api", "/api/v1"] {
        let path = format!("{prefix}/sessions/{}", "A".repeat(32));
        let problem = server.get(&path, &owner.token).json();
        assert_eq!(problem["instance"], path.as_str());
    }
    for path in [
        "/api/api/sessions",
        "/sessions/",
        "/api/v2/sessions",
        "/nowhere",
    ] {
        assert_eq!(server.get(path, &owner.token).status, 404, "{path}");
    }
}

#[test]
fn an_access_raises_the_version_by_one_and_moves_only_last_access() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    let path = format!("/sessions/{}", login.id);

    let first = server.get(&path, &login.token).json();
    let second = server.get(&path, &login.token).json();

    assert_eq!(first["_v"], 2);
    assert_eq!(second["_v"], 3);
    assert_eq!(first["expiresAt"], second["expiresAt"]);
    assert_eq!(first["startedAt"], second["startedAt"]);
    assert!(support::time(&first["lastAccessAt"]) <= support::time(&second["lastAccessAt"]));
}

#[test]
fn an_unchanged_session_answers_304() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");
    let path = format!("/sessions/{}", till.id);
    let tag = server.get(&path, &owner.token).header("etag").to_owned();
    assert_eq!(tag, "\"1\"");

    let with = |name: &str, value: &str| {
        let headers = vec![
            (
                "Authorization".to_owned(),
                format!("Bearer {}", owner.token),
            ),
            (name.to_owned(), value.to_owned()),
        ];
        server.send("GET", &path, &headers, &Value::Null)
    };

    let unchanged = with("If-None-Match", &tag);
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    assert_eq!(with("If-None-Match", "\"99\"").status, 200);
}

#[test]
fn a_stale_if_match_ends_nothing_and_names_the_stored_version() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");
    let path = format!("/sessions/{}", till.id);
    let with = |name: &str, tag: &str| {
        let headers = vec![
            (
                "Authorization".to_owned(),
                format!("Bearer {}", owner.token),
            ),
            (name.to_owned(), tag.to_owned()),
        ];
        server.send("DELETE", &path, &headers, &Value::Null)
    };
    let delete = |tag: &str| with("If-Match", tag);

    let refused = with("If-None-Match", "*");
    assert_eq!(refused.status, 412, "{}", refused.text);
    assert_eq!(refused.json()["resource"]["version"], 1);
    for tag in ["\"7\"", "W/\"1\"", "\"x\""] {
        let refused = delete(tag);
        assert_eq!(refused.status, 412, "{tag}");
        assert_eq!(refused.json()["errorCode"], 6, "{tag}");
        assert_eq!(refused.json()["resource"]["version"], 1, "{tag}");
    }
    assert_eq!(server.get(&path, &owner.token).status, 200);
    assert_eq!(delete("\"7\", \"1\"").status, 200);
}

#[test]
fn the_asking_request_itself_is_left_out_of_the_comparison() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    let path = format!("/sessions/{}", login.id);
    let tag = server.get(&path, &login.token).header("etag").to_owned();
    let headers = vec![
        (
            "Authorization".to_owned(),
            format!("Bearer {}", login.token),
        ),
        ("If-Match".to_owned(), tag),
    ];

    assert_eq!(
        server.send("DELETE", &path, &headers, &Value::Null).status,
        200
    );
}

#[test]
fn anything_that_is_no_id_is_not_found() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    for id in [
        "x",
        &login.id[..31],
        &format!("{}a", login.id),
        "%2e%2e",
        "%00",
        "%ff",
        "%zz",
    ] {
        let answer = server.get(&format!("/sessions/{id}"), &login.token);
        assert_eq!(answer.status, 404, "{id}: {}", answer.text);
    }
}

#[test]
fn counts_are_exact_and_pages_follow_the_query() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    for _ in 0..7 {
        server.log_in("1", "LINK");
    }

    let counted = server
        .get("/sessions?userName=1&$count=true", &owner.token)
        .json();
    assert_eq!(counted, json!({"count": 7, "totalCount": 7}));
    let page = server
        .get(
            "/sessions?userName=1&$take=3&$skip=2&$sort=-startedAt",
            &owner.token,
        )
        .json();
    assert_eq!(page["count"], 3);
    assert_eq!(page["totalCount"], 7);

    let mut seen = Vec::new();
    let mut path = "/sessions?userName=1&$take=3&$sort=startedAt".to_owned();
    loop {
        let page = server.get(&path, &owner.token).json();
        let items = page["items"].as_array().expect("items");
        seen.extend(
            items
                .iter()
                .map(|item| item["sessionId"].as_str().expect("an id").to_owned()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/sessions?userName=1&$take=3&$sort=startedAt&$after={cursor}");
    }
    let unique: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), unique.len()), (7, 7));
}

#[test]
fn a_misspelt_query_is_refused_by_the_member_s_name() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    for (query, member) in [
        ("userNam=1", "userNam"),
        ("$sort=nothing", "$sort"),
        ("$take=-1", "$take"),
        ("$skip=x", "$skip"),
        ("_v=abc", "_v"),
        ("startedAt=yesterday", "startedAt"),
        ("$after=foreign", "$after"),
        ("userName=contains:", "userName"),
    ] {
        let answer = server.get(&format!("/sessions?{query}"), &owner.token);
        assert_eq!(answer.status, 400, "{query}");
        let body = answer.json();
        assert_eq!(body["errorCode"], 3, "{query}");
        assert_eq!(body["errors"][0]["memberName"], member, "{query}: {body}");
    }
}

#[test]
fn an_ended_session_stays_ended_and_a_live_one_lives_after_a_restart() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let ended = server.log_in("1", "P01");
    let live = server.log_in("2", "BackOffice");
    assert_eq!(
        server
            .delete(&format!("/sessions/{}", ended.id), &owner.token)
            .status,
        200
    );
    server.kill();

    let server = place.serve();
    let refused = server.get("/api/auth", &ended.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("revoked"))
    );
    assert_eq!(server.get("/api/auth", &live.token).status, 200);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");

    let server = place.serve();
    assert_eq!(server.get("/api/auth", &ended.token).status, 401);
    assert_eq!(server.get("/api/auth", &live.token).status, 200);
}

#[test]
fn after_a_kill_no_version_is_given_twice_and_after_a_stop_none_is_skipped() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "BackOffice");
    let path = format!("/sessions/{}", login.id);
    let mut last = 0;
    for _ in 0..10 {
        last = server.get(&path, &login.token).json()["_v"]
            .as_u64()
            .expect("a number");
    }
    server.kill();

    let server = place.serve();
    let after_kill = server.get(&path, &login.token).json()["_v"]
        .as_u64()
        .expect("a number");
    assert!(after_kill > last, "{after_kill} {last}");
    server.stop();

    let server = place.serve();
    let after_stop = server.get(&path, &login.token).json()["_v"]
        .as_u64()
        .expect("a number");
    assert_eq!(after_stop, after_kill + 1);
}

#[test]
fn a_session_past_its_lifetime_is_refused_with_the_reason_and_swept() {
    let place = Place::with_shop()
        .option("SESSIONS__LIFETIME__DEFAULT", "2s")
        .option("SESSIONS__LIFETIME__BACKOFFICE", "1h");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");

    eventually("the till's session expires", || {
        server
            .get(&format!("/sessions/{}", till.id), &owner.token)
            .status
            == 404
    });
    let refused = server.get("/api/auth", &till.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("expired"))
    );
    eventually("the sweep reports it", || {
        let health = server
            .call("GET", "/api/v2/health", None, &Value::Null)
            .json();
        health["entries"]["sweeper"]["data"]["ended"] == 1
    });
}

#[test]
fn an_idle_session_is_refused_from_the_instant_of_its_limit() {
    let place = Place::with_shop().option("SESSIONS__IDLE__CASHREGISTER", "2s");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");

    eventually("the till falls idle", || {
        server
            .get(&format!("/sessions/{}", till.id), &owner.token)
            .status
            == 404
    });
    let refused = server.get("/api/auth", &till.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("idle"))
    );
}
