//! The login of the manager's page: a cookie that only its own page can use.

mod support;

use serde_json::{Value, json};
use support::{Answer, Place, Server};

type Headers<'a> = &'a [(&'a str, &'a str)];

const OWN_PAGE: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn send(server: &Server, call: (&str, &str), headers: Headers<'_>, body: &Value) -> Answer {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    server.send_text(call.0, call.1, &headers, &text)
}

fn try_log_in(server: &Server, body: &Value) -> Answer {
    send(server, ("POST", "/ui/session"), &[OWN_PAGE, JSON], body)
}

/// Logs in and answers the cookie as a browser sends it back.
fn log_in(server: &Server) -> String {
    let answer = try_log_in(server, &json!({"userName": "999", "password": "pass"}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    cookie(&answer)
}

fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    set.split(';').next().expect("a first part").to_owned()
}

#[test]
fn the_token_is_in_the_cookie_only_and_no_script_can_read_it() {
    let place = Place::with_shop();
    let server = place.serve();

    let answer = try_log_in(&server, &json!({"userName": "999", "password": "pass"}));

    assert_eq!(answer.status, 200, "{}", answer.text);
    let set = answer.header("set-cookie");
    let (pair, rules) = set.split_once("; ").expect("rules");
    assert_eq!(rules, "Path=/; HttpOnly; SameSite=Strict");
    let token = pair.strip_prefix("tillgate=").expect("its name");
    assert!(!answer.text.contains(token), "{}", answer.text);
    assert!(set.len() < 4096);
    let profile = answer.json();
    assert_eq!(profile["userName"], "999");
    assert_eq!(profile["device"]["envName"], "BackOffice");
    let again = send(&server, ("GET", "/auth"), &[("Cookie", pair)], &Value::Null);
    assert_eq!(again.json(), profile);
    assert_eq!(server.get("/auth", token).status, 200);
}

#[test]
fn the_device_is_a_back_office_or_a_tool_and_never_one_that_sells() {
    let place = Place::with_shop();
    let server = place.serve();
    let till = server.log_in("999", "P01");
    let named = |device: &str| {
        try_log_in(
            &server,
            &json!({"userName": "999", "password": "pass", "deviceName": device}),
        )
    };

    let refused = named("P01");

    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(refused.json()["errors"][0]["memberName"], "deviceName");
    assert_eq!(server.get("/auth", &till.token).status, 200, "not replaced");
    assert_eq!(named("BackOffice").status, 200);
    assert_eq!(named("no such device").status, 401);
    let sells = json!({"userName": "sells", "password": "pass", "devices": [{"name": "P01"}]});
    let made = server.call("POST", "/users", Some(&till.token), &sells);
    assert_eq!(made.status, 201, "{}", made.text);
    let without_device = |user: &str| {
        let answer = try_log_in(&server, &json!({"userName": user, "password": "pass"}));
        let mut body = answer.json();
        body.as_object_mut().expect("an object").remove("traceId");
        (answer.status, body)
    };
    let unknown = without_device("nobody");
    assert_eq!(without_device("sells"), unknown);
    assert_eq!(unknown.0, 401);
    // Nor is a right password told from a wrong one where its user may not log in.
    let gone = json!({
        "userName": "gone", "password": "pass", "isActive": false, "devices": [{"name": "P01"}],
    });
    let made = server.call("POST", "/users", Some(&till.token), &gone);
    assert_eq!(made.status, 201, "{}", made.text);
    for (user, device) in [("gone", "P01"), ("sells", "P02")] {
        let with = |password: &str| {
            let typed = json!({"userName": user, "password": password, "deviceName": device});
            let answer = try_log_in(&server, &typed);
            let mut body = answer.json();
            body.as_object_mut().expect("an object").remove("traceId");
            (answer.status, body)
        };
        assert_eq!(with("pass"), with("wrong"), "{user} on {device}");
        assert_eq!(with("pass").0, 401);
    }
}

#[test]
fn a_cookie_changes_something_only_from_the_own_page_and_as_json() {
    let place = Place::with_shop();
    let server = place.serve();
    let cookie = log_in(&server);
    let own_origin = format!("http://{}", server.address);
    let port = server.address.rsplit(':').next().expect("a port");
    let host = |name: &str| format!("{name}:{port}");
    let (local, evil) = (host("localhost"), host("evil.example"));
    let cases: &[(Headers<'_>, u16)] = &[
        (&[OWN_PAGE, JSON], 404),
        (&[("Origin", &own_origin), JSON], 404),
        (
            &[
                OWN_PAGE,
                ("Content-Type", "application/json; charset=utf-8"),
            ],
            404,
        ),
        (&[OWN_PAGE, JSON, ("Host", &local)], 404),
        (&[], 403),
        (&[JSON], 403),
        (&[OWN_PAGE], 403),
        (&[OWN_PAGE, ("Content-Type", "text/plain")], 403),
        (
            &[
                OWN_PAGE,
                ("Content-Type", "application/x-www-form-urlencoded"),
            ],
            403,
        ),
        (&[("Sec-Fetch-Site", "same-site"), JSON], 403),
        (&[("Sec-Fetch-Site", "cross-site"), JSON], 403),
        (&[("Sec-Fetch-Site", "none"), JSON], 403),
        (
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Origin", &own_origin),
                JSON,
            ],
            403,
        ),
        (&[("Origin", "http://evil.example"), JSON], 403),
        (&[("Origin", "null"), JSON], 403),
        (&[OWN_PAGE, JSON, ("Host", &evil)], 403),
        (&[OWN_PAGE, JSON, ("Host", "evil.example")], 403),
    ];
    for (headers, wanted) in cases {
        let headers = [*headers, &[("Cookie", cookie.as_str())]].concat();
        for call in [
            ("DELETE", "/sessions/no-such-session"),
            ("PUT", "/users/no-such-user"),
            ("DELETE", "/roles/no-such-role"),
        ] {
            let body = if call.0 == "PUT" {
                json!({"userName": "no-such-user"})
            } else {
                Value::Null
            };
            let answer = send(&server, call, &headers, &body);
            assert_eq!(
                answer.status, *wanted,
                "{call:?} {headers:?}: {}",
                answer.text
            );
        }
        let login = json!({"userName": "999", "password": "pass"});
        let logged_in = send(
            &server,
            ("POST", "/ui/session"),
            &headers[..headers.len() - 1],
            &login,
        );
        let wanted = if *wanted == 403 { 403 } else { 200 };
        assert_eq!(logged_in.status, wanted, "{headers:?}: {}", logged_in.text);
    }
    let foreign = send(
        &server,
        ("GET", "/auth"),
        &[("Cookie", &cookie), ("Host", &evil)],
        &Value::Null,
    );
    assert_eq!(foreign.status, 403, "reading under a foreign name");
}

#[test]
fn a_cookie_counts_only_without_authorization_and_only_once() {
    let place = Place::with_shop();
    let server = place.serve();
    let cookie = log_in(&server);
    let status =
        |headers: Headers<'_>| send(&server, ("GET", "/auth"), headers, &Value::Null).status;

    assert_eq!(status(&[("Cookie", &cookie)]), 200);
    assert_eq!(status(&[("Cookie", &format!("theme=dark; {cookie}"))]), 200);
    assert_eq!(
        status(&[("Cookie", &cookie), ("Authorization", "Bearer x")]),
        401
    );
    assert_eq!(
        status(&[("Cookie", &cookie), ("Authorization", "Basic eDp5")]),
        401
    );
    assert_eq!(status(&[("Cookie", &format!("{cookie}; {cookie}"))]), 401);
    assert_eq!(status(&[("Cookie", "tillgate=x")]), 401);
    assert_eq!(status(&[("Cookie", "other=1")]), 401);
    let verified = send(
        &server,
        ("GET", "/auth/verify"),
        &[("Cookie", &cookie)],
        &Value::Null,
    );
    assert_eq!(
        (verified.status, verified.header("x-auth-user")),
        (204, "999")
    );
}

#[test]
fn logging_out_ends_the_session_and_the_cookie_of_an_earlier_login_ends_too() {
    let place = Place::with_shop();
    let server = place.serve();
    let first = log_in(&server);
    let login = json!({"userName": "999", "password": "pass"});
    let headers = [OWN_PAGE, JSON, ("Cookie", first.as_str())];
    let again = send(&server, ("POST", "/ui/session"), &headers, &login);
    let second = cookie(&again);
    let alive = |cookie: &str| {
        send(
            &server,
            ("GET", "/auth"),
            &[("Cookie", cookie)],
            &Value::Null,
        )
    };
    assert_eq!(alive(&first).json()["reason"], "loggedOut");
    assert_eq!(alive(&second).status, 200);

    let headers = [OWN_PAGE, JSON, ("Cookie", second.as_str())];
    let out = send(&server, ("DELETE", "/ui/session"), &headers, &Value::Null);

    assert_eq!(out.status, 204, "{}", out.text);
    let set = out.header("set-cookie");
    assert!(
        set.starts_with("tillgate=;") && set.ends_with("Max-Age=0"),
        "{set}"
    );
    assert_eq!(alive(&second).status, 401);
}

#[test]
fn a_list_of_allowed_hosts_takes_the_place_of_the_usual_ones() {
    let place = Place::with_shop().option("HTTP__ALLOWED_HOSTS", "shop.example");
    let server = place.serve();
    let login = json!({"userName": "999", "password": "pass"});
    let under = |host: &str| {
        let headers = [OWN_PAGE, JSON, ("Host", host)];
        send(&server, ("POST", "/ui/session"), &headers, &login).status
    };

    assert_eq!(under("shop.example"), 200);
    assert_eq!(under("SHOP.example:8443"), 200);
    assert_eq!(under(&server.address), 403);
    assert_eq!(under("localhost"), 403);
}

#[test]
fn wrong_passwords_without_a_device_are_counted_and_lock() {
    let place = Place::with_shop().option("LOCKOUT__LOCK_AFTER", "2");
    let server = place.serve();
    for user in ["999", "nobody"] {
        let attempt = |password: &str| {
            try_log_in(&server, &json!({"userName": user, "password": password})).status
        };
        assert_eq!(
            [attempt("wrong"), attempt("wrong"), attempt("pass")],
            [401, 401, 423],
            "{user}"
        );
    }
    assert_eq!(server.try_log_in("999", "pass", "P01").status, 200);
}
