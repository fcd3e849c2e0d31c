//! What a thief gets: a session of work over HTTP while the log says everything
//! it can, then a search of the data directory without the key file, of the log
//! and of every other answer for each password, token, refresh token and client
//! secret of the run.

mod support;

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use support::signer::Signer;
use support::{Answer, Place, Server, bad};

/// A server that can not open its keys does not start.
const CONFIG: i32 = 78;

/// Everything secret of a run, in every form in which it could lie about, and
/// everything else that the server has said.
#[derive(Default)]
struct Run {
    secrets: Vec<(&'static str, Vec<u8>)>,
    said: Vec<String>,
}

impl Run {
    fn secret(&mut self, what: &'static str, bytes: &[u8]) {
        assert!(bytes.len() >= 10, "{what} would be found anywhere");
        let mut hex = String::new();
        for byte in bytes {
            write!(hex, "{byte:02x}").expect("memory takes every byte");
        }
        let wide = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
        self.secrets.push((what, bytes.to_vec()));
        self.secrets
            .push((what, hex.to_ascii_uppercase().into_bytes()));
        self.secrets.push((what, hex.into_bytes()));
        self.secrets
            .push((what, STANDARD.encode(bytes).trim_end_matches('=').into()));
        self.secrets
            .push((what, URL_SAFE_NO_PAD.encode(bytes).into_bytes()));
        self.secrets.push((what, wide));
    }

    /// A password that nothing else in the run looks like.
    fn password(&mut self, text: &str) -> String {
        self.secret("a password", text.as_bytes());
        text.to_owned()
    }

    /// The pair of an answer. A signature alone makes a token, too.
    fn pair(&mut self, answer: &Answer) -> (String, String) {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        let text = |name: &str| body[name].as_str().expect("a token").to_owned();
        let (token, refresh) = (text("tokenId"), text("refreshToken"));
        self.secret("a token", token.as_bytes());
        let signature = token.rsplit('.').next().expect("three parts");
        self.secret("a token's signature", signature.as_bytes());
        let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        self.secret("a token's signature", &bytes);
        self.secret("a refresh token", refresh.as_bytes());
        self.secret(
            "a refresh token",
            &STANDARD.decode(&refresh).expect("base64"),
        );
        (token, refresh)
    }

    /// A client secret, as text and as the bytes that it stands for.
    fn client_secret(&mut self, hex: &str) {
        self.secret("a client secret", hex.as_bytes());
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        self.secret("a client secret", &bytes);
    }

    /// An answer that may not hold anything secret.
    fn heard(&mut self, answer: Answer, status: u16) -> Answer {
        assert_eq!(answer.status, status, "{}", answer.text);
        self.said
            .push(format!("{:?} {}", answer.headers, answer.text));
        answer
    }

    /// What of the run is found in these bytes.
    fn found_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let mut found: Vec<_> = self
            .secrets
            .iter()
            .filter(|(_, secret)| contains(bytes, secret))
            .map(|(what, _)| *what)
            .collect();
        found.dedup();
        found
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    let first = part[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(part) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            all.push((path, bytes));
        }
    }
    all
}

fn log_in(server: &Server, user: &str, password: &str, device: &str) -> Answer {
    server.try_log_in(user, password, device)
}

/// Logins, good and bad, refreshes, and tokens where they do not belong.
fn work_with_tokens(run: &mut Run, server: &Server, owner: &str) -> String {
    let first = run.password("Kormidlo-first-1");
    let body = json!({"userName": "eva", "password": first,
        "devices": [{"name": "P01", "roles": ["cashier"]}, {"name": "BackOffice", "roles": ["cashier"]}]});
    run.heard(server.call("POST", "/users", Some(owner), &body), 201);
    let wrong = run.password("Kormidlo-wrong-2");
    run.heard(log_in(server, "eva", &wrong, "P01"), 401);
    run.heard(log_in(server, "nobody-at-all", &wrong, "P01"), 401);
    run.heard(log_in(server, "eva", &first, "no-such-device"), 401);

    let (token, mut refresh) = run.pair(&log_in(server, "eva", &first, "BackOffice"));
    let (till, _) = run.pair(&log_in(server, "eva", &first, "P01"));
    for _ in 0..2 {
        let body = json!({"tokenId": token, "refreshToken": refresh});
        let answer = server.call("POST", "/auth/refresh", None, &body);
        refresh = run.pair(&answer).1;
    }
    run.heard(server.get("/auth", &token), 200);
    run.heard(server.get("/sessions", &token), 200);
    run.heard(
        server.get(&format!("/sessions?userName={token}"), &token),
        200,
    );
    run.heard(server.get("/sessions", &format!("{token}x")), 401);
    let twisted = json!({"tokenId": refresh, "refreshToken": token});
    run.heard(server.call("POST", "/auth/refresh", None, &twisted), 401);
    run.heard(server.get("/auth/verify", &token), 204);
    // Forms: a token that lives, one that does not, and a refresh token.
    let (gone, last) = run.pair(&log_in(server, "eva", &first, "P01"));
    for (path, text, with) in [
        ("/introspect", &token, Some(owner)),
        ("/introspect", &refresh, Some(owner)),
        ("/introspect", &token, None),
        ("/revoke", &last, None),
        ("/introspect", &gone, Some(owner)),
    ] {
        let mut headers = vec![(
            "Content-Type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        )];
        headers.extend(with.map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))));
        let form = format!("token={}", text.replace('+', "%2B").replace('=', "%3D"));
        let answer = server.send_text("POST", path, &headers, &form);
        let refused = path == "/introspect" && with.is_none();
        run.heard(answer, if refused { 401 } else { 200 });
    }
    // In a path, or as the name of a member, the answer repeats it to whoever
    // sent it; the log must not.
    let named = format!("/sessions?{token}=1&$take=x");
    assert_eq!(server.get(&named, &token).status, 400);
    assert_eq!(server.get(&format!("/sessions/{till}"), &token).status, 404);
    assert_eq!(server.get(&format!("/{till}"), &token).status, 404);

    let second = run.password("Kormidlo-second-3");
    let change = |old: &str, new: &str| {
        let body = json!({"oldPassword": old, "newPassword": new});
        server.call("PUT", "/auth/password", Some(&token), &body)
    };
    run.heard(change(&wrong, &second), 400);
    run.heard(change(&first, &second), 204);
    run.heard(server.get("/auth", &till), 401);
    let broken = format!("{{\"userName\":\"eva\",\"password\":\"{second}\",");
    let sent = server.raw(
        format!(
            "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{broken}",
            broken.len()
        )
        .as_bytes(),
    );
    assert!(sent.starts_with("HTTP/1.1 400"), "{sent}");
    run.said.push(sent);
    token
}

