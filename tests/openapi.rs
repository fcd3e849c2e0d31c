//! `/openapi.json` is true: it names every route and no other, every example in
//! it fits its schema, the requests among them do what the document says, and
//! what the server answers is what the document describes.

#[path = "openapi/document.rs"]
mod document;
mod support;

use std::collections::BTreeSet;

use document::{Document, Operation};
use serde_json::{Value, json};
use support::signer::Signer;
use support::{Answer, Login, Place, Server};

/// The shop that the examples are sent to.
const DEMO: &str = include_str!("../data/demo/store.json");

/// A version that nothing has.
const NO_VERSION: &str = "\"9000000\"";

fn demo() -> Place {
    let place = Place::empty()
        .option("BACKUP__DIRECTORY", "backups")
        .option("WEBHOOKS__GIVE_UP_AFTER", "1s");
    let file = place.path().join("demo.json");
    std::fs::write(&file, DEMO).expect("the shop is written");
    support::good(&place, &["import", file.to_str().expect("UTF-8")]);
    place
}

fn document(server: &Server) -> Document {
    let answer = server.call("GET", "/openapi.json", None, &Value::Null);
    assert_eq!(answer.status, 200);
    Document(answer.json())
}

fn log_in(server: &Server, user: &str, password: &str, device: &str) -> Login {
    let answer = server.try_log_in(user, password, device);
    assert_eq!(answer.status, 200, "{}", answer.text);
    Login::from(&answer.json())
}

/// The owner, in a session of its own for every call.
fn owner(server: &Server) -> Login {
    log_in(server, "999", "demo-owner", "BackOffice")
}

#[test]
fn the_document_names_every_route_and_no_other() {
    let served: BTreeSet<String> = tillgate::http::PATHS
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.split(", ");
            let own = methods.filter(|method| !["HEAD", "OPTIONS"].contains(method));
            own.map(move |method| format!("{method} {path}"))
        })
        .collect();
    let document = document(&demo().serve());
    let documented = document.operations().iter().map(Operation::name).collect();

    let difference: Vec<_> = served.symmetric_difference(&documented).collect();
    assert!(
        difference.is_empty(),
        "served or documented, but not both: {difference:#?}\n\
         a route is described in src/http/openapi/, beside its kind"
    );
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_reference_leads_somewhere_and_every_shared_part_is_used() {
    let document = document(&demo().serve());
    let mut used = BTreeSet::new();
    references(&document.0, &mut used);
    for reference in &used {
        document.resolve(&json!({ "$ref": reference }));
    }
    for (kind, parts) in document.0["components"].as_object().expect("components") {
        for name in parts.as_object().expect("parts").keys() {
            let reference = format!("#/components/{kind}/{name}");
            // Security schemes go by their names.
            assert!(
                kind == "securitySchemes" || used.contains(&reference),
                "{reference}"
            );
        }
    }
    let ids: Vec<_> = document
        .operations()
        .iter()
        .map(|one| one.said["operationId"].clone())
        .collect();
    let unique: BTreeSet<_> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.insert(reference.clone());
            }
            members
                .values()
                .for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_example_fits_its_schema() {
    let document = document(&demo().serve());
    assert_eq!(document.unknown_words(), BTreeSet::new());
    for operation in document.operations() {
        let name = operation.name();
        let body = operation
            .said
            .get("requestBody")
            .map(|body| document.resolve(body));
        let answers = operation.said["responses"].as_object().expect("answers");
        let answers = answers.values().map(|answer| document.resolve(answer));
        for place in body.into_iter().chain(answers) {
            let contents = place.get("content").and_then(Value::as_object);
            for (kind, content) in contents.into_iter().flatten() {
                let examples = document.examples(content);
                let free = content["schema"]["$ref"] == "#/components/schemas/Free";
                assert!(
                    !examples.is_empty() || free,
                    "{name} has no example of {kind}"
                );
                for (example, value) in examples {
                    let faults = document.faults(&content["schema"], value, true);
                    assert!(faults.is_empty(), "{name} {kind} {example}: {faults:#?}");
                }
            }
        }
    }
}

/// One run of the examples, on a server of its own.
struct Run<'a> {
    server: &'a Server,
    document: &'a Document,
    /// Of the first start of a store that never held a user.
    set_up_code: Option<String>,
}

