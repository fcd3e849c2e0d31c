//! Clients that are generated out of the `/openapi.json` of a running server, in
//! TypeScript and in Python, do a till's day with it: what the document says is
//! what programs can be made from. The scripts are in `tests/clients/`.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{Place, Server};

/// The scripts, and what `npm ci` puts beside them.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
/// The generator of the Python client, where `./check` installs it.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/openapi-python-client/bin"
);

/// Says on the real standard output, past the test harness, what could not run.
fn skipped(what: &str) {
    let line = format!("\nSKIPPED clients: {what}\n");
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Runs a command that must go well; everything it said.
fn good(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it can be started");
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(status.success(), "{command:?}: {said}");
    said
}

/// Puts the document of a server into a folder.
fn write_document(server: &Server, folder: &Path) {
    let document = server.call("GET", "/openapi.json", None, &Value::Null);
    assert_eq!(document.status, 200);
    std::fs::write(folder.join("openapi.json"), document.text).expect("written");
}

#[test]
fn a_client_in_typescript_is_made_out_of_the_document_and_does_its_work() {
    let installed = Path::new(SCRIPTS).join("node_modules");
    if !installed.is_dir() {
        skipped("the generator for TypeScript is not installed (npm ci in tests/clients)");
        return;
    }
    let place = Place::with_shop();
    let server = place.serve();
    write_document(&server, place.path());
    let script = Path::new(SCRIPTS).join("client.ts");
    std::fs::copy(script, place.path().join("client.ts")).expect("copied");
    std::fs::write(place.path().join("package.json"), r#"{"type": "module"}"#).expect("written");
    std::os::unix::fs::symlink(installed, place.path().join("node_modules")).expect("linked");
    let node = |args: &[&str]| {
        let mut command = Command::new("node");
        command.args(args).current_dir(place.path());
        command.env("TILLGATE_URL", format!("http://{}", server.address));
        good(&mut command);
    };

    node(&[
        "node_modules/openapi-typescript/bin/cli.js",
        "openapi.json",
        "-o",
        "schema.d.ts",
    ]);
    node(&[
        "node_modules/typescript/bin/tsc",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "client.ts",
    ]);
    node(&["client.js"]);
}

#[test]
fn a_client_in_python_is_made_out_of_the_document_whole_and_does_its_work() {
    let generator = Path::new(PYTHON).join("openapi-python-client");
    if !generator.is_file() {
        skipped("the generator for Python is not installed (PyPI: openapi-python-client)");
        return;
    }
    let place = Place::with_shop();
    let server = place.serve();
    write_document(&server, place.path());

    // Its last step, the tidying of the code with ruff, is looked for there.
    let path = format!("{PYTHON}:{}", std::env::var("PATH").unwrap_or_default());
    let said = good(
        Command::new(generator)
            .args(["generate", "--path", "openapi.json", "--meta", "none"])
            .args(["--output-path", "tillgate_client"])
            .env("PATH", path)
            .current_dir(place.path()),
    );
    // It leaves out what it does not understand, and goes on.
    assert!(!said.contains("WARNING"), "{said}");
    good(
        Command::new(Path::new(PYTHON).join("python"))
            .arg(Path::new(SCRIPTS).join("client.py"))
            .env("PYTHONPATH", place.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TILLGATE_URL", format!("http://{}", server.address)),
    );
}
