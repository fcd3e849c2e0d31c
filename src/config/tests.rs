//! The configuration as a whole: who wins, what is refused and how it is said,
//! and that file, environment, sample and `config show` speak of the same
//! options.

use super::options::OPTIONS;
use super::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const SAMPLE: &str = include_str!("../../data/tillgate.toml");

/// How the sample file begins.
const SAMPLE_HEAD: &str = "\
# Tillgate: every option with its default. Remove the # in front of a key to
# change it, and name this file with --config.
#
# The same options may stand in the environment, as TILLGATE_ with section and
# key in capitals, joined by two underscores: TILLGATE_LOG__LEVEL=debug. Flags
# win over the environment, the environment over this file. 'tillgate config
# show' prints what holds and why, 'tillgate config check' says whether it is
# good. Times are whole numbers with a unit: 10s, 30m, 12h, 30d.

";

/// A folder with a configuration file.
struct File(tempfile::TempDir);

impl File {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.toml"), text).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("shop.toml")
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&Overrides::default(), none(), Some(&self.path()))
    }
}

fn none() -> [(String, String); 0] {
    []
}

fn from_env(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(&Overrides::default(), variables.iter().copied(), None)
}

fn said(result: Result<Config, ConfigError>) -> String {
    result.expect_err("the configuration is wrong").to_string()
}

#[test]
fn without_anything_the_defaults_hold() {
    let config = Config::load(&Overrides::default(), none(), None).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(config.data_dir, Path::new("data/db"));
    assert_eq!(config.key_file, Path::new("data/db.key"));
    assert_eq!(config.data_dir_given(), None);
    assert_eq!(config.argon2(), HashParams::new(19_456, 2).unwrap());
    assert_eq!(config.password_chars_min(), 8);
    assert!(config.hash_threads() >= 1);
    assert_eq!(config.query().take_max, 10_000);
    assert_eq!(config.http().language.tag(), "en-GB");
    let (rules, documented) = (config.rules(), Rules::default());
    assert_eq!(format!("{rules:?}"), format!("{documented:?}"));
}

#[test]
fn the_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = File::with("listen = \"127.0.0.1:1\"\ndata_dir = \"file\"\n[log]\nlevel = \"warn\"");
    let env = [
        ("TILLGATE_LISTEN", "127.0.0.1:2"),
        ("TILLGATE_DATA_DIR", "environment"),
    ];
    let flags = Overrides {
        listen: Some("127.0.0.1:3".to_owned()),
        ..Overrides::default()
    };

    let config = Config::load(&flags, env, Some(&file.path())).unwrap();

    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data_dir_given(), Some(Path::new("environment")));
    assert_eq!(config.key_file, Path::new("environment.key"));
    assert_eq!(config.log.level, "warn");
    assert_eq!(config.log.format, LogFormat::Text);
}

#[test]
fn every_option_can_be_set_in_the_file_and_in_the_environment() {
    let (mut lines, mut variables) = (String::new(), Vec::new());
    for option in OPTIONS {
        let value = (option.get)(&Config::default());
        writeln!(lines, "{} = {value}", option.key).unwrap();
        variables.push((option.variable(), value.trim_matches('"').to_owned()));
    }
    let by_file = File::with(&lines).load().unwrap();
    let by_env = Config::load(&Overrides::default(), variables, None).unwrap();
    for config in [by_file, by_env] {
        assert_eq!(config.sources.len(), OPTIONS.len());
        for option in OPTIONS {
            assert_eq!(
                (option.get)(&config),
                (option.get)(&Config::default()),
                "{}",
                option.key
            );
        }
    }
}

