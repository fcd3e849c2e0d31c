//! Webhooks over real sockets: what is told, in which order, signed how, and
//! what becomes of it when nobody takes it, or the server is killed.

#[path = "webhooks/receiver.rs"]
mod receiver;
mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use receiver::{Mood, Receiver};
use serde_json::{Value, json};
use support::{Answer, Place, Server, eventually};

const SECRET: &str = "agreed-between-two-servers";

fn owner(server: &Server) -> String {
    server.log_in("999", "BackOffice").token
}

/// A hook on this address, with the members given besides.
fn hook(server: &Server, token: &str, url: &str, members: &Value) -> String {
    let mut body = members.clone();
    body["url"] = json!(url);
    let made = server.call("POST", "/webhooks", Some(token), &body);
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["id"].as_str().expect("an id").to_owned()
}

fn of_sessions() -> Value {
    json!({"secret": SECRET, "resources": ["session"]})
}

fn signature(body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mark = hmac::sign(&key, body.as_bytes());
    let number = |some: &[u8]| u128::from_be_bytes(some.try_into().expect("16 bytes"));
    let (high, low) = mark.as_ref().split_at(16);
    format!("{:032x}{:032x}", number(high), number(low))
}

fn failures(server: &Server, token: &str, id: &str) -> Vec<Value> {
    let page = server
        .get(&format!("/webhooks/{id}/failures"), token)
        .json();
    page["items"].as_array().expect("a list").clone()
}

/// `webhooks` of the health page, asked without a login.
fn health(server: &Server) -> Value {
    let page = server.call("GET", "/health", None, &Value::Null).json();
    page["entries"]["webhooks"].clone()
}

fn post(server: &Server, token: &str, path: &str) -> Answer {
    server.call("POST", path, Some(token), &Value::Null)
}

/// The data of the next event that tells of this id.
fn event_of(events: &mut BufReader<TcpStream>, id: &str) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(events.read_line(&mut line).expect("an event"), 0);
        match line.trim_end().strip_prefix("data: ") {
            Some(data) if data.contains(id) => return data.to_owned(),
            _ => {}
        }
    }
}

fn events(server: &Server, token: &str) -> BufReader<TcpStream> {
    let mut stream =
        TcpStream::connect(server.address.trim_start_matches("http://")).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    let request =
        format!("GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut events = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("retry:") {
        line.clear();
        assert_ne!(events.read_line(&mut line).expect("a head"), 0);
    }
    events
}

#[test]
fn a_hook_is_told_in_order_and_signed_what_is_told_at_events() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let receiver = Receiver::start(Mood::Status(204));
    hook(&server, &token, &receiver.url, &of_sessions());
    let mut events = events(&server, &token);

    let logins: Vec<_> = (0..20).map(|_| server.log_in("1", "LINK").id).collect();
    for id in &logins {
        assert_eq!(
            server.delete(&format!("/sessions/{id}"), &token).status,
            200
        );
    }

    eventually("all are told", || receiver.got().len() == 40);
    let got = receiver.got();
    for (n, got) in got.iter().enumerate() {
        let wanted = if n < 20 {
            "created session"
        } else {
            "deleted session"
        };
        assert_eq!((got.what().as_str(), &got.id()), (wanted, &logins[n % 20]));
        let signed = got.header("x-portos-webhook-signature");
        assert_eq!(signed, Some(signature(&got.body).as_str()));
        assert_eq!(got.header("content-type"), Some("application/json"));
        support::time(&json!(got.header("x-tillgate-timestamp")));
    }
    let names: std::collections::BTreeSet<_> = got.iter().map(receiver::Got::delivery).collect();
    assert_eq!(names.len(), 40, "every notification has a name of its own");
    assert_eq!(event_of(&mut events, &logins[0]), got[0].body);
    eventually("the outbox is empty", || {
        health(&server)["data"]["waiting"] == 0
    });
    assert_eq!(health(&server)["status"], "Healthy");
}

