//! What is over, over the socket: ended sessions.

mod support;

use serde_json::{Value, json};
use support::{Place, Server, eventually, time};

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    let id = |item: &'_ Value| item["sessionId"].as_str().map(str::len);
    assert!(items.iter().all(|item| id(item) == Some(32)));
    items
        .iter()
        .filter_map(|item| item["sessionId"].as_str())
        .collect()
}

/// Ends everything `1` has, by disabling the user.
fn disable_cashier(server: &Server, token: &str) {
    let mut user = server.get("/users/1", token).json();
    user["isActive"] = json!(false);
    let path = format!("/users/{}", user["id"].as_str().expect("an id"));
    assert_eq!(server.call("PUT", &path, Some(token), &user).status, 200);
}

#[test]
fn ended_sessions_say_when_why_and_by_whom_also_after_a_kill() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let replaced = server.log_in("1", "P01");
    let out = server.log_in("1", "P01");
    let last = server
        .get(&format!("/sessions/{}", out.id), &owner.token)
        .json();
    // The one before it ended in an earlier millisecond.
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(server.delete("/api/auth", &out.token).status, 204);
    let fenced = server.log_in("1", "P01");
    disable_cashier(&server, &owner.token);

    let before = server.get("/sessions/ended", &owner.token);
    assert_eq!(before.status, 200);
    let page = before.json();
    assert_eq!(
        (&page["count"], &page["totalCount"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(ids(&page), [&replaced.id, &out.id, &fenced.id]);
    let [first, second, third] = [0, 1, 2].map(|at| &page["items"][at]);
    let cashier = json!({"userName": "1", "deviceName": "P01"});
    assert_eq!(
        (&first["endReason"], &first["endedBy"]),
        (&json!("replaced"), &cashier)
    );
    assert_eq!(
        (&second["endReason"], &second["endedBy"]),
        (&json!("loggedOut"), &cashier)
    );
    let manager = json!({"userName": "999", "deviceName": "BackOffice"});
    assert_eq!(
        (&third["endReason"], &third["endedBy"]),
        (&json!("accountDisabled"), &manager)
    );
    for member in ["sessionId", "identity", "startedAt", "expiresAt"] {
        assert_eq!(second[member], last[member], "{member}");
    }
    assert!(time(&second["endedAt"]) >= time(&last["startedAt"]));

    server.kill();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let after = server
        .get("/sessions/ended?userName=1", &owner.token)
        .json();
    assert_eq!(after["items"], page["items"]);
    let newest = server
        .get("/sessions/ended?$sort=-endedAt&$take=1", &owner.token)
        .json();
    assert_eq!(ids(&newest), [&fenced.id]);
    let cursor = newest["nextCursor"].as_str().expect("more follow");
    let next = format!("/sessions/ended?$sort=-endedAt&$take=1&$after={cursor}");
    assert_eq!(ids(&server.get(&next, &owner.token).json()), [&out.id]);
}

#[test]
fn only_who_may_read_any_session_reads_ended_ones() {
    let place = Place::with_shop();
    let server = place.serve();
    let cashier = server.log_in("1", "P01");
    let refused = server.get("/sessions/ended?nothing=1", &cashier.token);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["errorCode"], 2);
    let none = server.call("GET", "/sessions/ended", None, &Value::Null);
    assert_eq!(none.status, 401);
    let owner = server.log_in("999", "BackOffice");
    for (path, status) in [
        ("/sessions/ended?nothing=1", 400),
        (
            "/sessions/ended?endedBy.deviceName=null&endReason=in:idle,expired",
            200,
        ),
        ("/api/v1/sessions/ended?$count=true", 200),
        ("/sessions/ended/", 404),
    ] {
        assert_eq!(server.get(path, &owner.token).status, status, "{path}");
    }
    for method in ["DELETE", "POST", "PUT"] {
        let answer = server.call(method, "/sessions/ended", Some(&owner.token), &Value::Null);
        assert_eq!(answer.status, 405, "{method}");
    }
}

#[test]
fn a_session_ended_by_time_ended_at_its_deadline() {
    let place = Place::with_shop().option("SESSIONS__LIFETIME__CASHREGISTER", "1s");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");
    let live = server
        .get(&format!("/sessions/{}", till.id), &owner.token)
        .json();

    let gone = || {
        server
            .get(&format!("/sessions/{}", till.id), &owner.token)
            .status
            == 404
    };
    eventually("the session is over", gone);
    let page = server.get("/sessions/ended", &owner.token).json();
    assert_eq!(ids(&page), [&till.id]);
    assert_eq!(page["items"][0]["endReason"], "expired");
    assert_eq!(page["items"][0]["endedAt"], live["expiresAt"]);
    assert_eq!(page["items"][0]["endedBy"], Value::Null);
}

/// Ends all sessions that match.
fn bulk(server: &Server, token: &str, filter: &str) -> support::Answer {
    server.delete(&format!("/sessions{filter}"), token)
}

#[test]
fn a_bulk_ending_ends_what_matches_and_says_how_many() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");
    let office: Vec<_> = (0..300).map(|_| server.log_in("1", "BackOffice")).collect();

    let answer = bulk(&server, &owner.token, "?userName=1&deviceName=BackOffice");
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (200, "{\"count\":300}")
    );
    let refused = server.get("/api/auth", &office[7].token);
    assert_eq!(
        (refused.status, &refused.json()["reason"]),
        (401, &json!("revoked"))
    );
    assert_eq!(server.get("/api/auth", &till.token).status, 200);

    // Everything older than an instant, the caller's own session included.
    let later = "2099-01-01T00:00:00Z";
    let answer = bulk(&server, &owner.token, &format!("?startedAt=lt:{later}"));
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (200, "{\"count\":2}")
    );
    for token in [&till.token, &owner.token] {
        let refused = server.get("/api/auth", token);
        assert_eq!(
            (refused.status, &refused.json()["reason"]),
            (401, &json!("notBefore"))
        );
    }
    server.kill();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let page = server.get(
        "/sessions/ended?$count=true&endReason=notBefore",
        &owner.token,
    );
    assert_eq!(page.json()["totalCount"], 2);
    let told = server
        .get("/audit?action=sessionsEnded", &owner.token)
        .json();
    let counts: Vec<_> = told["items"].as_array().expect("items").iter().collect();
    assert_eq!(counts.len(), 2);
    assert_eq!(counts[0]["count"], 300);
    assert_eq!(counts[0]["detail"], "userName=1&deviceName=BackOffice");
    assert_eq!(counts[1]["reason"], "notBefore");
}

