//! An installation in a folder on the real disk, and servers that do not
//! outlive the bench.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to stop.
const STOP_WAIT_MAX: Duration = Duration::from_secs(60);
/// How much of a log is shown when a server does not start.
const LOG_BYTES_SHOWN: usize = 2_000;

/// A folder with an installation in it, gone when dropped. It lies under
/// target/, so on a disk: what is synced in memory costs nothing.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// An installation that holds this shop and no session.
    pub fn with_shop(shop: &str) -> Self {
        let folder =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder in target/");
        let place = Self { folder };
        let file = place.path().join("shop.json");
        std::fs::write(&file, shop).expect("the shop is written");
        let imported = place.command(None, &["import"]).arg(&file).output();
        let imported = imported.expect("the binary runs");
        assert!(
            imported.status.success(),
            "{}",
            String::from_utf8_lossy(&imported.stderr)
        );
        place
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("db")
    }

    /// The binary of the bench's own profile, pinned to a core if one is
    /// named. Passwords are cheap: logins are the way there, not the subject.
    fn command(&self, core: Option<usize>, args: &[&str]) -> Command {
        let mut command = pinned(core, Path::new(env!("CARGO_BIN_EXE_tillgate")));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TILLGATE_")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.path())
            .env("TILLGATE_DATA_DIR", self.data_dir())
            .env("TILLGATE_PASSWORD__ARGON2_MEMORY_KIB", "8")
            .env("TILLGATE_PASSWORD__ARGON2_ITERATIONS", "1")
            .env("TILLGATE_PASSWORD__LENGTH_MIN", "4")
            .env("TILLGATE_PASSWORD__BLOCK_COMMON", "false")
            .env("TILLGATE_BACKUP__DIRECTORY", self.path().join("backups"))
            .env("TILLGATE_BACKUP__EVERY", "off")
            // Requests are signed before the load, and sent again and again.
            .env("TILLGATE_NWS4__WINDOW", "1h")
            .args(args);
        command
    }

    /// Starts the server here.
    pub fn serve(&self, core: Option<usize>) -> Server {
        let command = self.command(core, &["serve", "--listen", "127.0.0.1:0"]);
        Server::start(command, &self.path().join("serve.log"))
    }

    /// Bytes of the database's own files.
    pub fn database_bytes(&self) -> u64 {
        let database = self.data_dir().join("db");
        let files = self.files().into_iter();
        let files = files.filter(|file| file.starts_with(&database));
        files
            .filter_map(|file| file.metadata().ok())
            .map(|about| about.len())
            .sum()
    }

    /// Bytes of all files of the data directory.
    pub fn bytes_on_disk(&self) -> u64 {
        self.files()
            .iter()
            .filter_map(|file| file.metadata().ok())
            .map(|about| about.len())
            .sum()
    }

    /// Every file of the data directory; what a killed server leaves of its
    /// socket is none.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.data_dir()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    files.push(path);
                }
            }
        }
        files
    }
}

/// A program, pinned to a core if one is named.
pub fn pinned(core: Option<usize>, program: &Path) -> Command {
    let Some(core) = core else {
        return Command::new(program);
    };
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}

/// Keeps this thread and what it starts to one core.
pub fn keep_to_core(core: usize) {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).expect("a process may choose its core");
}

/// A server that was started here. Killed when dropped.
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    /// From the start of the process to the line that says it listens.
    pub started_in: Duration,
}

impl Server {
    /// Starts a server and waits until it says where it listens: one line on
    /// standard output that ends with `http://ADDRESS`.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let log_file = File::create(log).expect("a log can be written");
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        let _ = BufReader::new(stdout).read_line(&mut line);
        let started_in = started.elapsed();
        let address = line
            .trim()
            .rsplit_once("http://")
            .map(|(_, address)| address.to_owned());
        let mut server = Self {
            child,
            address: String::new(),
            started_in,
        };
        server.address = address.unwrap_or_else(|| panic!("no start: {line:?}\n{}", tail(log)));
        server
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }

    /// Ends the server as a power cut does, but for what the system has in its
    /// memory.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Ends the server as a service manager does; answers how long it took.
    pub fn stop(mut self) -> Duration {
        let started = Instant::now();
        self.signal("-TERM");
        while self
            .child
            .try_wait()
            .expect("the process can be asked")
            .is_none()
        {
            assert!(
                started.elapsed() < STOP_WAIT_MAX,
                "the server does not stop"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        started.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_BYTES_SHOWN)..]).into_owned()
}