#[test]
fn a_hook_hears_of_the_things_it_names_while_it_is_active() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let (users, all) = (
        Receiver::start(Mood::Status(200)),
        Receiver::start(Mood::Status(200)),
    );
    let id = hook(&server, &token, &users.url, &json!({"resources": ["USER"]}));
    hook(&server, &token, &all.url, &json!({}));

    // Ends the session of the user as well.
    server.log_in("1", "LINK");
    let user = server.get("/users/1", &token).json();
    let mut other = user.clone();
    other["isActive"] = json!(false);
    let path = format!("/users/{}", user["id"].as_str().expect("an id"));
    assert_eq!(server.call("PUT", &path, Some(&token), &other).status, 200);

    let told = |receiver: &Receiver| {
        receiver
            .got()
            .iter()
            .map(receiver::Got::what)
            .collect::<Vec<_>>()
    };
    eventually("the user is told", || told(&users) == ["updated user"]);
    let wanted = ["created session", "updated user", "deleted session"];
    eventually("all is told", || told(&all) == wanted);
    let ended = &all.got()[2].json()["p"];
    assert_eq!(ended["endReason"], "accountDisabled");
    assert!(
        users.got()[0]
            .header("x-portos-webhook-signature")
            .is_none()
    );

    let path = format!("/webhooks/{id}");
    let mut asleep = server.get(&path, &token).json();
    asleep["isActive"] = json!(false);
    assert_eq!(server.call("PUT", &path, Some(&token), &asleep).status, 200);
    assert_eq!(
        server.call("PUT", "/users/1", Some(&token), &user).status,
        400,
        "a stale _v"
    );
    other["isActive"] = json!(true);
    other.as_object_mut().expect("an object").remove("_v");
    let user_path = format!("/users/{}", user["id"].as_str().expect("an id"));
    assert_eq!(
        server.call("PUT", &user_path, Some(&token), &other).status,
        200
    );
    asleep["isActive"] = json!(true);
    asleep.as_object_mut().expect("an object").remove("_v");
    assert_eq!(server.call("PUT", &path, Some(&token), &asleep).status, 200);
    assert_eq!(
        server.call("PUT", &user_path, Some(&token), &other).status,
        200
    );
    eventually("the last is told", || users.got().len() == 2);
    let version = |n: usize| users.got()[n].json()["p"]["resource"]["version"].as_u64();
    assert_eq!(
        version(1),
        version(0).map(|v| v + 2),
        "what happened meanwhile is not told"
    );
}

#[test]
fn what_fails_is_sent_again_under_the_same_name_before_anything_else() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let receiver = Receiver::start(Mood::Status(500));
    hook(&server, &token, &receiver.url, &of_sessions());

    let first = server.log_in("1", "LINK").id;
    let second = server.log_in("2", "BackOffice").id;
    eventually("two tries", || receiver.got().len() >= 2);
    receiver.set(Mood::Status(200));

    let last = || receiver.got().last().map(receiver::Got::id);
    eventually("the second is told", || last() == Some(second.clone()));
    let got = receiver.got();
    let (tries, rest) = got.split_at(got.len() - 1);
    assert!(
        tries
            .iter()
            .all(|got| got.id() == first && got.delivery() == tries[0].delivery())
    );
    assert!(tries.iter().all(|got| got.body == tries[0].body));
    assert_ne!(rest[0].delivery(), tries[0].delivery());
}

#[test]
fn a_server_that_is_killed_tells_again_what_it_could_not_note() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let receiver = Receiver::start(Mood::Silent);
    hook(&server, &token, &receiver.url, &of_sessions());
    let mut logins = vec![server.log_in("1", "LINK").id];
    eventually("it has arrived", || receiver.got().len() == 1);
    logins.extend((0..50).map(|_| server.log_in("1", "LINK").id));

    server.kill();
    receiver.set(Mood::Status(200));
    let mut server = place.serve();
    for round in 0..8_u64 {
        // Somewhere between two deliveries, or a delivery and its note.
        eventually("some arrive", || {
            receiver.got().len() > 5 * usize::try_from(round).expect("small")
        });
        std::thread::sleep(Duration::from_millis(3 * round));
        server.kill();
        server = place.serve();
    }

    let of = |id: &String| {
        receiver
            .got()
            .iter()
            .filter(|got| got.id() == *id)
            .cloned()
            .collect::<Vec<_>>()
    };
    eventually("all arrive", || !of(&logins[50]).is_empty());
    let firsts: Vec<_> = logins
        .iter()
        .map(|id| {
            let got = of(id);
            assert!(!got.is_empty(), "{id} is missing");
            assert!(
                got.iter()
                    .all(|again| again.delivery() == got[0].delivery())
            );
            assert!(got.iter().all(|again| again.body == got[0].body));
            receiver.got().iter().position(|first| first.id() == *id)
        })
        .collect();
    assert!(firsts.is_sorted(), "in order: {firsts:?}");
    let repeated = receiver.got().len() - logins.len();
    println!(
        "{repeated} of {} notifications came more than once",
        logins.len()
    );
    assert!(repeated > 0, "the first one at least");
    assert_eq!(server.stop().0, Some(0));
    support::good(&place, &["doctor"]);
}