impl<'a> Run<'a> {
    /// The path with something that exists in the place of its parameters.
    fn path(&self, operation: &Operation<'_>) -> String {
        if operation.name() == "DELETE /sessions" {
            // Without a filter it is refused, and everybody is needed once more.
            return "/sessions?userName=nobody".to_owned();
        }
        if operation.path.ends_with("/{delivery}") {
            return self.failure();
        }
        let mut path = operation.path.to_owned();
        for parameter in operation.parameters_in("path") {
            let name = parameter["name"].as_str().expect("a name");
            let example = parameter["example"].as_str().expect("an example");
            let value = match operation.path {
                "/sessions/{id}" => log_in(self.server, "1", "demo-cashier", "P01").id,
                "/apikeys/{id}" => self.api_key(),
                "/backups/{name}" => self.backup(),
                path if path.starts_with("/webhooks/{id}") => self.webhook(),
                _ => example.to_owned(),
            };
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        path
    }

    /// The name of a backup that was just made.
    fn backup(&self) -> String {
        let token = owner(self.server).token;
        let made = self
            .server
            .call("POST", "/backups", Some(&token), &Value::Null);
        made.json()["name"].as_str().expect("a name").to_owned()
    }

    /// The id of the one webhook, just made. Nobody listens there.
    fn webhook(&self) -> String {
        let token = owner(self.server).token;
        let others = self.server.get("/webhooks", &token).json();
        for other in others["items"].as_array().expect("a list") {
            let id = other["id"].as_str().expect("an id");
            self.server.delete(&format!("/webhooks/{id}"), &token);
        }
        let body = json!({"url": "http://127.0.0.1:1/"});
        let made = self.server.call("POST", "/webhooks", Some(&token), &body);
        made.json()["id"].as_str().expect("an id").to_owned()
    }

    /// The path of a notification that nobody has taken.
    fn failure(&self) -> String {
        let failures = format!("/webhooks/{}/failures", self.webhook());
        let token = owner(self.server).token;
        let first = || self.server.get(&failures, &token).json()["items"][0].clone();
        support::eventually("a failure", || first()["delivery"].is_string());
        let delivery = first()["delivery"].as_str().expect("text").to_owned();
        format!("{failures}/{delivery}")
    }

    /// The id of a key that was just made.
    fn api_key(&self) -> String {
        let body = json!({"name": "made", "userName": "999", "deviceName": "LINK"});
        let token = owner(self.server).token;
        let made = self.server.call("POST", "/apikeys", Some(&token), &body);
        made.json()["id"].as_str().expect("an id").to_owned()
    }

    /// An active key with all rights.
    fn signer(&self) -> Signer {
        let body = json!({
            "name": "signs", "userName": "999", "deviceName": "LINK", "isActive": true,
        });
        let token = owner(self.server).token;
        let made = self.server.call("POST", "/apikeys", Some(&token), &body);
        Signer::of(&made.json())
    }

    /// The body with what only this run can know in it.
    fn body(&self, example: &Value) -> Value {
        let mut body = example.clone();
        let own = log_in(self.server, "999", "demo-owner", "LINK");
        for (member, value) in [
            ("token", Some(own.token.clone())),
            ("tokenId", Some(own.token)),
            ("refreshToken", Some(own.refresh)),
            ("code", self.set_up_code.clone()),
        ] {
            if let (Some(place), Some(value)) = (body.get_mut(member), value) {
                *place = value.into();
            }
        }
        body
    }

    /// A call as the document has it, with the examples of its headers.
    fn call(&self, operation: &Operation<'_>, path: &str, body: &Value) -> Answer {
        let mut headers: Vec<_> = operation
            .parameters_in("header")
            .filter_map(|parameter| {
                let name = parameter["name"].as_str().expect("a name");
                Some((
                    name.to_owned(),
                    parameter.get("example")?.as_str()?.to_owned(),
                ))
            })
            .collect();
        if operation.needs_signature() {
            let text = body.to_string();
            let signer = self.signer();
            headers.extend(signer.headers(self.server, &operation.method, path, &text));
        } else if operation.needs_login() {
            let token = owner(self.server).token;
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        send(self.server, operation, path, &headers, body)
    }

    /// The answer is one that the document describes.
    fn fits(&self, operation: &Operation<'a>, answer: &Answer) {
        let (name, status) = (operation.name(), answer.status);
        let said = self.document.response(operation, status);
        for (header, rule) in said
            .get("headers")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let required = self.document.resolve(rule)["required"] == true;
            let there = answer.headers.contains_key(header.as_str());
            assert!(there || !required, "{name} {status}: {header}");
        }
        let Some(contents) = said.get("content").and_then(Value::as_object) else {
            assert_eq!(answer.text, "", "{name} {status} has no body");
            return;
        };
        let content = contents.get(answer.header("content-type"));
        let content = content.unwrap_or_else(|| {
            panic!(
                "{name} {status}: {} is not documented",
                answer.header("content-type")
            )
        });
        let body = match answer.header("content-type") {
            kind if kind.starts_with("text/") => Value::String(answer.text.clone()),
            _ => answer.json(),
        };
        let faults = self.document.faults(&content["schema"], &body, true);
        assert!(
            faults.is_empty(),
            "{name} {status}: {faults:#?}\n{}",
            answer.text
        );
    }
}

/// Sends a body as the operation takes it: as JSON, or an object of texts as a
/// form.
fn send(
    server: &Server,
    operation: &Operation<'_>,
    path: &str,
    headers: &[(String, String)],
    body: &Value,
) -> Answer {
    const FORM: &str = "application/x-www-form-urlencoded";
    let body_said = operation.said.get("requestBody");
    if body_said.is_none_or(|said| said["content"].get(FORM).is_none()) {
        return server.send(&operation.method, path, headers, body);
    }
    let pairs = body.as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().expect("a form holds texts");
        format!("{name}={}", value.replace('+', "%2B").replace('=', "%3D"))
    });
    let form = ("Content-Type".to_owned(), FORM.to_owned());
    let body = pairs.collect::<Vec<_>>().join("&");
    server.send_text(&operation.method, path, &[headers, &[form]].concat(), &body)
}

