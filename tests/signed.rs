//! Signed requests over the socket: who gets in, as whom, and for how long.

mod support;

use chrono::TimeDelta;
use serde_json::{Value, json};
use support::signer::{Dialect, Signer, now};
use support::{Answer, Place, Server};

/// An active key, made by the owner.
fn key(server: &Server, user: &str, device: &str, permissions: &[&str]) -> (Value, Signer) {
    let body = json!({"name": "key", "userName": user, "deviceName": device, "isActive": true,
        "permissions": permissions});
    let token = owner(server);
    let created = server.call("POST", "/apikeys", Some(&token), &body);
    assert_eq!(created.status, 201, "{}", created.text);
    (created.json(), Signer::of(&created.json()))
}

fn owner(server: &Server) -> String {
    server.log_in("999", "BackOffice").token
}

fn change(server: &Server, key: &Value, change: impl FnOnce(&mut Value)) -> Answer {
    let path = format!("/apikeys/{}", key["id"].as_str().expect("an id"));
    let token = owner(server);
    let mut body = server.get(&path, &token).json();
    change(&mut body);
    server.call("PUT", &path, Some(&token), &body)
}

/// The session that a key's requests go on in.
fn session_of(server: &Server, signer: &Signer) -> String {
    let query = "/sessions?authenticationType=NWS4-HMAC-SHA256&$sort=-startedAt";
    let answer = signer.get(server, query);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let sessions = answer.json();
    assert_eq!(sessions["totalCount"], 1, "{sessions}");
    let id = &sessions["items"][0]["sessionId"];
    id.as_str().expect("an id").to_owned()
}

#[test]
fn a_signed_request_runs_as_the_user_of_the_key_in_a_session_of_its_own() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, signer) = key(&server, "1", "P01", &[]);

    let profile = signer.get(&server, "/api/auth");
    assert_eq!(profile.status, 200, "{}", profile.text);
    assert_eq!(profile.json()["userName"], "1");
    assert_eq!(profile.json()["device"]["name"], "P01");
    let id = session_of(&server, &signer);
    let session = signer.get(&server, &format!("/sessions/{id}"));
    assert_eq!(session.status, 200, "{}", session.text);
    let session = session.json();
    assert_eq!(
        session["identity"]["authenticationType"],
        "NWS4-HMAC-SHA256"
    );
    assert_eq!(session["_v"], 4, "opened, and three accesses");
    assert_eq!(session_of(&server, &signer), id);
}

#[test]
fn bodies_paths_and_queries_are_signed_and_both_clients_get_in() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, net) = key(&server, "999", "BackOffice", &[]);
    let php = Signer {
        dialect: Dialect::Php,
        ..net.clone()
    };
    for signer in [&net, &php] {
        let name = format!("role {:?}", signer.dialect);
        let role = json!({"name": name, "rights": ["a"], "envNames": ["Tool"]});
        let created = signer.send(&server, "POST", "/api/v1/roles", &role);
        assert_eq!(created.status, 201, "{}", created.text);
        let path = format!("/roles/{}", name.replace(' ', "%20"));
        assert_eq!(signer.get(&server, &path).json()["rights"], json!(["a"]));
        assert_eq!(
            signer.send(&server, "DELETE", &path, &Value::Null).status,
            200
        );
        // Neither is there; that is another answer than "who are you?".
        assert_eq!(signer.get(&server, "/roles/a:b").status, 404);
        assert_eq!(
            signer
                .get(&server, "/api/users?$take=1&userName=in:1,2")
                .status,
            200
        );
        assert_eq!(
            signer.get(&server, "/users?$count=true&%24skip=0").status,
            200
        );
    }
    let headers = net.headers(&server, "PUT", "/roles/x", r#"{"name":"x"}"#);
    let other = server.send(
        "PUT",
        "/roles/x",
        &headers,
        &json!({"name": "x", "rights": ["y"]}),
    );
    assert_eq!(other.status, 401, "another body than the one signed");
    let headers = net.headers(&server, "GET", "/users?$take=1", "");
    for target in ["/users?$take=2", "/roles?$take=1", "/api/users?$take=1"] {
        assert_eq!(
            server.send("GET", target, &headers, &Value::Null).status,
            401,
            "{target}"
        );
    }
}

#[test]
fn a_signature_that_changes_something_is_good_once() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, signer) = key(&server, "999", "BackOffice", &[]);
    let role = json!({"name": "once"});
    let post = signer.headers(&server, "POST", "/roles", &role.to_string());
    let get = signer.headers(&server, "GET", "/roles/once", "");

    assert_eq!(server.send("POST", "/roles", &post, &role).status, 201);
    assert_eq!(server.delete("/roles/once", &owner(&server)).status, 200);
    let replayed = server.send("POST", "/roles", &post, &role);
    assert_eq!(
        (replayed.status, &replayed.json()["errorCode"]),
        (401, &json!(1))
    );
    assert_eq!(
        signer.send(&server, "POST", "/roles", &role).status,
        201,
        "signed again"
    );
    for _ in 0..3 {
        assert_eq!(
            server.send("GET", "/roles/once", &get, &Value::Null).status,
            200
        );
    }
}

