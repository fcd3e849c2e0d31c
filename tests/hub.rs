//! `/signalr/v1/mainHub` record by record: who gets in, what is told to whom,
//! and how it ends. `tests/signalr.rs` has the client that people use.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};
use support::{Login, PATIENCE, Place, Server};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

const HUB: &str = "/signalr/v1/mainHub";
const EVENT: &str = "portos.resources.changed";
/// The example of RFC 6455.
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const UPGRADE: &str =
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n";

/// A client with a connection of its own.
struct Client {
    socket: WebSocket<TcpStream>,
    /// Records that came together with earlier ones.
    records: std::collections::VecDeque<Value>,
}

/// Sends a head; the answer's head, and what follows.
fn ask(server: &Server, head: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(&server.address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(head.as_bytes()).expect("sent");
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("an answer") == 1 {
        answer.push(byte[0]);
    }
    (String::from_utf8(answer).expect("ASCII"), stream)
}

fn upgrade(server: &Server, target: &str, more: &str) -> (String, TcpStream) {
    let address = &server.address;
    let head = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{UPGRADE}{KEY}{more}\r\n");
    ask(server, &head)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The same feed as Server-Sent Events, behind the head of the answer.
fn events_for(server: &Server, login: &Login) -> TcpStream {
    let credentials = bearer(&login.token);
    let head = format!("GET /events HTTP/1.0\r\nHost: x\r\n{credentials}\r\n");
    ask(server, &head).1
}

/// Reads on until this was heard.
fn hear(events: &mut TcpStream, heard: &mut String, wanted: &str) {
    let mut part = [0; 4096];
    while !heard.contains(wanted) {
        let read = events.read(&mut part).expect("events");
        assert!(read > 0, "the stream has ended");
        heard.push_str(&String::from_utf8_lossy(&part[..read]));
    }
}

impl Client {
    /// A client that has got in and has said nothing yet.
    fn silent(server: &Server, login: &Login) -> Self {
        let (answer, stream) = upgrade(server, HUB, &bearer(&login.token));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        Self {
            socket: WebSocket::from_raw_socket(stream, Role::Client, None),
            records: std::collections::VecDeque::new(),
        }
    }

    /// A client that has shaken hands.
    fn of(server: &Server, login: &Login) -> Self {
        let mut client = Self::silent(server, login);
        client.say(&json!({"protocol": "json", "version": 1}));
        assert_eq!(client.record(), Some(json!({})));
        client
    }

    /// One that hears everything.
    fn subscribed(server: &Server, login: &Login) -> Self {
        let mut client = Self::of(server, login);
        assert_eq!(
            client.invoke("Subscribe", &json!([EVENT])).get("error"),
            None
        );
        client
    }

    fn say_text(&mut self, text: &str) {
        let sent = self.socket.send(Message::text(text));
        sent.expect("the connection is open");
    }

    fn say(&mut self, record: &Value) {
        self.say_text(&format!("{record}\u{1e}"));
    }

    /// Calls a method and waits for its end.
    fn invoke(&mut self, method: &str, arguments: &Value) -> Value {
        self.say(
            &json!({"type": 1, "invocationId": "i", "target": method, "arguments": arguments}),
        );
        let record = self.record().expect("still open");
        assert_eq!(
            (&record["type"], &record["invocationId"]),
            (&json!(3), &json!("i"))
        );
        record
    }

    /// The next record that is no ping; `None` when the server has closed.
    fn record(&mut self) -> Option<Value> {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < PATIENCE, "nothing came");
            match self.records.pop_front() {
                Some(record) if record["type"] == 6 => {}
                Some(record) => return Some(record),
                None => match self.socket.read() {
                    Ok(Message::Text(text)) => {
                        let records = text.strip_suffix('\u{1e}').expect("whole records");
                        let records = records.split('\u{1e}');
                        self.records
                            .extend(records.map(|one| serde_json::from_str(one).expect("JSON")));
                    }
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                },
            }
        }
    }

    /// The next notification.
    fn notification(&mut self) -> Value {
        let record = self.record().expect("still open");
        assert_eq!(
            (&record["type"], &record["target"]),
            (&json!(1), &json!("OnEvent")),
            "{record}"
        );
        record["arguments"][0].clone()
    }

    /// The session that the next notification is about, and what happened to it.
    fn told(&mut self) -> (String, String) {
        let payload = self.notification()["p"].clone();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&payload["action"]), text(&payload["resource"]["id"]))
    }
}