/// The path with a parameter that can not be read.
fn wrong_query(path: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}$take=x&wait=x")
}

/// The examples of a request's body; `null` for a request without one.
fn request_examples<'a>(document: &'a Document, operation: &'a Operation<'_>) -> Vec<Value> {
    let Some(body) = operation.said.get("requestBody") else {
        return vec![Value::Null];
    };
    let contents = document.resolve(body)["content"].as_object();
    let content = contents.and_then(|contents| contents.values().next());
    let content = content.expect("a kind of body");
    let examples = document.examples(content);
    examples
        .into_iter()
        .map(|(_, value)| value.clone())
        .collect()
}

/// What deletes goes last, what is within something before it, and the password that all others log in with very
/// last.
fn rank(operation: &Operation<'_>) -> usize {
    let methods = ["GET", "PUT", "POST", "DELETE"];
    let method = methods
        .iter()
        .position(|method| *method == operation.method);
    method.unwrap_or_default() + usize::from(operation.path == "/auth/password") * methods.len()
}

#[test]
fn every_example_does_what_the_document_says() {
    let place = demo();
    let server = place.serve();
    let document = document(&server);
    let run = Run {
        server: &server,
        document: &document,
        set_up_code: None,
    };
    let mut operations = document.operations();
    operations.sort_by_key(|one| (rank(one), std::cmp::Reverse(one.path.len())));
    for operation in operations.iter().filter(|one| one.path != "/setup") {
        for example in request_examples(&document, operation) {
            let path = run.path(operation);
            let answer = run.call(operation, &path, &run.body(&example));
            let name = operation.name();
            assert!(
                (200..300).contains(&answer.status) || answer.status == 101,
                "{name} {path} {example}: {}",
                answer.text
            );
            run.fits(operation, &answer);
        }
    }
}

#[test]
fn the_example_of_the_first_administrator_does_what_the_document_says() {
    let place = Place::empty();
    let (server, code) = place.first_start();
    let document = document(&server);
    let run = Run {
        server: &server,
        document: &document,
        set_up_code: None,
    };
    let operations = document.operations();
    let operation = operations
        .iter()
        .find(|one| one.path == "/setup")
        .expect("a route");
    for example in request_examples(&document, operation) {
        let mut body = example.clone();
        body["code"] = code.as_str().into();
        let answer = run.call(operation, operation.path, &body);
        assert_eq!(answer.status, 201, "{}", answer.text);
        run.fits(operation, &answer);
        let closed = run.call(operation, operation.path, &body);
        assert_eq!(closed.status, 404);
        run.fits(operation, &closed);
    }
}

#[test]
fn every_parameter_of_a_query_is_understood() {
    let place = demo();
    let server = place.serve();
    let document = document(&server);
    let run = Run {
        server: &server,
        document: &document,
        set_up_code: None,
    };
    for operation in document.operations() {
        for parameter in operation.parameters_in("query") {
            let Some(example) = parameter.get("example") else {
                continue;
            };
            let name = parameter["name"].as_str().expect("a name");
            let example = example
                .as_str()
                .map_or_else(|| example.to_string(), str::to_owned);
            let place = if operation.path.contains('{') {
                run.path(&operation)
            } else {
                operation.path.to_owned()
            };
            let path = format!("{place}?{name}={example}");
            let answer = run.call(&operation, &path, &Value::Null);
            assert!(
                (200..300).contains(&answer.status),
                "{path}: {}",
                answer.text
            );
            run.fits(&operation, &answer);
        }
    }
}

