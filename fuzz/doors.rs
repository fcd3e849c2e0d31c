//! Where bytes come in that nobody here has written, each as a function that
//! must not panic, whatever it is given. The fuzzer's targets call them, and
//! `tests/foreign_input.rs` does on a compiler without a fuzzer.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Duration;

use tillgate::auth::nws4::{Head, Key, Rules, SigningSecret, Verifier};
use tillgate::auth::secret::Secret;
use tillgate::auth::token::KeyRing;
use tillgate::config::{Config, Overrides};
use tillgate::model::Timestamp;
use tillgate::ndata::{
    ApiKeyMember, AuditMember, DeviceMember, EndedMember, Limits, RoleMember, SessionMember,
    UserMember, parse,
};

/// A query string, of every kind of list.
pub fn ndata(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (query, limits) = (Some(&*text), Limits::default());
    let _ = parse::<SessionMember>(query, &limits);
    let _ = parse::<EndedMember>(query, &limits);
    let _ = parse::<AuditMember>(query, &limits);
    let _ = parse::<UserMember>(query, &limits);
    let _ = parse::<DeviceMember>(query, &limits);
    let _ = parse::<RoleMember>(query, &limits);
    let _ = parse::<ApiKeyMember>(query, &limits);
}

/// A bearer token. None that was not signed here is good.
pub fn token(bytes: &[u8]) {
    static RING: OnceLock<KeyRing> = OnceLock::new();
    let now = Timestamp::from_millis(1_700_000_000_000);
    let ring = RING.get_or_init(|| KeyRing::generate("fuzz", now, Duration::from_secs(3_600)));
    let text = String::from_utf8_lossy(bytes);
    assert!(ring.read(&text).is_err(), "nobody has the key");
}

/// A signed request: a line each for the `Authorization` header, the method,
/// the address and further headers, then an empty line and the body.
pub fn nws4(bytes: &[u8]) {
    static SECRET: OnceLock<SigningSecret> = OnceLock::new();
    let secret = SECRET.get_or_init(|| SigningSecret::new(Secret::new("secret".to_owned())));
    let now = Timestamp::from_millis(1_700_000_000_000);
    let head_end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = bytes.split_at(head_end.unwrap_or(bytes.len()));
    let mut lines = head.split(|byte| *byte == b'\n');
    let authorization = lines.next().unwrap_or_default();
    let method = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
    let headers: Vec<(&str, &[u8])> = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let (path, query) = target
        .split_once('?')
        .map_or((&*target, None), |(path, query)| (path, Some(query)));
    let head = Head {
        method: &method,
        path,
        query,
        host: headers.first().map(|(_, value)| *value),
        headers: &headers,
    };
    let door = Verifier::new(Rules::default(), Timestamp::from_millis(0));
    if let Ok(Some(claim)) = door.read(&head, authorization) {
        for key in [Key::Active(secret), Key::Inactive, Key::Unknown] {
            let verdict = door.verify(&claim, &head, key, body, now);
            assert!(verdict.is_err(), "nobody has the secret");
        }
    }
}

/// The variables of a process: `NAME=value` in lines.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| {
        let name = format!("TILLGATE_{}", name.to_uppercase().replace('.', "__"));
        (OsString::from(name), OsString::from(value))
    });
    // A file that is named would be read.
    let variables = variables.filter(|(name, _)| name != "TILLGATE_CONFIG");
    let _ = Config::load(&Overrides::default(), variables, None);
}

/// A configuration file.
pub fn config_file(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("the system has a folder for such files");
    std::fs::write(file.path(), bytes).expect("the file is written");
    let nothing = std::iter::empty::<(OsString, OsString)>();
    let _ = Config::load(&Overrides::default(), nothing, Some(file.path()));
}

/// A stored record of any kind whose checksum is good.
pub fn records(bytes: &[u8]) {
    tillgate::store::sled::read_foreign(bytes);
}