#[test]
fn nobody_learns_why_a_signature_is_refused_but_who_has_only_the_wrong_time() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, good) = key(&server, "1", "P01", &[]);
    let (inactive, of_inactive) = key(&server, "1", "P01", &[]);
    assert_eq!(
        change(&server, &inactive, |key| key["isActive"] = json!(false)).status,
        200
    );
    let wrong = Signer {
        secret: "0".repeat(64),
        ..good.clone()
    };
    let unknown = Signer {
        id: "0".repeat(32),
        ..good.clone()
    };
    let odd = Signer {
        id: "odd".to_owned(),
        ..good.clone()
    };
    let told = |signer: &Signer| {
        let answer = signer.get(&server, "/api/auth");
        let challenge = answer.header("www-authenticate").to_owned();
        assert!(
            challenge.starts_with("NWS4-HMAC-SHA256 realm="),
            "{challenge}"
        );
        let mut body = answer.json();
        body.as_object_mut().expect("an object").remove("traceId");
        (answer.status, challenge, body)
    };
    let expected = told(&wrong);
    assert_eq!(expected.0, 401);
    assert!(expected.2.get("detail").is_none());
    for signer in [&of_inactive, &unknown, &odd] {
        assert_eq!(told(signer), expected, "{signer:?}");
    }
    let late = |signer: &Signer, minutes| Signer {
        time: Some(now() + TimeDelta::minutes(minutes)),
        ..signer.clone()
    };
    for minutes in [-10, 10] {
        let (status, _, body) = told(&late(&good, minutes));
        let detail = body["detail"].as_str().expect("a detail").to_owned();
        assert!(status == 401 && detail.contains("server's"), "{detail}");
        assert_eq!(told(&late(&wrong, minutes)), expected);
    }
    assert_eq!(good.get(&server, "/api/auth").status, 200);
}

#[test]
fn a_window_that_is_set_wider_lets_slower_clocks_in() {
    let place = Place::with_shop().option("NWS4__WINDOW", "1h");
    let server = place.serve();
    let (_, signer) = key(&server, "1", "P01", &[]);
    let late = Signer {
        time: Some(now() - TimeDelta::minutes(20)),
        ..signer
    };
    assert_eq!(late.get(&server, "/api/auth").status, 200);
    let post = late.send(&server, "POST", "/roles", &json!({"name": "x"}));
    assert_eq!(
        post.status, 401,
        "signed before the start: it may have been used"
    );
}

#[test]
fn what_can_not_be_signed_whole_is_refused() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, signer) = key(&server, "1", "P01", &[]);
    assert_eq!(signer.get(&server, "/users?a=b=c").status, 400);
    let mut headers = signer.headers(&server, "GET", "/users", "");
    for (_, value) in headers
        .iter_mut()
        .filter(|(name, _)| name == "x-nd-content-sha256")
    {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".clone_into(value);
    }
    assert_eq!(
        server.send("GET", "/users", &headers, &Value::Null).status,
        400
    );
    let huge = json!({"name": "x".repeat(70_000)});
    assert_eq!(signer.send(&server, "POST", "/roles", &huge).status, 413);
}

#[test]
fn rights_are_those_of_the_user_there_cut_down_by_the_permissions() {
    let place = Place::with_shop();
    let server = place.serve();
    let (made, signer) = key(&server, "999", "BackOffice", &["roleCreate"]);
    let role = |name: &str| json!({"name": name});

    assert_eq!(
        signer.get(&server, "/api/auth").json()["rights"],
        json!(["roleCreate"])
    );
    let refused = signer.send(
        &server,
        "POST",
        "/roles",
        &json!({"name": "x", "rights": ["y"]}),
    );
    assert_eq!(
        (refused.status, &refused.json()["errorCode"]),
        (403, &json!(2))
    );
    assert_eq!(
        signer.send(&server, "POST", "/roles", &role("x")).status,
        201
    );
    assert_eq!(
        signer
            .send(&server, "DELETE", "/roles/x", &Value::Null)
            .status,
        403
    );
    let widen = json!({"name": "w", "userName": "999", "deviceName": "BackOffice"});
    assert_eq!(signer.send(&server, "POST", "/apikeys", &widen).status, 403);

    change(&server, &made, |key| key["permissions"] = json!([]));
    assert_eq!(
        signer.get(&server, "/api/auth").json()["rights"],
        json!(["admin"])
    );
    assert_eq!(
        signer
            .send(&server, "DELETE", "/roles/x", &Value::Null)
            .status,
        200
    );
}

