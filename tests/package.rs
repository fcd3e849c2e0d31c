//! The Debian package from its making to its purge: installed with the real
//! dpkg in a copy of this machine's root, its server started as its user, then
//! upgraded, removed and purged.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{err, out};

/// What the scenario answers where there is no such copy.
const NOT_RUN: i32 = 77;

fn skipped(why: &str) {
    let line = format!("\nSKIPPED package: {why}\n");
    let _ = std::io::stdout().write_all(line.as_bytes());
}

fn run(command: &mut Command) -> Option<Output> {
    command.output().ok()
}

/// Whether this program is there.
fn has(program: &str) -> bool {
    run(Command::new(program).arg("--version")).is_some()
}

/// The binary of this test without what only debuggers need.
fn stripped(folder: &Path) -> PathBuf {
    let binary = folder.join("tillgate");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&binary);
    let stripped = run(strip.arg(env!("CARGO_BIN_EXE_tillgate")));
    assert!(stripped.is_some_and(|output| output.status.success()));
    binary
}

fn package(binary: &Path, into: &Path, version: &str) -> PathBuf {
    let mut script = Command::new("./package");
    script.current_dir(env!("CARGO_MANIFEST_DIR"));
    script.arg("--binary").arg(binary).arg("--into").arg(into);
    let made = run(script.args(["--version", version])).expect("bash is there");
    assert!(made.status.success(), "{}{}", out(&made), err(&made));
    let of_version = format!("tillgate_{version}_");
    let files = std::fs::read_dir(into).expect("a folder").flatten();
    let mut packages = files.filter(|file| {
        let name = file.file_name();
        name.to_string_lossy().starts_with(&of_version)
    });
    packages.next().expect("a package").path()
}

#[test]
fn the_package_installs_serves_upgrades_goes_and_leaves_nothing() {
    for (program, package) in [
        ("dpkg-deb", "dpkg"),
        ("strip", "binutils"),
        ("unshare", "util-linux"),
        ("setpriv", "util-linux"),
        ("curl", "curl"),
        ("pkill", "procps"),
    ] {
        if !has(program) {
            return skipped(&format!("{program} is not installed (Debian: {package})"));
        }
    }
    if !rustix::process::geteuid().is_root() {
        return skipped("it takes root");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let binary = stripped(folder.path());
    let packages = ["0.1.0", "0.1.1"].map(|version| package(&binary, folder.path(), version));

    let mut scenario = Command::new("unshare");
    scenario.args(["--mount", "bash", "tests/package/scenario.sh"]);
    scenario
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(packages);
    let seen = run(&mut scenario).expect("unshare is there");

    if seen.status.code() == Some(NOT_RUN) || err(&seen).contains("unshare failed") {
        return skipped("no copy of the root can be mounted here");
    }
    let (said, errors) = (out(&seen), err(&seen));
    assert!(seen.status.success(), "{said}{errors}");
    for step in ["installed", "upgraded", "removed", "purged"] {
        assert!(said.lines().any(|line| line == step), "{step}: {said}");
    }
    assert!(said.contains("0.1.1\n"), "{said}");
}
