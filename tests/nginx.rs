//! The documented nginx sample with a real nginx before a real service: who is
//! let through, what the service is told, and that nobody can tell it anything.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::json;
use support::signer::{Signer, Unsigned, now};
use support::{Login, PATIENCE, Place, Server};

const SAMPLE: &str = include_str!("../data/reverse-proxy/nginx.conf");

/// How often another port is tried when somebody else has taken one.
const PORTS_MAX: usize = 5;

const HEADERS: [&str; 5] = [
    "x-auth-user",
    "x-auth-device",
    "x-auth-env",
    "x-auth-session",
    "x-auth-rights",
];

/// Says on the real standard output, past the test harness, what could not run.
fn skipped() {
    let line = "\nSKIPPED nginx: it is not installed (Debian: nginx-light)\n";
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// nginx, if it is there.
fn program() -> Option<&'static str> {
    ["nginx", "/usr/sbin/nginx"].into_iter().find(|name| {
        let asked = Command::new(name).arg("-v").stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    })
}

/// A service that answers every request with the lines of its head.
struct Echo {
    address: String,
    _thread: JoinHandle<()>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = echo(&stream);
            }
        });
        Self {
            address,
            _thread: thread,
        }
    }
}

fn echo(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        head.push_str(&line);
        head.push('\n');
    }
    let length = head.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{head}");
    stream.write_all(answer.as_bytes())
}

/// A running nginx, stopped when dropped.
struct Nginx {
    child: Child,
    address: String,
}

impl Nginx {
    /// `behind`: the addresses of Tillgate and of the service.
    fn start(program: &str, place: &Path, sample: &str, behind: [&str; 2]) -> Self {
        for _ in 0..PORTS_MAX {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = free.local_addr().expect("an address").to_string();
            drop(free);
            write_configuration(place, sample, &address, behind);
            let mut child = Command::new(program)
                .arg("-p")
                .arg(place)
                .args(["-e", "error.log", "-c", "nginx.conf"])
                .stderr(Stdio::null())
                .spawn()
                .expect("nginx runs");
            if answers(&mut child, &address) {
                return Self { child, address };
            }
        }
        let log = std::fs::read_to_string(place.join("error.log")).unwrap_or_default();
        panic!("nginx does not start: {log}");
    }