/// API keys, drawn and given, and a request signed with one.
fn work_with_keys(run: &mut Run, server: &Server, owner: &str) {
    let given = "3f7a1c9be2d45806b1f3c7a95e0d2846a7c1e93b5d0f82647b9ce1a3d5f70284";
    run.client_secret(given);
    let key = json!({"name": "shop", "userName": "999", "deviceName": "LINK", "isActive": true});
    let mut with_secret = key.clone();
    with_secret["clientSecret"] = given.into();
    for body in [&key, &with_secret] {
        let made = server.call("POST", "/apikeys", Some(owner), body);
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        run.client_secret(&text("clientSecret"));
        let path = format!("/apikeys/{}", text("id"));
        run.heard(server.get(&path, owner), 200);
        run.heard(server.call("PUT", &path, Some(owner), body), 200);
        run.heard(Signer::of(&made).get(server, "/sessions"), 200);
    }
    run.heard(server.get("/apikeys", owner), 200);
    let bad =
        json!({"name": "x", "userName": "999", "deviceName": "LINK", "clientSecret": &given[1..]});
    run.heard(server.call("POST", "/apikeys", Some(owner), &bad), 400);
}

#[test]
fn neither_the_stolen_directory_nor_the_log_nor_an_error_holds_what_logs_in() {
    let place = Place::with_shop()
        .option("LOG__LEVEL", "trace")
        .option("LOG__REQUESTS", "true")
        .option("LOG__FILE", "tillgate.log");
    let mut run = Run::default();
    let server = place.serve();
    let (owner, _) = run.pair(&log_in(&server, "999", "pass", "BackOffice"));
    let token = work_with_tokens(&mut run, &server, &owner);
    work_with_keys(&mut run, &server, &owner);
    let open = server.call("GET", "/health", None, &Value::Null);
    run.heard(open, 200);
    let killed = server.kill();

    // What a stop writes, too, and what a second start says.
    let server = place.serve();
    run.heard(server.get("/auth", &token), 200);
    let (_, stopped) = server.stop();

    let mut found = Vec::new();
    let mut look = |what: &str, bytes: &[u8]| {
        found.extend(
            run.found_in(bytes)
                .iter()
                .map(|secret| format!("{secret} in {what}")),
        );
    };
    look("the log", killed.as_bytes());
    look("the log of the second run", stopped.as_bytes());
    let file = std::fs::read(place.path().join("tillgate.log")).expect("a log");
    look("the log file", &file);
    for said in &run.said {
        look(said, said.as_bytes());
    }
    let stolen = files(&place.data_dir());
    for (path, bytes) in &stolen {
        look(&path.display().to_string(), bytes);
    }
    assert!(found.is_empty(), "{found:#?}");

    // The search finds what is there.
    assert!(stolen.iter().any(|(_, bytes)| contains(bytes, b"eva")));
    assert!(killed.contains("answered"), "{killed}");
    assert!(contains(&file, b"answered"));
    assert_eq!(
        run.found_in(token.as_bytes()).len(),
        2,
        "a token and its signature"
    );
}

#[test]
fn a_stolen_directory_does_not_start_without_its_key_file() {
    let place = Place::with_shop();
    let server = place.serve();
    server.log_in("1", "P01");
    server.stop();
    let key = place.path().join("db.key");
    assert!(
        key.is_file(),
        "the key lies beside the directory, not in it"
    );
    std::fs::remove_file(key).expect("the thief has no key");

    let said = bad(&place, &["serve", "--listen", "127.0.0.1:0"], CONFIG);

    assert!(said.contains("key_file"), "{said}");
}
