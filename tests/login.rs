//! Logging in and out over the socket.

mod support;

use serde_json::{Value, json};
use support::{Login, Place, Server};

#[test]
fn a_login_answers_the_documented_result() {
    let place = Place::with_shop();
    let server = place.serve();
    let answer = server.try_log_in("999", "pass", "P01");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");

    let body = answer.json();
    assert_eq!(body["user"]["userName"], "999");
    assert_eq!(body["user"]["name"], "Majiteľ");
    assert_eq!(body["user"]["featureName"], Value::Null);
    assert_eq!(body["user"]["rights"], json!(["admin"]));
    assert_eq!(body["user"]["device"]["name"], "P01");
    assert_eq!(body["user"]["device"]["envName"], "CashRegister");
    assert_eq!(body["user"]["id"].as_str().map(str::len), Some(24));
    assert_eq!(body["expiresInSeconds"], 12 * 3600);
    assert_eq!(body["sessionId"].as_str().map(str::len), Some(32));
    let profile = server
        .get("/api/auth", body["tokenId"].as_str().expect("a token"))
        .json();
    assert_eq!(profile, body["user"]);
}

#[test]
fn everything_wrong_with_a_login_gets_one_and_the_same_answer() {
    let place = Place::with_shop();
    let server = place.serve();
    let refused = |user: &str, password: &str, device: &str| {
        let answer = server.try_log_in(user, password, device);
        let mut body = answer.json();
        body["traceId"] = Value::Null;
        (answer.status, body)
    };
    let wrong = refused("999", "wrong", "P01");
    assert_eq!((wrong.0, &wrong.1["errorCode"]), (401, &json!(1)));
    for (user, password, device) in [
        ("nobody", "pass", "P01"),
        ("999", "pass", "P77"),
        ("999", "pass", "P09"),
        ("2", "pass", "P02"),
        ("off", "pass", "P01"),
        ("999", "", "P01"),
        ("\u{202e}", "pass", "P01"),
    ] {
        assert_eq!(refused(user, password, device), wrong, "{user} {device}");
    }
}

#[test]
fn missing_names_are_named() {
    let place = Place::with_shop();
    let server = place.serve();
    let answer = server.call("POST", "/api/auth", None, &json!({"password": "pass"}));
    assert_eq!(answer.status, 400);
    let body = answer.json();
    let errors: Vec<_> = body["errors"].as_array().expect("errors").iter().collect();
    assert_eq!(body["errorCode"], 3);
    assert_eq!(errors.len(), 2, "{body}");
    for (error, member) in errors.iter().zip(["userName", "deviceName"]) {
        assert_eq!(
            (&error["memberName"], &error["code"]),
            (&json!(member), &json!("1"))
        );
    }
}

#[test]
fn member_names_are_matched_without_case_and_doubles_are_refused() {
    let place = Place::with_shop();
    let server = place.serve();
    let body = json!({"USERNAME": "999", "password": "pass", "devicename": "P01", "more": 1});
    assert_eq!(server.call("POST", "/api/auth", None, &body).status, 200);
    let doubled = r#"{"userName":"999","UserName":"1","password":"pass","deviceName":"P01"}"#;
    let request = format!(
        "POST /api/auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{doubled}",
        doubled.len()
    );
    assert!(server.raw(request.as_bytes()).starts_with("HTTP/1.1 400"));
}

#[test]
fn a_new_login_on_a_till_ends_the_one_before() {
    let place = Place::with_shop();
    let server = place.serve();
    let first = server.log_in("1", "P01");
    let second = server.log_in("2", "P01");

    let refused = server.get("/api/auth", &first.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("replaced"))
    );
    assert_eq!(server.get("/api/auth", &second.token).status, 200);
}

#[test]
fn an_office_pc_holds_many_sessions() {
    let place = Place::with_shop();
    let server = place.serve();
    let logins: Vec<Login> = (0..5).map(|_| server.log_in("999", "BackOffice")).collect();
    assert!(
        logins
            .iter()
            .all(|login| server.get("/api/auth", &login.token).status == 200)
    );
}

#[test]
fn logging_out_ends_the_own_session() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("1", "P01");
    let out = server.delete("/api/auth", &login.token);
    assert_eq!((out.status, out.text.as_str()), (204, ""));
    let refused = server.get("/api/auth", &login.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("loggedOut"))
    );
    assert!(refused.header("www-authenticate").contains("invalid_token"));
}

#[test]
fn a_request_without_credentials_learns_both_ways_to_log_in() {
    let place = Place::with_shop();
    let server = place.serve();
    let answer = server.call("GET", "/sessions", None, &Value::Null);
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    let said = format!("{challenges:?}");
    assert_eq!(answer.status, 401);
    assert!(
        said.contains("Bearer") && said.contains("NWS4-HMAC-SHA256"),
        "{said}"
    );
    assert!(!said.contains("error="), "{said}");
}

