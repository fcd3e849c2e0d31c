//! What an operator may ask for on the command line, carried out by the same
//! use cases as the API: inside the server when one runs, through its control
//! socket, else on the store itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::exit::{Exit, Failure};
use super::operate;
use crate::service::App;
use crate::store::sled::SledStore;

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";
/// Longest request or answer line.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long the server may take for one request.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

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
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Done(Value),
    Failed { exit: u8, message: String },
}

/// Where the control socket of a data directory is.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}

/// Asks the server of this data directory; `None` when none is running.
pub async fn ask(data_dir: &Path, request: &Request) -> Result<Option<Value>, Failure> {
    let Ok(stream) = UnixStream::connect(socket_path(data_dir)).await else {
        return Ok(None);
    };
    let answer = tokio::time::timeout(ANSWER_WAIT_MAX, exchange(stream, request)).await;
    let broken = |why: String| {
        Failure::new(
            Exit::Temporary,
            format!("the running server did not answer: {why}; try again"),
        )
    };
    match answer {
        Ok(Ok(Answer::Done(value))) => Ok(Some(value)),
        Ok(Ok(Answer::Failed { exit, message })) => {
            Err(Failure::new(Exit::from_number(exit), message))
        }
        Ok(Err(error)) => Err(broken(error.to_string())),
        Err(_) => Err(broken(format!(
            "{} s have passed",
            ANSWER_WAIT_MAX.as_secs()
        ))),
    }
}

async fn exchange(mut stream: UnixStream, request: &Request) -> std::io::Result<Answer> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX))
        .read_line(&mut answer)
        .await?;
    Ok(serde_json::from_str(&answer)?)
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
    BufReader::new(read.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    // Somebody looked whether a server is running.
    if line.is_empty() {
        return Ok(());
    }
    let done = match serde_json::from_str::<Request>(&line) {
        Ok(request) => operate::carry_out(app, request).await,
        Err(error) => Err(Failure::new(Exit::Usage, format!("not a request: {error}"))),
    };
    let answer = match done {
        Ok(value) => Answer::Done(value),
        Err(failure) => Answer::Failed {
            exit: failure.exit as u8,
            message: failure.message,
        },
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// Whether a server answers on the control socket of this data directory.
pub async fn is_running(data_dir: &Path) -> bool {
    UnixStream::connect(socket_path(data_dir)).await.is_ok()
}
