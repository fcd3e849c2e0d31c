//! Users, devices and roles over the socket.

mod support;

use serde_json::{Value, json};
use support::{Answer, Place, Server};

fn owner(server: &Server) -> String {
    server.log_in("999", "BackOffice").token
}

fn put(server: &Server, path: &str, token: &str, body: &Value) -> Answer {
    server.call("PUT", path, Some(token), body)
}

#[test]
fn a_user_is_created_read_changed_and_deleted() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let body = json!({
        "UserName": "7", "name": "Eva", "password": "pass",
        "devices": [{"name": "P02", "isActive": true, "roles": ["cashier"]}],
    });

    let created = server.call("POST", "/users", Some(&token), &body);
    assert_eq!(created.status, 201, "{}", created.text);
    let user = created.json();
    assert_eq!(user["_v"], 1);
    assert_eq!(user["devices"][0]["envName"], "CashRegister");
    assert!(!created.text.contains("argon2"), "no answer holds a hash");
    let path = format!("/users/{}", user["id"].as_str().expect("an id"));
    assert!(created.header("location").ends_with(&path));
    assert_eq!(server.get(&path, &token).json(), user);
    assert_eq!(server.get("/users/7", &token).json(), user);
    assert_eq!(server.log_in("7", "P02").id.len(), 32);

    let mut changed = user.clone();
    changed["name"] = json!("Eva N.");
    let replaced = put(&server, &path, &token, &changed);
    assert_eq!(
        (replaced.status, &replaced.json()["_v"]),
        (200, &json!(2)),
        "{}",
        replaced.text
    );
    let stale = put(&server, &path, &token, &changed);
    assert_eq!((stale.status, &stale.json()["errorCode"]), (400, &json!(6)));
    assert_eq!(stale.json()["resource"]["version"], 2);

    let deleted = server.delete(&path, &token);
    assert_eq!(
        (deleted.status, &deleted.json()["userName"]),
        (200, &json!("7"))
    );
    assert_eq!(server.get(&path, &token).status, 404);
    assert_eq!(server.try_log_in("7", "pass", "P02").status, 401);
}

#[test]
fn a_taken_name_is_refused_also_in_another_case() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    for (path, body, member) in [
        ("/users", json!({"userName": "M", "name": "x"}), "userName"),
        ("/devices", json!({"name": "p01", "envName": "PDA"}), "name"),
        ("/roles", json!({"name": "OWNER"}), "name"),
    ] {
        let refused = server.call("POST", path, Some(&token), &body);
        assert_eq!(refused.status, 400, "{path} {}", refused.text);
        let error = &refused.json()["errors"][0];
        assert_eq!(
            (&error["memberName"], &error["code"]),
            (&json!(member), &json!("2")),
            "{path}"
        );
    }
}

#[test]
fn disabling_a_user_or_a_device_ends_the_sessions_at_once() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let till = server.log_in("1", "P01");
    let pda = server.log_in("1", "PDA1");

    let mut device = server.get("/devices/PDA1", &token).json();
    device["isActive"] = json!(false);
    assert_eq!(put(&server, "/devices/PDA1", &token, &device).status, 200);
    let refused = server.get("/api/auth", &pda.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("deviceDisabled"))
    );
    assert_eq!(server.get("/api/auth", &till.token).status, 200);

    let mut user = server.get("/users/1", &token).json();
    let path = format!("/users/{}", user["id"].as_str().expect("an id"));
    user["isActive"] = json!(false);
    assert_eq!(put(&server, &path, &token, &user).status, 200);
    let refused = server.get("/api/auth", &till.token);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (401, Some("accountDisabled"))
    );
    assert_eq!(
        server
            .get("/sessions?userName=1&$count=true", &token)
            .json()["totalCount"],
        0
    );
}

#[test]
fn nobody_grants_what_they_do_not_have() {
    let place = Place::with_shop();
    let server = place.serve();
    let manager = server.log_in("m", "BackOffice").token;
    let with_role = |name: &str, role: &str| {
        json!({"userName": name, "name": name, "password": "pass",
               "devices": [{"name": "P01", "isActive": true, "roles": [role]}]})
    };

    assert_eq!(
        server
            .call("POST", "/users", Some(&manager), &with_role("a", "cashier"))
            .status,
        201
    );
    let refused = server.call("POST", "/users", Some(&manager), &with_role("b", "owner"));
    assert_eq!(
        (refused.status, &refused.json()["errorCode"]),
        (403, &json!(2))
    );
    let boss = server.get("/users/999", &manager).json();
    let path = format!("/users/{}", boss["id"].as_str().expect("an id"));
    let mut takeover = boss.clone();
    takeover["password"] = json!("mine!");
    assert_eq!(put(&server, &path, &manager, &takeover).status, 403);
    assert_eq!(server.delete(&path, &manager).status, 403);
    assert_eq!(
        server
            .call("POST", "/roles", Some(&manager), &json!({"name": "x"}))
            .status,
        403
    );
    // The cashier has none of these rights at all.
    let cashier = server.log_in("1", "BackOffice").token;
    assert_eq!(
        server
            .call("POST", "/users", Some(&cashier), &with_role("c", "cashier"))
            .status,
        403
    );
}

