//! What shells and manuals know of the command line: bash completes it, the
//! other shells read their scripts, and groff finds nothing in the pages.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use support::{Place, bad, err, good, out};

/// Runs a program, unless it is not there.
fn run(program: &str, args: &[&str]) -> Option<Output> {
    let output = Command::new(program).args(args).output();
    if output.is_err() {
        let line = format!("\nSKIPPED completions and manual: {program} is not installed\n");
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
    output.ok()
}

/// The completions of a shell, in a file.
fn script(place: &Place, shell: &str) -> String {
    let file = place.path().join(shell);
    std::fs::write(&file, good(place, &["completions", shell])).expect("written");
    file.to_str().expect("UTF-8").to_owned()
}

/// What bash offers for the last of these words.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let (word, before) = (words[last], words[last - 1]);
    let ask = format!(
        "source '{script}'; COMP_WORDS=({}); COMP_CWORD={last}; \
         _tillgate tillgate '{word}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" ")
    );
    let output = run("bash", &["-c", &ask]).expect("bash is there");
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_their_commands() {
    let place = Place::empty();
    let script = script(&place, "bash");

    assert_eq!(offered(&script, &["tillgate", "ser"]), ["serve"]);
    assert_eq!(
        offered(&script, &["tillgate", "user", "set"]),
        ["set-password"]
    );
    let options = offered(&script, &["tillgate", "serve", "--"]);
    for option in ["--listen", "--demo", "--data-dir", "--config"] {
        assert!(
            options.iter().any(|one| one == option),
            "{option}: {options:?}"
        );
    }
    assert!(
        !options.iter().any(|one| one.contains("fault")),
        "{options:?}"
    );
}

#[test]
fn zsh_and_fish_read_their_completions() {
    let place = Place::empty();
    for shell in ["zsh", "fish"] {
        let script = script(&place, shell);
        let Some(output) = run(shell, &["-n", &script]) else {
            continue;
        };
        assert!(output.status.success(), "{shell}: {}", err(&output));
    }
    bad(&place, &["completions", "cmd.exe"], 2);
}

fn is_sound(page: &Path) {
    let page = page.to_str().expect("UTF-8");
    let args = [
        "-ww",
        "-man",
        "-Tutf8",
        "-K",
        "utf8",
        "-z",
        "-rLL=100n",
        page,
    ];
    if let Some(output) = run("groff", &args) {
        assert!(output.status.success(), "{page}");
        assert_eq!(err(&output), "", "{page}");
    }
}

#[test]
fn groff_finds_nothing_in_the_manual_pages() {
    let place = Place::empty();
    let page = place.path().join("tillgate.1");
    let text = good(&place, &["man"]);
    assert!(
        text.contains(".SH NAME") && text.contains("Exit codes"),
        "{text}"
    );
    std::fs::write(&page, text).expect("written");
    is_sound(&page);

    let pages = place.path().join("pages");
    std::fs::create_dir(&pages).expect("a folder");
    good(&place, &["man", "--into", pages.to_str().expect("UTF-8")]);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&pages).expect("a folder").flatten() {
        is_sound(&entry.path());
        names.push(entry.file_name().into_string().expect("UTF-8"));
    }
    for name in ["tillgate.1", "tillgate-serve.1", "tillgate-user-add.1"] {
        assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
    }
    assert!(bad(&place, &["man", "--into", "no/such"], 74).contains("--into: no/such"));
}
