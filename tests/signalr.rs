//! The hub through `@microsoft/signalr`, the client that people use: the scripts
//! in `tests/signalr/`. `tests/hub.rs` has it record by record.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{Place, Server};

/// The scripts, and the client that `npm ci` puts beside them.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/signalr");

/// Whether the client is there; says on the real standard output, past the test
/// harness, if it is not.
fn is_installed() -> bool {
    let node = Command::new("node").arg("--version").output();
    let missing = if !node.is_ok_and(|output| output.status.success()) {
        "node is not installed (Debian: nodejs)"
    } else if !Path::new(SCRIPTS).join("node_modules").is_dir() {
        "the client is not installed (npm ci in tests/signalr)"
    } else {
        return true;
    };
    let line = format!("\nSKIPPED signalr: {missing}\n");
    let _ = std::io::stdout().write_all(line.as_bytes());
    false
}

/// A script that is running.
fn start(script: &str, server: &Server) -> Child {
    Command::new("node")
        .arg(Path::new(SCRIPTS).join(script))
        .env("TILLGATE_URL", format!("http://{}", server.address))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs")
}

/// A script must find everything as it should be.
fn end(script: Child) {
    let output = script.wait_with_output().expect("node ends");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_client_of_microsoft_hears_of_logins_and_endings_until_its_own_session_ends() {
    if !is_installed() {
        return;
    }
    let place = Place::with_shop();
    let server = place.serve();
    end(start("hears.mjs", &server));
}

#[test]
fn the_client_of_microsoft_comes_back_when_the_server_does() {
    if !is_installed() {
        return;
    }
    let place = Place::with_shop();
    let server = place.serve();
    let mut script = start("returns.mjs", &server);
    let mut said = BufReader::new(script.stdout.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("UTF-8");
    if line.trim() != "connected" {
        end(script);
        panic!("it has not connected: {line}");
    }

    server.stop();
    let server = place.serve();
    let mut told = script.stdin.take().expect("piped");
    writeln!(told, "http://{}", server.address).expect("it listens");

    end(script);
}
