//! The configuration: one struct for each section, and where its values come
//! from. The command line wins over the environment, the environment over the
//! file, the file over the defaults. Every option stands in one table
//! (`options`), which reads, shows and documents it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::auth::password::HashParams;
use crate::model::{Env, LockoutRules, SessionAccess, SessionLimits};
use crate::store::Rules;

mod defaults;
mod error;
mod machine;
mod options;
mod show;
mod source;
mod value;

pub use error::ConfigError;
use source::Source;

/// What the command line says; it wins over everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`
    pub listen: Option<String>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--key-file`
    pub key_file: Option<PathBuf>,
    /// `--tls-cert`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
    /// `--plain-http-off-loopback`
    pub plain_off_loopback: bool,
}

/// The whole configuration, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Whose numbers hold where none is given.
    pub policy: Posture,
    /// Where the database lies.
    pub data_dir: PathBuf,
    /// Where the installation key lies; never inside of `data_dir`.
    pub key_file: PathBuf,
    /// Rules of time.
    pub sessions: SessionsConfig,
    /// The audit.
    pub audit: AuditConfig,
    /// NData queries.
    pub query: QueryConfig,
    /// The certificate that the server shows.
    pub tls: TlsConfig,
    /// Connections and answers.
    pub http: HttpConfig,
    /// The feed of changes.
    pub events: EventsConfig,
    /// What is told to monitoring.
    pub metrics: MetricsConfig,
    /// Webhooks.
    pub webhooks: WebhooksConfig,
    /// Requests signed with API keys.
    pub nws4: Nws4Config,
    /// Passwords and their hashing.
    pub password: PasswordConfig,
    /// What happens to accounts.
    pub users: UsersConfig,
    /// What failed logins come to.
    pub lockout: LockoutRules,
    /// Backups of the server's own making.
    pub backup: BackupConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    sources: BTreeMap<&'static str, Source>,
}

/// Whose numbers hold where none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posture {
    /// Those of the documented API, ASVS and NIST.
    Standard,
    /// Those that PCI DSS 4.0.1 asks for where card data is near.
    Pci,
}

/// `[sessions]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsConfig {
    /// Whose sessions callers without any right reach.
    pub access: SessionAccess,
    /// From login or refresh to `expiresAt`.
    pub lifetime: PerEnv<Duration>,
    /// How long a session may go without a request; `None` is for ever.
    pub idle: PerEnv<Option<Duration>>,
    /// No refresh moves `expiresAt` beyond `startedAt` plus this; `None` is no
    /// such limit.
    pub max_lifetime: Option<Duration>,
    /// How long a used refresh token still gets the same answer again.
    pub refresh_grace: Duration,
    /// How long ended sessions are kept.
    pub ended_retention: Duration,
    /// How many ended sessions are kept at most.
    pub ended_max: usize,
    /// How many sessions there may be.
    pub limits: SessionLimits,
}

/// What is kept of what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// How long.
    pub retention: Duration,
    /// How many entries at most.
    pub max: usize,
}

/// `[backup]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupConfig {
    /// Where they are kept; `None`: the server makes none.
    pub directory: Option<PathBuf>,
    /// How long from one to the next; `None`: only when somebody asks.
    pub every: Option<Duration>,
    /// How many are kept.
    pub keep: usize,
}

/// A value for every environment, and those that have one of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerEnv<T> {
    default: T,
    own: [Option<T>; Env::ALL.len()],
}

impl<T: Copy> PerEnv<T> {
    const fn all(default: T) -> Self {
        Self {
            default,
            own: [None; Env::ALL.len()],
        }
    }

    /// The value that holds for an environment.
    #[must_use]
    pub fn of(&self, env: Env) -> T {
        self.own[env.index()].unwrap_or(self.default)
    }

    /// The values by [`Env::index`].
    #[must_use]
    pub fn by_index(&self) -> [T; Env::ALL.len()] {
        self.own.map(|own| own.unwrap_or(self.default))
    }
}

/// `[query]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    /// Rows of a page when the query does not say.
    pub take_default: usize,
    /// Rows of a page at most.
    pub take_max: usize,
    /// What happens to filters on members that do not exist.
    pub unknown_members: UnknownMembers,
}

