//! The defaults of every section.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    Config, HttpConfig, Language, LogConfig, LogFormat, Nws4Config, PasswordConfig, PerEnv,
    QueryConfig, SessionsConfig, UnknownMembers, beside,
};
use crate::auth::password::HashParams;
use crate::model::{LockoutRules, SessionAccess};
use crate::store::Rules;

const SECOND: Duration = Duration::from_secs(1);

impl Default for Config {
    fn default() -> Self {
        let data_dir = PathBuf::from("data/db");
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
            key_file: beside(&data_dir),
            data_dir,
            sessions: SessionsConfig::default(),
            query: QueryConfig::default(),
            http: HttpConfig::default(),
            nws4: Nws4Config::default(),
            password: PasswordConfig::default(),
            lockout: LockoutRules::default(),
            log: LogConfig::default(),
            sources: BTreeMap::new(),
        }
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
            trusted_proxies: Vec::new(),
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
            hash_threads: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
            requests: false,
        }
    }
}
