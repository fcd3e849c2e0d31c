//! What an operator may ask for on the command line, carried out by the same
//! use cases as the API: inside the server when one runs, through its control
//! socket, else on the store itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::exit::{Exit, Failure};
use super::operate;
use crate::service::App;
use crate::store::Progress;
use crate::store::sled::SledStore;

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";
/// Longest request or answer line.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long the server may be silent in answer to a request.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often the operator is told how far a request is.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// What can be asked for.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Create a user.
    UserAdd(operate::NewUser),
    /// Set a user's password.
    UserSetPassword {
        /// The name the user logs in with.
        user_name: String,
        /// The new password.
        password: String,
    },
    /// Disable a user.
    UserDisable {
        /// The name the user logs in with.
        user_name: String,
    },
    /// Forget a user's failed logins.
    UserUnlock {
        /// The name the user logs in with.
        user_name: String,
    },
    /// List users.
    UserList,
    /// List sessions.
    SessionsList {
        /// An NData query.
        query: Option<String>,
    },
    /// End a session.
    SessionsEnd {
        /// Its id.
        id: String,
    },
    /// List the signing keys.
    KeysList,
    /// Sign with a fresh key.
    KeysRotate,
    /// End the tokens of a key.
    KeysRevoke {
        /// Its name.
        kid: String,
    },
    /// Show the clock.
    ClockShow,
    /// Take the computer's time over.
    ClockConfirm,
    /// Take the computer's time over, also backwards, and end all sessions.
    ClockReset,
    /// Everything that import understands.
    Export,
    /// Make a backup.
    Backup {
        /// Where to, as an absolute path.
        file: PathBuf,
    },
}

impl Request {
    /// What a bar on the operator's terminal says.
    pub const fn caption(&self) -> &'static str {
        match self {
            Self::Backup { .. } => "backing up",
            _ => "working",
        }
    }

    /// Whether it is given up when the operator leaves. What changes something
    /// is carried out all the same.
    pub const fn gives_up(&self) -> bool {
        matches!(self, Self::Backup { .. })
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Done(Value),
    /// So many of about so many are done; more is to come.
    Progress(u64, u64),
    Failed {
        exit: u8,
        message: String,
    },
}

/// Where the control socket of a data directory is.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}

/// Asks the server of this data directory; `None` when none is running.
pub async fn ask(
    data_dir: &Path,
    request: &Request,
    progress: &Progress,
) -> Result<Option<Value>, Failure> {
    let Ok(stream) = UnixStream::connect(socket_path(data_dir)).await else {
        return Ok(None);
    };
    let answer = exchange(stream, request, progress).await;
    let broken = |why: String| {
        Failure::new(
            Exit::Temporary,
            format!("the running server did not answer: {why}; try again"),
        )
    };
    match answer {
        Ok(Ok(value)) => Ok(Some(value)),
        Ok(Err(failure)) => Err(failure),
        Err(error) => Err(broken(error.to_string())),
    }
}

async fn exchange(
    mut stream: UnixStream,
    request: &Request,
    progress: &Progress,
) -> std::io::Result<Result<Value, Failure>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut lines = BufReader::new(stream.take(LINE_BYTES_MAX));
    loop {
        let mut line = String::new();
        let read = tokio::time::timeout(ANSWER_WAIT_MAX, lines.read_line(&mut line)).await;
        let silent = || format!("{} s have passed", ANSWER_WAIT_MAX.as_secs());
        read.map_err(|_| std::io::Error::other(silent()))??;
        match serde_json::from_str(&line)? {
            Answer::Progress(done, all) => progress(done, all),
            Answer::Done(value) => return Ok(Ok(value)),
            Answer::Failed { exit, message } => {
                return Ok(Err(Failure::new(Exit::from_number(exit), message)));
            }
        }
    }
}

/// Answers on the control socket until the task is dropped.
///
/// # Errors
/// When the socket can not be made.
pub fn listen(data_dir: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let path = socket_path(data_dir);
    // The data directory is locked by this process, so an old socket is dead.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the control socket.
pub async fn serve(listener: UnixListener, app: Arc<App<SledStore>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = Arc::clone(&app);
                tokio::spawn(async move {
                    if let Err(error) = one(stream, &app).await {
                        tracing::warn!(target: "control", %error, "a control request broke off");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(target: "control", %error, "the control socket failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn one(stream: UnixStream, app: &App<SledStore>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LINE_BYTES_MAX));
    read.read_line(&mut line).await?;
    // Somebody looked whether a server is running.
    if line.is_empty() {
        return Ok(());
    }
    let done = match serde_json::from_str::<Request>(&line) {
        Ok(request) => match watched(app, request, &mut read, &mut write).await? {
            Some(done) => done,
            None => return Ok(()),
        },
        Err(error) => Err(Failure::new(Exit::Usage, format!("not a request: {error}"))),
    };
    let answer = match done {
        Ok(value) => Answer::Done(value),
        Err(failure) => Answer::Failed {
            exit: failure.exit as u8,
            message: failure.message,
        },
    };
    send(&mut write, &answer).await
}

async fn send(write: &mut OwnedWriteHalf, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// Carries a request out and tells how far it is; `None` when it was given up
/// because the operator has left.
async fn watched(
    app: &App<SledStore>,
    request: Request,
    read: &mut (impl AsyncReadExt + Unpin),
    write: &mut OwnedWriteHalf,
) -> std::io::Result<Option<Result<Value, Failure>>> {
    let gives_up = request.gives_up();
    let (steps, mut step) = watch::channel((0, 0));
    let progress = move |done, all| {
        steps.send_replace((done, all));
    };
    let mut work = std::pin::pin!(operate::carry_out(app, request, Arc::new(progress)));
    let mut tick = tokio::time::interval(TOLD_EVERY);
    let mut more = [0];
    loop {
        tokio::select! {
            done = &mut work => return Ok(Some(done)),
            _ = tick.tick() => {
                if step.has_changed().unwrap_or(false) {
                    let (done, all) = *step.borrow_and_update();
                    send(write, &Answer::Progress(done, all)).await?;
                }
            }
            // Nothing more is sent: this is the other end's farewell.
            _ = read.read(&mut more), if gives_up => return Ok(None),
        }
    }
}

/// Whether a server answers on the control socket of this data directory.
pub async fn is_running(data_dir: &Path) -> bool {
    UnixStream::connect(socket_path(data_dir)).await.is_ok()
}