#[test]
fn an_ended_session_stays_ended_and_the_next_request_opens_another() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, signer) = key(&server, "1", "P01", &[]);
    let token = owner(&server);
    let first = session_of(&server, &signer);
    assert_eq!(
        server.delete(&format!("/sessions/{first}"), &token).status,
        200
    );
    assert_eq!(
        server.get(&format!("/sessions/{first}"), &token).status,
        404
    );
    let second = session_of(&server, &signer);
    assert_eq!(
        signer
            .send(&server, "DELETE", "/api/auth", &Value::Null)
            .status,
        204
    );
    assert_eq!(
        server.get(&format!("/sessions/{second}"), &token).status,
        404
    );
    let third = session_of(&server, &signer);
    assert!(first != second && second != third && first != third);
}

#[test]
fn a_key_that_is_switched_off_or_changed_lets_nobody_in_from_the_next_request_on() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let (made, signer) = key(&server, "1", "P01", &[]);
    let first = session_of(&server, &signer);

    assert_eq!(
        change(&server, &made, |key| key["isActive"] = json!(false)).status,
        200
    );
    assert_eq!(signer.get(&server, "/api/auth").status, 401);
    assert_eq!(
        server.get(&format!("/sessions/{first}"), &token).status,
        404
    );

    assert_eq!(
        change(&server, &made, |key| key["isActive"] = json!(true)).status,
        200
    );
    let second = session_of(&server, &signer);
    assert_ne!(first, second);
    let rotated = change(&server, &made, |key| {
        key["clientSecret"] = json!("5e".repeat(32));
    });
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    assert_eq!(signer.get(&server, "/api/auth").status, 401);
    let signer = Signer {
        secret: "5e".repeat(32),
        ..signer
    };
    assert_eq!(signer.get(&server, "/api/auth").json()["userName"], "1");

    change(&server, &made, |key| key["deviceName"] = json!("PDA1"));
    assert_eq!(
        signer.get(&server, "/api/auth").json()["device"]["name"],
        "PDA1"
    );
    let mut device = server.get("/devices/PDA1", &token).json();
    device["isActive"] = json!(false);
    assert_eq!(
        server
            .call("PUT", "/devices/PDA1", Some(&token), &device)
            .status,
        200
    );
    let refused = signer.get(&server, "/api/auth");
    assert_eq!((refused.status, refused.json().get("detail")), (401, None));
}

#[test]
fn a_key_at_a_till_leaves_the_cashier_alone() {
    let place = Place::with_shop();
    let server = place.serve();
    let cashier = server.log_in("1", "P01");
    let (_, signer) = key(&server, "1", "P01", &[]);
    let signed = session_of(&server, &signer);
    assert_eq!(server.get("/api/auth", &cashier.token).status, 200);
    let next = server.log_in("1", "P01");
    assert_eq!(server.get("/api/auth", &cashier.token).status, 401);
    assert_eq!(session_of(&server, &signer), signed);
    assert_eq!(server.get("/api/auth", &next.token).status, 200);
}

#[test]
fn of_many_first_requests_at_once_one_opens_the_session() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, signer) = key(&server, "1", "P01", &[]);
    std::thread::scope(|scope| {
        let first = || signer.get(&server, "/api/auth").status;
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(first)).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("no panic"), 200);
        }
    });
    let id = session_of(&server, &signer);
    let session = signer.get(&server, &format!("/sessions/{id}")).json();
    assert_eq!(session["_v"], 1 + 16 + 2, "each request counted once");
}

#[test]
fn the_session_of_a_key_survives_a_stop_and_a_kill() {
    let place = Place::with_shop();
    let server = place.serve();
    let (_, signer) = key(&server, "1", "P01", &[]);
    let id = session_of(&server, &signer);
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
    let server = place.serve();
    assert_eq!(session_of(&server, &signer), id);
    assert_eq!(
        signer
            .send(&server, "DELETE", "/api/auth", &Value::Null)
            .status,
        204
    );
    let next = session_of(&server, &signer);
    server.kill();
    let server = place.serve();
    assert_eq!(session_of(&server, &signer), next);
    assert_ne!(next, id);
}