fn refresh(server: &Server, login: &Login) -> support::Answer {
    let body = json!({"tokenId": login.token, "refreshToken": login.refresh});
    server.call("POST", "/api/auth/refresh", None, &body)
}

#[test]
fn a_refresh_gives_a_new_pair_for_the_same_session() {
    let place = Place::with_shop();
    let server = place.serve();
    let first = server.log_in("1", "P01");
    let answer = refresh(&server, &first);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let second = Login::from(&answer.json());
    assert_eq!(second.id, first.id);
    assert_ne!(second.token, first.token);
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(server.get("/api/auth", &second.token).status, 200);
    // An earlier token of the session stays good until its own end.
    assert_eq!(server.get("/api/auth", &first.token).status, 200);
}

#[test]
fn a_repeated_refresh_gets_the_same_pair_also_after_a_kill() {
    let place = Place::with_shop();
    let server = place.serve();
    let first = server.log_in("1", "P01");
    let second = refresh(&server, &first).json();
    let again = refresh(&server, &first).json();
    for member in ["tokenId", "refreshToken", "expiresAt"] {
        assert_eq!(second[member], again[member], "{member}");
    }
    server.kill();

    let server = place.serve();
    let after_kill = refresh(&server, &first).json();
    for member in ["tokenId", "refreshToken", "expiresAt"] {
        assert_eq!(second[member], after_kill[member], "{member}");
    }
}

#[test]
fn a_refresh_token_used_again_after_its_successor_ends_the_session() {
    let place = Place::with_shop();
    let server = place.serve();
    let first = server.log_in("1", "P01");
    let second = Login::from(&refresh(&server, &first).json());
    assert_eq!(server.get("/api/auth", &second.token).status, 200);
    server.kill();

    // That the successor was used is known after a kill, too.
    let server = place.serve();
    let reused = refresh(&server, &first);
    assert_eq!(
        (reused.status, reused.json()["reason"].as_str()),
        (401, Some("refreshReuse"))
    );
    let refused = server.get("/api/auth", &second.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("refreshReuse"))
    );
}

#[test]
fn a_token_that_was_never_issued_ends_nothing() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("1", "P01");
    let foreign = Login {
        refresh: "A".repeat(43) + "=",
        ..login.clone()
    };
    assert_eq!(refresh(&server, &foreign).status, 401);
    assert_eq!(
        refresh(
            &server,
            &Login {
                refresh: "x".to_owned(),
                ..login.clone()
            }
        )
        .status,
        401
    );
    assert_eq!(server.get("/api/auth", &login.token).status, 200);
}

#[test]
fn changing_the_own_password_ends_the_other_sessions_only() {
    let place = Place::with_shop();
    let server = place.serve();
    let here = server.log_in("1", "BackOffice");
    let there = server.log_in("1", "P01");
    let change = |old: &str, new: &str| {
        let body = json!({"oldPassword": old, "newPassword": new});
        server.call("PUT", "/api/auth/password", Some(&here.token), &body)
    };

    let wrong = change("nope", "better");
    assert_eq!(
        (wrong.status, &wrong.json()["errors"][0]["memberName"]),
        (400, &json!("oldPassword"))
    );
    assert_eq!(
        change("pass", "abc").json()["errors"][0]["memberName"],
        "newPassword"
    );
    assert_eq!(change("pass", "better").status, 204);

    assert_eq!(server.get("/api/auth", &here.token).status, 200);
    let refused = server.get("/api/auth", &there.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("passwordChanged"))
    );
    assert_eq!(server.try_log_in("1", "pass", "P01").status, 401);
    assert_eq!(server.try_log_in("1", "better", "P01").status, 200);
}

#[test]
fn neither_a_wrong_code_nor_that_of_an_earlier_start_makes_an_administrator() {
    let place = Place::empty().option("LOG__LEVEL", "warn");
    let server = place.serve();
    let body = |code: &str| json!({"code": code, "userName": "chief", "name": "Chief", "password": "pass", "deviceName": "Office"});
    assert_eq!(
        server
            .call("POST", "/setup", None, &body("AAAA-AAAA-AAAA-AAAA"))
            .status,
        404
    );
    let (_, log) = server.stop();
    let code = log
        .lines()
        .map(str::trim)
        .find(|line| line.len() > 12 && line.contains('-') && !line.contains(' '))
        .expect("the code stands on a line of its own")
        .to_owned();
    assert!(!code.is_empty());

    // A new start draws a new code: the old one is dead.
    let server = place.serve();
    assert_eq!(
        server.call("POST", "/setup", None, &body(&code)).status,
        404
    );
}
