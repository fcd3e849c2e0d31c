//! Rules about the tree itself, that no compiler holds: the direction of the
//! layers, and documents that name what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tillgate::http::Language;

/// Which layers a layer may name, beside itself. What is missing here has no
/// place in the tree yet: give it one in ARCHITECTURE.md first.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ndata", &["model"]),
    ("auth", &["model", "meter"]),
    ("store", &["model", "ndata", "meter"]),
    (
        "service",
        &[
            "model", "ndata", "auth", "store", "clock", "courier", "meter",
        ],
    ),
    (
        "http",
        &[
            "model", "ndata", "auth", "store", "service", "clock", "config", "meter",
        ],
    ),
    ("server", &["model", "service", "http", "clock"]),
    (
        "cli",
        &[
            "model",
            "ndata",
            "auth",
            "store",
            "service",
            "http",
            "server",
            "clock",
            "config",
            "telemetry",
        ],
    ),
    // Leaves: everybody may need the time, and counts; options become the types
    // of those whom they steer.
    ("meter", &[]),
    ("clock", &["model"]),
    ("courier", &["model"]),
    ("config", &["model", "auth", "store", "server"]),
    // Fails as a command does, and is started by commands only.
    ("telemetry", &["config", "cli", "meter"]),
];

/// The two files that put the crate together.
const ROOTS: [&str; 2] = ["lib", "main"];

/// Paths that documents may name although they are made by running things.
const MADE: [&str; 4] = [
    "data/db",
    "data/db.key",
    "target",
    "target/release/tillgate",
];

const DOCUMENTS: [&str; 11] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/offline-checker.md",
    "docs/reverse-proxy.md",
    "docs/backup.md",
    "docs/connect.md",
    "docs/tls.md",
    "docs/operation.md",
    "docs/webhooks.md",
];

/// Where sentences stand that are said elsewhere than in problem documents.
const SAID_ELSEWHERE: [&str; 4] = [
    "src/http/i18n/",
    "src/http/metrics/",
    "src/http/hub/talk.rs",
    "src/http/hub/protocol.rs",
];

/// Said to no client, or made of parts that the tests of the language try.
const NOT_AS_WRITTEN: [&str; 2] = [
    "Only the server hashes a password again.",
    "The caller lacks rights of x: x.",
];

