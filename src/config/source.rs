//! Where values come from: command line, environment, file. Gathers the text of
//! every option that somebody gave, and refuses what is no option.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::options::{self, OPTIONS};
use super::{ConfigError, Overrides};

/// What all our variables begin with.
const PREFIX: &str = "TILLGATE_";
/// Names the file where `--config` does not.
const CONFIG_VARIABLE: &str = "TILLGATE_CONFIG";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Nobody gave one.
    Default,
    /// A line of the file.
    File { path: PathBuf, line: usize },
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value as it was given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) source: Source,
}

/// Every option that was given, by its key; of several the one that wins.
pub(super) type Gathered = BTreeMap<&'static str, Given>;

/// Gathers from all sources, the weakest first.
pub(super) fn gather(
    overrides: &Overrides,
    env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    file: Option<&Path>,
) -> Result<Gathered, ConfigError> {
    let mut variables: BTreeMap<OsString, OsString> = env
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let named = variables
        .remove(OsStr::new(CONFIG_VARIABLE))
        .map(PathBuf::from);
    let mut gathered = Gathered::new();
    if let Some(path) = file.or(named.as_deref()) {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        File { path, text: &text }.gather(&mut gathered)?;
    }
    for (name, value) in &variables {
        gather_variable(name, value, &mut gathered)?;
    }
    gather_flags(overrides, &mut gathered)?;
    Ok(gathered)
}

fn gather_variable(
    name: &OsStr,
    value: &OsStr,
    gathered: &mut Gathered,
) -> Result<(), ConfigError> {
    let name = name.to_string_lossy();
    if !name.starts_with(PREFIX) {
        return Ok(());
    }
    let Some(option) = OPTIONS.iter().find(|option| option.variable() == name) else {
        let nearest = nearest(&name, OPTIONS.iter().map(options::ConfigOption::variable));
        return Err(ConfigError::UnknownVariable {
            name: name.into_owned(),
            nearest,
        });
    };
    let source = Source::Environment(name.into_owned());
    insert(option.key, source, value, gathered)
}

fn gather_flags(overrides: &Overrides, gathered: &mut Gathered) -> Result<(), ConfigError> {
    let Overrides {
        listen,
        data_dir,
        key_file,
        tls_cert,
        tls_key,
        plain_off_loopback,
    } = overrides;
    let flags = [
        ("listen", "--listen", listen.as_ref().map(OsStr::new)),
        (options::DATA_DIR, "--data-dir", text(data_dir.as_ref())),
        (options::KEY_FILE, "--key-file", text(key_file.as_ref())),
        (options::TLS_CERT, "--tls-cert", text(tls_cert.as_ref())),
        (options::TLS_KEY, "--tls-key", text(tls_key.as_ref())),
        (
            "http.plain_off_loopback",
            "--plain-http-off-loopback",
            plain_off_loopback.then(|| OsStr::new("true")),
        ),
    ];
    for (key, flag, value) in flags {
        if let Some(value) = value {
            insert(key, Source::Flag(flag), value, gathered)?;
        }
    }
    Ok(())
}

fn text(path: Option<&PathBuf>) -> Option<&OsStr> {
    path.map(|path| path.as_os_str())
}

fn insert(
    key: &'static str,
    source: Source,
    value: &OsStr,
    gathered: &mut Gathered,
) -> Result<(), ConfigError> {
    let Some(text) = value.to_str() else {
        let reason = "is not UTF-8; write it in UTF-8".to_owned();
        return Err(ConfigError::invalid(
            key,
            &source,
            &value.to_string_lossy(),
            reason,
        ));
    };
    gathered.insert(
        key,
        Given {
            text: text.to_owned(),
            source,
        },
    );
    Ok(())
}

/// A TOML file.
#[derive(Clone, Copy)]
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn gather(self, gathered: &mut Gathered) -> Result<(), ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| ConfigError::NotToml {
            path: self.path.to_owned(),
            line: self.line(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        self.gather_table("", table.get_ref(), gathered)
    }

    fn gather_table(
        self,
        section: &str,
        table: &DeTable<'_>,
        gathered: &mut Gathered,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = match section {
                "" => name.get_ref().to_string(),
                section => format!("{section}.{}", name.get_ref()),
            };
            let line = self.line(name.span().start);
            match (options::find(&key), value.get_ref()) {
                (Some(option), _) => {
                    gathered.insert(option.key, self.given(option.key, line, value)?);
                }
                (None, DeValue::Table(inner)) if is_section(&key) => {
                    self.gather_table(&key, inner, gathered)?;
                }
                (None, _) => return Err(self.unknown(key, line)),
            }
        }
        Ok(())
    }

    fn given(
        self,
        key: &'static str,
        line: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Given, ConfigError> {
        let source = Source::File {
            path: self.path.to_owned(),
            line,
        };
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(switch) => switch.to_string(),
            other => {
                let written = self.text.get(value.span()).unwrap_or_default();
                let kind = other.type_str();
                let reason =
                    format!("is {kind}, and not one plain value; write a text or a number");
                return Err(ConfigError::invalid(key, &source, written, reason));
            }
        };
        Ok(Given { text, source })
    }

    fn unknown(self, key: String, line: usize) -> ConfigError {
        let inside = OPTIONS.iter().find(|option| option.section() == key);
        let nearest = match inside {
            Some(option) => Some(option.key.to_owned()),
            None => nearest(&key, OPTIONS.iter().map(|option| option.key.to_owned())),
        };
        ConfigError::UnknownKey {
            path: self.path.to_owned(),
            line,
            key,
            nearest,
        }
    }

    /// The line of a byte, from 1.
    fn line(self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        1 + before.matches('\n').count()
    }
}

/// Whether options stand in or below a section of this name.
fn is_section(key: &str) -> bool {
    OPTIONS.iter().any(|option| {
        option
            .section()
            .strip_prefix(key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The name that was probably meant: the fewest characters to change, and no
/// more than a third of them.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let changes = known.map(|known| (changes(name, &known), known));
    let (changes, nearest) = changes.min_by_key(|(changes, _)| *changes)?;
    (changes <= name.len().max(nearest.len()) / 3).then_some(nearest)
}

/// How many characters must be inserted, removed or replaced to come from one
/// name to the other; case counts for nothing.
fn changes(from: &str, to: &str) -> usize {
    let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
