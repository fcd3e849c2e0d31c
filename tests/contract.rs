//! The document at `/openapi.json` against the running server, by somebody who
//! knows only the document: schemathesis (PyPI), which draws requests that the
//! document allows and ones that it does not, follows its links, and looks for
//! answers that the document does not have.
//!
//! `./check` installs it under `target/`. `CONTRACT_EXAMPLES=200` draws more
//! requests for each operation.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::{Place, Server};

/// Requests that are drawn for each operation in a short run.
const EXAMPLES: &str = "6";
/// The same requests in every run.
const SEED: &str = "7";
/// How much of what it says is shown when it finds something.
const SHOWN_LINES: usize = 200;

/// Where `./check` puts it.
fn schemathesis() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/schemathesis");
    if place.is_file() {
        return Some(place);
    }
    let line = "\nSKIPPED contract: schemathesis is not installed (./check installs it)\n";
    let _ = std::io::stdout().write_all(line.as_bytes());
    None
}

/// An administrator whom the document's examples do not name, so that nobody
/// shuts the caller out by following them. Answers the password.
fn staff(server: &Server) -> String {
    let owner = server.try_log_in("999", "demo-owner", "BackOffice").json();
    let token = owner["tokenId"].as_str().expect("a demo owner").to_owned();
    let password = format!("{:032x}", rand::random::<u128>());
    for (path, body) in [
        (
            "/roles",
            json!({"name": "contract", "label": "Contract", "description": "", "rights": ["admin"],
                "envNames": ["BackOffice"]}),
        ),
        (
            "/devices",
            json!({"name": "Contract", "isActive": true, "envName": "BackOffice",
                "description": "", "roles": [], "preferences": {}, "settings": {}}),
        ),
        (
            "/users",
            json!({"userName": "contract", "name": "Contract", "isActive": true,
                "isVirtual": false, "featureName": null, "password": password,
                "devices": [{"name": "Contract", "isActive": true, "roles": ["contract"]}]}),
        ),
    ] {
        let answer = server.call("POST", path, Some(&token), &body);
        assert_eq!(answer.status, 201, "{path}: {}", answer.json());
    }
    password
}

#[test]
fn whoever_knows_only_the_document_finds_no_answer_that_it_does_not_have() {
    let Some(schemathesis) = schemathesis() else {
        return;
    };
    let place = Place::empty();
    let mut command = place.command(&["serve", "--demo", "--listen", "127.0.0.1:0"]);
    command
        // Thousands of logins are the way here, not the subject.
        .env("TILLGATE_PASSWORD__ARGON2_MEMORY_KIB", "8")
        .env("TILLGATE_PASSWORD__ARGON2_ITERATIONS", "1")
        .env("TILLGATE_LOCKOUT__WAIT_AFTER", "1000")
        .env("TILLGATE_LOCKOUT__LOCK_AFTER", "1000");
    let server = Server::start(command);
    let password = staff(&server);
    let address = format!("http://{}", server.address);
    let examples = std::env::var("CONTRACT_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let output = Command::new(schemathesis)
        .args(["run", &format!("{address}/openapi.json")])
        .args(["--max-examples", &examples, "--seed", SEED])
        .args(["--workers", "1", "--checks", "all", "--continue-on-failure"])
        // No schema can say which names are taken, what exists, or which version
        // is the stored one.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--request-timeout", "60", "--no-color"])
        // They hold their answer back on purpose, or go on as a WebSocket;
        // tests/events.rs, tests/archive.rs and tests/hub.rs ask them.
        .args([
            "--exclude-path",
            "/events",
            "--exclude-path",
            "/signalr/v1/mainHub",
            "--exclude-path",
            "/sessions/revocations",
        ])
        .env(
            "SCHEMATHESIS_HOOKS",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/hooks.py"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TILLGATE_ADDRESS", &address)
        .env("TILLGATE_PASSWORD", password)
        .current_dir(place.path())
        .output()
        .expect("it can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    assert!(output.status.success(), "{shown}");
    assert!(said.contains("Stateful"), "it follows links: {shown}");
}
