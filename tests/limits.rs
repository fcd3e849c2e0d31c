//! How many sessions there may be, over the socket.

mod support;

use serde_json::{Value, json};
use support::{Answer, Login, Place, Server};

const AT_ONCE: usize = 64;

fn place(then: &str) -> Place {
    Place::with_shop()
        .option("SESSIONS__LIMITS__PER_USER", "1")
        .option("SESSIONS__LIMITS__PER_USER_THEN", then)
}

/// Many logins of one user at the same time.
fn storm(server: &Server) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let log_in = || server.try_log_in("1", "pass", "LINK");
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(log_in)).collect();
        all.into_iter()
            .map(|login| login.join().expect("no panic"))
            .collect()
    })
}

fn live(server: &Server, logins: &[Login]) -> usize {
    logins
        .iter()
        .filter(|login| server.get("/api/auth", &login.token).status == 200)
        .count()
}

#[test]
fn of_many_logins_at_once_a_limit_of_one_lets_one_in_also_over_a_kill() {
    let place = place("deny");
    let server = place.serve();
    let (good, refused): (Vec<_>, Vec<_>) = storm(&server)
        .into_iter()
        .partition(|answer| answer.status == 200);
    assert_eq!((good.len(), refused.len()), (1, AT_ONCE - 1));
    for answer in &refused {
        let body = answer.json();
        let told = (answer.status, &body["errorCode"], &body["reason"]);
        assert_eq!(told, (403, &json!(2), &json!("sessionLimit")));
    }
    let login = Login::from(&good[0].json());
    server.kill();

    let server = place.serve();
    let all = server.get("/sessions?userName=1", &login.token).json();
    assert_eq!(all["totalCount"], 1);
    let refused = server.try_log_in("1", "pass", "BackOffice");
    assert_eq!(refused.json()["reason"], "sessionLimit");
    // A refusal by a limit is no failed login.
    assert!((0..20).all(|_| server.try_log_in("1", "pass", "LINK").status == 403));
    assert_eq!(server.try_log_in("2", "pass", "BackOffice").status, 200);
    let out = server.call("DELETE", "/api/auth", Some(&login.token), &Value::Null);
    assert_eq!(out.status, 204);
    assert_eq!(server.try_log_in("1", "pass", "BackOffice").status, 200);
}

#[test]
fn of_many_logins_at_once_a_limit_that_replaces_leaves_one_also_over_a_kill() {
    let place = place("replace");
    let server = place.serve();
    let logins: Vec<_> = storm(&server)
        .iter()
        .map(|answer| Login::from(&answer.json()))
        .collect();
    assert_eq!(live(&server, &logins), 1);
    server.kill();

    let server = place.serve();
    assert_eq!(live(&server, &logins), 1);
    let over = logins
        .iter()
        .map(|login| server.get("/api/auth", &login.token))
        .find(|answer| answer.status == 401)
        .expect("the others are replaced");
    assert_eq!(over.json()["reason"], "replaced");
}

#[test]
fn a_kill_amid_many_logins_leaves_no_more_than_a_limit_of_one_and_what_was_answered() {
    let body = json!({"UserName": "1", "Password": "pass", "DeviceName": "LINK"});
    for (then, answers) in [("deny", 1), ("deny", 20), ("replace", 1), ("replace", 20)] {
        let place = place(then);
        let answered = place
            .serve()
            .killed_amid(AT_ONCE, answers, "/api/auth", &body);
        assert!(answered.len() >= answers, "{}", answered.len());

        let server = place.serve();
        let owner = server.log_in("999", "BackOffice");
        let all = server.get("/sessions?userName=1", &owner.token).json();
        assert_eq!(all["totalCount"], 1, "{then} {answers}: {all}");
        let good = answered.iter().filter(|answer| answer.status == 200);
        let logins: Vec<_> = good.map(|answer| Login::from(&answer.json())).collect();
        let live = live(&server, &logins);
        if then == "deny" {
            // A login that was answered is there, and keeps out all others.
            assert!(logins.len() <= 1 && live == logins.len(), "{logins:?}");
        } else {
            // The last one may have been killed before its answer.
            assert!(live <= 1, "{live}");
        }
        let refused = server.try_log_in("1", "pass", "BackOffice").status;
        assert_eq!(refused, if then == "deny" { 403 } else { 200 });
    }
}