#[test]
fn the_last_administrator_stays() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let user = server.get("/users/999", &token).json();
    let path = format!("/users/{}", user["id"].as_str().expect("an id"));
    let mut disabled = user.clone();
    disabled["isActive"] = json!(false);

    assert_eq!(put(&server, &path, &token, &disabled).status, 400);
    assert_eq!(server.delete(&path, &token).status, 400);
    assert_eq!(server.delete("/roles/owner", &token).status, 400);
    assert_eq!(server.get(&path, &token).json(), user);
}

#[test]
fn rights_are_looked_up_at_each_request() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let manager = server.log_in("m", "BackOffice").token;
    let device = json!({"name": "P05", "envName": "CashRegister"});
    assert_eq!(
        server
            .call("POST", "/devices", Some(&manager), &device)
            .status,
        403
    );

    let mut role = server.get("/roles/manager", &token).json();
    role["rights"]
        .as_array_mut()
        .expect("rights")
        .push(json!("deviceCreate"));
    assert_eq!(put(&server, "/roles/manager", &token, &role).status, 200);
    assert_eq!(
        server
            .call("POST", "/devices", Some(&manager), &device)
            .status,
        201
    );
}

#[test]
fn lists_understand_queries() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let names = |path: &str, member: &str| -> Vec<String> {
        let body = server.get(path, &token).json();
        let items = body["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{path}: {body}"))
            .clone();
        items
            .iter()
            .map(|item| item[member].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(
        names(
            "/devices?envName=CashRegister&isActive=true&$sort=-name",
            "name"
        ),
        ["P02", "P01"]
    );
    assert_eq!(names("/users?$take=2&$skip=1", "userName"), ["2", "999"]);
    assert_eq!(names("/roles?name=startsWith:ca", "name"), ["cashier"]);
    assert_eq!(server.get("/users?colour=red", &token).status, 400);
    assert_eq!(
        server.get("/users?$count=true", &token).json(),
        json!({"count": 5, "totalCount": 5})
    );
}

#[test]
fn conditions_in_headers_are_kept() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let send = |method: &str, path: &str, name: &str, value: &str, body: &Value| {
        let headers = vec![
            ("Authorization".to_owned(), format!("Bearer {token}")),
            (name.to_owned(), value.to_owned()),
        ];
        server.send(method, path, &headers, body)
    };
    let device = json!({"name": "P01", "isActive": true, "envName": "CashRegister"});
    assert_eq!(
        send("PUT", "/devices/P01", "If-None-Match", "*", &device).status,
        412
    );
    assert_eq!(
        send("PUT", "/devices/P01", "If-Match", "\"9\"", &device).status,
        412
    );
    assert_eq!(
        send("DELETE", "/devices/P02", "If-Match", "\"9\"", &Value::Null).status,
        412
    );
    assert_eq!(
        send("PUT", "/devices/P01", "If-Match", "\"1\"", &device).status,
        200
    );
    let gone = json!({"name": "P77", "envName": "PDA", "_v": 3});
    let refused = send("PUT", "/devices/P77", "X-Nothing", "1", &gone);
    assert_eq!(
        (refused.status, &refused.json()["errorCode"]),
        (400, &json!(6))
    );
    assert_eq!(server.get("/devices/P77", &token).status, 404);
    let other = json!({"name": "P02", "envName": "PDA"});
    assert_eq!(put(&server, "/devices/P01", &token, &other).status, 400);
}

#[test]
fn what_is_wrong_is_said_in_slovak_to_who_reads_slovak() {
    let place = Place::with_shop();
    let server = place.serve();
    let headers = [
        (
            "Authorization".to_owned(),
            format!("Bearer {}", owner(&server)),
        ),
        ("Accept-Language".to_owned(), "sk-SK".to_owned()),
    ];
    let entry = |device: &str, role: &str| json!({"devices": [{"name": device, "roles": [role]}]});
    for (method, path, body, message) in [
        (
            "POST",
            "/devices",
            json!({"name": "P01", "envName": "PDA"}),
            "je už obsadené",
        ),
        (
            "PUT",
            "/users/1",
            entry("ZZ", "cashier"),
            "uvádza neznáme zariadenie 'ZZ'",
        ),
        (
            "PUT",
            "/users/1",
            entry("P01", "boss"),
            "uvádza neznámu rolu 'boss'",
        ),
        (
            "PUT",
            "/users/999",
            json!({"isActive": false}),
            "by odobralo posledného aktívneho správcu s heslom",
        ),
        (
            "PUT",
            "/users/1",
            json!({"password": "x"}),
            "najmenší počet znakov je 4",
        ),
        (
            "GET",
            "/roles?lable=x",
            Value::Null,
            "nie je položka, podľa ktorej možno filtrovať",
        ),
        (
            "GET",
            "/sessions?$sort=-lable",
            Value::Null,
            "uvádza 'lable', čo nie je položka, podľa ktorej možno triediť",
        ),
        (
            "GET",
            "/sessions?startedAt=gt:soon",
            Value::Null,
            "musí byť čas, napríklad 2023-08-04T11:19:38.015Z",
        ),
    ] {
        let refused = server.send(method, path, &headers, &body);
        assert_eq!(refused.status, 400, "{path} {}", refused.text);
        assert_eq!(refused.header("content-language"), "sk-SK", "{path}");
        let problem = refused.json();
        assert_eq!(problem["title"], "Požiadavka nie je platná", "{path}");
        assert_eq!(problem["errors"][0]["message"], message, "{path}");
    }
}
