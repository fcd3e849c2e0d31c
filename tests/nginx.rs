//! The documented nginx sample with a real nginx before a real service: who is
//! let through, what the service is told, and that nobody can tell it anything.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

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
    fn start(program: &str, place: &Path, tillgate: &str, service: &str) -> Self {
        for _ in 0..PORTS_MAX {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = free.local_addr().expect("an address").to_string();
            drop(free);
            write_configuration(place, &address, tillgate, service);
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
        let mut stream = TcpStream::connect(&self.address).expect("nginx listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            request.push_str(name);
            request.push_str(": ");
            request.push_str(value);
            request.push_str("\r\n");
        }
        request.push_str("Connection: close\r\n\r\n");
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
fn write_configuration(place: &Path, nginx: &str, tillgate: &str, service: &str) {
    let mut sample = SAMPLE.to_owned();
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
        let Some(program) = program() else {
            skipped();
            return None;
        };
        let place = Place::with_shop();
        let server = place.serve();
        let echo = Echo::start();
        let nginx = Nginx::start(program, place.path(), &server.address, &echo.address);
        Some(Self {
            nginx,
            server,
            _echo: echo,
            _place: place,
        })
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
