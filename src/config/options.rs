//! Every option there is: its key, its meaning, how it is read and how it is
//! shown. The environment's names, the sample file and `config show` all come
//! from this table, so none of them can miss an option.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::value::{duration, duration_or_off, number, quoted, spell, word, word_for};
use super::{Config, Language, LogFormat, Posture, UnknownMembers};
use crate::auth::nws4::Window;
use crate::auth::password::{HashParams, ITERATIONS_MAX, MEMORY_KIB_MAX, MEMORY_KIB_MIN};
use crate::model::{AtLimit, Env, FORMER_PASSWORDS_MAX, SessionAccess};

/// The key of the data directory.
pub(super) const DATA_DIR: &str = "data_dir";
/// The key of the installation key's file.
pub(super) const KEY_FILE: &str = "key_file";

/// The key of the certificate's file.
pub(super) const TLS_CERT: &str = "tls.cert";
/// The key of the file with the certificate's key.
pub(super) const TLS_KEY: &str = "tls.key";

/// The least time that a limit can give.
const SECOND: Duration = Duration::from_secs(1);
/// The least time after which an account is unused.
const DAY: Duration = Duration::from_hours(24);
/// Most rows of a page.
const TAKE_MAX: usize = 100_000;
/// Most ended sessions to keep.
const ENDED_MAX: usize = 1_000_000;
/// Most audit entries to keep.
const AUDIT_MAX: usize = 1_000_000;
/// Most readers of events.
const READERS_MAX: usize = 1_000_000;
/// Most changes that are kept for them.
const EVENTS_KEPT_MAX: usize = 1_000_000;
/// Most connections.
const CONNECTIONS_MAX: usize = 1_000_000;
/// The longest that the shortest password can be: people must be able to type
/// it, and it must fit into what is looked at.
const LENGTH_MIN_MAX: usize = 64;
/// Most failures in a row that a limit can wait for.
const FAILURES_MAX: u32 = 1_000;
/// Most failures of one user that a limit can wait for: all are kept.
const USER_FAILURES_MAX: usize = 1_000;
/// Most records of strangers.
const STRANGERS_MAX: usize = 10_000_000;
/// The largest limit of sessions.
const LIMIT_MAX: usize = 100_000_000;
/// Most backups to keep.
const BACKUPS_MAX: usize = 10_000;
/// The largest file of the log, in MiB.
const LOG_MIB_MAX: u64 = 100_000;
/// Most older files of the log.
const LOG_FILES_MAX: usize = 1_000;
/// Most hashing threads.
const HASH_THREADS_MAX: usize = 256;
/// The word for what suits the machine.
const AUTO: &str = "auto";

const UNKNOWN_MEMBERS: &[(&str, UnknownMembers)] = &[
    ("reject", UnknownMembers::Reject),
    ("ignore", UnknownMembers::Ignore),
];
const LANGUAGES: &[(&str, Language)] = &[
    (Language::English.tag(), Language::English),
    (Language::Slovak.tag(), Language::Slovak),
];
const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
const ACCESS: &[(&str, SessionAccess)] =
    &[("open", SessionAccess::Open), ("own", SessionAccess::Own)];
const AT_LIMIT: &[(&str, AtLimit)] = &[("deny", AtLimit::Deny), ("replace", AtLimit::Replace)];
const POSTURES: &[(&str, Posture)] = &[("standard", Posture::Standard), ("pci", Posture::Pci)];
const SWITCH: &[(&str, bool)] = &[("true", true), ("false", false)];

/// One option.
pub(super) struct ConfigOption {
    /// Section and key, joined by dots.
    pub(super) key: &'static str,
    /// What it decides, for the sample file.
    pub(super) meaning: &'static str,
    /// Reads a value; the error says why not and what to write instead.
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
    /// The value that holds, as TOML.
    pub(super) get: fn(&Config) -> String,
    /// The option whose value holds while this one is not given.
    pub(super) falls_back_to: Option<&'static str>,
}

impl ConfigOption {
    const fn new(
        key: &'static str,
        meaning: &'static str,
        set: fn(&mut Config, &str) -> Result<(), String>,
        get: fn(&Config) -> String,
    ) -> Self {
        Self {
            key,
            meaning,
            set,
            get,
            falls_back_to: None,
        }
    }