fn is(action: &str, login: &Login) -> (String, String) {
    (action.to_owned(), login.id.clone())
}

#[test]
fn the_negotiation_offers_the_one_way_to_connect_to_whoever_is_logged_in() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let ask = |query: &str, token| {
        let path = format!("{HUB}/negotiate{query}");
        server.call("POST", &path, token, &Value::Null)
    };

    let answer = ask("?negotiateVersion=1", Some(&*owner.token)).json();
    assert_eq!(answer["negotiateVersion"], 1);
    assert_eq!(
        answer["availableTransports"],
        json!([{"transport": "WebSockets", "transferFormats": ["Text"]}])
    );
    assert_ne!(answer["connectionToken"], answer["connectionId"]);
    let old = ask("", Some(&*owner.token)).json();
    assert_eq!(
        (&old["negotiateVersion"], old.get("connectionToken")),
        (&json!(0), None)
    );
    assert_eq!(ask("?negotiateVersion=1", None).status, 401);
    let newer = ask("?negotiateVersion=70000", Some(&*owner.token)).json();
    assert_eq!(newer["negotiateVersion"], 1);
    for wrong in ["", "x", "null", "-1", "1.5"] {
        let refused = ask(&format!("?negotiateVersion={wrong}"), Some(&*owner.token));
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
        assert_eq!(
            refused.json()["errors"][0]["memberName"],
            "negotiateVersion"
        );
    }
    let by_query = ask(
        &format!("?negotiateVersion=1&access_token={}", owner.token),
        None,
    );
    assert_eq!(by_query.status, 200, "{}", by_query.text);
}

#[test]
fn the_hub_and_the_event_stream_tell_the_same_with_the_same_words() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut client = Client::subscribed(&server, &owner);
    let mut events = events_for(&server, &owner);

    let till = server.log_in("1", "P01");
    server.get(&format!("/sessions/{}", till.id), &till.token);
    server.delete(&format!("/sessions/{}", till.id), &owner.token);

    let told = [client.notification(), client.notification()];
    assert_eq!(told[0]["e"], EVENT);
    assert_eq!(told[0]["p"]["action"], "created");
    assert_eq!(told[1]["p"]["endReason"], "revoked");
    let (mut stream, mut part) = (String::new(), [0; 4096]);
    while stream.matches("data: ").count() < 2 {
        let read = events.read(&mut part).expect("events");
        assert!(read > 0, "{stream}");
        stream.push_str(std::str::from_utf8(&part[..read]).expect("UTF-8"));
    }
    let data = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let data: Vec<Value> = data
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
    assert_eq!(data, told);
}

#[test]
fn only_who_has_subscribed_is_told_and_only_until_it_has_enough() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut witness = Client::subscribed(&server, &owner);
    let mut client = Client::of(&server, &owner);
    let mut happens = || {
        let login = server.log_in("1", "BackOffice");
        assert_eq!(witness.told(), is("created", &login));
        login
    };

    happens();
    // Another server's event, which never happens here.
    client.invoke("Subscribe", &json!(["portos.other"]));
    happens();
    client.invoke("Subscribe", &json!([]));
    let heard = happens();
    assert_eq!(client.told(), is("created", &heard));
    client.invoke("Unsubscribe", &json!([EVENT]));
    happens();
    client.invoke("subscribe", &json!([[EVENT]]));
    let heard = happens();
    assert_eq!(client.told(), is("created", &heard));
}

#[test]
fn sessions_of_others_are_told_with_the_right_for_it_only() {
    let place = Place::with_shop();
    let server = place.serve();
    let cashier = server.log_in("1", "BackOffice");
    let mut client = Client::subscribed(&server, &cashier);

    server.log_in("2", "P01");
    let own = server.log_in("1", "P02");

    assert_eq!(client.told(), is("created", &own));
}

