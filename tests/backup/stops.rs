//! Kills and interrupts in the middle of a backup and of a restore.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::support::{Place, good};
use super::{DAMAGED, arg, back_up, place_with_key_of};

/// How many sessions the store holds: a backup and a restore take long enough
/// to be hit.
const SESSIONS: usize = 2_000;

fn busy_shop() -> Place {
    let place = Place::with_shop();
    let server = place.serve();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..SESSIONS / 4 {
                    server.log_in("1", "LINK");
                }
            });
        }
    });
    server.stop();
    place
}

/// Starts a command and signals it, some time after this file has come up.
fn cut_short(place: &Place, args: &[&str], signal: &str, file: &Path, after: Duration) {
    let mut command = place.command(args);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let is_over = |child: &mut Child| child.try_wait().expect("it can be asked").is_some();
    while !file.exists() && !is_over(&mut child) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(after);
    let pid = child.id().to_string();
    let mut kill = std::process::Command::new("kill");
    // It may have come to its end before.
    let _ = kill.args([signal, &pid]).stderr(Stdio::null()).status();
    child.wait().expect("it ends");
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.expect("read").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_killed_backup_leaves_no_file_that_looks_like_one() {
    let place = busy_shop();
    for n in 0..10 {
        let file = place.path().join(format!("{n}.backup"));
        let unfinished = place.path().join(format!("{n}.backup.unfinished"));
        let after = Duration::from_millis(n);
        cut_short(&place, &["backup", arg(&file)], "-KILL", &unfinished, after);
        if file.exists() {
            good(&place, &["backup", "verify", arg(&file)]);
        } else {
            good(&place, &["backup", arg(&file)]);
            good(&place, &["backup", "verify", arg(&file)]);
        }
        assert!(!place.path().join(format!("{n}.backup.unfinished")).exists());
    }
}

#[test]
fn an_interrupted_backup_leaves_nothing_behind() {
    let place = busy_shop();
    let server = place.serve();
    let folder = place.path().join("backups");
    std::fs::create_dir(&folder).expect("made");
    for n in 0..10 {
        let file = folder.join("a.backup");
        let unfinished = folder.join("a.backup.unfinished");
        let after = Duration::from_millis(n);
        cut_short(&place, &["backup", arg(&file)], "-INT", &unfinished, after);
        // One that was made, or none; never a part. The server may still be at it.
        super::support::eventually("the rest is taken away", || {
            names(&folder).iter().all(|name| name == "a.backup")
        });
        if file.exists() {
            good(&place, &["backup", "verify", arg(&file)]);
            std::fs::remove_file(&file).expect("removed");
        }
    }
    server.stop();
}

#[test]
fn a_killed_restore_leaves_nothing_that_a_server_takes_for_a_store() {
    let place = busy_shop();
    let file = back_up(&place, "shop.backup");
    let mut half = 0;
    for n in 0..12 {
        let other = place_with_key_of(&place);
        let marker = other.data_dir().join("restoring");
        let after = Duration::from_millis(3 * n);
        cut_short(&other, &["restore", arg(&file)], "-KILL", &marker, after);
        let marker = other.data_dir().join("restoring").exists();
        let found = names(&other.data_dir());
        if marker {
            half += 1;
            let output = other.run(&["user", "list"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(DAMAGED), "{said}");
            assert!(said.contains("tillgate restore FILE"), "{said}");
        }
        if marker || found.iter().all(|name| name == "lock") {
            good(&other, &["restore", arg(&file)]);
        }
        let sessions = good(&other, &["sessions", "list"]);
        assert!(sessions.contains("0 of 0"), "{sessions}");
        assert!(good(&other, &["user", "list"]).contains("999"));
    }
    println!("{half} of 12 kills hit a restore half-way");
    assert!(
        half > 0,
        "no kill hit a restore: it takes other times on this machine"
    );
}

#[test]
fn an_interrupted_restore_leaves_the_directory_empty() {
    let place = busy_shop();
    let file = back_up(&place, "shop.backup");
    for n in 0..10 {
        let other = place_with_key_of(&place);
        let marker = other.data_dir().join("restoring");
        let after = Duration::from_millis(3 * n);
        cut_short(&other, &["restore", arg(&file)], "-INT", &marker, after);
        let left = names(&other.data_dir());
        let is_whole = left.iter().any(|name| name == "db");
        assert!(
            is_whole || left.iter().all(|name| name == "lock"),
            "{left:?}"
        );
        if !is_whole {
            good(&other, &["restore", arg(&file)]);
        }
        assert!(good(&other, &["user", "list"]).contains("999"));
    }
}