    /// Status and body of a `GET` with these headers.
    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let host = [("Host", self.address.as_str())];
        self.send("GET", path, &[&host, headers].concat(), "")
    }

    /// Status and body of a request with these headers, `Host` among them.
    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("nginx listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        let length = body.len().to_string();
        let own = [("Content-Length", length.as_str()), ("Connection", "close")];
        for (name, value) in headers.iter().chain(&own) {
            request.push_str(name);
            request.push_str(": ");
            request.push_str(value);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        stream.write_all(request.as_bytes()).expect("nginx reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.expect("a status"), body.to_owned())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether nginx listens; false when it has ended instead.
fn answers(child: &mut Child, address: &str) -> bool {
    let started = std::time::Instant::now();
    while started.elapsed() < PATIENCE {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        if child
            .try_wait()
            .expect("the process can be asked")
            .is_some()
        {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

/// The sample with the addresses of this test, inside of what Debian's
/// `nginx.conf` would bring.
fn write_configuration(place: &Path, sample: &str, nginx: &str, behind: [&str; 2]) {
    let [tillgate, service] = behind;
    let mut sample = sample.to_owned();
    for (from, to) in [
        ("listen 127.0.0.1:8000;", format!("listen {nginx};")),
        ("server 127.0.0.1:4000;", format!("server {tillgate};")),
        ("server 127.0.0.1:8080;", format!("server {service};")),
    ] {
        assert_eq!(sample.matches(from).count(), 1, "{from}");
        sample = sample.replace(from, &to);
    }
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path tmp;\n"))
        .concat();
    // One process in the foreground, so that it ends with the test.
    let around = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{}}\n\
         http {{\n    access_log off;\n{folders}    include tillgate.conf;\n}}\n"
    );
    std::fs::write(place.join("tillgate.conf"), sample).expect("the sample is written");
    std::fs::write(place.join("nginx.conf"), around).expect("the configuration is written");
}

/// What the service was told in a header; empty when nothing.
fn told(body: &str, name: &str) -> String {
    let values = body.lines().filter_map(|line| {
        let (held, value) = line.split_once(':')?;
        held.eq_ignore_ascii_case(name).then(|| value.trim())
    });
    values.collect::<Vec<_>>().join("|")
}

/// Tillgate, a service and nginx before both.
struct Scene {
    nginx: Nginx,
    server: Server,
    _echo: Echo,
    _place: Place,
}

impl Scene {
    fn set() -> Option<Self> {
        Self::with(Place::with_shop(), SAMPLE)
    }

    fn with(place: Place, sample: &str) -> Option<Self> {
        let Some(program) = program() else {
            skipped();
            return None;
        };
        let server = place.serve();
        let echo = Echo::start();
        let addresses = [server.address.as_str(), &echo.address];
        let nginx = Nginx::start(program, place.path(), sample, addresses);
        Some(Self {
            nginx,
            server,
            _echo: echo,
            _place: place,
        })
    }

    /// An active key of the owner's.
    fn key(&self) -> Signer {
        let owner = self.server.log_in("999", "BackOffice");
        let body = json!({"name": "service", "userName": "999", "deviceName": "LINK",
            "isActive": true});
        let token = Some(owner.token.as_str());
        let made = self.server.call("POST", "/apikeys", token, &body);
        assert_eq!(made.status, 201, "{}", made.text);
        Signer::of(&made.json())
    }

    /// Sends `sent` through nginx with the signature of `signed`.
    fn signed(&self, key: &Signer, signed: &Request<'_>, sent: &Request<'_>) -> u16 {
        let time = now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let unsigned = Unsigned {
            method: signed.method,
            target: signed.target,
            host: signed.host,
            headers: &[],
            body: signed.body.as_bytes(),
        };
        let headers = key.sign(&unsigned, &time);
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut headers: Vec<_> = headers.filter(|(name, _)| *name != "host").collect();
        headers.push(("Host", sent.host));
        headers.push(("Content-Type", "application/json"));
        let (status, _) = self
            .nginx
            .send(sent.method, sent.target, &headers, sent.body);
        status
    }

    fn get(&self, path: &str, login: Option<&Login>, more: &[(&str, &str)]) -> (u16, String) {
        let bearer = login.map(|login| format!("Bearer {}", login.token));
        let mut headers: Vec<(&str, &str)> = more.to_vec();
        headers.extend(bearer.iter().map(|value| ("Authorization", value.as_str())));
        self.nginx.get(path, &headers)
    }
}

#[test]
fn nginx_lets_through_who_is_logged_in_and_tells_the_service_who_it_is() {
    let Some(scene) = Scene::set() else { return };
    let owner = scene.server.log_in("999", "P01");
    let cashier = scene.server.log_in("1", "P02");

    let (status, body) = scene.get("/prices?x=1", Some(&owner), &[]);

    assert_eq!(status, 200, "{body}");
    assert!(body.starts_with("GET /prices?x=1 "), "{body}");
    let values = HEADERS.map(|name| told(&body, name));
    let expected = ["999", "P01", "CashRegister", owner.id.as_str(), "admin"];
    assert_eq!(values, expected.map(str::to_owned));
    assert_eq!(scene.get("/prices", None, &[]).0, 401);
    assert_eq!(scene.get("/reports/today", Some(&owner), &[]).0, 200);
    assert_eq!(scene.get("/reports/today", Some(&cashier), &[]).0, 403);
    assert_eq!(scene.get("/reports/today", None, &[]).0, 401);
    assert_eq!(scene.get("/public/", None, &[]).0, 200);
    assert_eq!(scene.get("/_tillgate/login", Some(&owner), &[]).0, 404);
    assert_eq!(scene.get("/api/sessions", Some(&owner), &[]).0, 200);
    for path in ["/api/metrics", "/api/v1/metrics", "/api/%6detrics"] {
        let local = [("Host", "127.0.0.1")];
        let (status, _) = scene.nginx.send("GET", path, &local, "");
        assert_eq!(status, 404, "{path}");
    }

    scene.server.delete("/api/auth", &owner.token);
    assert_eq!(scene.get("/prices", Some(&owner), &[]).0, 401);
}

#[test]
fn nobody_can_tell_the_service_who_they_are() {
    let Some(scene) = Scene::set() else { return };
    let cashier = scene.server.log_in("1", "P02");
    let forged: Vec<(&str, &str)> = [
        "X-Auth-User",
        "X-Auth-Device",
        "X-Auth-Env",
        "X-Auth-Session",
        "X-Auth-Rights",
        "x-auth-rights",
        "X_Auth_User",
        "X_Auth_Rights",
    ]
    .into_iter()
    .map(|name| (name, "forged"))
    .collect();
    for (path, login) in [
        ("/", Some(&cashier)),
        ("/prices", Some(&cashier)),
        ("/reports/today", Some(&scene.server.log_in("999", "P01"))),
        ("/public/page", None),
        ("/public/page", Some(&cashier)),
    ] {
        let (status, body) = scene.get(path, login, &forged);
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.contains("forged"), "{path}: {body}");
    }
    // Forged headers open nothing either.
    assert_eq!(scene.get("/prices", None, &forged).0, 401);
    assert_eq!(scene.get("/reports/today", Some(&cashier), &forged).0, 403);
    assert_eq!(scene.get("/api/sessions", None, &forged).0, 401);
}

#[test]
fn every_location_of_the_sample_overwrites_all_five_headers() {
    let (server, locations) = SAMPLE.split_once("    location ").expect("a location");
    let sets = |text: &str| {
        let lines = text.lines().map(str::trim);
        let set = lines.filter_map(|line| line.strip_prefix("proxy_set_header X-Auth-"));
        set.map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let all = ["User", "Device", "Env", "Session", "Rights"];
    assert_eq!(sets(server), all);
    for location in locations.split("    location ") {
        let own = location.contains("proxy_set_header");
        assert!(!own || sets(location) == all, "{location}");
    }
}

/// A request to Tillgate's API.
#[derive(Clone, Copy)]
struct Request<'a> {
    method: &'a str,
    target: &'a str,
    host: &'a str,
    body: &'a str,
}

/// The shop's name on the net, which nobody but nginx has.
const SHOP: &str = "shop.example";

const ROLE: Request<'_> = Request {
    method: "POST",
    target: "/api/roles",
    host: SHOP,
    body: r#"{"name":"seasonal","rights":["a"],"envNames":["Tool"]}"#,
};

/// The sample as a proxy would be that asks Tillgate under a name of its own,
/// and says beside it what the client asked for.
fn forwarding() -> String {
    let host = "proxy_set_header Host $http_host;";
    assert_eq!(SAMPLE.matches(host).count(), 1);
    SAMPLE.replace(host, "proxy_set_header X-Forwarded-Host $http_host;")
}

/// Every way to change what was signed, and the signature itself, which holds.
fn assert_signatures_hold(scene: &Scene) {
    let key = scene.key();
    let get = Request {
        method: "GET",
        target: "/api/users?$take=2&userName=in:1,999",
        host: SHOP,
        body: "",
    };
    assert_eq!(scene.signed(&key, &get, &get), 200);
    for changed in [
        Request {
            body: r#"{"name":"seasonal","rights":["b"],"envNames":["Tool"]}"#,
            ..ROLE
        },
        Request {
            target: "/api/v1/roles",
            ..ROLE
        },
        Request {
            target: "/api/roles?x=1",
            ..ROLE
        },
        Request {
            host: "shop.example:80",
            ..ROLE
        },
        Request {
            method: "GET",
            ..ROLE
        },
    ] {
        assert_eq!(
            scene.signed(&key, &ROLE, &changed),
            401,
            "{}",
            changed.target
        );
    }
    assert_eq!(scene.signed(&key, &ROLE, &ROLE), 201);
    let owner = scene.server.log_in("999", "BackOffice");
    let role = scene.server.get("/roles/seasonal", &owner.token).json();
    assert_eq!(role["rights"], json!(["a"]));
    let gone = Request {
        method: "DELETE",
        target: "/api/roles/seasonal",
        host: SHOP,
        body: "",
    };
    assert_eq!(scene.signed(&key, &gone, &gone), 200);
}

#[test]
fn a_signed_request_passes_through_nginx_and_nothing_of_it_can_be_changed() {
    let Some(scene) = Scene::set() else { return };
    assert_signatures_hold(&scene);
}

#[test]
fn a_trusted_proxy_may_say_which_host_the_client_has_signed() {
    let place = Place::with_shop()
        .option("NWS4__FORWARDED_HOST", "true")
        .option("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let Some(scene) = Scene::with(place, &forwarding()) else {
        return;
    };
    assert_signatures_hold(&scene);
}

#[test]
fn a_proxy_that_is_not_trusted_says_nothing_about_the_host() {
    for place in [
        Place::with_shop()
            .option("NWS4__FORWARDED_HOST", "true")
            .option("HTTP__TRUSTED_PROXIES", "10.0.0.1"),
        Place::with_shop().option("HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ] {
        let Some(scene) = Scene::with(place, &forwarding()) else {
            return;
        };
        let key = scene.key();
        assert_eq!(scene.signed(&key, &ROLE, &ROLE), 401);
        // The key itself is good, at the door that the proxy has.
        let direct = key.get(&scene.server, "/api/auth");
        assert_eq!(direct.status, 200, "{}", direct.text);
    }
}