#[test]
fn the_token_may_stand_in_the_address_of_the_hub_and_of_nothing_else_and_never_in_the_log() {
    let place = Place::with_shop()
        .option("LOG__REQUESTS", "true")
        .option("LOG__LEVEL", "trace");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let query = format!("?id=x&access_token={}", owner.token);
    let status = |target: &str, more: &str| {
        let (answer, _) = upgrade(&server, target, more);
        answer[9..12].to_owned()
    };

    assert_eq!(status(&format!("{HUB}{query}"), ""), "101");
    assert_eq!(status(&format!("/api/v1{HUB}{query}"), ""), "101");
    assert_eq!(status(&format!("{HUB}?access_token=dead"), ""), "401");
    assert_eq!(status(HUB, ""), "401");
    assert_eq!(
        status(&format!("{HUB}{query}"), &bearer(&owner.token)),
        "400"
    );
    // Not an upgrade: the address would be in a browser's history.
    assert_eq!(
        server
            .call("GET", &format!("{HUB}{query}"), None, &Value::Null)
            .status,
        400
    );
    let own = format!("/sessions/{}", owner.id);
    for path in ["/auth", "/sessions", "/events", "/health", "/nowhere", &own] {
        let refused = server.get(&format!("{path}{query}"), &owner.token);
        let expected = if path == "/nowhere" { 404 } else { 400 };
        assert_eq!(refused.status, expected, "{path} {}", refused.text);
        assert!(!refused.text.contains(&owner.token));
    }

    let (_, log) = server.stop();
    assert!(log.contains("mainHub"), "{log}");
    let signature = owner.token.rsplit('.').next().expect("three parts");
    assert!(
        !log.contains(signature) && !log.contains("access_token"),
        "{log}"
    );
}

#[test]
fn what_is_no_upgrade_of_a_page_of_our_own_or_a_program_is_refused() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let bearer = bearer(&owner.token);
    let address = &server.address;
    let own = format!("{bearer}Origin: http://{address}\r\n");
    let (answer, _) = upgrade(&server, HUB, &own);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    // The answer to the example of RFC 6455.
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");

    for origin in ["http://evil.example", "null"] {
        let foreign = format!("{bearer}Origin: {origin}\r\n");
        let (answer, _) = upgrade(&server, HUB, &foreign);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{origin}: {answer}");
    }
    for head in [
        format!("GET {HUB} HTTP/1.1\r\nHost: x\r\n{bearer}\r\n"),
        format!("GET {HUB} HTTP/1.0\r\nHost: x\r\n{UPGRADE}{KEY}{bearer}\r\n"),
        format!("GET {HUB} HTTP/1.1\r\nHost: x\r\n{UPGRADE}{bearer}\r\n"),
        format!(
            "GET {HUB} HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n{KEY}{bearer}\r\n"
        ),
    ] {
        let (answer, _) = ask(&server, &head);
        assert!(
            answer.starts_with("HTTP/1.") && answer[8..].starts_with(" 400 "),
            "{head}{answer}"
        );
    }
    // An upgrade that nobody asked for here is no upgrade.
    let (answer, _) = upgrade(&server, "/auth", &bearer);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_client_that_does_not_keep_to_the_protocol_is_told_so_and_let_go() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut foreign = Client::silent(&server, &owner);
    foreign.say(&json!({"protocol": "messagepack", "version": 1}));
    let refused = foreign.record().expect("an answer");
    assert!(refused["error"].is_string(), "{refused}");
    assert_eq!(foreign.record(), None);

    let too_long = "x".repeat(20_000);
    for nonsense in ["{]\u{1e}", "[]\u{1e}", &too_long] {
        let mut client = Client::of(&server, &owner);
        client.say_text(nonsense);
        let last = client.record().expect("a last word");
        assert_eq!(last["type"], 7, "{last}");
        assert!(
            last["error"].is_string() && last.get("allowReconnect").is_none(),
            "{last}"
        );
        assert_eq!(client.record(), None);
    }
    let mut client = Client::of(&server, &owner);
    assert!(client.invoke("Shout", &json!([])).get("error").is_some());
    assert!(
        client
            .invoke("Subscribe", &json!([7]))
            .get("error")
            .is_some()
    );
    assert_eq!(client.invoke("Subscribe", &json!([])).get("error"), None);
}