#[test]
fn what_nobody_takes_is_given_up_and_sent_again_or_thrown_away_by_hand() {
    let place = Place::with_shop().option("WEBHOOKS__GIVE_UP_AFTER", "1s");
    let server = place.serve();
    let token = owner(&server);
    let receiver = Receiver::start(Mood::Status(503));
    let id = hook(&server, &token, &receiver.url, &of_sessions());
    let logins = [
        server.log_in("1", "LINK").id,
        server.log_in("2", "BackOffice").id,
    ];

    eventually("both are given up", || {
        failures(&server, &token, &id).len() == 2
    });
    let given_up = failures(&server, &token, &id);
    for (failure, id) in given_up.iter().zip(&logins) {
        assert_eq!(failure["error"], "answered 503");
        assert_eq!(failure["notification"]["p"]["resource"]["id"], *id.as_str());
    }
    assert_eq!(health(&server)["status"], "Degraded");
    assert_eq!(health(&server)["data"]["failures"], 2);
    let filtered = format!("/webhooks/{id}/failures?error=contains:503&$sort=-queuedAt&$take=1");
    let page = server.get(&filtered, &token).json();
    assert_eq!(
        (&page["totalCount"], &page["items"][0]),
        (&json!(2), &given_up[1])
    );

    let server = {
        server.stop();
        place.serve()
    };
    let path = |n: usize| {
        let delivery = given_up[n]["delivery"].as_str().expect("a name");
        format!("/webhooks/{id}/failures/{delivery}")
    };
    let still = post(&server, &token, &path(0));
    assert_eq!(still.status, 200, "{}", still.text);
    let still = still.json();
    assert_eq!(
        (&still["isDelivered"], &still["error"]),
        (&json!(false), &json!("answered 503"))
    );
    receiver.set(Mood::Status(200));
    let sent = post(&server, &token, &path(0));
    assert_eq!(
        (sent.status, &sent.json()["isDelivered"]),
        (200, &json!(true))
    );
    let got = receiver.got();
    assert_eq!(
        got.last().expect("some").delivery(),
        given_up[0]["delivery"]
    );
    assert_eq!(post(&server, &token, &path(0)).status, 404);
    assert_eq!(server.delete(&path(1), &token).json(), given_up[1]);
    assert_eq!(server.delete(&path(1), &token).status, 404);
    assert_eq!(failures(&server, &token, &id), Vec::<Value>::new());
    let audit = server.get("/audit?action=discarded", &token).json();
    assert_eq!(audit["items"][0]["detail"], given_up[1]["delivery"]);
    assert_eq!(audit["totalCount"], 1);
}

#[test]
fn redirects_are_not_followed_and_link_local_addresses_are_not_asked() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let elsewhere = Receiver::start(Mood::Status(200));
    let receiver = Receiver::start(Mood::Redirect(elsewhere.url.clone()));
    let error = |url: &str| {
        let id = hook(&server, &token, url, &json!({"isActive": false}));
        let sent = post(&server, &token, &format!("/webhooks/{id}/test"));
        assert_eq!(sent.status, 200, "{}", sent.text);
        let sent = sent.json();
        assert_eq!(sent["isDelivered"], false);
        sent["error"].as_str().expect("a sentence").to_owned()
    };

    assert_eq!(error(&receiver.url), "answered 302");
    assert_eq!(elsewhere.got().len(), 0);
    // What the resolver takes for 169.254.169.254.
    let local = error("http://2852039166/latest/meta-data");
    assert_eq!(
        local,
        "the host has a link-local address, which is not asked"
    );
    assert_eq!(
        error("http://127.0.0.1:1/"),
        "no connection: connection refused"
    );
    assert!(error(&receiver.url.replace("http:", "https:")).starts_with("no TLS"));
    for url in [
        "http://169.254.169.254/",
        "http://[fe80::1]/",
        "ftp://a/",
        "http://a:b@c/",
    ] {
        let refused = server.call("POST", "/webhooks", Some(&token), &json!({"url": url}));
        assert_eq!(refused.status, 400, "{url}");
        assert_eq!(refused.json()["errors"][0]["memberName"], "url");
    }
}

