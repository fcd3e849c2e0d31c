//! The defaults of every section.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    AuditConfig, BackupConfig, Config, EventsConfig, HttpConfig, Language, LogConfig, LogFormat,
    MetricsConfig, Nws4Config, PasswordConfig, PerEnv, Posture, QueryConfig, SessionsConfig,
    TlsConfig, UnknownMembers, UsersConfig, WebhooksConfig, beside,
};
use crate::auth::password::HashParams;
use crate::model::{Env, LockoutRules, SessionAccess};
use crate::store::Rules;

const SECOND: Duration = Duration::from_secs(1);

impl Default for Config {
    fn default() -> Self {
        let data_dir = PathBuf::from("data/db");
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
            key_file: beside(&data_dir),
            data_dir,
            policy: Posture::Standard,
            sessions: SessionsConfig::default(),
            audit: AuditConfig::default(),
            query: QueryConfig::default(),
            tls: TlsConfig::default(),
            http: HttpConfig::default(),
            events: EventsConfig::default(),
            metrics: MetricsConfig::default(),
            webhooks: WebhooksConfig::default(),
            nws4: Nws4Config::default(),
            password: PasswordConfig::default(),
            users: UsersConfig::default(),
            lockout: LockoutRules::default(),
            backup: BackupConfig::default(),
            log: LogConfig::default(),
            sources: BTreeMap::new(),
        }
    }
}

impl Posture {
    /// Sets the numbers that this posture has an opinion on. Options that are
    /// given are set afterwards and win.
    pub(super) fn apply(self, config: &mut Config) {
        config.policy = self;
        if self == Self::Standard {
            return;
        }
        // 8.2.8: 15 minutes. Tills that see one card at a time are exempt.
        config.sessions.idle.own[Env::BackOffice.index()] = Some(Some(15 * 60 * SECOND));
        // 8.2.6: accounts unused for 90 days.
        config.users.disable_unused_after = Some(90 * 24 * 3600 * SECOND);
        // 8.3.4: locked after 10 failures at most, for 30 minutes at least.
        config.lockout.lock_after = 10;
        config.lockout.lock_time = 30 * 60 * SECOND;
        // 8.3.6: 12 characters, letters and digits.
        config.password.length_min = 12;
        config.password.letters_and_digits = true;
        // 8.3.7: none of the last four passwords.
        config.password.former = 4;
    }
}

impl Default for SessionsConfig {
    /// The store's own defaults: those of the documented API.
    fn default() -> Self {
        let rules = Rules::default();
        Self {
            access: SessionAccess::Open,
            lifetime: PerEnv::all(rules.lifetime[0]),
            idle: PerEnv::all(rules.idle[0]),
            max_lifetime: rules.lifetime_max,
            refresh_grace: rules.refresh_grace,
            ended_retention: rules.ended_retention,
            ended_max: rules.ended_max,
            limits: rules.limits,
        }
    }
}

impl Default for AuditConfig {
    /// The store's own defaults.
    fn default() -> Self {
        let rules = Rules::default();
        Self {
            retention: rules.audit_retention,
            max: rules.audit_max,
        }
    }
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            take_default: 1_000,
            take_max: 10_000,
            unknown_members: UnknownMembers::Reject,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            first_byte_timeout: 10 * SECOND,
            header_timeout: 10 * SECOND,
            body_timeout: 20 * SECOND,
            idle_timeout: 75 * SECOND,
            write_timeout: 30 * SECOND,
            drain_max: 10 * SECOND,
            language: Language::English,
            plain_off_loopback: false,
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            readers_max: 2_000,
            kept_max: Rules::default().changes_max,
        }
    }
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            give_up_after: 24 * 3600 * SECOND,
        }
    }
}

impl Default for Nws4Config {
    fn default() -> Self {
        Self {
            window: 300 * SECOND,
            strict: true,
            visible_sessions: true,
            forwarded_host: false,
        }
    }
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            argon2: HashParams::default(),
            length_min: 8,
            letters_and_digits: false,
            block_common: true,
            block_list: None,
            pin_environments: [false; Env::ALL.len()],
            pin_length_min: 6,
            former: 0,
            hash_threads: None,
        }
    }
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            directory: None,
            every: Some(24 * 3600 * SECOND),
            keep: 7,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
            requests: false,
            file: None,
            file_mib_max: 10,
            file_keep: 5,
        }
    }
}
