//! The manager's page and that of the API: their files over HTTP, and in a real
//! Chromium what people do with them (the scripts in `tests/ui/`).

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Place, Server};

/// The scripts, and the driver that `npm ci` puts beside them.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui");

/// Says on the real standard output, past the test harness, what could not run.
fn skipped(what: &str) {
    let line = format!("\nSKIPPED ui: {what}\n");
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Whether a program answers.
fn runs(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// The browser, if everything is there that the scripts need.
fn chromium() -> Option<&'static str> {
    if !runs("node") {
        skipped("node is not installed (Debian: nodejs)");
        return None;
    }
    if !Path::new(SCRIPTS).join("node_modules").is_dir() {
        skipped("the browser's driver is not installed (npm ci in tests/ui)");
        return None;
    }
    let found = ["/usr/bin/chromium", "chromium"]
        .into_iter()
        .find(|one| runs(one));
    if found.is_none() {
        skipped("chromium is not installed (Debian: chromium)");
    }
    found
}

/// Where pictures of every view are left for people to look at.
fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("ui-screenshots");
    std::fs::create_dir_all(&folder).expect("the folder of the build can be written to");
    folder
}

/// Runs a script against a server; it must find everything as it should be.
fn run(chromium: &str, script: &str, server: &Server, more: &[(&str, &str)]) {
    let output = Command::new("node")
        .arg(Path::new(SCRIPTS).join(script))
        .env("TILLGATE_URL", format!("http://{}", server.address))
        .env("CHROMIUM", chromium)
        .env("SCREENSHOTS", screenshots())
        .envs(more.iter().copied())
        .output()
        .expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines().filter(|line| line.starts_with("MEASURED")) {
        let _ = std::io::stdout().write_all(format!("\n{line}\n").as_bytes());
    }
    assert!(
        output.status.success(),
        "{script}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_page_is_sent_with_rules_that_let_it_run_nothing_but_itself() {
    let place = Place::with_shop();
    let server = place.serve();
    let get = |path: &str| server.call("GET", path, None, &Value::Null);

    for path in ["/ui/", "/api/ui/", "/api/v1/ui/", "/ui/index.html"] {
        let page = get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(
                policy.split("; ").any(|one| one == rule),
                "{rule}: {policy}"
            );
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-cache");
    }
    let script = get("/ui/views/now.js");
    assert_eq!(
        script.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    let known = [("If-None-Match".to_owned(), script.header("etag").to_owned())];
    let again = server.send("GET", "/ui/views/now.js", &known, &Value::Null);
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let bare = server.raw(b"GET /ui HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(
        bare.starts_with("HTTP/1.1 308 ") && bare.contains("\r\nlocation: ui/\r\n"),
        "{bare}"
    );
    assert_eq!(server.call("POST", "/ui/", None, &Value::Null).status, 405);
    for missing in [
        "/ui/x.js",
        "/ui//",
        "/ui/../Cargo.toml",
        "/ui/views",
        "/ui/views/",
    ] {
        assert_eq!(get(missing).status, 404, "{missing}");
    }
}

#[test]
fn the_page_of_the_api_is_sent_with_the_same_rules() {
    let place = Place::with_shop();
    let server = place.serve();
    let get = |path: &str| server.call("GET", path, None, &Value::Null);

    let policy = get("/ui/").header("content-security-policy").to_owned();
    for path in ["/docs/", "/api/docs/", "/api/v1/docs/", "/docs/send.js"] {
        let page = get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-security-policy"), policy, "{path}");
        assert_eq!(page.header("cache-control"), "no-cache", "{path}");
    }
    let bare = server.raw(b"GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(
        bare.starts_with("HTTP/1.1 308 ") && bare.contains("\r\nlocation: docs/\r\n"),
        "{bare}"
    );
    assert_eq!(get("/docs/app.css").status, 404);
    assert_eq!(
        server.call("POST", "/docs/", None, &Value::Null).status,
        405
    );
}

#[test]
fn every_call_of_the_api_is_found_and_tried_on_its_page() {
    let Some(chromium) = chromium() else { return };
    let place = Place::with_shop();
    run(chromium, "docs.mjs", &place.serve(), &[]);
}

#[test]
fn the_first_administrator_is_made_on_the_page() {
    let Some(chromium) = chromium() else { return };
    let place = Place::empty();
    let (server, code) = place.first_start();
    run(chromium, "first.mjs", &server, &[("CODE", &code)]);
}

#[test]
fn a_till_is_seen_signing_in_and_is_refused_once_it_is_ended_on_the_page() {
    let Some(chromium) = chromium() else { return };
    let place = Place::with_shop();
    run(chromium, "live.mjs", &place.serve(), &[]);
}

#[test]
fn names_are_shown_as_text_whatever_is_in_them() {
    let Some(chromium) = chromium() else { return };
    let place = Place::with_shop();
    run(chromium, "names.mjs", &place.serve(), &[]);
}

#[test]
fn people_devices_roles_keys_and_webhooks_are_managed_on_the_page() {
    let Some(chromium) = chromium() else { return };
    let place = Place::with_shop();
    let folder = place.path().join("backups");
    let place = place
        .option("BACKUP__DIRECTORY", folder.to_str().expect("UTF-8"))
        .option("WEBHOOKS__GIVE_UP_AFTER", "1s");
    run(chromium, "manage.mjs", &place.serve(), &[]);
}

#[test]
fn every_view_is_for_everybody_in_both_languages_in_light_and_dark_and_on_a_phone() {
    let Some(chromium) = chromium() else { return };
    let place = Place::with_shop();
    run(chromium, "views.mjs", &place.serve(), &[]);
}

#[test]
fn a_large_shop_neither_slows_the_page_nor_makes_it_jump() {
    let Some(chromium) = chromium() else { return };
    let place = Place::with_shop();
    run(chromium, "load.mjs", &place.serve(), &[]);
}
