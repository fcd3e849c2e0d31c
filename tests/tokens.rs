//! What other services ask about tokens: introspection, revocation, and the
//! sub-requests of reverse proxies.

mod support;

use serde_json::{Value, json};
use support::{Answer, Login, Place, Server};

fn form(server: &Server, path: &str, token: Option<&str>, body: &str) -> Answer {
    server.send_form("POST", path, token, body)
}

fn introspect(server: &Server, asker: &Login, token: &str) -> Value {
    let answer = form(
        server,
        "/introspect",
        Some(&asker.token),
        &format!("token={token}"),
    );
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn encoded(token: &str) -> String {
    token
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

fn session(server: &Server, asker: &Login, id: &str) -> Value {
    let answer = server.get(&format!("/sessions/{id}"), &asker.token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[test]
fn introspection_says_whose_a_live_token_is_and_nothing_of_others() {
    let place = Place::with_shop();
    let server = place.serve();
    let asker = server.log_in("999", "BackOffice");
    let cashier = server.log_in("1", "P01");

    let said = introspect(&server, &asker, &cashier.token);

    let expected = json!({
        "active": true, "sub": "1", "username": "1", "sid": cashier.id, "dev": "P01",
        "env": "CashRegister", "rights": said["rights"], "iat": said["iat"], "exp": said["exp"],
        "iss": said["iss"], "token_type": "Bearer",
    });
    assert_eq!(said, expected);
    let lifetime = said["exp"].as_i64().zip(said["iat"].as_i64());
    let lifetime = lifetime.map(|(exp, iat)| exp - iat - 12 * 3600);
    assert!(
        matches!(lifetime, Some(0 | 1)),
        "`exp` is rounded up: {said}"
    );
    let nothing = json!({"active": false});
    for text in [
        "x",
        &encoded(&cashier.refresh),
        &cashier.id,
        &cashier.token[1..],
    ] {
        assert_eq!(introspect(&server, &asker, text), nothing, "{text}");
    }
    server.delete(&format!("/sessions/{}", cashier.id), &asker.token);
    assert_eq!(introspect(&server, &asker, &cashier.token), nothing);
}

#[test]
fn introspection_counts_as_an_access_of_the_token_s_session_unless_told_not_to() {
    let place = Place::with_shop();
    let server = place.serve();
    let asker = server.log_in("999", "BackOffice");
    let cashier = server.log_in("1", "P01");
    let version = || session(&server, &asker, &cashier.id)["_v"].as_u64();
    assert_eq!(version(), Some(1));
    introspect(&server, &asker, &cashier.token);
    assert_eq!(version(), Some(2));
    introspect(&server, &asker, &format!("{}&touch=false", cashier.token));
    assert_eq!(version(), Some(2));

    // Whoever asks about the own token counts once, as with every request.
    let own = || {
        session(&server, &asker, &asker.id)["_v"]
            .as_u64()
            .expect("a version")
    };
    let before = own();
    introspect(&server, &asker, &asker.token);
    assert_eq!(own(), before + 2);
}

#[test]
fn introspection_needs_a_right_and_a_form_with_one_token() {
    let place = Place::with_shop();
    let server = place.serve();
    let asker = server.log_in("999", "BackOffice");
    let cashier = server.log_in("1", "P01");
    let status = |token: Option<&str>, body: &str| form(&server, "/introspect", token, body).status;
    assert_eq!(status(None, "token=x"), 401);
    assert_eq!(status(Some(&cashier.token), "token=x"), 403);
    assert_eq!(status(Some(&cashier.token), ""), 403);
    for body in [
        "",
        "token_type_hint=access_token",
        "token=a&token=b",
        "token=%zz",
        "token=",
    ] {
        assert_eq!(status(Some(&asker.token), body), 400, "{body}");
    }
    let json = json!({"token": "x"});
    let answer = server.call("POST", "/introspect", Some(&asker.token), &json);
    assert_eq!(answer.status, 415, "{}", answer.text);
}

#[test]
fn whoever_has_a_token_can_end_its_session() {
    let place = Place::with_shop();
    let server = place.serve();
    let revoke = |token: &str| {
        let answer = form(
            &server,
            "/revoke",
            None,
            &format!("token={}", encoded(token)),
        );
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    };
    let first = server.log_in("999", "P01");
    revoke(&first.token);
    let answer = server.get("/sessions", &first.token);
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (401, &json!("loggedOut"))
    );

    let second = server.log_in("999", "P01");
    let body = json!({"tokenId": second.token, "refreshToken": second.refresh});
    let newest = Login::from(&server.call("POST", "/auth/refresh", None, &body).json());
    for text in ["x", &second.refresh, &second.id, &second.token[1..], ""] {
        if !text.is_empty() {
            revoke(text);
        }
        assert_eq!(server.get("/sessions", &newest.token).status, 200, "{text}");
    }
    revoke(&newest.refresh);
    let answer = server.get("/sessions", &newest.token);
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (401, &json!("loggedOut"))
    );
    revoke(&newest.refresh);
    assert_eq!(form(&server, "/revoke", None, "").status, 400);
}

const HEADERS: [&str; 5] = [
    "x-auth-user",
    "x-auth-device",
    "x-auth-env",
    "x-auth-session",
    "x-auth-rights",
];

fn verify(server: &Server, login: &Login, query: &str) -> Answer {
    server.get(&format!("/auth/verify{query}"), &login.token)
}

#[test]
fn a_proxy_learns_who_asks_and_whether_they_may() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "P01");
    let answer = verify(&server, &owner, "");
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let values = HEADERS.map(|name| answer.header(name).to_owned());
    let expected = ["999", "P01", "CashRegister", owner.id.as_str(), "admin"];
    assert_eq!(values, expected.map(str::to_owned));

    let cashier = server.log_in("1", "P02");
    let profile = server.get("/auth", &cashier.token).json();
    let rights: Vec<&str> = profile["rights"]
        .as_array()
        .expect("rights")
        .iter()
        .map(|right| right.as_str().expect("a right"))
        .collect();
    let answer = verify(&server, &cashier, "");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("x-auth-rights"), rights.join(","));
    assert!(
        HEADERS
            .iter()
            .all(|name| answer.headers.contains_key(*name))
    );
    for (who, query, status) in [
        (&owner, "?right=anything.at-all&right=userCreate", 204),
        (&cashier, "?right=userCreate", 403),
        (&cashier, "?right=", 403),
        (&cashier, "?right=%zz", 403),
        (&cashier, "?unknown=1&$take=x", 204),
    ] {
        let answer = verify(&server, who, query);
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
    }
}