#[test]
fn every_refusal_is_one_that_the_document_describes() {
    let place = demo();
    let server = place.serve();
    let document = document(&server);
    let run = Run {
        server: &server,
        document: &document,
        set_up_code: None,
    };
    let cashier = log_in(&server, "1", "demo-cashier", "P02").token;
    let token = owner(&server).token;
    let bearer = |token: &str| ("Authorization".to_owned(), format!("Bearer {token}"));
    let with = |name: &str, value: &str| vec![bearer(&token), (name.to_owned(), value.to_owned())];
    let nothing = format!("no-such-{}", "x".repeat(24));
    for operation in document.operations() {
        let name = operation.name();
        let send = |path: &str, headers: &[(String, String)], body: &Value| {
            let answer = self::send(&server, &operation, path, headers, body);
            run.fits(&operation, &answer);
            answer.status
        };
        let documented = |status: u16| assert!(operation.documents(status), "{name}: {status}");
        let path = run.path(&operation);
        let example = request_examples(&document, &operation).remove(0);
        let has_body = !example.is_null();
        if operation.needs_login() {
            assert_eq!(send(&path, &[], &example), 401, "{name}");
            documented(401);
            // Whatever a cashier gets, the document names it. The own login is
            // let be, it is needed once more.
            if operation.method != "DELETE" {
                documented(send(&path, &[bearer(&cashier)], &example));
            }
        }
        if has_body {
            let own_page = ("Sec-Fetch-Site".to_owned(), "same-origin".to_owned());
            assert_eq!(
                send(&path, &[bearer(&token), own_page], &json!([])),
                documented_bad(&operation),
                "{name}"
            );
        }
        if operation
            .parameters_in("query")
            .any(|parameter| parameter["name"] == "$take")
        {
            assert_eq!(
                send(&wrong_query(&path), &[bearer(&token)], &Value::Null),
                400,
                "{name}"
            );
            documented(400);
        }
        if operation.parameters_in("path").next().is_some() {
            let (front, rest) = operation.path.split_once('{').expect("a parameter");
            let (_, back) = rest.split_once('}').expect("its end");
            let path = format!("{front}{nothing}{back}");
            let missing = send(&path, &[bearer(&token)], &example);
            // What is not there may be created by a PUT.
            assert!(
                missing == 404 || operation.method == "PUT",
                "{name}: {missing}"
            );
            documented(missing);
        }
        for parameter in operation.parameters_in("header") {
            let header = parameter["name"].as_str().expect("a name");
            let (sent, expected) = match (operation.method.as_str(), header) {
                ("GET", "If-None-Match") => ("*", 304),
                (_, "If-None-Match") => ("*", 412),
                (_, "Sec-Fetch-Site") => ("cross-site", 403),
                // Not an upgrade.
                (_, "Upgrade" | "Connection" | "Sec-WebSocket-Version" | "Sec-WebSocket-Key") => {
                    ("x", 400)
                }
                // A place that nobody knows is told of, not refused.
                (_, "Last-Event-ID") => ("x", 200),
                _ => (NO_VERSION, 412),
            };
            assert_eq!(
                send(&path, &with(header, sent), &example),
                expected,
                "{name} {header}"
            );
            documented(expected);
        }
    }
}

/// What a body that is no object gets. The door for the first administrator is
/// closed before anything is read.
fn documented_bad(operation: &Operation<'_>) -> u16 {
    let status = if operation.path == "/setup" { 404 } else { 400 };
    assert!(operation.documents(status), "{}", operation.name());
    status
}

#[test]
fn a_full_limit_and_a_locked_login_answer_as_the_document_says() {
    let place = demo()
        .option("SESSIONS__LIMITS__PER_USER", "1")
        .option("LOCKOUT__LOCK_AFTER", "1");
    let server = place.serve();
    let document = document(&server);
    let run = Run {
        server: &server,
        document: &document,
        set_up_code: None,
    };
    let operations = document.operations();
    let named = |name: &str| operations.iter().find(|one| one.name() == name);
    let login = named("POST /auth").expect("a route");
    let try_at = |device: &str, password: &str| server.try_log_in("999", password, device);

    assert_eq!(try_at("P01", "demo-owner").status, 200);
    let full = try_at("P02", "demo-owner");
    assert_eq!(
        (full.status, &full.json()["reason"]),
        (403, &json!("sessionLimit"))
    );
    run.fits(login, &full);
    assert!(login.documents(403));
    assert_eq!(try_at("P02", "wrong").status, 401);
    let locked = try_at("P02", "demo-owner");
    assert_eq!(
        (locked.status, &locked.json()["errorCode"]),
        (423, &json!(5))
    );
    run.fits(login, &locked);
    assert!(login.documents(423));
}