#[test]
fn a_bulk_ending_that_could_mean_more_than_was_meant_is_refused() {
    let place = Place::with_shop().option("QUERY__UNKNOWN_MEMBERS", "ignore");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");
    for (filter, member) in [
        ("", "query"),
        ("?", "query"),
        ("?userNam=1", "userNam"),
        ("?userName=1&userNam=1", "userNam"),
        ("?_=17", "_"),
        ("?userName=1&_x=1", "_x"),
        ("?userName=1&$take=1", "$take"),
        ("?userName=1&$sort=", "$sort"),
        ("?userName=1&%24count=true", "$count"),
        ("?startedAt=lt:soon", "startedAt"),
    ] {
        let answer = bulk(&server, &owner.token, filter);
        assert_eq!(answer.status, 400, "{filter} {}", answer.text);
        let problem = answer.json();
        assert_eq!(problem["errorCode"], 3);
        assert_eq!(problem["errors"][0]["memberName"], member, "{filter}");
    }
    assert_eq!(bulk(&server, &owner.token, "/?userName=1").status, 404);
    assert_eq!(bulk(&server, &till.token, "?userNam=1").status, 403);
    assert_eq!(
        bulk(&server, &owner.token, "?_v=gt:1000").json()["count"],
        0
    );
    assert_eq!(server.get("/api/auth", &till.token).status, 200);
}

fn sids(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().expect("items");
    items
        .iter()
        .filter_map(|item| item["sid"].as_str())
        .collect()
}