#[test]
fn every_layer_names_only_inner_layers() {
    let mut wrong = Vec::new();
    for file in rust_files(&["src"]) {
        let code = tokens(&code_only(&read(&file)));
        let module = module_path(&file);
        let layer = module.first().cloned().unwrap_or_default();
        if ROOTS.contains(&layer.as_str()) {
            continue;
        }
        let Some((_, inner)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            wrong.push(format!("{}: '{layer}' is no layer", file.display()));
            continue;
        };
        for named in named_layers(&code, module.len()) {
            if named != layer && !inner.contains(&named.as_str()) {
                wrong.push(format!("{}: {layer} names {named}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_look_for_named_layers_sees_every_way_to_name_one() {
    let cases: &[(&str, usize, &[&str])] = &[
        ("use crate::model::X;", 1, &["model"]),
        (
            "use crate::{model, store::{self, Y}, http as h};",
            2,
            &["model", "store", "http"],
        ),
        ("fn f() -> crate::clock::Clock {}", 1, &["clock"]),
        ("use super::super::http::X;", 2, &["http"]),
        ("use super::{super::http, decide};", 2, &["http"]),
        ("use super::super::decide;", 3, &[]),
        ("use super::*;", 2, &[]),
        ("mod tests { use super::super::decide; }", 2, &[]),
        (
            "mod tests { use super::super::super::http; } use super::x;",
            2,
            &["http"],
        ),
        ("pub(crate) use self::model; // crate::http", 1, &[]),
        (
            "let a = \"crate::http\"; let b = 'x'; let c: &'static str;",
            1,
            &[],
        ),
        ("use crate::*;", 1, &["*"]),
    ];
    for (code, depth, expected) in cases {
        let named = named_layers(&tokens(&code_only(code)), *depth);
        let expected: BTreeSet<_> = expected.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(named, expected, "{code}");
    }
}

#[test]
fn every_file_begins_by_saying_what_it_holds() {
    for file in rust_files(&["src", "tests", "benches", "examples"]) {
        let text = read(&file);
        let said = text
            .strip_prefix("//! ")
            .and_then(|rest| rest.lines().next());
        assert!(
            said.is_some_and(|line| line.len() > 10),
            "{}",
            file.display()
        );
    }
}

#[test]
fn nothing_is_unsafe() {
    for file in rust_files(&["src", "tests", "benches", "examples"]) {
        let code = tokens(&code_only(&read(&file)));
        assert!(
            !code.iter().any(|token| token == "unsafe"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn documents_name_only_paths_that_exist() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        for path in named_paths(&read(&root().join(document))) {
            if !MADE.contains(&path.as_str()) && !root().join(&path).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn no_file_names_somebody_s_machine() {
    // In pieces, so that this file does not name one.
    let places = ["root", "home", "work"].map(|place| format!("/{place}/"));
    for file in text_files(&root()) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        for place in &places {
            assert!(
                !text.contains(place.as_str()),
                "{} names {place}",
                file.display()
            );
        }
    }
}

#[test]
fn every_detail_of_a_problem_document_has_a_translation() {
    let mut looked_at = 0;
    for file in rust_files(&["src/http", "src/service", "src/model/directory"]) {
        let inside = file.strip_prefix(root()).expect("below the root");
        let path = inside.to_string_lossy();
        let is_elsewhere = SAID_ELSEWHERE.iter().any(|part| path.starts_with(part));
        if is_elsewhere || path.contains("/tests") {
            continue;
        }
        for sentence in whole_sentences(&read(&file)) {
            if NOT_AS_WRITTEN.contains(&sentence.as_str()) {
                continue;
            }
            let said = Language::Slovak.say(&sentence);
            assert_ne!(said, sentence, "{}", file.display());
            looked_at += 1;
        }
    }
    assert!(looked_at > 30, "only {looked_at} sentences were found");
}

/// The texts of a source that are whole sentences, with `x` for what is
/// filled in.
fn whole_sentences(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or(source);
    let lines = code.lines().filter(|line| !line.trim().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("\\\"", "'");
    let texts = code.split('"').skip(1).step_by(2);
    let texts = texts.map(|text| {
        let lines = text.split("\\\n").map(str::trim_start);
        let mut said = String::new();
        for piece in lines.collect::<String>().split_inclusive(['{', '}']) {
            match piece.strip_suffix('}') {
                Some(_) => said.push('x'),
                None => said.push_str(piece.trim_end_matches('{')),
            }
        }
        said
    });
    let is_sentence = |text: &String| {
        text.starts_with(char::is_uppercase) && text.contains(' ') && text.ends_with('.')
    };
    texts.filter(is_sentence).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let all = folders
        .iter()
        .flat_map(|folder| text_files(&root().join(folder)));
    all.filter(|file| file.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}

/// Every file below a folder that belongs to the tree.
fn text_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        let (path, name) = (
            entry.path(),
            entry.file_name().to_string_lossy().into_owned(),
        );
        if ["target", ".git", "db", "Cargo.lock", "node_modules"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            found.extend(text_files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `src/store/sled/op.rs` is `store::sled::op`.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file
        .strip_prefix(root().join("src"))
        .expect("a file of src");
    let mut parts: Vec<String> = inside
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The first names after `crate::`, and after as many `super::` as lead to the
/// crate's root from a module `depth` below it.
fn named_layers(code: &[String], depth: usize) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    // One entry for each open brace: whether it is a module's.
    let mut braces: Vec<bool> = Vec::new();
    for at in 0..code.len() {
        match code[at].as_str() {
            "{" => braces.push(at >= 2 && code[at - 2] == "mod"),
            "}" => drop(braces.pop()),
            "crate" if follows(code, at + 1) => named.extend(heads(&code[at + 2..], 0)),
            "super" if follows(code, at + 1) && (at == 0 || code[at - 1] != "::") => {
                let inline = braces.iter().filter(|is_module| **is_module).count();
                named.extend(heads(&code[at..], depth + inline));
            }
            _ => {}
        }
    }
    named
}

fn follows(code: &[String], at: usize) -> bool {
    code.get(at).is_some_and(|token| token == "::")
}

/// The names at the crate's root in the path or group that begins here,
/// `above` modules below the root.
fn heads(code: &[String], above: usize) -> Vec<String> {
    match code.first().map(String::as_str) {
        Some("{") => items(&code[1..])
            .into_iter()
            .flat_map(|item| heads(item, above))
            .collect(),
        Some("super") if above > 0 && follows(code, 1) => heads(&code[2..], above - 1),
        Some("self") | None => Vec::new(),
        Some(name) if above == 0 => vec![name.to_owned()],
        Some(_) => Vec::new(),
    }
}

/// The items of a group, from behind its opening brace.
fn items(code: &[String]) -> Vec<&[String]> {
    let (mut found, mut open, mut start) = (Vec::new(), 0_u32, 0);
    for (at, token) in code.iter().enumerate() {
        match token.as_str() {
            "{" => open += 1,
            "}" if open == 0 => {
                found.push(&code[start..at]);
                break;
            }
            "}" => open -= 1,
            "," if open == 0 => {
                found.push(&code[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// Names, `::`, and single characters for everything else.
fn tokens(code: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut name = c.to_string();
            while let Some(next) = chars.next_if(|next| next.is_alphanumeric() || *next == '_') {
                name.push(next);
            }
            found.push(name);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            found.push("::".to_owned());
        } else if !c.is_whitespace() {
            found.push(c.to_string());
        }
    }
    found
}

/// The text without comments, strings and characters.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let skip = comment(rest)
            .or_else(|| string(rest))
            .or_else(|| character(rest));
        if let Some(skip) = skip {
            code.push(' ');
            at += skip.max(1);
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

fn comment(rest: &[char]) -> Option<usize> {
    match rest {
        ['/', '/', ..] => Some(rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())),
        ['/', '*', ..] => {
            let end = rest.windows(2).skip(2).position(|pair| pair == ['*', '/']);
            Some(end.map_or(rest.len(), |end| end + 4))
        }
        _ => None,
    }
}

fn string(rest: &[char]) -> Option<usize> {
    if rest.first() == Some(&'r') {
        let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
        if rest.get(1 + hashes) != Some(&'"') {
            return None;
        }
        let end: Vec<char> = std::iter::once('"')
            .chain(std::iter::repeat_n('#', hashes))
            .collect();
        let body = 2 + hashes;
        let found = rest[body..]
            .windows(end.len())
            .position(|window| window == end);
        return Some(found.map_or(rest.len(), |found| body + found + end.len()));
    }
    if rest.first() != Some(&'"') {
        return None;
    }
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    Some((at + 1).min(rest.len()))
}

/// A character, and not a lifetime.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', ..] => rest[3..].iter().position(|c| *c == '\'').map(|end| end + 4),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// What stands in backticks or behind a link and looks like a path of the tree.
fn named_paths(text: &str) -> BTreeSet<String> {
    let outside_blocks: String = text.split("```").step_by(2).collect();
    let marked = outside_blocks.split('`').skip(1).step_by(2);
    let linked = outside_blocks
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let paths = marked.chain(linked).filter(|text| looks_like_a_path(text));
    paths
        .map(|path| {
            path.trim_start_matches("./")
                .trim_end_matches('/')
                .to_owned()
        })
        .collect()
}

fn looks_like_a_path(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "./_-".contains(c);
    let folders = [
        "./",
        "src/",
        "tests/",
        "benches/",
        "examples/",
        "data/",
        "docs/",
        ".ci/",
    ];
    let endings = [".md", ".toml", ".rs"];
    !text.is_empty()
        && text.chars().all(plain)
        && (folders.iter().any(|folder| text.starts_with(folder))
            || endings
                .iter()
                .any(|ending| text.ends_with(ending) && text.len() > ending.len()))
}
