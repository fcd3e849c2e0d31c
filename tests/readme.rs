//! The README's commands, run as they stand against the demo shop.

mod support;

use support::{bash, demo};

/// The address that documents use.
const DOCUMENTED: &str = "127.0.0.1:4000";

fn readme() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    std::fs::read_to_string(file).expect("the README is there")
}

/// The bash blocks of a document that hold this word.
fn blocks(text: &str, word: &str) -> Vec<String> {
    let blocks = text
        .split("```bash\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    blocks
        .filter(|block| block.contains(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_four_calls_show_one_session_from_login_to_refusal() {
    let (server, _scratch) = demo();
    let text = readme();
    let session = &blocks(&text, "curl")[0];
    assert_eq!(session.matches("curl ").count(), 4, "four calls: {session}");
    assert_eq!(session.matches(DOCUMENTED).count(), 4, "{session}");

    let said = bash(&session.replace(DOCUMENTED, &server.address));

    assert!(
        said.contains(r#""totalCount":1"#),
        "the session is listed: {said}"
    );
    assert!(said.contains("HTTP/1.1 204"), "it is ended: {said}");
    assert!(
        said.contains(r#""reason":"loggedOut""#),
        "and refused from then on: {said}"
    );
}

#[test]
fn every_other_curl_line_of_the_readme_works_too() {
    let (server, _scratch) = demo();
    for block in blocks(&readme(), "curl").iter().skip(1) {
        bash(&block.replace(DOCUMENTED, &server.address));
    }
}

#[test]
fn the_start_command_is_one_that_this_version_understands() {
    let text = readme();
    let start = blocks(&text, "cargo run");
    let line = start
        .first()
        .and_then(|block| block.lines().find(|l| l.contains("cargo run")));
    assert_eq!(line, Some("cargo run --release -- serve --demo"));
}