#[test]
fn a_proxy_gets_204_401_or_403_whatever_else_a_request_carries() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("999", "P01");
    let ask = |authorization: Option<&str>| {
        let mut headers = vec![("Accept".to_owned(), "text/html".to_owned())];
        headers.push(("If-None-Match".to_owned(), "*".to_owned()));
        headers.extend(authorization.map(|text| ("Authorization".to_owned(), text.to_owned())));
        let answer = server.send("GET", "/api/v1/auth/verify", &headers, &Value::Null);
        (answer.status, answer.header("www-authenticate").to_owned())
    };
    let bearer = format!("Bearer {}", login.token);
    assert_eq!(ask(Some(&bearer)).0, 204);
    assert_eq!(ask(None), (401, "Bearer".to_owned()));
    assert_eq!(ask(Some("Basic OTk5OnBhc3M=")).0, 401);
    assert_eq!(ask(Some("NWS4-HMAC-SHA256 Credential%3Dx")).0, 401);
    assert_eq!(ask(Some("Bearer x")).0, 401);
    server.delete("/api/auth", &login.token);
    let (status, challenge) = ask(Some(&bearer));
    assert_eq!(status, 401);
    assert!(challenge.contains("invalid_token"), "{challenge}");
}

#[test]
fn a_proxy_s_question_counts_as_an_access_unless_told_not_to() {
    let place = Place::with_shop();
    let server = place.serve();
    let asker = server.log_in("999", "BackOffice");
    let login = server.log_in("1", "P01");
    let version = || session(&server, &asker, &login.id)["_v"].as_u64();
    verify(&server, &login, "");
    assert_eq!(version(), Some(2));
    verify(&server, &login, "?touch=false&right=userCreate");
    assert_eq!(version(), Some(2));
    verify(&server, &login, "?right=userCreate");
    assert_eq!(version(), Some(3), "a 403 counts, too");
}
