//! One installation put together from its configuration: key, store, clock,
//! tokens, hashing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::Serve;
use super::exit::{Exit, Failure};
use super::operate::service_failure;
use crate::auth::installation::InstallationKey;
use crate::auth::memory::Bearer;
use crate::auth::nws4::{self, Window};
use crate::auth::password;
use crate::auth::policy::{Blocked, PasswordPolicy};
use crate::auth::pool::HashPool;
use crate::auth::secret::Secret;
use crate::auth::setup_code::SetUpCode;
use crate::auth::token::KeyRing;
use crate::clock::{Clock, SystemTimeSource, TimeSource};
use crate::config::{Config, Language, UnknownMembers};
use crate::http;
use crate::model::Timestamp;
use crate::ndata;
use crate::server;
use crate::service::backups::{BackupKeeper, BackupRules};
use crate::service::certificate::CertificateState;
use crate::service::rehash::Rehashing;
use crate::service::{
    App, Feed, KeyKeeper, Logins, Notifier, Policy, SetUpGate, SignedDoor, sweep::SweeperState,
};
use crate::store::sled::{OpenError, Opened, SledStore};
use crate::store::{BackupFolder, SIGNING_KEYS, Store};

/// The shortest token: nobody guesses 16 characters.
const METRICS_TOKEN_CHARS_MIN: usize = 16;
/// The largest list of blocked passwords: all of it is kept in memory.
const BLOCK_LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An installation, ready for use.
pub struct Composed {
    /// The use cases over the open store.
    pub app: Arc<App<SledStore>>,
    /// The one-time code, when there has never been a user.
    pub set_up_code: Option<String>,
}

/// Faults that a test asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Leave out the sync of the disk.
    pub no_sync: bool,
}

impl From<&Serve> for Faults {
    #[cfg(feature = "faults")]
    fn from(args: &Serve) -> Self {
        Self {
            no_sync: args.fault_no_sync,
        }
    }

    #[cfg(not(feature = "faults"))]
    fn from(_: &Serve) -> Self {
        Self::default()
    }
}

/// Opens everything. Fails with the option to change and the remedy.
pub async fn open(config: &Config, faults: Faults) -> Result<Composed, Failure> {
    let key = InstallationKey::load_or_create(&config.key_file)
        .map_err(|error| Failure::new(Exit::Config, format!("key_file: {error}")))?;
    let key = Arc::new(key);
    let source = SystemTimeSource;
    let wall = source.wall();
    let opened = SledStore::open_with(&config.data_dir, config.rules(), wall, faults.no_sync);
    let Opened { store, notices } = opened.map_err(open_failure)?;
    for notice in &notices {
        tracing::warn!(target: "store", "{notice}");
    }
    let mark = store.mark();
    let clock = Arc::new(Clock::start(
        Box::new(source),
        (mark.as_millis() > 0).then_some(mark),
    ));
    let label = signing_keys(store.health().epoch);
    let longest = config.rules().lifetime.into_iter().max();
    let longest = longest.expect("there are four environments");
    let ring = keys(&store, &key, &label, clock.now(), longest).await?;
    let hashing = HashPool::new(config.hash_threads(), config.argon2());
    let dummy_hash = password::dummy(config.argon2());
    let untouched = !store.directory().await.held_user();
    let code = untouched.then(|| SetUpCode::draw(clock.now()));
    let set_up_code = code.as_ref().map(|code| code.text().to_owned());
    let policy = Policy {
        disable_unused_after: config.users.disable_unused_after,
        passwords: password_policy(config)?,
        dummy_hash,
        session_access: config.sessions.access,
        signed_sessions_visible: config.nws4.visible_sessions,
    };
    let window = Window::of_seconds(config.nws4.window.as_secs());
    let signing = nws4::Rules {
        window: window.expect("the option was read within these bounds"),
        strict: config.nws4.strict,
    };
    let app = App {
        store,
        bearer: Bearer::new(ring),
        signed: SignedDoor::new(signing, clock.now()),
        keys: KeyKeeper::new(label, longest),
        installation_key: key,
        hashing,
        clock,
        policy,
        set_up: SetUpGate::new(code),
        rehashing: Rehashing::default(),
        feed: Feed::new(config.events.readers_max),
        logins: Logins::default(),
        notifier: Notifier::new(http::notification, config.webhooks.give_up_after),
        sweeper: SweeperState::default(),
        backups: BackupKeeper::new(backup_rules(config)),
        certificate: CertificateState::default(),
    };
    app.finish_revocations().await.map_err(service_failure)?;
    Ok(Composed {
        app: Arc::new(app),
        set_up_code,
    })
}

/// The name under which the sealed signing keys of an epoch are kept.
pub fn signing_keys(epoch: u64) -> String {
    format!("{SIGNING_KEYS}/{epoch}")
}

/// Where the server keeps backups; nowhere where no folder is named.
fn backup_rules(config: &Config) -> Option<BackupRules> {
    let backup = &config.backup;
    let directory = backup.directory.clone()?;
    Some(BackupRules {
        folder: BackupFolder::new(directory),
        every: backup.every,
        keep: backup.keep,
    })
}

