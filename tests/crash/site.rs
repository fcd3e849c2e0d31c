//! One installation after another on one ground: the commands that run there,
//! and the crash that ends them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::ground::{Armed, Ground};
use super::process::Process;
use super::support;

/// An import or export of the small shop takes no longer.
const COMMAND_MAX: Duration = Duration::from_secs(20);
/// What the first start of a run is taken to last.
const START_GUESS: Duration = Duration::from_millis(80);

/// A ground and the installation on it.
pub(crate) struct Site {
    ground: Ground,
    number: u32,
    options: Vec<(&'static str, &'static str)>,
    no_sync: bool,
    last_start: Duration,
}

impl Site {
    /// A ground without an installation.
    pub(crate) fn new(ground: Ground) -> Self {
        Self {
            ground,
            number: 0,
            options: Vec::new(),
            no_sync: false,
            last_start: START_GUESS,
        }
    }

    /// Servers here leave out the sync.
    pub(crate) fn without_sync(mut self) -> Self {
        self.no_sync = true;
        self
    }

    /// Sets an option of the environment for everything that runs here.
    pub(crate) fn option(mut self, name: &'static str, value: &'static str) -> Self {
        self.options.push((name, value));
        self
    }

    /// Makes place for a new installation. Earlier ones are removed: a cut may
    /// have brought one back.
    pub(crate) fn begin(&mut self) {
        let there = std::fs::read_dir(self.ground.path()).expect("the ground");
        for entry in there.flatten() {
            if entry.file_name().to_string_lossy().starts_with("shop-") {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        self.number += 1;
        self.make_home();
    }

    /// The folder of the installation; a cut may have taken it.
    pub(crate) fn make_home(&self) {
        std::fs::create_dir_all(self.home()).expect("a folder on the ground");
    }

    /// The folder of the installation.
    pub(crate) fn home(&self) -> PathBuf {
        self.ground.path().join(format!("shop-{}", self.number))
    }

    /// Its data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home().join("db")
    }

    /// Its installation key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.home().join("db.key")
    }

    /// A command in this installation.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = support::binary();
        // The folder on the ground may vanish with a cut.
        command.current_dir(std::env::temp_dir());
        command.envs(self.options.iter().copied());
        command.env("TILLGATE_DATA_DIR", self.data_dir()).args(args);
        command
    }

    /// Starts a command and does not wait for it.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        Process::spawn(self.command(args))
    }

    /// Runs a command to its end; what it said when it failed.
    pub(crate) fn run(&self, args: &[&str]) -> Result<(), String> {
        let mut process = self.spawn(args);
        match process.wait(COMMAND_MAX) {
            Some(status) if status.success() => Ok(()),
            status => Err(format!("{args:?}: {status:?}: {}", process.kill())),
        }
    }

    /// Runs a command to its end; its exit code.
    pub(crate) fn exit_code(&self, args: &[&str]) -> Option<i32> {
        self.spawn(args).wait(COMMAND_MAX)?.code()
    }

    /// The server of this installation.
    pub(crate) fn serve_command(&self) -> Command {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        if self.no_sync {
            command.arg("--fault-no-sync");
        }
        command
    }

    /// Starts a server and does not wait for it.
    pub(crate) fn serve(&self) -> Process {
        Process::spawn(self.serve_command())
    }

    /// Waits until a server listens; its address and how long that took.
    pub(crate) fn listening(&mut self, server: &mut Process) -> Result<(String, Duration), String> {
        let (address, took) = server.listening()?;
        self.last_start = took;
        Ok((address, took))
    }

    /// Some instant of a start, or shortly behind it.
    pub(crate) fn during_start(&self) -> Duration {
        let most = self.last_start.mul_f32(1.2);
        most.mul_f32(rand::random())
    }

    /// Makes ready for [`Site::cut`].
    pub(crate) fn arm(&self) -> Armed {
        self.ground.arm()
    }

    /// Kills these processes and cuts the power; it is back when this returns.
    pub(crate) fn cut(&mut self, armed: Armed, processes: Vec<Process>) {
        for mut process in processes {
            process.kill();
        }
        self.ground.cut(armed);
        self.make_home();
    }

    /// Puts the test shop in.
    pub(crate) fn import(&self) -> Result<(), String> {
        let file = shop_file();
        let done = self.run(&["import", &file]);
        let _ = std::fs::remove_file(file);
        done
    }

    /// How many users the stopped store has.
    pub(crate) fn users(&self) -> Result<usize, String> {
        if !self.data_dir().exists() {
            return Ok(0);
        }
        let file = self.home().join("export.json");
        let _ = std::fs::remove_file(&file);
        self.run(&["export", file.to_str().expect("an UTF-8 path")])?;
        let text = std::fs::read(&file).unwrap_or_default();
        let store: Value = serde_json::from_slice(&text).unwrap_or_default();
        Ok(store["users"].as_array().map_or(0, Vec::len))
    }
}

/// The test shop as a file for `import`.
pub(crate) fn shop_file() -> String {
    let name = format!("tillgate-shop-{}.json", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, support::SHOP).expect("the shop is written");
    file.into_os_string().into_string().expect("an UTF-8 path")
}

/// How many users the test shop has.
pub(crate) fn shop_users() -> usize {
    let shop: Value = serde_json::from_str(support::SHOP).expect("the shop is JSON");
    shop["users"].as_array().map_or(0, Vec::len)
}

/// Some time out of this many milliseconds.
pub(crate) fn random(millis: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rand::random_range(millis))
}
