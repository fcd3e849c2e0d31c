//! A disk that fills up under a flood of logins: sessions that live go on and
//! can be ended, further logins are refused with 507, and when somebody has made
//! room everything goes on without a restart.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::client::Client;
use super::closed;
use super::ground;
use super::process::Process;
use super::support;

/// The whole disk.
const DISK: &str = "size=64m,mode=700";
/// Somebody else's file takes this much at a time.
const STEP_BYTES: usize = 1024 * 1024;
/// Logins in the flood at most; the disk is full long before.
const LOGINS_MAX: u32 = 20_000;
/// Endings on a full disk.
const ENDINGS: usize = 50;
/// How soon everything goes on when there is room.
const RECOVER_MAX: Duration = Duration::from_secs(5);

/// Fills the disk that many times; answers whether every promise held.
pub(crate) fn run(rounds: u32) -> bool {
    let mut good = true;
    for round in 0..rounds {
        let started = Instant::now();
        let disk = match Disk::mount() {
            Ok(disk) => disk,
            Err(why) => {
                println!("SKIPPED full: no small disk can be mounted here: {why}");
                return true;
            }
        };
        match fill(&disk) {
            Ok(told) => println!(
                "full      {told}, {:.1} seconds",
                started.elapsed().as_secs_f32()
            ),
            Err(why) => {
                println!("  round {round}: {why}");
                good = false;
            }
        }
    }
    good
}

fn fill(disk: &Disk) -> Result<String, String> {
    let data_dir = disk.path().join("db");
    let shop = disk.path().join("shop.json");
    std::fs::write(&shop, support::SHOP).map_err(|error| error.to_string())?;
    let imported = operate(&data_dir, &["import", &shop.to_string_lossy()]);
    imported.map_err(|why| format!("the import: {why}"))?;
    let mut process = Process::spawn(closed::serve(&data_dir));
    let (address, _) = process.listening()?;
    let client = Client::new(&address);
    let owner = client.log_in("999", "BackOffice").ok_or("no answer")?;
    let owner = owner.text("tokenId");

    let (mut tokens, mut eaten) = (Vec::new(), 0);
    let mut refused = None;
    for number in 0..LOGINS_MAX {
        // Somebody else fills the disk beside the shop.
        if number % 20 == 19 && disk.eat(eaten).is_ok() {
            eaten += 1;
        }
        let answer = client
            .log_in("1", "LINK")
            .ok_or("a login without an answer")?;
        match answer.status {
            200 => tokens.push(answer.text("tokenId")),
            507 => {
                refused = Some(number);
                break;
            }
            other => return Err(format!("login {number} answers {other}: {}", answer.body)),
        }
    }
    let refused = refused.ok_or("the disk was never full")?;
    // To the last byte, behind the reserve as well.
    while disk.eat(eaten).is_ok() {
        eaten += 1;
    }
    full(&client, &owner, &mut tokens, &data_dir)?;

    disk.make_room(eaten);
    let freed = Instant::now();
    let login = loop {
        let answer = client.log_in("1", "LINK").ok_or("no answer")?;
        match answer.status {
            200 => break answer,
            507 if freed.elapsed() < RECOVER_MAX => std::thread::sleep(Duration::from_millis(50)),
            other => {
                return Err(format!(
                    "with room again a login answers {other}: {}",
                    answer.body
                ));
            }
        }
    };
    tokens.push(login.text("tokenId"));
    let recovered = freed.elapsed();
    process.stop()?;
    let (ended, live) = tokens.split_at(ENDINGS);
    after_restart(&data_dir, ended, live)?;
    Ok(format!(
        "{refused} logins until 507; {ENDINGS} endings, checks and the control socket on the full disk; \
         logins again {} ms after there was room; all {} sessions there after a restart",
        recovered.as_millis(),
        live.len()
    ))
}

/// What has to go on while there is no byte left.
fn full(
    client: &Client,
    owner: &str,
    tokens: &mut [String],
    data_dir: &Path,
) -> Result<(), String> {
    for token in tokens.iter().take(ENDINGS) {
        let ended = client.call("DELETE", "/api/auth", Some(token), &Value::Null);
        let status = ended.map_or(0, |answer| answer.status);
        if status != 204 {
            return Err(format!("an ending on the full disk answers {status}"));
        }
        let after = client
            .get("/api/auth", token)
            .map_or(0, |answer| answer.status);
        if after != 401 {
            return Err(format!("an ended session answers {after} on the full disk"));
        }
    }
    for token in tokens.iter().skip(ENDINGS).take(ENDINGS) {
        let checked = client
            .get("/api/auth", token)
            .map_or(0, |answer| answer.status);
        if checked != 200 {
            return Err(format!("a live session answers {checked} on the full disk"));
        }
    }
    let listed = client
        .get("/sessions?$take=10", owner)
        .map_or(0, |answer| answer.status);
    if listed != 200 {
        return Err(format!("a list answers {listed} on the full disk"));
    }
    let login = client.log_in("1", "LINK").map_or(0, |answer| answer.status);
    if login != 507 {
        return Err(format!("a login on the full disk answers {login}"));
    }
    let users = operate(data_dir, &["user", "list", "--json"]);
    users.map_err(|why| format!("the control socket on the full disk: {why}"))?;
    Ok(())
}

fn after_restart(data_dir: &Path, ended: &[String], live: &[String]) -> Result<(), String> {
    operate(data_dir, &["doctor"]).map_err(|why| format!("the doctor finds something: {why}"))?;
    let mut process = Process::spawn(closed::serve(data_dir));
    let (address, _) = process.listening()?;
    let client = Client::new(&address);
    for (tokens, expected) in [(ended, 401), (live, 200)] {
        for token in tokens {
            let status = client
                .get("/api/auth", token)
                .map_or(0, |answer| answer.status);
            if status != expected {
                return Err(format!(
                    "after a restart a session answers {status}, not {expected}"
                ));
            }
        }
    }
    process.stop()
}

fn operate(data_dir: &Path, args: &[&str]) -> Result<(), String> {
    let output = support::binary()
        .env("TILLGATE_DATA_DIR", data_dir)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}

/// A small disk in memory. Unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Result<Self, String> {
        ground::must_be_root()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
            .arg(folder.path());
        ground::run(&mut mount)?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn piece(&self, number: u32) -> PathBuf {
        self.path().join(format!("somebody-else-{number}"))
    }

    fn eat(&self, number: u32) -> std::io::Result<()> {
        std::fs::write(self.piece(number), vec![1; STEP_BYTES])
    }

    fn make_room(&self, eaten: u32) {
        for number in 0..=eaten {
            let _ = std::fs::remove_file(self.piece(number));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = ground::run(Command::new("umount").arg("-l").arg(self.path()));
    }
}