#[test]
fn the_environments_names_are_section_and_key_joined_by_two_underscores() {
    let config = from_env(&[
        ("TILLGATE_SESSIONS__LIFETIME__DEFAULT", "2s"),
        ("TILLGATE_SESSIONS__LIFETIME__BACKOFFICE", "1h"),
        ("TILLGATE_SESSIONS__IDLE__CASHREGISTER", "2s"),
        ("TILLGATE_SESSIONS__MAX_LIFETIME", "7d"),
        ("TILLGATE_PASSWORD__ARGON2_MEMORY_KIB", "8"),
        ("TILLGATE_PASSWORD__ARGON2_ITERATIONS", "1"),
        ("TILLGATE_PASSWORD__LENGTH_MIN", "4"),
        ("TILLGATE_PASSWORD__HASH_THREADS", "3"),
        ("TILLGATE_LOG__LEVEL", "warn,store=debug"),
        ("TILLGATE_LOG__FORMAT", "json"),
        ("TILLGATE_HTTP__LANGUAGE", "sk-SK"),
        ("TILLGATE_QUERY__UNKNOWN_MEMBERS", "ignore"),
        ("TILLGATE_KEY_FILE", "/etc/tillgate.key"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    let second = Duration::from_secs(1);
    let rules = config.rules();
    assert_eq!(
        rules.lifetime,
        [3600 * second, 2 * second, 2 * second, 2 * second]
    );
    assert_eq!(rules.idle, [None, Some(2 * second), None, None]);
    assert_eq!(rules.lifetime_max, Some(7 * 24 * 3600 * second));
    assert_eq!(config.argon2(), HashParams::new(8, 1).unwrap());
    assert_eq!((config.password_chars_min(), config.hash_threads()), (4, 3));
    assert_eq!(config.log.level, "warn,store=debug");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.http().language, Language::Slovak);
    assert_eq!(config.query().unknown_members, UnknownMembers::Ignore);
    assert_eq!(config.key_file, Path::new("/etc/tillgate.key"));
}

#[test]
fn one_environment_may_switch_off_what_the_others_have() {
    let file = File::with("[sessions.idle]\ndefault = \"15m\"\nTool = \"off\"\n");
    let config = file.load().unwrap();
    assert_eq!(
        config.sessions.idle.of(Env::BackOffice),
        Some(Duration::from_mins(15))
    );
    assert_eq!(config.sessions.idle.of(Env::Tool), None);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_one_that_was_meant() {
    for (text, line, key, meant) in [
        ("lisen = \"127.0.0.1:1\"\n", 1, "lisen", Some("listen")),
        (
            "\n[log]\nlevel = \"info\"\nfromat = \"json\"\n",
            4,
            "log.fromat",
            Some("log.format"),
        ),
        (
            "[sessions]\nlifetime = \"12h\"\n",
            2,
            "sessions.lifetime",
            Some("sessions.lifetime.default"),
        ),
        (
            "[sessions.lifetime]\nbackoffice = \"12h\"",
            2,
            "sessions.lifetime.backoffice",
            Some("sessions.lifetime.BackOffice"),
        ),
        ("[sesions]\nended_max = 1\n", 1, "sesions", None),
        (
            "# a comment\n\nquery.take_mx = 5",
            3,
            "query.take_mx",
            Some("query.take_max"),
        ),
        ("[nothing.like.this]\na = 1\n", 1, "nothing", None),
    ] {
        let file = File::with(text);
        let error = said(file.load());
        let place = format!(
            "{}, line {line}: there is no option '{key}'",
            file.path().display()
        );
        assert!(error.starts_with(&place), "{error}");
        match meant {
            Some(meant) => assert!(
                error.contains(&format!("did you mean '{meant}'")),
                "{error}"
            ),
            None => assert!(error.contains("tillgate config show"), "{error}"),
        }
    }
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    let error = said(from_env(&[("TILLGATE_LOG_LEVEL", "info")]));
    assert!(error.contains("TILLGATE_LOG_LEVEL"), "{error}");
    assert!(error.contains("'TILLGATE_LOG__LEVEL'"), "{error}");
    let error = said(from_env(&[("TILLGATE_NOTHING_LIKE_THAT_AT_ALL", "1")]));
    assert!(
        error.contains("TILLGATE_NOTHING_LIKE_THAT_AT_ALL"),
        "{error}"
    );
}

#[test]
fn a_wrong_value_is_named_with_option_place_reason_and_remedy() {
    for (key, value, remedy) in [
        ("listen", "localhost", "127.0.0.1:4000"),
        ("data_dir", "", "write a path"),
        ("sessions.lifetime.default", "12", "12h"),
        ("sessions.lifetime.PDA", "0s", "at least 1s"),
        ("sessions.idle.Tool", "never", "or off"),
        ("sessions.max_lifetime", "99999d", "at most 3650d"),
        ("query.take_max", "0", "from 1 to"),
        ("query.unknown_members", "warn", "reject or ignore"),
        ("http.connections_max", "-1", "from 1 to"),
        ("http.language", "de-DE", "en-GB or sk-SK"),
        ("password.argon2_memory_kib", "4", "from 8 to"),
        ("password.argon2_iterations", "x", "from 1 to 16"),
        ("password.length_min", "0", "from 1 to 64"),
        ("password.hash_threads", "many", "or auto"),
        ("log.level", "store=loud", "info or debug"),
        ("log.format", "xml", "text or json"),
        ("log.requests", "yes", "true or false"),
    ] {
        let file = File::with(&format!("# a comment\n{key} = \"{value}\"\n"));
        let error = said(file.load());
        let head = format!("{key}: '{value}' ({}, line 2) ", file.path().display());
        assert!(error.starts_with(&head), "{error}");
        assert!(error.contains(remedy) && error.contains("write"), "{error}");

        let variable = options::find(key).unwrap().variable();
        let error = said(from_env(&[(&variable, value)]));
        assert!(
            error.starts_with(&format!("{key}: '{value}' (environment {variable}) ")),
            "{error}"
        );
    }
    let flags = Overrides {
        listen: Some("here".to_owned()),
        ..Overrides::default()
    };
    let error = said(Config::load(&flags, none(), None));
    assert!(
        error.starts_with("listen: 'here' (flag --listen) "),
        "{error}"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    for text in [
        "[log]\nlevel = [\"info\"]",
        "[log]\nlevel = { a = 1 }",
        "query.take_max = 1.5",
    ] {
        let error = said(File::with(text).load());
        assert!(error.contains("not one plain value"), "{error}");
    }
    assert!(
        File::with("query.take_max = 0x10\nquery.take_default = 16")
            .load()
            .is_err()
    );
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let path = Path::new("/nonexistent/shop.toml");
    let error = said(Config::load(&Overrides::default(), none(), Some(path)));
    assert!(
        error.starts_with("--config: /nonexistent/shop.toml: "),
        "{error}"
    );
    let file = File::with("listen = \"127.0.0.1:1\"\n[log\n");
    let error = said(file.load());
    assert!(
        error.starts_with(&format!("{}, line 2: ", file.path().display())),
        "{error}"
    );
}

#[test]
fn the_environment_may_name_the_file_and_the_flag_wins() {
    let (named, flag) = (
        File::with("log.level = \"warn\""),
        File::with("log.level = \"debug\""),
    );
    let env = [("TILLGATE_CONFIG", named.path())];
    let load =
        |file: Option<&Path>| Config::load(&Overrides::default(), env.clone(), file).unwrap();
    assert_eq!(load(None).log.level, "warn");
    assert_eq!(load(Some(&flag.path())).log.level, "debug");
}

#[test]
fn a_variable_that_is_not_utf_8_counts_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let broken = OsString::from_vec(vec![0xff]);
    let load = |name: &str| {
        Config::load(
            &Overrides::default(),
            [(OsString::from(name), broken.clone())],
            None,
        )
    };
    assert!(load("OTHER").is_ok());
    assert!(said(load("TILLGATE_DATA_DIR")).contains("UTF-8"));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let error = said(from_env(&[("TILLGATE_QUERY__TAKE_MAX", "10")]));
    assert!(
        error.starts_with("query.take_default: '1000' (default)"),
        "{error}"
    );
    for (dir, key) in [
        ("db", "db/key"),
        ("db", "./db/deep/key"),
        ("/srv/db/", "/srv/db/db.key"),
    ] {
        let error = said(from_env(&[
            ("TILLGATE_DATA_DIR", dir),
            ("TILLGATE_KEY_FILE", key),
        ]));
        assert!(
            error.contains("key_file") && error.contains("outside"),
            "{error}"
        );
    }
    assert!(from_env(&[("TILLGATE_DATA_DIR", "db"), ("TILLGATE_KEY_FILE", "dbkey")]).is_ok());
}

#[test]
fn the_key_lies_beside_the_data_directory() {
    for (dir, key) in [
        ("db", "db.key"),
        ("a/db/", "a/db.key"),
        ("/srv/v1.2", "/srv/v1.2.key"),
    ] {
        let config = from_env(&[("TILLGATE_DATA_DIR", dir)]).unwrap();
        assert_eq!(config.key_file, Path::new(key));
    }
}

#[test]
fn show_prints_every_option_with_its_source() {
    let file = File::with("\n[sessions.lifetime]\ndefault = \"8h\"\n");
    let env = [("TILLGATE_LOG__LEVEL", "debug")];
    let flags = Overrides {
        data_dir: Some("a \"b\"".into()),
        ..Overrides::default()
    };
    let config = Config::load(&flags, env, Some(&file.path())).unwrap();

    let shown = config.show();

    for line in [
        "listen = \"127.0.0.1:4000\"  # default".to_owned(),
        "data_dir = 'a \"b\"'  # flag --data-dir".to_owned(),
        format!("default = \"8h\"  # {}, line 3", file.path().display()),
        "PDA = \"8h\"  # as sessions.lifetime.default".to_owned(),
        "level = \"debug\"  # environment TILLGATE_LOG__LEVEL".to_owned(),
        "hash_threads = \"auto\"  # default".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}

#[test]
fn what_show_prints_is_a_file_of_the_same_configuration() {
    let config = from_env(&[
        ("TILLGATE_SESSIONS__IDLE__DEFAULT", "15m"),
        ("TILLGATE_SESSIONS__IDLE__PDA", "off"),
        ("TILLGATE_DATA_DIR", "with \"quotes\" and \u{13e}"),
        ("TILLGATE_LOG__REQUESTS", "true"),
    ])
    .unwrap();

    let again = File::with(&config.show()).load().unwrap();

    for option in OPTIONS {
        assert_eq!(
            (option.get)(&again),
            (option.get)(&config),
            "{}",
            option.key
        );
    }
    assert_eq!(
        format!("{:?}", again.rules()),
        format!("{:?}", config.rules())
    );
}

#[test]
fn the_sample_file_is_what_the_options_say() {
    let default = Config::default();
    let options = show::render(|option| format!("#{} = {}", option.name(), (option.get)(&default)));
    let sample = format!("{SAMPLE_HEAD}{options}");
    assert_eq!(SAMPLE, sample, "data/tillgate.toml must read:\n{sample}");
}

#[test]
fn the_sample_file_changes_nothing_and_switched_on_it_says_the_defaults() {
    assert_eq!(File::with(SAMPLE).load().unwrap(), Config::default());

    let is_key =
        |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
    let on = SAMPLE
        .lines()
        .map(|line| if is_key(line) { &line[1..] } else { line });
    let on = File::with(&on.collect::<Vec<_>>().join("\n"))
        .load()
        .unwrap();
    let named: BTreeSet<_> = on.sources.keys().copied().collect();
    assert_eq!(named, OPTIONS.iter().map(|option| option.key).collect());
    for option in OPTIONS {
        assert_eq!(
            (option.get)(&on),
            (option.get)(&Config::default()),
            "{}",
            option.key
        );
    }
}

#[test]
fn every_option_has_a_meaning_of_its_own_or_that_of_its_section() {
    for option in OPTIONS {
        assert_ne!(
            option.meaning.is_empty(),
            option.falls_back_to.is_none(),
            "{}",
            option.key
        );
    }
}