#[test]
fn the_feed_tells_of_every_ending_also_after_a_kill() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let first = server.get("/sessions/revocations", &owner.token).json();
    assert_eq!(first["reset"], true);
    assert_eq!(first["staleAfterSeconds"], 30);
    assert_eq!(first["kids"].as_array().map(Vec::len), Some(1));
    let cursor = first["cursor"].as_str().expect("a cursor").to_owned();

    let (out, fenced) = (server.log_in("1", "P01"), server.log_in("1", "BackOffice"));
    assert_eq!(server.delete("/api/auth", &out.token).status, 204);
    disable_cashier(&server, &owner.token);
    let path = format!("/sessions/revocations?since={cursor}");
    let told = server.get(&path, &owner.token).json();
    assert_eq!(sids(&told), [&out.id, &fenced.id]);
    assert_eq!(told["reset"], false);
    let exp = told["items"][0]["exp"].as_i64().expect("seconds");
    let now = time(&told["now"]).timestamp();
    assert!((11 * 3600..=12 * 3600 + 1).contains(&(exp - now)));
    let next = told["cursor"].as_str().expect("a cursor").to_owned();

    server.kill();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let again = server.get(&path, &owner.token).json();
    assert_eq!(sids(&again), [&out.id, &fenced.id]);
    assert_eq!(again["reset"], false);
    let path = format!("/sessions/revocations?since={next}");
    let rest = server.get(&path, &owner.token).json();
    assert_eq!((sids(&rest).len(), &rest["reset"]), (0, &json!(false)));
    for strange in ["17-1", "0-999999999", "x", ""] {
        let path = format!("/sessions/revocations?since={strange}");
        let answer = server.get(&path, &owner.token).json();
        assert_eq!(answer["reset"], true, "{strange}");
        assert_eq!(sids(&answer).len(), 2, "{strange}");
    }
    for wait in ["31", "-1", "x", "1.5"] {
        let path = format!("/sessions/revocations?wait={wait}");
        assert_eq!(server.get(&path, &owner.token).status, 400, "{wait}");
    }
}

#[test]
fn who_waits_for_an_ending_hears_of_it_at_once() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let till = server.log_in("1", "P01");
    let first = server
        .get("/sessions/revocations?wait=30", &owner.token)
        .json();
    let cursor = first["cursor"].as_str().expect("a cursor");
    let path = format!("/sessions/revocations?wait=30&since={cursor}");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| server.get(&path, &owner.token).json());
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(server.delete("/api/auth", &till.token).status, 204);
        let told = waits.join().expect("an answer");
        assert_eq!(sids(&told), [&till.id]);
    });
    // An empty answer is the heartbeat.
    let told = server.get(&path, &owner.token).json();
    let path = format!(
        "/sessions/revocations?wait=1&since={}",
        told["cursor"].as_str().expect("a cursor")
    );
    assert_eq!(sids(&server.get(&path, &owner.token).json()).len(), 0);
}

#[test]
fn the_audit_says_who_did_what_from_where_also_after_a_kill() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let typed = "hunter2-typed-into-the-name";
    for (user, password) in [("1", "wrong-secret"), (typed, "x"), ("1", "wrong-secret")] {
        assert_eq!(server.try_log_in(user, password, "P01").status, 401);
    }
    let till = server.log_in("1", "P01");
    let gone = server.delete(&format!("/sessions/{}", till.id), &owner.token);
    assert_eq!(gone.status, 200);
    disable_cashier(&server, &owner.token);
    support::good(&place, &["clock", "confirm"]);

    server.kill();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let page = server.get("/audit?$sort=number", &owner.token);
    for secret in [
        typed,
        "wrong-secret",
        till.token.as_str(),
        till.refresh.as_str(),
    ] {
        assert!(!page.text.contains(secret), "{secret}");
    }
    let page = page.json();
    let items = page["items"].as_array().expect("items");
    let of = |action: &str| -> Vec<&Value> {
        items
            .iter()
            .filter(|item| item["action"] == action)
            .collect()
    };
    let failed = of("loginFailed");
    assert_eq!(failed.len(), 2);
    assert_eq!(
        (&failed[0]["count"], &failed[1]["count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(failed[0]["resource"]["userName"], "1");
    assert_eq!(failed[0]["by"], Value::Null);
    assert_eq!(failed[1]["resource"].get("userName"), None);
    let ended = of("sessionEnded");
    assert_eq!(ended.len(), 1);
    assert_eq!(
        ended[0]["by"],
        json!({"userName": "999", "deviceName": "BackOffice"})
    );
    assert_eq!(ended[0]["peer"], "127.0.0.1");
    assert_eq!(ended[0]["requestId"], gone.header("x-request-id"));
    assert_eq!(ended[0]["resource"]["id"], till.id.as_str());
    assert_eq!(ended[0]["reason"], "revoked");
    let updated = of("updated");
    let user = updated.iter().find(|item| item["author"] == "caller");
    assert_eq!(
        user.expect("the disabled user")["changed"],
        json!(["isActive"])
    );
    assert_eq!(of("clockConfirmed")[0]["author"], "cli");
    assert!(of("login").len() >= 3);
    assert!(items.iter().any(|item| item["action"] == "created"));
}
