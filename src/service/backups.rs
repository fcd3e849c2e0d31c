//! Backups: made when somebody asks and by themselves, read back, listed, and
//! let go when there are enough newer ones.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{App, Caller, RETRY_AFTER, ServiceError};
use crate::model::{AuditAction, AuditEntry, Cause, KnownRight, Timestamp};
use crate::store::{
    BackupError, BackupFolder, BackupInfo, BackupOrder, Kept, Progress, Store, StoreError,
};

mod schedule;

pub use schedule::run;

/// How long a caller waits for a backup; one that takes longer goes on.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Where backups go, and when.
#[derive(Clone, Debug)]
pub struct BackupRules {
    /// Where they are kept.
    pub folder: BackupFolder,
    /// How long from one to the next; `None`: only when somebody asks.
    pub every: Option<Duration>,
    /// How many are kept.
    pub keep: usize,
}

/// The backups of a server.
#[derive(Debug, Default)]
pub struct BackupKeeper {
    /// `None`: it makes none.
    rules: Option<BackupRules>,
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// A backup that somebody asked for.
    wanted: Option<Wanted>,
    /// The name of the one that is being made.
    running: Option<String>,
    /// When the newest was made.
    last_success: Option<Timestamp>,
    /// When the last attempt failed, and in which way.
    failed: Option<(Timestamp, Failure)>,
    /// Which were read back since the start, and whether they were whole.
    read_back: HashMap<String, bool>,
}

#[derive(Debug)]
struct Wanted {
    cause: Cause,
    place: (String, PathBuf),
    done: oneshot::Sender<Result<BackupInfo, Failure>>,
}

/// In which way a backup failed. The sentence with the file is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another one is being made.
    Running,
    /// There is no room for it.
    Full,
    /// The disk refused, or what was written does not read back.
    Disk,
    /// The store did not answer as it should.
    Store(StoreError),
}

impl Failure {
    /// A word for the health page.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "another backup is being made",
            Self::Full => "there is too little room in the folder",
            Self::Disk => "the folder's disk refuses",
            Self::Store(_) => "the store does not answer",
        }
    }
}

impl From<&BackupError> for Failure {
    fn from(error: &BackupError) -> Self {
        match error {
            BackupError::Running => Self::Running,
            BackupError::Store(error) => Self::Store(error.clone()),
            BackupError::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => {
                Self::Full
            }
            BackupError::Cancelled => Self::Store(StoreError::ReadOnly),
            BackupError::Exists { .. }
            | BackupError::Io { .. }
            | BackupError::Database(_)
            | BackupError::Elsewhere => Self::Disk,
        }
    }
}

impl From<Failure> for ServiceError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Store(error) => error.into(),
            Failure::Running | Failure::Disk => Self::Busy(RETRY_AFTER),
        }
    }
}

/// A backup as the list shows it.
#[derive(Clone, Debug)]
pub struct ListedBackup {
    /// Its name.
    pub name: String,
    /// How it is.
    pub standing: Standing,
    /// What it says of itself, when it is there and can be read.
    pub info: Option<BackupInfo>,
}

/// How a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is being made.
    Running,
    /// It is there and was not read back since the start.
    Complete,
    /// It was read back since the start, and every byte is as it was written.
    Verified,
    /// It is not what was written.
    Damaged,
}

/// What came of asking for a backup.
#[derive(Clone, Debug)]
pub enum Asked {
    /// It is made.
    Made(ListedBackup),
    /// It goes on, under this name.
    GoesOn(ListedBackup),
}

/// What health says of backups.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// How long from one to the next.
    pub every: Option<Duration>,
    /// When the newest was made.
    pub last_success: Option<Timestamp>,
    /// When the last attempt failed, and in which way.
    pub failed: Option<(Timestamp, Failure)>,
    /// How many are not what was written.
    pub damaged: usize,
    /// Whether one is being made.
    pub is_running: bool,
}