#[test]
fn the_connection_closes_the_moment_its_session_ends_whatever_it_is_doing() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let doings: [fn(&Server, &Login) -> Client; 3] =
        [Client::silent, Client::of, Client::subscribed];
    for doing in doings {
        let login = server.log_in("2", "BackOffice");
        let mut client = doing(&server, &login);
        server.delete(&format!("/sessions/{}", login.id), &owner.token);
        let last = client.record().expect("a last word");
        assert_eq!(last["type"], 7, "{last}");
        assert_eq!(last.get("allowReconnect"), None);
        assert_eq!(client.record(), None);
        let (answer, _) = upgrade(&server, HUB, &bearer(&login.token));
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}

#[test]
fn there_are_only_so_many_readers_of_hub_and_events_together_and_places_come_back() {
    let place = Place::with_shop().option("EVENTS__READERS_MAX", "1");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let client = Client::subscribed(&server, &owner);

    let (second, _) = upgrade(&server, HUB, &bearer(&owner.token));
    assert!(second.starts_with("HTTP/1.1 503 "), "{second}");
    assert_eq!(server.get("/events", &owner.token).status, 503);

    drop(client);
    let started = Instant::now();
    while server.get("/events", &owner.token).status == 503 {
        assert!(started.elapsed() < PATIENCE, "the place does not come back");
    }
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up_and_ends_with_its_session() {
    const LOGINS: usize = 300;
    let place = Place::with_shop().option("EVENTS__READERS_MAX", "2");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let other = server.log_in("999", "LINK");
    let _slow = Client::subscribed(&server, &other);
    let mut quick = Client::subscribed(&server, &owner);

    let logins: Vec<Login> = (0..LOGINS)
        .map(|_| server.log_in("1", "BackOffice"))
        .collect();
    for login in &logins {
        assert_eq!(quick.told(), is("created", login));
    }

    server.delete(&format!("/sessions/{}", other.id), &owner.token);
    let started = Instant::now();
    while upgrade(&server, HUB, &bearer(&owner.token))
        .0
        .contains(" 503 ")
    {
        assert!(started.elapsed() < PATIENCE, "its place is not free");
    }
}

#[test]
fn who_is_passed_by_more_changes_than_are_kept_is_told_to_look_anew_and_hears_what_follows() {
    // All end in one step, so that more changes than are kept come at once.
    const LOGINS: usize = 40;
    let place = Place::with_shop().option("EVENTS__KEPT_MAX", "16");
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let mut client = Client::subscribed(&server, &owner);
    let mut events = events_for(&server, &owner);

    for _ in 0..LOGINS {
        server.log_in("1", "BackOffice");
    }
    let ended = server.delete("/sessions?userName=1", &owner.token);
    assert_eq!(ended.status, 200, "{}", ended.text);

    let mut told = 0;
    while client.notification()["e"] != "resync" {
        told += 1;
    }
    assert!(told < 2 * LOGINS, "nothing was left out");
    let mut heard = String::new();
    hear(&mut events, &mut heard, "event: resync\ndata: {}\n");
    let till = server.log_in("1", "P01");
    assert_eq!(client.told(), is("created", &till));
    hear(&mut events, &mut heard, &till.id);
}

#[test]
fn a_server_that_stops_lets_its_clients_go_at_once_and_tells_them_to_come_back() {
    let place = Place::with_shop();
    let server = place.serve();
    let owner = server.log_in("999", "BackOffice");
    let doings: [fn(&Server, &Login) -> Client; 3] =
        [Client::silent, Client::of, Client::subscribed];
    let mut clients: Vec<_> = doings.iter().map(|doing| doing(&server, &owner)).collect();

    let stopping = std::thread::spawn(move || server.stop());
    for client in &mut clients {
        assert_eq!(
            client.record(),
            Some(json!({"type": 7, "allowReconnect": true}))
        );
        assert_eq!(client.record(), None);
        // The answer to the close frame.
        let _ = client.socket.flush();
    }

    let (code, log) = stopping.join().expect("stopped");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("Clean"), "no connection had to be cut: {log}");
}
