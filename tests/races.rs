//! Many at once, over the socket: the order of commits is the only order.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::Value;
use support::{Place, Server};

/// Runs `work` on that many threads and gathers what they answer.
fn at_once<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|i| {
                scope.spawn({
                    let work = &work;
                    move || work(i)
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().expect("a thread ends"))
            .collect()
    })
}

#[test]
fn of_a_thousand_logins_on_one_till_the_last_one_lives() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");

    let answers: Vec<_> = at_once(50, |_| {
        (0..20)
            .map(|_| server.try_log_in("1", "pass", "P01"))
            .collect::<Vec<_>>()
    })
    .into_iter()
    .flatten()
    .collect();

    assert_eq!(answers.len(), 1_000);
    assert!(
        answers
            .iter()
            .all(|answer| [200, 503].contains(&answer.status))
    );
    let good: Vec<Value> = answers
        .iter()
        .filter(|a| a.status == 200)
        .map(support::Answer::json)
        .collect();
    let live: Vec<&Value> = good
        .iter()
        .filter(|body| {
            server
                .get("/api/auth", body["tokenId"].as_str().expect("a token"))
                .status
                == 200
        })
        .collect();
    assert_eq!(live.len(), 1);
    let page = server.get("/sessions?deviceName=P01", &owner.token).json();
    assert_eq!(page["totalCount"], 1);
    assert_eq!(page["items"][0]["sessionId"], live[0]["sessionId"]);
    // The last in commit order: every other one had a successor.
    for body in good
        .iter()
        .filter(|body| body["sessionId"] != live[0]["sessionId"])
    {
        let refused = server.get("/api/auth", body["tokenId"].as_str().expect("a token"));
        assert_eq!(refused.json()["reason"], "replaced");
    }
}

#[test]
fn no_request_that_starts_after_the_answer_to_an_ending_succeeds() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    for _ in 0..5 {
        let victim = server.log_in("1", "LINK");
        let ended = AtomicBool::new(false);
        let (late, before) = (AtomicU32::new(0), AtomicU32::new(0));
        let path = format!("/sessions/{}", victim.id);
        let ready = Arc::new(std::sync::Barrier::new(65));

        std::thread::scope(|scope| {
            for _ in 0..64 {
                let ready = Arc::clone(&ready);
                scope.spawn(|| {
                    let ready = ready;
                    ready.wait();
                    for _ in 0..20 {
                        let over = ended.load(Ordering::SeqCst);
                        let answer = server.get("/api/auth", &victim.token);
                        if answer.status == 200 {
                            before.fetch_add(1, Ordering::SeqCst);
                            late.fetch_add(u32::from(over), Ordering::SeqCst);
                        }
                    }
                });
            }
            ready.wait();
            while before.load(Ordering::SeqCst) < 64 {
                std::thread::yield_now();
            }
            assert_eq!(server.delete(&path, &owner.token).status, 200);
            ended.store(true, Ordering::SeqCst);
        });

        assert_eq!(late.load(Ordering::SeqCst), 0);
        assert_eq!(server.get("/api/auth", &victim.token).status, 401);
    }
}

#[test]
fn of_many_conditional_endings_exactly_one_succeeds() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let victim = server.log_in("1", "P01");
    let headers = vec![
        (
            "Authorization".to_owned(),
            format!("Bearer {}", owner.token),
        ),
        ("If-Match".to_owned(), "\"1\"".to_owned()),
    ];
    let path = format!("/sessions/{}", victim.id);
    let statuses = at_once(16, |_| {
        server.send("DELETE", &path, &headers, &Value::Null).status
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 404].contains(status)),
        "{statuses:?}"
    );
}

#[test]
fn parallel_refreshes_of_one_token_get_one_and_the_same_pair() {
    let place = Place::with_shop();
    let server = place.serve();
    let login = server.log_in("1", "P01");
    let body = serde_json::json!({"tokenId": login.token, "refreshToken": login.refresh});
    let call = |server: &Server| server.call("POST", "/api/auth/refresh", None, &body);
    let answers = at_once(64, |_| call(&server));
    let pairs: std::collections::HashSet<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.json()["refreshToken"].to_string()
        })
        .collect();
    assert_eq!(pairs.len(), 1);
}

#[test]
fn a_kill_amid_many_refreshes_of_one_token_leaves_one_successor() {
    for answers in [1, 20] {
        let place = Place::with_shop();
        let server = place.serve();
        let login = server.log_in("1", "P01");
        let body = serde_json::json!({"tokenId": login.token, "refreshToken": login.refresh});
        let answered = server.killed_amid(64, answers, "/api/auth/refresh", &body);
        assert!(answered.len() >= answers, "{}", answered.len());

        let server = place.serve();
        let again = server.call("POST", "/api/auth/refresh", None, &body);
        let mut pairs: Vec<_> = answered
            .iter()
            .chain([&again])
            .map(|answer| {
                assert_eq!(answer.status, 200, "{}", answer.text);
                let body = answer.json();
                (
                    body["tokenId"].to_string(),
                    body["refreshToken"].to_string(),
                )
            })
            .collect();
        pairs.dedup();
        assert_eq!(pairs.len(), 1, "one and the same, also after the restart");
        // It is the current one: it can be exchanged once more.
        let successor = support::Login::from(&again.json());
        let body = serde_json::json!({"tokenId": successor.token,
            "refreshToken": successor.refresh});
        let next = server.call("POST", "/api/auth/refresh", None, &body);
        assert_eq!(next.status, 200, "{}", next.text);
    }
}
