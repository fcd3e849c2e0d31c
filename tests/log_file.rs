//! The log in files: the same lines as on standard error, in files of bounded
//! number and size, and no request that waits for any of them.

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Place, Server, bad, eventually};

/// The exit code for a wrong option.
const CONFIG: i32 = 78;
/// The smallest file that can be configured.
const MIB: u64 = 1024 * 1024;

fn logging(place: Place) -> Place {
    place
        .option("LOG__FILE", "shop.log")
        .option("LOG__REQUESTS", "true")
        .option("LOG__FORMAT", "json")
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// So many requests on one connection.
fn ask(server: &Server, requests: usize) {
    let one = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = server.raw((one.repeat(requests - 1) + last).as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200").count(), requests);
}

#[test]
fn the_file_has_every_line_that_standard_error_has() {
    let place = logging(Place::with_shop());
    let server = place.serve();
    server.log_in("999", "BackOffice");

    let (code, said) = server.stop();

    assert_eq!(code, Some(0));
    let kept = lines(&place.path().join("shop.log"));
    assert!(kept.len() > 2);
    for line in &kept {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["level"].is_string());
    }
    let said: Vec<&str> = said.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(kept, said);
    assert!(kept.iter().any(|line| line.contains("no longer serving")));
}

#[test]
fn the_files_are_bounded_in_number_and_size() {
    let place = logging(Place::with_shop())
        .option("LOG__FILE_MIB_MAX", "1")
        .option("LOG__FILE_KEEP", "2");
    let server = place.serve();
    let file = |ending: &str| place.path().join(format!("shop.log{ending}"));

    for _ in 0..40 {
        ask(&server, 600);
        if file(".2").exists() {
            break;
        }
    }
    eventually("a third file", || file(".2").exists());
    for _ in 0..8 {
        ask(&server, 600);
    }
    server.stop();

    for ending in ["", ".1", ".2"] {
        let length = std::fs::metadata(file(ending)).expect("a file").len();
        assert!(length <= MIB, "{ending}: {length}");
        for line in lines(&file(ending)) {
            assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        }
    }
    assert!(!file(".3").exists());
}

#[test]
fn a_full_disk_costs_lines_of_the_log_and_no_request() {
    let place = logging(Place::with_shop()).option("LOG__FILE", "/dev/full");
    let server = place.serve();

    ask(&server, 500);
    server.log_in("999", "BackOffice");

    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(
        said.matches("\"answered\"").count() > 500,
        "standard error has them"
    );
}

#[test]
fn a_file_that_can_not_be_opened_is_named_at_the_start_and_bothers_no_command() {
    let place = Place::with_shop().option("LOG__FILE", "no/such/folder/log");

    let said = bad(&place, &["serve", "--listen", "127.0.0.1:0"], CONFIG);

    assert!(said.contains("log.file: no/such/folder/log: "), "{said}");
    assert!(said.contains("or off"), "{said}");
    assert!(place.run(&["user", "list"]).status.success());
}