#[test]
fn a_hook_that_does_not_answer_holds_up_neither_others_nor_the_stop() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let (silent, good) = (
        Receiver::start(Mood::Silent),
        Receiver::start(Mood::Status(200)),
    );
    hook(&server, &token, &silent.url, &of_sessions());
    hook(&server, &token, &good.url, &of_sessions());

    let logins: Vec<_> = (0..10).map(|_| server.log_in("1", "LINK").id).collect();

    eventually("the good one is told", || good.got().len() == 10);
    eventually("the other one is asked", || silent.got().len() == 1);
    let started = Instant::now();
    assert_eq!(server.stop().0, Some(0));
    let took = started.elapsed();
    println!("the stop took {took:?}");
    silent.set(Mood::Status(200));
    let server = place.serve();
    eventually("it is told after the start", || silent.got().len() == 11);
    let told: Vec<_> = silent.got()[1..].iter().map(receiver::Got::id).collect();
    assert_eq!(told, logins);
    assert_eq!(good.got().len(), 10, "who was told is not told again");
    server.stop();
}

#[test]
fn a_secret_is_in_no_answer_no_log_and_no_file() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let receiver = Receiver::start(Mood::Status(500));
    let id = hook(&server, &token, &receiver.url, &of_sessions());
    let path = format!("/webhooks/{id}");
    let mut seen = server.get(&path, &token);
    assert_eq!(seen.json()["hasSecret"], true);
    let mut said = vec![seen.text.clone(), server.get("/webhooks", &token).text];
    let body = json!({"url": receiver.url, "resources": ["session"]});
    said.push(server.call("PUT", &path, Some(&token), &body).text);
    server.log_in("1", "LINK");
    eventually("it is told", || !receiver.got().is_empty());
    assert!(
        receiver.got()[0]
            .header("x-portos-webhook-signature")
            .is_some(),
        "left out, it stays"
    );
    said.push(server.get("/audit", &token).text);
    let none = json!({"url": receiver.url, "secret": "", "resources": ["session"]});
    seen = server.call("PUT", &path, Some(&token), &none);
    assert_eq!(
        (seen.status, &seen.json()["hasSecret"]),
        (200, &json!(false))
    );
    let (_, log) = server.stop();
    assert!(log.contains("a notification was not taken"), "{log}");
    assert!(
        !log.contains("of-the-receiver"),
        "nor is the address in the log: {log}"
    );
    said.push(log);

    for text in &said {
        assert!(!text.contains(SECRET), "{text}");
    }
    let mut folders = vec![place.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("read") {
            let path = entry.expect("read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("read");
            let found = bytes
                .windows(SECRET.len())
                .any(|some| some == SECRET.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn only_an_administrator_hears_of_webhooks_at_events() {
    let place = Place::with_shop();
    let server = place.serve();
    let token = owner(&server);
    let cashier = server.log_in("1", "LINK").token;
    let (mut seen, mut hidden) = (events(&server, &token), events(&server, &cashier));

    let id = hook(
        &server,
        &token,
        "http://127.0.0.1:1/",
        &json!({"isActive": false}),
    );
    let role = json!({"name": "behind", "label": "", "rights": [], "envNames": []});
    assert_eq!(
        server.call("POST", "/roles", Some(&token), &role).status,
        201
    );

    assert!(event_of(&mut seen, &id).contains("\"name\":\"webhook\""));
    let next = event_of(&mut hidden, "portos.resources.changed");
    assert!(next.contains("\"id\":\"behind\""), "{next}");
}

/// The receiver of the document, out of its first block of Python.
fn documented() -> String {
    let page = include_str!("../docs/webhooks.md");
    let (_, block) = page.split_once("```python\n").expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

#[test]
fn the_receiver_of_the_document_checks_the_signature() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("SKIPPED the receiver of docs/webhooks.md: python3 is not installed");
        return;
    }
    let place = Place::with_shop();
    let file = place.path().join("receiver.py");
    std::fs::write(&file, documented()).expect("written");
    let mut child = Command::new("python3")
        .arg(&file)
        .args(["0", SECRET])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let url = line().replace("listening on ", "");
    let server = place.serve();
    let token = owner(&server);
    let id = hook(&server, &token, &url, &of_sessions());

    let login = server.log_in("1", "LINK").id;
    assert_eq!(line(), format!("created session {login}"));
    let path = format!("/webhooks/{id}");
    let other = json!({"url": url, "secret": "another", "isActive": false});
    assert_eq!(server.call("PUT", &path, Some(&token), &other).status, 200);
    let refused = post(&server, &token, &format!("{path}/test")).json();

    child.kill().expect("it ran");
    child.wait().expect("it ends");
    assert_eq!(refused["error"], "answered 401");
}
