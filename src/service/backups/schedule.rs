//! The background task that makes every backup of the server's folder: those
//! that are due and those that somebody asked for, one after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{BackupRules, Failure, State, Wanted};
use crate::model::{Cause, Timestamp};
use crate::service::App;
use crate::store::{BackupError, BackupInfo, Store};

/// The longest sleep: the trusted time is not the timer's.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// The first backup of a server that has none waits for its start to be over.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// How soon to try again after a failure, at most.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// Makes backups until the task is dropped.
pub async fn run<S: Store>(app: Arc<App<S>>) {
    let Some(rules) = app.backups.rules.clone() else {
        return;
    };
    look_around(&app, &rules).await;
    let mut due = first_due(&app, &rules);
    loop {
        let by_itself = || (Cause::server(), rules.folder.place_at(app.now()), None);
        let asked = wait(&app, &rules, due).await;
        let asked = asked.map(|wanted| (wanted.cause, wanted.place, Some(wanted.done)));
        let (cause, place, done) = asked.unwrap_or_else(by_itself);
        let made = make(&app, &rules, cause, place).await;
        let now = app.now();
        due = match &made {
            Ok(_) => rules.every.map(|every| now.plus(every)),
            Err(_) => rules.every.map(|every| now.plus(every.min(AGAIN_AFTER))),
        };
        app.backups.state.lock().running = None;
        if let Some(done) = done {
            // Whoever asked may have left.
            let _ = done.send(made);
        }
    }
}

/// Sleeps until a backup is due, or somebody asks for one.
async fn wait<S: Store>(
    app: &App<S>,
    rules: &BackupRules,
    due: Option<Timestamp>,
) -> Option<Wanted> {
    loop {
        if let Some(wanted) = take_up(&mut app.backups.state.lock()) {
            return Some(wanted);
        }
        let now = app.now();
        if due.is_some_and(|due| due <= now) {
            return None;
        }
        // A clock that was put back must not put the backup off.
        let left = due.map(|due| due.since(now).min(rules.every.unwrap_or(SLEEP_MAX)));
        let sleep = left.unwrap_or(SLEEP_MAX).min(SLEEP_MAX);
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = app.backups.bell.notified() => {}
        }
    }
}

fn take_up(state: &mut State) -> Option<Wanted> {
    let wanted = state.wanted.take()?;
    state.running = Some(wanted.place.0.clone());
    Some(wanted)
}

fn first_due<S: Store>(app: &App<S>, rules: &BackupRules) -> Option<Timestamp> {
    let (every, now) = (rules.every?, app.now());
    let last = app.backups.state.lock().last_success;
    let due = last.map(|last| last.plus(every));
    Some(
        due.unwrap_or(now)
            .clamp(now.plus(FIRST_AFTER.min(every)), now.plus(every)),
    )
}

/// What is in the folder already, and whether it is still what was written.
async fn look_around<S: Store>(app: &App<S>, rules: &BackupRules) {
    let folder = rules.folder.clone();
    let prepared = tokio::task::spawn_blocking(move || folder.prepare()).await;
    if let Ok(Err(error)) = prepared {
        tracing::error!(
            target: "backup", %error,
            "the folder of backups can not be used; see that backup.directory can be written"
        );
    }
    let Ok(all) = app.kept_backups().await else {
        return;
    };
    let newest = all.iter().find_map(|kept| kept.info.as_ref().ok());
    app.backups.state.lock().last_success = newest.map(|info| info.taken_at);
    for kept in &all {
        let place = rules.folder.place(&kept.name);
        read_back(app, &kept.name, place.unwrap_or_default()).await;
    }
}

async fn make<S: Store>(
    app: &App<S>,
    rules: &BackupRules,
    cause: Cause,
    (name, file): (String, PathBuf),
) -> Result<BackupInfo, Failure> {
    app.backups.state.lock().running = Some(name.clone());
    let folder = rules.folder.clone();
    // Somebody may have taken the folder, or the disk, away meanwhile.
    let prepared = tokio::task::spawn_blocking(move || folder.prepare()).await;
    let refused = |error| BackupError::Io {
        file: file.clone(),
        error,
    };
    let made = match prepared {
        Ok(Err(error)) => Err(refused(error)),
        Ok(Ok(())) | Err(_) => app.back_up(file.clone(), cause, Arc::new(|_, _| {})).await,
    };
    let made = match made {
        Ok(made) if read_back(app, &name, file.clone()).await => Ok(made),
        Ok(_) => Err(Failure::Disk),
        Err(error) => {
            tracing::error!(target: "backup", %error, "no backup was made; it is tried again");
            Err(Failure::from(&error))
        }
    };
    match &made {
        Ok(info) => {
            tracing::info!(target: "backup", name, bytes = info.bytes, "a backup was made");
            let mut state = app.backups.state.lock();
            state.last_success = Some(info.taken_at);
            state.failed = None;
        }
        Err(failure) => {
            app.backups.state.lock().failed = Some((app.now(), failure.clone()));
        }
    }
    if made.is_ok() {
        forget_oldest(app, rules).await;
    }
    made
}

/// Reads a backup back; what comes of it shows in the list and in health.
async fn read_back<S: Store>(app: &App<S>, name: &str, file: PathBuf) -> bool {
    let Some(backups) = app.store.backups() else {
        return false;
    };
    let read = backups.read_back(file).await;
    if let Err(error) = &read {
        tracing::error!(target: "backup", %error, "a backup does not read back");
    }
    let whole = read.is_ok();
    let mut state = app.backups.state.lock();
    state.read_back.insert(name.to_owned(), whole);
    whole
}

/// Lets old backups go, now that a newer one is on the disk and read back.
async fn forget_oldest<S: Store>(app: &App<S>, rules: &BackupRules) {
    let (folder, keep, mark) = (
        rules.folder.clone(),
        rules.keep,
        app.installation_key.mark(),
    );
    let gone = tokio::task::spawn_blocking(move || folder.forget_oldest(keep, mark)).await;
    match gone {
        Ok(Ok(gone)) => {
            let mut state = app.backups.state.lock();
            for name in gone {
                state.read_back.remove(&name);
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(target: "backup", %error, "old backups can not be removed");
        }
        Err(_) => {}
    }
}