    const fn or(mut self, key: &'static str) -> Self {
        self.falls_back_to = Some(key);
        self
    }

    /// Its section; empty for those above all sections.
    pub(super) fn section(&self) -> &'static str {
        self.key.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its key within the section.
    pub(super) fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }

    /// Its environment variable.
    pub(super) fn variable(&self) -> String {
        format!(
            "TILLGATE_{}",
            self.key.replace('.', "__").to_ascii_uppercase()
        )
    }
}

/// The option with this key.
pub(super) fn find(key: &str) -> Option<&'static ConfigOption> {
    OPTIONS.iter().find(|option| option.key == key)
}

const LIFETIME: &str = "sessions.lifetime.default";
const IDLE: &str = "sessions.idle.default";

fn put<T>(slot: &mut T, value: Result<T, String>) -> Result<(), String> {
    *slot = value?;
    Ok(())
}

fn window(text: &str) -> Result<Duration, String> {
    let window = duration(text, SECOND)?;
    let fits = Window::of_seconds(window.as_secs()).is_some() && window.subsec_nanos() == 0;
    let wrong = "must be whole seconds, at most 1h; write 5m or 10m";
    fits.then_some(window).ok_or_else(|| wrong.to_owned())
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let wrong = "is not a list of addresses; write them as 10.0.0.1, fd00::1";
    let pieces = text.split(',').map(str::trim);
    let read = pieces.filter(|piece| !piece.is_empty()).map(str::parse);
    read.map(|address| address.map(|address: IpAddr| address.to_canonical()))
        .collect::<Result<_, _>>()
        .map_err(|_| wrong.to_owned())
}

fn spell_addresses(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Names and addresses of hosts, in lower case and without ports.
fn hosts(text: &str) -> Result<Vec<String>, String> {
    let pieces = text.split(',').map(str::trim);
    let read = pieces.filter(|piece| !piece.is_empty()).map(|piece| {
        let host = piece.to_ascii_lowercase();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        (is_address || host.chars().all(is_name)).then_some(host)
    });
    read.collect::<Option<_>>().ok_or_else(|| {
        "is not a list of hosts; write them without port, as shop.example, 10.0.0.1".to_owned()
    })
}

fn lifetime(text: &str) -> Result<Duration, String> {
    duration(text, SECOND)
}

fn idle(text: &str) -> Result<Option<Duration>, String> {
    duration_or_off(text, SECOND)
}

fn limit(text: &str) -> Result<Option<usize>, String> {
    if text == "off" {
        return Ok(None);
    }
    let max = number(text, 1..=LIMIT_MAX);
    max.map(Some).map_err(|reason| format!("{reason}, or off"))
}

fn limit_text(max: Option<usize>) -> String {
    max.map_or_else(|| quoted("off"), |max| max.to_string())
}

fn environments(text: &str) -> Result<[bool; Env::ALL.len()], String> {
    let mut chosen = [false; Env::ALL.len()];
    for name in text.split(',').filter(|_| text != "off") {
        let env = Env::ALL.iter().find(|env| env.as_str() == name.trim());
        let env = env.ok_or_else(|| {
            format!("names '{name}'; write off, or some of BackOffice,CashRegister,PDA,Tool")
        })?;
        chosen[env.index()] = true;
    }
    Ok(chosen)
}

fn environments_text(chosen: [bool; Env::ALL.len()]) -> String {
    let names = Env::ALL.iter().filter(|env| chosen[env.index()]);
    let names: Vec<_> = names.map(|env| env.as_str()).collect();
    if names.is_empty() {
        return "off".to_owned();
    }
    names.join(",")
}

fn time(value: Duration) -> String {
    quoted(spell(value))
}

fn time_or_off(value: Option<Duration>) -> String {
    value.map_or_else(|| quoted("off"), time)
}

fn set_argon2(config: &mut Config, memory_kib: u32, iterations: u32) {
    let params = HashParams::new(memory_kib, iterations);
    config.password.argon2 = params.expect("both numbers were read within their ranges");
}

fn log_level(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "can not be read ({error}); write error, warn, info or debug"
        )),
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("names nothing; write a path".to_owned());
    }
    Ok(PathBuf::from(text))
}