/// The rules for new passwords, the operator's own list read.
fn password_policy(config: &Config) -> Result<PasswordPolicy, Failure> {
    let password = &config.password;
    let mut blocked = if password.block_common {
        Blocked::common()
    } else {
        Blocked::default()
    };
    if let Some(file) = &password.block_list {
        blocked.extend(&block_list(file)?);
    }
    Ok(PasswordPolicy {
        chars_min: password.length_min,
        letters_and_digits: password.letters_and_digits,
        pin_envs: password.pin_environments,
        pin_chars_min: password.pin_length_min,
        blocked,
        former: password.former,
    })
}

fn block_list(file: &Path) -> Result<String, Failure> {
    let failure = |why: &dyn std::fmt::Display| {
        let sentence = format!(
            "password.block_list: {}: {why}; name a text file with one password a line, or off",
            file.display()
        );
        Failure::new(Exit::Config, sentence)
    };
    let length = std::fs::metadata(file)
        .map_err(|error| failure(&error))?
        .len();
    if length > BLOCK_LIST_BYTES_MAX {
        return Err(failure(&"is larger than 64 MiB"));
    }
    std::fs::read_to_string(file).map_err(|error| failure(&error))
}

/// The signing keys of this epoch. A new epoch has given up a past state, so
/// no token of the old one may be good: it gets a key of its own.
async fn keys(
    store: &SledStore,
    installation: &InstallationKey,
    label: &str,
    now: Timestamp,
    longest: Duration,
) -> Result<KeyRing, Failure> {
    let issuer = store.installation().to_owned();
    let ring = match store.meta(label) {
        None => KeyRing::generate(&issuer, now, longest),
        Some(sealed) => {
            let opened = KeyRing::unseal(&issuer, installation, label, sealed);
            let mut ring = opened.map_err(|_| {
                let sentence = "key_file: this key does not open the store's signing keys; it belongs \
                                to another installation. Put the right file back, or name it with --key-file";
                Failure::new(Exit::Config, sentence)
            })?;
            if !ring.lengthen(longest) {
                return Ok(ring);
            }
            ring
        }
    };
    let sealed = ring.seal(installation, label);
    let kept = store.put_meta(label, Some(sealed), None).await;
    kept.map_err(|error| {
        Failure::new(
            Exit::Io,
            format!("the signing key can not be stored: {error}"),
        )
    })?;
    Ok(ring)
}

/// What the configuration says about answers.
pub fn settings(config: &Config) -> Result<http::Settings, Failure> {
    Ok(http::Settings {
        default_language: match config.http.language {
            Language::English => http::Language::English,
            Language::Slovak => http::Language::Slovak,
        },
        query: query_limits(config),
        forwarded_host: http::ForwardedHost {
            is_on: config.nws4.forwarded_host,
            proxies: config.http.trusted_proxies.clone(),
        },
        allowed_hosts: Arc::new(allowed_hosts(config)),
        metrics: metrics_door(config)?,
        log_requests: config.log.requests,
    })
}

/// Who may read the metrics.
fn metrics_door(config: &Config) -> Result<http::MetricsDoor, Failure> {
    let Some(file) = &config.metrics.token_file else {
        return Ok(http::MetricsDoor::default());
    };
    let failure = |why: &dyn std::fmt::Display| {
        let sentence = format!(
            "metrics.token_file: {}: {why}; name a file that holds a token of at least \
             {METRICS_TOKEN_CHARS_MIN} characters on one line, or off",
            file.display()
        );
        Failure::new(Exit::Config, sentence)
    };
    let text = std::fs::read_to_string(file).map_err(|error| failure(&error))?;
    let token = text.trim_ascii();
    if token.len() < METRICS_TOKEN_CHARS_MIN {
        return Err(failure(&"is too short"));
    }
    if !token
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b',')
    {
        return Err(failure(&"holds characters that no token has"));
    }
    let token = Some(Arc::new(Secret::new(token.to_owned())));
    Ok(http::MetricsDoor { token })
}

/// Under which names browsers may reach the page.
fn allowed_hosts(config: &Config) -> http::AllowedHosts {
    let names = config.http.allowed_hosts.clone();
    if !names.is_empty() {
        return http::AllowedHosts {
            any_address: false,
            names,
        };
    }
    let own = Config::host_name();
    http::AllowedHosts {
        any_address: true,
        names: ["localhost".to_owned()].into_iter().chain(own).collect(),
    }
}

/// What the configuration says about queries.
pub fn query_limits(config: &Config) -> ndata::Limits {
    ndata::Limits {
        take_default: config.query.take_default,
        take_max: config.query.take_max,
        ignore_unknown_members: config.query.unknown_members == UnknownMembers::Ignore,
    }
}

/// What the configuration says about connections.
pub fn limits(config: &Config) -> server::Limits {
    let http = &config.http;
    server::Limits {
        first_byte_timeout: http.first_byte_timeout,
        header_timeout: http.header_timeout,
        body_timeout: http.body_timeout,
        idle_timeout: http.idle_timeout,
        write_timeout: http.write_timeout,
        connections_max: http.connections_max,
        drain_max: http.drain_max,
    }
}

/// Why a data directory was not opened, as the command line says it.
pub fn open_failure(error: OpenError) -> Failure {
    let exit = match &error {
        OpenError::Locked { .. } => Exit::Temporary,
        OpenError::Newer { .. } => Exit::Newer,
        OpenError::Damaged { .. } | OpenError::HalfRestored { .. } => Exit::Data,
        OpenError::NoDirectory { .. } => Exit::Config,
        OpenError::Io(_) | OpenError::NoBackup { .. } => Exit::Io,
    };
    Failure::new(exit, error)
}