#[test]
fn sessions_of_keys_can_be_hidden_from_everybody_else() {
    let place = Place::with_shop().option("NWS4__VISIBLE_SESSIONS", "false");
    let server = place.serve();
    let (made, signer) = key(&server, "1", "P01", &[]);
    let token = owner(&server);
    assert_eq!(signer.get(&server, "/api/auth").status, 200);
    let listed = server.get("/sessions", &token).json();
    let items = listed["items"].as_array().expect("a list");
    assert_eq!(listed["totalCount"], items.len());
    assert!(
        items
            .iter()
            .all(|item| item["identity"]["authenticationType"] == "Bearer")
    );
    // What is not shown is not ended by a filter, nor told of when it is over.
    let cashier = server.log_in("1", "P01");
    let ended = server.delete("/sessions?userName=1", &token);
    assert_eq!(ended.json()["count"], 1, "{}", ended.text);
    assert_eq!(server.get("/api/auth", &cashier.token).status, 401);
    let lasts = change(&server, &made, |key| key["isActive"] = json!(false));
    assert_eq!(lasts.status, 200, "{}", lasts.text);
    let over = server.get("/sessions/ended?userName=1", &token).json();
    assert_eq!(over["totalCount"], 1, "{over}");
    assert_eq!(over["items"][0]["sessionId"], json!(cashier.id));
}

#[test]
fn a_proxy_that_is_trusted_may_say_which_host_was_asked_for() {
    let place = Place::with_shop()
        .option("NWS4__FORWARDED_HOST", "true")
        .option("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let server = place.serve();
    let (_, signer) = key(&server, "1", "P01", &[]);
    let tunnelled = Signer {
        host: Some("shop.example".to_owned()),
        ..signer
    };
    let ask = |server: &Server| {
        let mut headers = tunnelled.headers(server, "GET", "/api/auth", "");
        headers.push(("X-Forwarded-Host".to_owned(), "shop.example".to_owned()));
        server
            .send("GET", "/api/auth", &headers, &Value::Null)
            .status
    };
    assert_eq!(ask(&server), 200);
    drop(server);
    let distrustful = place.option("HTTP__TRUSTED_PROXIES", "10.0.0.1");
    assert_eq!(ask(&distrustful.serve()), 401);
}

#[test]
fn who_shows_nothing_is_asked_for_either_kind_of_credentials() {
    let place = Place::with_shop();
    let server = place.serve();
    let answer = server.call("GET", "/api/auth", None, &Value::Null);
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(
        challenges,
        [
            "Bearer",
            "NWS4-HMAC-SHA256 realm=\"tillgate\", charset=\"UTF-8\""
        ]
    );
}

#[test]
fn a_service_with_a_key_opens_sessions_for_people_who_have_no_more_than_the_key() {
    let place = Place::with_shop();
    let server = place.serve();
    let (made, signer) = key(
        &server,
        "999",
        "BackOffice",
        &["sessionCreate", "userCreate"],
    );
    let open = |user: &str, device: &str| {
        let body = json!({"UserName": user, "DeviceName": device});
        signer.send(&server, "POST", "/api/sessions", &body)
    };
    let token = owner(&server);
    let user = json!({"userName": "w", "devices": [{"name": "P02"}]});
    assert_eq!(
        server.call("POST", "/users", Some(&token), &user).status,
        201
    );

    let opened = open("w", "P02");
    assert_eq!(opened.status, 201, "{}", opened.text);
    let body = opened.json();
    let id = body["sessionId"].as_str().expect("an id");
    assert!(
        opened
            .header("location")
            .ends_with(&format!("/sessions/{id}"))
    );
    let own = body["tokenId"].as_str().expect("a token");
    assert_eq!(server.get("/api/auth", own).json()["userName"], "w");
    let session = server.get(&format!("/sessions/{id}"), own).json();
    assert_eq!(session["identity"]["authenticationType"], "Bearer");
    assert_eq!(open("w", "P02").status, 201);
    assert_eq!(
        server.get("/api/auth", own).status,
        401,
        "the till holds one session"
    );

    for (user, device) in [
        ("nobody", "P02"),
        ("w", "P01"),
        ("w", "nowhere"),
        ("a/b", "P02"),
    ] {
        let refused = open(user, device);
        assert_eq!(
            (refused.status, &refused.json()["errorCode"]),
            (401, &json!(1)),
            "{user}"
        );
    }
    assert_eq!(open("", "P02").status, 400);
    assert_eq!(open("999", "BackOffice").status, 403, "an administrator");
    assert_eq!(
        open("m", "BackOffice").status,
        403,
        "a manager has more than the key"
    );
    change(&server, &made, |key| key["permissions"] = json!([]));
    assert_eq!(open("m", "BackOffice").status, 201);
    assert_eq!(
        open("999", "BackOffice").status,
        403,
        "also by a key with admin"
    );
    let body = json!({"userName": "w", "deviceName": "P02"});
    let bearer = server.call("POST", "/sessions", Some(&token), &body);
    assert_eq!(
        bearer.status, 403,
        "the right gives nothing in a bearer session"
    );
}