impl BackupKeeper {
    /// The keeper of a folder, or of none.
    pub fn new(rules: Option<BackupRules>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// How it stands; `None` where no backups are made.
    pub fn report(&self) -> Option<BackupReport> {
        let rules = self.rules.as_ref()?;
        let state = self.state.lock();
        Some(BackupReport {
            every: rules.every,
            last_success: state.last_success,
            failed: state.failed.clone(),
            damaged: state.read_back.values().filter(|whole| !**whole).count(),
            is_running: state.running.is_some(),
        })
    }

    fn listed(&self, kept: Kept) -> ListedBackup {
        let read_back = self.state.lock().read_back.get(&kept.name).copied();
        let standing = match (&kept.info, read_back) {
            (Err(_), _) | (Ok(_), Some(false)) => Standing::Damaged,
            (Ok(_), Some(true)) => Standing::Verified,
            (Ok(_), None) => Standing::Complete,
        };
        ListedBackup {
            name: kept.name,
            standing,
            info: kept.info.ok(),
        }
    }

    fn running(&self) -> Option<ListedBackup> {
        let state = self.state.lock();
        let asked = state.wanted.as_ref().map(|wanted| wanted.place.0.clone());
        let name = state.running.clone().or(asked)?;
        Some(ListedBackup {
            name,
            standing: Standing::Running,
            info: None,
        })
    }
}

impl<S: Store> App<S> {
    /// Makes a backup in this file. It is complete and on the disk when this
    /// returns; a call that is given up leaves nothing behind.
    ///
    /// # Errors
    /// [`BackupError`], which names the file and the remedy.
    pub async fn back_up(
        &self,
        file: PathBuf,
        cause: Cause,
        progress: Arc<Progress>,
    ) -> Result<BackupInfo, BackupError> {
        let backups = self.store.backups().ok_or(BackupError::Elsewhere)?;
        let order = BackupOrder {
            file,
            now: self.now(),
            key_mark: self.installation_key.mark(),
        };
        let made = backups.back_up(order, progress).await?;
        let name = made.file.file_name().unwrap_or_default().to_string_lossy();
        let entry = AuditEntry::new(AuditAction::BackedUp, cause, self.now());
        let entry = AuditEntry {
            detail: Some(name.into()),
            ..entry
        };
        // The backup is there, whether or not the audit can still be written.
        if let Err(error) = self.store.note(entry).await {
            tracing::warn!(target: "backup", %error, "the audit does not tell of a backup");
        }
        Ok(made)
    }

    /// All backups in the server's folder, the newest first.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without the right `admin`;
    /// [`ServiceError::Busy`] when the folder can not be read.
    pub async fn list_backups(&self, caller: &Caller) -> Result<Vec<ListedBackup>, ServiceError> {
        caller.needs(KnownRight::Admin)?;
        let mut all: Vec<_> = self.backups.running().into_iter().collect();
        for kept in self.kept_backups().await? {
            // It has its name a moment before it is done.
            if all.first().is_none_or(|running| running.name != kept.name) {
                all.push(self.backups.listed(kept));
            }
        }
        Ok(all)
    }

    /// One backup in the server's folder.
    ///
    /// # Errors
    /// As [`App::list_backups`], and [`ServiceError::NotFound`].
    pub async fn find_backup(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<ListedBackup, ServiceError> {
        let all = self.list_backups(caller).await?;
        let found = all.into_iter().find(|backup| backup.name == name);
        found.ok_or(ServiceError::NotFound)
    }

    /// Makes a backup in the server's folder. It goes on when the caller
    /// leaves, or when it takes long.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] without the right `admin`, and where the
    /// server makes no backups; [`ServiceError::Busy`] when one is being made,
    /// or the disk refuses; [`ServiceError::Full`].
    pub async fn ask_for_backup(&self, caller: &Caller) -> Result<Asked, ServiceError> {
        caller.needs(KnownRight::Admin)?;
        let Some(rules) = &self.backups.rules else {
            let sentence = "This server makes no backups; the option backup.directory says where.";
            return Err(ServiceError::Forbidden(sentence.to_owned()));
        };
        let place = rules.folder.place_at(self.now());
        let name = place.0.clone();
        let (done, answer) = oneshot::channel();
        {
            let mut state = self.backups.state.lock();
            if state.wanted.is_some() || state.running.is_some() {
                return Err(ServiceError::Busy(RETRY_AFTER));
            }
            state.wanted = Some(Wanted {
                cause: caller.cause(),
                place,
                done,
            });
        }
        self.backups.bell.notify_one();
        match tokio::time::timeout(WAIT_MAX, answer).await {
            Ok(Ok(made)) => Ok(Asked::Made(ListedBackup {
                name,
                standing: Standing::Verified,
                info: Some(made?),
            })),
            // The server stops.
            Ok(Err(_)) => Err(ServiceError::Busy(RETRY_AFTER)),
            Err(_) => Ok(Asked::GoesOn(ListedBackup {
                name,
                standing: Standing::Running,
                info: None,
            })),
        }
    }

    async fn kept_backups(&self) -> Result<Vec<Kept>, ServiceError> {
        let Some(rules) = &self.backups.rules else {
            return Ok(Vec::new());
        };
        let folder = rules.folder.clone();
        let listed = tokio::task::spawn_blocking(move || folder.list()).await;
        match listed {
            Ok(Ok(all)) => Ok(all),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Ok(Err(error)) => {
                tracing::warn!(target: "backup", %error, "the folder of backups can not be read");
                Err(ServiceError::Busy(RETRY_AFTER))
            }
            Err(_) => Err(ServiceError::Busy(RETRY_AFTER)),
        }
    }
}