/// What happens to filters on members that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownMembers {
    /// The query is refused, because it would answer too much.
    Reject,
    /// They are left out.
    Ignore,
}

/// `[nws4]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nws4Config {
    /// How far the time of a signature may be away from now, in all.
    pub window: Duration,
    /// Demand what every known client does, though the scheme does not.
    pub strict: bool,
    /// Whether others see the sessions of API keys.
    pub visible_sessions: bool,
    /// Whether `X-Forwarded-Host` of trusted proxies counts.
    pub forwarded_host: bool,
}

/// `[tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and those that vouch for it; `None` only where `key` is.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Connections at once.
    pub connections_max: usize,
    /// How long the first byte of a connection may take.
    pub first_byte_timeout: Duration,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long a client may leave an answer lying.
    pub write_timeout: Duration,
    /// How long requests under way get when the server is told to stop.
    pub drain_max: Duration,
    /// The language of answers when the request does not prefer one.
    pub language: Language,
    /// Whether other machines may speak with the server without TLS.
    pub plain_off_loopback: bool,
    /// Whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The names under which requests with the page's cookie may come; empty:
    /// any address, `localhost` and the machine's name.
    pub allowed_hosts: Vec<String>,
}

/// `[events]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// Who may read `/events` and the hub at once.
    pub readers_max: usize,
    /// Changes that are kept for readers that are slow or come back.
    pub kept_max: usize,
}

/// `[metrics]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The file with the token that whoever reads `/metrics` needs; `None`: this
    /// machine only.
    pub token_file: Option<PathBuf>,
}

/// `[webhooks]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// A notification that nobody has taken for so long is given up.
    pub give_up_after: Duration,
}

/// A language that answers are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `en-GB`
    English,
    /// `sk-SK`
    Slovak,
}

impl Language {
    /// The tag: `en-GB` or `sk-SK`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en-GB",
            Self::Slovak => "sk-SK",
        }
    }
}

/// `[password]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordConfig {
    /// The cost of new hashes.
    pub argon2: HashParams,
    /// The shortest new password, in characters.
    pub length_min: usize,
    /// Whether a letter and a digit must be in a new password.
    pub letters_and_digits: bool,
    /// Whether common passwords are refused.
    pub block_common: bool,
    /// A file with further passwords to refuse, one a line.
    pub block_list: Option<PathBuf>,
    /// Where a PIN is enough, by [`Env::index`].
    pub pin_environments: [bool; Env::ALL.len()],
    /// The shortest PIN, in digits.
    pub pin_length_min: usize,
    /// How many former passwords a user may not take again.
    pub former: usize,
    /// Hashes at once; `None` is as many as suit the machine.
    pub hash_threads: Option<usize>,
}

/// `[users]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsersConfig {
    /// Accounts unused for this long are disabled; `None`: none is.
    pub disable_unused_after: Option<Duration>,
}