fn path_or_off(text: &str) -> Result<Option<PathBuf>, String> {
    if text == "off" {
        return Ok(None);
    }
    path(text).map(Some)
}

fn path_or_off_text(path: Option<&Path>) -> String {
    quoted(path.map_or("off".into(), |path| path.to_string_lossy()))
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| "is not an address and a port; write one as 127.0.0.1:4000 or [::1]:4000";
    Ok(text.parse().map_err(wrong)?)
}

/// Every option, section by section, in the order in which they are shown.
pub(super) static OPTIONS: &[ConfigOption] = &[
    ConfigOption::new(
        "listen",
        "Address and port. Port 0 takes a free one. An address that other machines\nreach needs [tls], or http.plain_off_loopback.",
        |c, t| put(&mut c.listen, listen(t)),
        |c| quoted(c.listen.to_string()),
    ),
    ConfigOption::new(
        "policy",
        "Whose numbers hold where this file has none: standard, or pci. PCI DSS\n4.0.1 asks for 15m of idle time in the back office, 12 characters with\nletters and digits, a lock of 30m after 10 failed logins, and accounts\ndisabled that are unused for 90d.",
        |c, t| {
            word(t, POSTURES)?.apply(c);
            Ok(())
        },
        |c| quoted(word_for(&c.policy, POSTURES)),
    ),
    ConfigOption::new(
        DATA_DIR,
        "Where the sessions are kept. Relative paths begin where the server is\nstarted. Created when missing; one server at a time.",
        |c, t| put(&mut c.data_dir, path(t)),
        |c| quoted(c.data_dir.to_string_lossy()),
    ),
    ConfigOption::new(
        KEY_FILE,
        "The installation key: created at the first start, mode 0600, outside of\ndata_dir. Keep a copy apart from the backups: they are worth nothing\nwithout it. Left out: data_dir with .key at the end.",
        |c, t| put(&mut c.key_file, path(t)),
        |c| quoted(c.key_file.to_string_lossy()),
    ),
    ConfigOption::new(
        "sessions.access",
        "Whose sessions a caller may list, read and end. open: everybody's, as the\nAPI documents. own: those of the same user name; sessionReadAny and\nsessionDeleteAny reach the others.",
        |c, t| put(&mut c.sessions.access, word(t, ACCESS)),
        |c| quoted(word_for(&c.sessions.access, ACCESS)),
    ),
    ConfigOption::new(
        "sessions.max_lifetime",
        "No refresh extends a session beyond this from its start. off: no limit.",
        |c, t| put(&mut c.sessions.max_lifetime, duration_or_off(t, SECOND)),
        |c| time_or_off(c.sessions.max_lifetime),
    ),
    ConfigOption::new(
        "sessions.refresh_grace",
        "How long a used refresh token gets the same answer again, for clients\nthat lost the first one.",
        |c, t| put(&mut c.sessions.refresh_grace, duration(t, Duration::ZERO)),
        |c| time(c.sessions.refresh_grace),
    ),
    ConfigOption::new(
        "sessions.ended_retention",
        "How long ended sessions are kept.",
        |c, t| put(&mut c.sessions.ended_retention, duration(t, Duration::ZERO)),
        |c| time(c.sessions.ended_retention),
    ),
    ConfigOption::new(
        "sessions.ended_max",
        "How many ended sessions are kept at most; the oldest go first.",
        |c, t| put(&mut c.sessions.ended_max, number(t, 0..=ENDED_MAX)),
        |c| c.sessions.ended_max.to_string(),
    ),
    ConfigOption::new(
        "sessions.limits.per_user",
        "Sessions of one user at once: a number, or off. Sessions of API keys are\nnot counted by any limit; a till that logs in again makes place first.",
        |c, t| put(&mut c.sessions.limits.per_user.max, limit(t)),
        |c| limit_text(c.sessions.limits.per_user.max),
    ),
    ConfigOption::new(
        "sessions.limits.per_user_then",
        "What one login more comes to: deny (403), or replace, which ends the one\nlongest not accessed.",
        |c, t| put(&mut c.sessions.limits.per_user.then, word(t, AT_LIMIT)),
        |c| quoted(word_for(&c.sessions.limits.per_user.then, AT_LIMIT)),
    ),
    ConfigOption::new(
        "sessions.limits.per_device",
        "Sessions on one device at once.",
        |c, t| put(&mut c.sessions.limits.per_device.max, limit(t)),
        |c| limit_text(c.sessions.limits.per_device.max),
    ),
    ConfigOption::new(
        "sessions.limits.per_device_then",
        "What one login more on the device comes to.",
        |c, t| put(&mut c.sessions.limits.per_device.then, word(t, AT_LIMIT)),
        |c| quoted(word_for(&c.sessions.limits.per_device.then, AT_LIMIT)),
    ),
    ConfigOption::new(
        "sessions.limits.installation",
        "Sessions at once in all.",
        |c, t| put(&mut c.sessions.limits.installation.max, limit(t)),
        |c| limit_text(c.sessions.limits.installation.max),
    ),
    ConfigOption::new(
        "sessions.limits.installation_then",
        "What one login more comes to then.",
        |c, t| put(&mut c.sessions.limits.installation.then, word(t, AT_LIMIT)),
        |c| quoted(word_for(&c.sessions.limits.installation.then, AT_LIMIT)),
    ),
    ConfigOption::new(
        LIFETIME,
        "From login or refresh to the end of a session. Every environment that\nhas no lifetime of its own has this one.",
        |c, t| put(&mut c.sessions.lifetime.default, lifetime(t)),
        |c| time(c.sessions.lifetime.default),
    ),
    ConfigOption::new(
        "sessions.lifetime.BackOffice",
        "",
        |c, t| {
            put(
                &mut c.sessions.lifetime.own[Env::BackOffice.index()],
                lifetime(t).map(Some),
            )
        },
        |c| time(c.sessions.lifetime.of(Env::BackOffice)),
    )
    .or(LIFETIME),
    ConfigOption::new(
        "sessions.lifetime.CashRegister",
        "",
        |c, t| {
            put(
                &mut c.sessions.lifetime.own[Env::CashRegister.index()],
                lifetime(t).map(Some),
            )
        },
        |c| time(c.sessions.lifetime.of(Env::CashRegister)),
    )
    .or(LIFETIME),
    ConfigOption::new(
        "sessions.lifetime.PDA",
        "",
        |c, t| {
            put(
                &mut c.sessions.lifetime.own[Env::Pda.index()],
                lifetime(t).map(Some),
            )
        },
        |c| time(c.sessions.lifetime.of(Env::Pda)),
    )
    .or(LIFETIME),
    ConfigOption::new(
        "sessions.lifetime.Tool",
        "",
        |c, t| {
            put(
                &mut c.sessions.lifetime.own[Env::Tool.index()],
                lifetime(t).map(Some),
            )
        },
        |c| time(c.sessions.lifetime.of(Env::Tool)),
    )
    .or(LIFETIME),
    ConfigOption::new(
        IDLE,
        "How long a session may go without a request before it ends. off: for\never. PCI DSS asks for 15m in the back office.",
        |c, t| put(&mut c.sessions.idle.default, idle(t)),
        |c| time_or_off(c.sessions.idle.default),
    ),
    ConfigOption::new(
        "sessions.idle.BackOffice",
        "",
        |c, t| {
            put(
                &mut c.sessions.idle.own[Env::BackOffice.index()],
                idle(t).map(Some),
            )
        },
        |c| time_or_off(c.sessions.idle.of(Env::BackOffice)),
    )
    .or(IDLE),
    ConfigOption::new(
        "sessions.idle.CashRegister",
        "",
        |c, t| {
            put(
                &mut c.sessions.idle.own[Env::CashRegister.index()],
                idle(t).map(Some),
            )
        },
        |c| time_or_off(c.sessions.idle.of(Env::CashRegister)),
    )
    .or(IDLE),
    ConfigOption::new(
        "sessions.idle.PDA",
        "",
        |c, t| {
            put(
                &mut c.sessions.idle.own[Env::Pda.index()],
                idle(t).map(Some),
            )
        },
        |c| time_or_off(c.sessions.idle.of(Env::Pda)),
    )
    .or(IDLE),
    ConfigOption::new(
        "sessions.idle.Tool",
        "",
        |c, t| {
            put(
                &mut c.sessions.idle.own[Env::Tool.index()],
                idle(t).map(Some),
            )
        },
        |c| time_or_off(c.sessions.idle.of(Env::Tool)),
    )
    .or(IDLE),
    ConfigOption::new(
        "audit.retention",
        "How long the audit keeps what was done. PCI DSS asks for a year.",
        |c, t| put(&mut c.audit.retention, duration(t, SECOND)),
        |c| time(c.audit.retention),
    ),
    ConfigOption::new(
        "audit.max",
        "How many entries the audit keeps at most; the oldest go first. One takes\nabout 400 bytes of memory.",
        |c, t| put(&mut c.audit.max, number(t, 1..=AUDIT_MAX)),
        |c| c.audit.max.to_string(),
    ),
    ConfigOption::new(
        "query.take_default",
        "Rows of a page when the query has no $take.",
        |c, t| put(&mut c.query.take_default, number(t, 1..=TAKE_MAX)),
        |c| c.query.take_default.to_string(),
    ),
    ConfigOption::new(
        "query.take_max",
        "Rows of a page at most; a larger $take is cut to it.",
        |c, t| put(&mut c.query.take_max, number(t, 1..=TAKE_MAX)),
        |c| c.query.take_max.to_string(),
    ),
    ConfigOption::new(
        "query.unknown_members",
        "Filters on members that do not exist: reject (400), because a misspelt\nfilter would answer too much; or ignore.",
        |c, t| put(&mut c.query.unknown_members, word(t, UNKNOWN_MEMBERS)),
        |c| quoted(word_for(&c.query.unknown_members, UNKNOWN_MEMBERS)),
    ),
    ConfigOption::new(
        TLS_CERT,
        "The certificate to show, in PEM, with those that vouch for it behind it; or\noff: no TLS. 'tillgate tls self-signed' makes one. Read again at SIGHUP.",
        |c, t| put(&mut c.tls.cert, path_or_off(t)),
        |c| path_or_off_text(c.tls.cert.as_deref()),
    ),
    ConfigOption::new(
        TLS_KEY,
        "Its key, in PEM and without a pass phrase; or off.",
        |c, t| put(&mut c.tls.key, path_or_off(t)),
        |c| path_or_off_text(c.tls.key.as_deref()),
    ),
    ConfigOption::new(
        "http.connections_max",
        "Connections at once; further ones wait. The system's limit of open files\nmay lower it.",
        |c, t| put(&mut c.http.connections_max, number(t, 1..=CONNECTIONS_MAX)),
        |c| c.http.connections_max.to_string(),
    ),
    ConfigOption::new(
        "http.first_byte_timeout",
        "How long the first byte of a connection may take, and under TLS the\nhandshake before it.",
        |c, t| put(&mut c.http.first_byte_timeout, duration(t, SECOND)),
        |c| time(c.http.first_byte_timeout),
    ),
    ConfigOption::new(
        "http.header_timeout",
        "How long the head of a request may take.",
        |c, t| put(&mut c.http.header_timeout, duration(t, SECOND)),
        |c| time(c.http.header_timeout),
    ),
    ConfigOption::new(
        "http.body_timeout",
        "How long the body of a request may take.",
        |c, t| put(&mut c.http.body_timeout, duration(t, SECOND)),
        |c| time(c.http.body_timeout),
    ),
    ConfigOption::new(
        "http.idle_timeout",
        "How long a connection may wait for its next request.",
        |c, t| put(&mut c.http.idle_timeout, duration(t, SECOND)),
        |c| time(c.http.idle_timeout),
    ),
    ConfigOption::new(
        "http.write_timeout",
        "How long a client may leave an answer lying.",
        |c, t| put(&mut c.http.write_timeout, duration(t, SECOND)),
        |c| time(c.http.write_timeout),
    ),
    ConfigOption::new(
        "http.drain_max",
        "How long requests under way get when the server is told to stop.",
        |c, t| put(&mut c.http.drain_max, duration(t, Duration::ZERO)),
        |c| time(c.http.drain_max),
    ),
    ConfigOption::new(
        "http.language",
        "The language of answers when a request prefers none: en-GB or sk-SK.",
        |c, t| put(&mut c.http.language, word(t, LANGUAGES)),
        |c| quoted(c.http.language.tag()),
    ),
    ConfigOption::new(
        "http.plain_off_loopback",
        "Whether other machines may use this server without TLS, where everybody on\nthe network can read passwords and tokens along.",
        |c, t| put(&mut c.http.plain_off_loopback, word(t, SWITCH)),
        |c| c.http.plain_off_loopback.to_string(),
    ),
    ConfigOption::new(
        "http.trusted_proxies",
        "Addresses of the proxies in front of this server, separated by commas.\nOnly their forwarded headers are believed, and each only where it is\nswitched on.",
        |c, t| put(&mut c.http.trusted_proxies, addresses(t)),
        |c| quoted(spell_addresses(&c.http.trusted_proxies)),
    ),
    ConfigOption::new(
        "http.allowed_hosts",
        "The names under which browsers reach the page /ui/, without ports,\nseparated by commas. Empty: any address, localhost and this machine's name.\nRequests with the page's cookie for any other host are refused (403).",
        |c, t| put(&mut c.http.allowed_hosts, hosts(t)),
        |c| quoted(c.http.allowed_hosts.join(", ")),
    ),
    ConfigOption::new(
        "events.readers_max",
        "How many may read /events and the hub /signalr/v1/mainHub at once; more get\n503. Each is a connection of http.connections_max.",
        |c, t| put(&mut c.events.readers_max, number(t, 1..=READERS_MAX)),
        |c| c.events.readers_max.to_string(),
    ),
    ConfigOption::new(
        "events.kept_max",
        "How many changes are kept in memory for readers that are slow or come back,\nabout 250 bytes each. Who has missed more is told to look at everything anew.",
        |c, t| put(&mut c.events.kept_max, number(t, 1..=EVENTS_KEPT_MAX)),
        |c| c.events.kept_max.to_string(),
    ),
    ConfigOption::new(
        "metrics.token_file",
        "A file with the token that readers of /metrics need, as Authorization:\nBearer; or off: only this machine may read them, and not through a proxy.",
        |c, t| put(&mut c.metrics.token_file, path_or_off(t)),
        |c| path_or_off_text(c.metrics.token_file.as_deref()),
    ),
    ConfigOption::new(
        "webhooks.give_up_after",
        "A notification that a webhook has not taken for so long is given up: it\nstands in the list of failures, and the hook goes on with the next.",
        |c, t| put(&mut c.webhooks.give_up_after, duration(t, SECOND)),
        |c| time(c.webhooks.give_up_after),
    ),
    ConfigOption::new(
        "nws4.window",
        "How far the time of a signed request may be away from the server's: half\nof it on each side. At most 1h; 10m suits .NET clients up to 4.2.",
        |c, t| put(&mut c.nws4.window, window(t)),
        |c| time(c.nws4.window),
    ),
    ConfigOption::new(
        "nws4.strict",
        "Whether signed requests must have signed the host, and must not contradict\ntheir own x-nd-date. Every known client does so.",
        |c, t| put(&mut c.nws4.strict, word(t, SWITCH)),
        |c| c.nws4.strict.to_string(),
    ),
    ConfigOption::new(
        "nws4.visible_sessions",
        "Whether the sessions of API keys are listed for, found and ended by others.",
        |c, t| put(&mut c.nws4.visible_sessions, word(t, SWITCH)),
        |c| c.nws4.visible_sessions.to_string(),
    ),
    ConfigOption::new(
        "nws4.forwarded_host",
        "Whether X-Forwarded-Host stands for Host when a signature is checked, for\nclients that sign the address of a tunnel. From http.trusted_proxies only.",
        |c, t| put(&mut c.nws4.forwarded_host, word(t, SWITCH)),
        |c| c.nws4.forwarded_host.to_string(),
    ),
    ConfigOption::new(
        "password.argon2_memory_kib",
        "Memory of one password hash (argon2id) in KiB. Stored hashes of a lower\ncost are made again at the next login.",
        |c, t| {
            let memory_kib = number(t, MEMORY_KIB_MIN..=MEMORY_KIB_MAX)?;
            set_argon2(c, memory_kib, c.password.argon2.iterations());
            Ok(())
        },
        |c| c.password.argon2.memory_kib().to_string(),
    ),
    ConfigOption::new(
        "password.argon2_iterations",
        "Passes over that memory.",
        |c, t| {
            let iterations = number(t, 1..=ITERATIONS_MAX)?;
            set_argon2(c, c.password.argon2.memory_kib(), iterations);
            Ok(())
        },
        |c| c.password.argon2.iterations().to_string(),
    ),
    ConfigOption::new(
        "password.length_min",
        "The shortest new password, in characters. 8 is the least that ASVS\nallows, 15 what NIST asks for where nothing but the password protects.",
        |c, t| put(&mut c.password.length_min, number(t, 1..=LENGTH_MIN_MAX)),
        |c| c.password.length_min.to_string(),
    ),
    ConfigOption::new(
        "password.letters_and_digits",
        "Whether a letter and a digit must be in a new password. PCI DSS asks for\nit; ASVS and NIST advise against such rules.",
        |c, t| put(&mut c.password.letters_and_digits, word(t, SWITCH)),
        |c| c.password.letters_and_digits.to_string(),
    ),
    ConfigOption::new(
        "password.block_common",
        "Whether passwords that are tried first are refused: keyboard walks,\nrepetitions, years, and common words with whatever around them.",
        |c, t| put(&mut c.password.block_common, word(t, SWITCH)),
        |c| c.password.block_common.to_string(),
    ),
    ConfigOption::new(
        "password.block_list",
        "A file with further passwords to refuse, one a line, any case; or off.",
        |c, t| put(&mut c.password.block_list, path_or_off(t)),
        |c| path_or_off_text(c.password.block_list.as_deref()),
    ),
    ConfigOption::new(
        "password.pin_environments",
        "Where a PIN (digits only, shorter than length_min) is enough: off, or\nenvironments, as CashRegister,PDA. A user with any device elsewhere can\nhave none, and a PIN opens nothing elsewhere.",
        |c, t| put(&mut c.password.pin_environments, environments(t)),
        |c| quoted(environments_text(c.password.pin_environments)),
    ),
    ConfigOption::new(
        "password.pin_length_min",
        "The shortest PIN, in digits. NIST asks for 6.",
        |c, t| {
            put(
                &mut c.password.pin_length_min,
                number(t, 4..=LENGTH_MIN_MAX),
            )
        },
        |c| c.password.pin_length_min.to_string(),
    ),
    ConfigOption::new(
        "password.former",
        "How many passwords before the present one a user may not take again, and\nthe present one neither; 0: all may come back. PCI DSS asks for 4.",
        |c, t| put(&mut c.password.former, number(t, 0..=FORMER_PASSWORDS_MAX)),
        |c| c.password.former.to_string(),
    ),
    ConfigOption::new(
        "password.hash_threads",
        "Passwords hashed at once: a number, or auto for one fewer than there are\ncores, within a quarter of the memory.",
        |c, t| {
            let wanted = |t| number(t, 1..=HASH_THREADS_MAX).map(Some);
            let threads = if t == AUTO { Ok(None) } else { wanted(t) };
            c.password.hash_threads = threads.map_err(|reason| format!("{reason}, or {AUTO}"))?;
            Ok(())
        },
        |c| {
            c.password
                .hash_threads
                .map_or_else(|| quoted(AUTO), |threads| threads.to_string())
        },
    ),
    ConfigOption::new(
        "users.disable_unused_after",
        "Accounts that no session began for so long, and none lives of, are\ndisabled; off: none is. The last administrator stays. PCI DSS asks for 90d.",
        |c, t| put(&mut c.users.disable_unused_after, duration_or_off(t, DAY)),
        |c| time_or_off(c.users.disable_unused_after),
    ),
    ConfigOption::new(
        "lockout.wait_after",
        "From this failed login in a row on, at one device, there is a wait.",
        |c, t| put(&mut c.lockout.wait_after, number(t, 1..=FAILURES_MAX)),
        |c| c.lockout.wait_after.to_string(),
    ),
    ConfigOption::new(
        "lockout.wait_first",
        "The first wait; every further failure doubles it.",
        |c, t| put(&mut c.lockout.wait_first, duration(t, SECOND)),
        |c| time(c.lockout.wait_first),
    ),
    ConfigOption::new(
        "lockout.wait_max",
        "The longest wait.",
        |c, t| put(&mut c.lockout.wait_max, duration(t, SECOND)),
        |c| time(c.lockout.wait_max),
    ),
    ConfigOption::new(
        "lockout.lock_after",
        "This failed login in a row locks the user at that device. A place (user,\ndevice, address) that has seen a good login counts by itself. PCI DSS asks\nfor 10 at most.",
        |c, t| put(&mut c.lockout.lock_after, number(t, 1..=FAILURES_MAX)),
        |c| c.lockout.lock_after.to_string(),
    ),
    ConfigOption::new(
        "lockout.lock_time",
        "How long a lock lasts. PCI DSS asks for 30m at least.",
        |c, t| put(&mut c.lockout.lock_time, duration(t, SECOND)),
        |c| time(c.lockout.lock_time),
    ),
    ConfigOption::new(
        "lockout.user_failures",
        "This many failed logins of one user, at all devices and within the window,\nlock the user everywhere but at known places.",
        |c, t| {
            put(
                &mut c.lockout.user_failures,
                number(t, 1..=USER_FAILURES_MAX),
            )
        },
        |c| c.lockout.user_failures.to_string(),
    ),
    ConfigOption::new(
        "lockout.window",
        "Over this time the failures of a user are added up; a count without a\nfurther failure is forgotten after it.",
        |c, t| put(&mut c.lockout.window, duration(t, SECOND)),
        |c| time(c.lockout.window),
    ),
    ConfigOption::new(
        "lockout.known_place",
        "How long a place stays known after a good login there.",
        |c, t| put(&mut c.lockout.known_place, duration(t, SECOND)),
        |c| time(c.lockout.known_place),
    ),
    ConfigOption::new(
        "lockout.strangers_max",
        "Counts of names that are no user's, at most; those that lock nothing and\nare oldest go first. Users' own counts do not give way to them.",
        |c, t| put(&mut c.lockout.strangers_max, number(t, 1..=STRANGERS_MAX)),
        |c| c.lockout.strangers_max.to_string(),
    ),
    ConfigOption::new(
        "backup.directory",
        "Where the server keeps backups of its own making: a folder, best on another\ndisk; or off. Made when missing.",
        |c, t| put(&mut c.backup.directory, path_or_off(t)),
        |c| path_or_off_text(c.backup.directory.as_deref()),
    ),
    ConfigOption::new(
        "backup.every",
        "How long from one backup to the next; off: only when somebody asks.",
        |c, t| put(&mut c.backup.every, duration_or_off(t, SECOND)),
        |c| time_or_off(c.backup.every),
    ),
    ConfigOption::new(
        "backup.keep",
        "How many of them are kept; the oldest go when a newer one is on the disk\nand read back.",
        |c, t| put(&mut c.backup.keep, number(t, 1..=BACKUPS_MAX)),
        |c| c.backup.keep.to_string(),
    ),
    ConfigOption::new(
        "log.level",
        "error, warn, info or debug; or by part, as info,store=debug.",
        |c, t| put(&mut c.log.level, log_level(t)),
        |c| quoted(c.log.level.clone()),
    ),
    ConfigOption::new(
        "log.format",
        "text for people, or json with one object a line.",
        |c, t| put(&mut c.log.format, word(t, FORMATS)),
        |c| quoted(word_for(&c.log.format, FORMATS)),
    ),
    ConfigOption::new(
        "log.requests",
        "Whether every request gets a line.",
        |c, t| put(&mut c.log.requests, word(t, SWITCH)),
        |c| c.log.requests.to_string(),
    ),
    ConfigOption::new(
        "log.file",
        "A file that gets the server's lines, too, beside standard error; or off. A\nline that the disk does not take is lost; nothing waits for it.",
        |c, t| put(&mut c.log.file, path_or_off(t)),
        |c| path_or_off_text(c.log.file.as_deref()),
    ),
    ConfigOption::new(
        "log.file_mib_max",
        "How large it gets, in MiB, before it moves on to .1, and that to .2.",
        |c, t| put(&mut c.log.file_mib_max, number(t, 1..=LOG_MIB_MAX)),
        |c| c.log.file_mib_max.to_string(),
    ),
    ConfigOption::new(
        "log.file_keep",
        "How many older ones stand beside it; the oldest goes.",
        |c, t| put(&mut c.log.file_keep, number(t, 0..=LOG_FILES_MAX)),
        |c| c.log.file_keep.to_string(),
    ),
];
