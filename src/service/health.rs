//! How the server is, in the entries of the health page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::App;
use super::backups::BackupReport;
use crate::clock::ClockState;
use crate::store::{Indexes, Store, StoreHealth};

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    Healthy,
    /// It goes on, but somebody should look.
    Degraded,
    /// It does not do its work.
    Unhealthy,
}

impl Status {
    /// The spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name: `diskstorage`, `database`, `sweeper`, `clock`, `backup`,
    /// `certificate` or `webhooks`.
    pub name: &'static str,
    /// How good it is.
    pub status: Status,
    /// How long looking took.
    pub duration: Duration,
    /// What a person should know, if anything.
    pub description: Option<String>,
    /// Figures.
    pub data: Vec<(&'static str, serde_json::Value)>,
}

/// The whole page.
#[derive(Clone, Debug)]
pub struct Report {
    /// The worst of the entries.
    pub status: Status,
    /// How long looking took.
    pub duration: Duration,
    /// The entries: always the first four, `backup` where backups are made, and
    /// `certificate` under TLS, `webhooks` where there are any.
    pub entries: Vec<Entry>,
}

/// A sweep that has not come to its end for this long is late.
const SWEEP_LATE_AFTER: Duration = Duration::from_secs(300);

impl<S: Store> App<S> {
    /// Looks at everything.
    pub async fn health(&self) -> Report {
        let started = Instant::now();
        let directory = self.store.directory().await;
        let hooks: Vec<_> = directory.webhooks().map(Arc::clone).collect();
        let looked = Instant::now();
        let webhooks = self.webhooks_entry(&hooks).map(|entry| Entry {
            duration: looked.elapsed(),
            ..entry
        });
        let store = self.store.health();
        let mut entries = vec![
            timed(|| disk_storage(&store)),
            timed(|| database(&store)),
            timed(|| self.sweeper_entry()),
            timed(|| self.clock_entry()),
        ];
        let backups = self.backups.report();
        entries.extend(backups.map(|report| timed(|| self.backup_entry(report))));
        let started_at = Instant::now();
        entries.extend(self.certificate.health(self.now()).map(|entry| Entry {
            duration: started_at.elapsed(),
            ..entry
        }));
        entries.extend(webhooks);
        let status = entries
            .iter()
            .map(|entry| entry.status)
            .max()
            .unwrap_or(Status::Healthy);
        Report {
            status,
            duration: started.elapsed(),
            entries,
        }
    }

    /// Whether requests that change something can be taken on.
    pub fn is_ready(&self) -> bool {
        let store = self.store.health();
        !store.read_only && store.stalled.is_none()
    }

    fn sweeper_entry(&self) -> Entry {
        let report = self.sweeper.report();
        let age = report.last_run.map(|last| self.now().since(last));
        let (status, description) = match (&report.error, age) {
            (Some(error), _) => (
                Status::Degraded,
                Some(format!("the last step was not made: {error}")),
            ),
            (None, Some(age)) if age > SWEEP_LATE_AFTER => (
                Status::Degraded,
                Some(format!("last finished {} s ago", age.as_secs())),
            ),
            _ => (Status::Healthy, None),
        };
        let last = report.last_run.map(|last| last.to_string());
        let data = vec![
            ("ended", report.ended.into()),
            ("purged", report.purged.into()),
            ("lastRunAt", last.into()),
        ];
        entry("sweeper", status, description, data)
    }

    fn backup_entry(&self, report: BackupReport) -> Entry {
        let age = report.last_success.map(|last| self.now().since(last));
        let late = report.every.map(|every| 2 * every);
        let status_and = |sentence: String| (Status::Degraded, Some(sentence));
        let (status, description) = match (&report.failed, age) {
            (Some((_, failure)), _) => {
                status_and(format!("the last backup failed: {}", failure.as_str()))
            }
            (None, Some(age)) if late.is_some_and(|late| age > late) => {
                status_and(format!("the last backup is {} s old", age.as_secs()))
            }
            _ if report.damaged > 0 => {
                status_and(format!("{} backups are damaged", report.damaged))
            }
            _ => (Status::Healthy, None),
        };
        let last = report.last_success.map(|last| last.to_string());
        let failed = report.failed.map(|(at, _)| at.to_string());
        let data = vec![
            ("lastSuccessAt", last.into()),
            ("ageSeconds", age.map(|age| age.as_secs()).into()),
            ("lastFailureAt", failed.into()),
            ("damaged", report.damaged.into()),
            ("running", report.is_running.into()),
        ];
        entry("backup", status, description, data)
    }

    fn clock_entry(&self) -> Entry {
        let clock = self.clock.status();
        let (status, description) = match clock.state {
            ClockState::Good => (Status::Healthy, None),
            ClockState::Behind => (
                Status::Degraded,
                Some("the computer's clock is behind; set it. Sessions go on by the time kept here".to_owned()),
            ),
            ClockState::Unconfirmed => (
                Status::Degraded,
                Some("the computer's clock has jumped ahead; if it is right, run 'tillgate clock confirm'".to_owned()),
            ),
        };
        let data = vec![
            ("wall", clock.wall.to_string().into()),
            ("trusted", clock.trusted.to_string().into()),
        ];
        entry("clock", status, description, data)
    }
}

fn timed(look: impl FnOnce() -> Entry) -> Entry {
    let started = Instant::now();
    let mut entry = look();
    entry.duration = started.elapsed();
    entry
}

/// One thing that was looked at; how long is noted by who has it looked at.
pub(super) fn entry(
    name: &'static str,
    status: Status,
    description: Option<String>,
    data: Vec<(&'static str, serde_json::Value)>,
) -> Entry {
    Entry {
        name,
        status,
        duration: Duration::ZERO,
        description,
        data,
    }
}

fn disk_storage(store: &StoreHealth) -> Entry {
    let (status, description) = if store.full {
        let sentence = "too little room on the disk: logins are refused, endings go on";
        (Status::Unhealthy, Some(sentence.to_owned()))
    } else {
        (Status::Healthy, None)
    };
    entry(
        "diskstorage",
        status,
        description,
        vec![("freeBytes", store.free_bytes.into())],
    )
}

fn database(store: &StoreHealth) -> Entry {
    let (status, description) = if store.read_only {
        let sentence = "a write failed: nothing is changed until the server is restarted";
        (Status::Unhealthy, Some(sentence.to_owned()))
    } else if let Some(silent) = store.stalled {
        (
            Status::Unhealthy,
            Some(format!(
                "the disk has not answered for {} s",
                silent.as_secs()
            )),
        )
    } else if store.indexes == Indexes::Damaged {
        let sentence = "an index on the disk is damaged; all answers are right, and `tillgate doctor --fix` \
                        repairs it when the server is stopped";
        (Status::Degraded, Some(sentence.to_owned()))
    } else {
        (Status::Healthy, None)
    };
    let data = vec![
        ("sessions", store.sessions.into()),
        ("dirty", store.dirty.into()),
        ("lagSeconds", store.lag.as_secs().into()),
        ("commit", store.commit.into()),
        ("epoch", store.epoch.into()),
    ];
    entry("database", status, description, data)
}