/// How much longer than needed the last use of an account is remembered.
const USE_KEPT_BEYOND: Duration = Duration::from_hours(30 * 24);

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `info`, or a filter as `info,store=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// Whether every request gets a line.
    pub requests: bool,
    /// Where the server's lines go beside standard error; `None`: nowhere.
    pub file: Option<PathBuf>,
    /// How large that file gets, in MiB.
    pub file_mib_max: u64,
    /// How many older ones stand beside it.
    pub file_keep: usize,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the configuration. `env`: all variables of the process; those
    /// that begin with `TILLGATE_` count. `file`: a TOML file; without it
    /// `TILLGATE_CONFIG` may name one.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong, with the option, its
    /// value, why, and what to write instead.
    pub fn load(
        overrides: &Overrides,
        env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let given = source::gather(overrides, env, file)?;
        let mut config = Self::default();
        for option in options::OPTIONS {
            if let Some(given) = given.get(option.key) {
                (option.set)(&mut config, &given.text).map_err(|wrong| {
                    ConfigError::invalid(option.key, &given.source, &given.text, wrong)
                })?;
                config.sources.insert(option.key, given.source.clone());
            }
        }
        if !config.sources.contains_key(options::KEY_FILE) {
            config.key_file = beside(&config.data_dir);
        }
        config.check()?;
        Ok(config)
    }

    /// Rules that more than one option takes part in.
    fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key: &'static str, value: &str, reason: &str| {
            let source = self.source(key);
            ConfigError::invalid(key, &source, value, reason.to_owned())
        };
        if self.query.take_default > self.query.take_max {
            let value = self.query.take_default.to_string();
            let reason = "is more than query.take_max; lower it, or raise query.take_max";
            return Err(invalid("query.take_default", &value, reason));
        }
        if is_inside(&self.key_file, &self.data_dir) {
            let value = self.key_file.display().to_string();
            let reason = "lies inside of data_dir, where a copy of the database would carry the \
                          key along; name a file outside of it";
            return Err(invalid(options::KEY_FILE, &value, reason));
        }
        let (cert, key) = (&self.tls.cert, &self.tls.key);
        if cert.is_some() != key.is_some() {
            let (given, missing) = match cert {
                Some(_) => (options::TLS_CERT, options::TLS_KEY),
                None => (options::TLS_KEY, options::TLS_CERT),
            };
            let file = cert.as_ref().or(key.as_ref());
            let value = file.map_or_else(String::new, |file| file.display().to_string());
            let reason = format!("is of no use alone; name the other file with {missing}, too");
            return Err(invalid(given, &value, &reason));
        }
        Ok(())
    }

    fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or(Source::Default)
    }

    /// Every option with its value and where that comes from, as TOML that may
    /// be used as a file.
    #[must_use]
    pub fn show(&self) -> String {
        show::values(self)
    }

    /// The options that decide who may do what and for how long, with the values
    /// that hold, as TOML. None of them is a secret.
    #[must_use]
    pub fn rules_in_force(&self) -> Vec<(&'static str, String)> {
        show::rules(self)
    }

    /// The rules of time for the store.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            lifetime: self.sessions.lifetime.by_index(),
            idle: self.sessions.idle.by_index(),
            lifetime_max: self.sessions.max_lifetime,
            refresh_grace: self.sessions.refresh_grace,
            ended_retention: self.sessions.ended_retention,
            ended_max: self.sessions.ended_max,
            limits: self.sessions.limits,
            lockout: LockoutRules {
                use_kept: self.use_kept(),
                ..self.lockout.clone()
            },
            audit_retention: self.audit.retention,
            audit_max: self.audit.max,
            changes_max: self.events.kept_max,
        }
    }

    fn use_kept(&self) -> Duration {
        let after = self.users.disable_unused_after;
        after.map_or(Duration::ZERO, |after| after + USE_KEPT_BEYOND)
    }

    /// The cost of new hashes.
    #[must_use]
    pub const fn argon2(&self) -> HashParams {
        self.password.argon2
    }

    /// How many passwords are hashed at once: never all cores, and never more
    /// memory than a quarter of what the process may have.
    #[must_use]
    pub fn hash_threads(&self) -> usize {
        let suitable = || machine::hash_threads(self.argon2().memory_kib());
        self.password.hash_threads.unwrap_or_else(suitable)
    }

    /// The name of the machine, in lower case; `None` where nobody says.
    #[must_use]
    pub fn host_name() -> Option<String> {
        machine::host_name()
    }

    /// The shortest new password, in characters.
    #[must_use]
    pub const fn password_chars_min(&self) -> usize {
        self.password.length_min
    }

    /// Connections and answers.
    #[must_use]
    pub const fn http(&self) -> &HttpConfig {
        &self.http
    }

    /// NData queries.
    #[must_use]
    pub const fn query(&self) -> &QueryConfig {
        &self.query
    }

    /// The data directory, if somebody named one.
    #[must_use]
    pub fn data_dir_given(&self) -> Option<&Path> {
        self.sources
            .contains_key(options::DATA_DIR)
            .then_some(self.data_dir.as_path())
    }
}

/// The default of `key_file`: `<data-dir>.key`.
fn beside(data_dir: &Path) -> PathBuf {
    // Without the slash that may stand at the end.
    let plain: PathBuf = data_dir.components().collect();
    let mut name = plain.into_os_string();
    name.push(".key");
    name.into()
}

fn is_inside(file: &Path, folder: &Path) -> bool {
    // Links that lead back inside are not looked for: this is against a
    // mistake, not against somebody who may write here anyway.
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole(file).starts_with(whole(folder))
}

#[cfg(test)]
mod tests;
